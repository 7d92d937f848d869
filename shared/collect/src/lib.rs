//! State from AWS: asks what checks want to know, and puts the answers into a [`keepwatch_core::posture::State`].
//!
//! What lives here: one small client that signs, retries and turns pages with the SDK's own runtime, and for each question the calls that
//! answer it. IAM alone is asked through its SDK crate, which the functions have anyway. What may never be here: a judgement. A
//! refusal is an answer, and so is every other error: nothing here turns one into an empty list.
//!
//! * `service.rs` knows hosts, versions and how much each service is asked at once; `operation.rs` lists every call with the IAM action that it
//!   needs. Both are compared with botocore's models (`models.json`).
//! * `ask/` has one file a service: the fields of an answer that checks read.
//! * `deployed/` looks at a deployment of Keepwatch itself, for the command line.
//! * [`collect`] puts the questions, each once, those first that others need.

mod ask;
mod client;
mod collect;
pub mod deployed;
mod deposit;
mod fault;
mod node;
mod operation;
mod service;
#[cfg(test)]
mod tests;

pub use client::{Caller, Client, Clocks};
pub use collect::{Places, Progress, collect};
pub use fault::Fault;
