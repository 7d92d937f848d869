//! The simulation's table under the suite that DynamoDB's adapter passes: one caller, a clock that only waits, no faults.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::engine::Engine;
use super::faults::Faults;
use super::ports::Ports;
use crate::conformance::Suite;
use crate::lock;

/// Runs the suite.
///
/// # Panics
/// When the table does something else than it must, or never answers.
pub fn conforms() {
    let world = Engine::new(0, None, false).world;
    lock(&world).faults = Faults::default();
    let ports = Ports { world: Arc::clone(&world), by: 1, operations: false };
    let suite = Suite(&ports);
    let mut passing = pin!(suite.pass());
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(outcome) = passing.as_mut().poll(&mut cx) {
            assert!(outcome.is_ok(), "{outcome:?}");
            return;
        }
        let mut world = lock(&world);
        let next = world.timers.drain(..).map(|(at, ..)| at).max();
        world.clock = next.unwrap_or_else(|| unreachable!("the table never answers"));
    }
}
