//! The world around a Lambda function, small enough to run in a test: a Runtime API that hands it events, and an AWS
//! that answers its calls. Both drive the compiled binaries, the very files that are deployed.

pub mod aws_stub;
pub mod conformance;
pub mod events;
pub mod function;
mod http;
pub mod noise;
pub mod pipeline;
pub mod runtime_api;
pub mod sim;
pub mod throttle;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A panicked test must not hide its own message behind that of a poisoned lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
