//! Keepwatch's own rules: one file a rule, with its documentation, its metadata, its logic and its tests.
//!
//! What lives here: what single events mean. A theme is a folder; its `mod.rs` names its rules, one line each, which is
//! their only registration. Rules are written with the `kit` and import its prelude; no theme uses another. What may
//! never be here: tables, mails, AWS calls, anything that is not about one event and the facts it asks for. This crate is
//! a leaf: only programs depend on it, and hand its [`registry`] to whoever needs to know which rules there are.
//!
//! CONTRIBUTING.md says how to write a rule.

mod admin;
mod audit;
mod compute;
mod data;
mod detectors;
mod exposure;
mod iam;
mod keys;
mod kit;
mod network_access;
mod organization;
pub mod page;
pub mod registry;
mod root;
mod self_protection;
mod sign_in;
/// What `keepwatch test-alert` and the rule that hears it agree on.
pub mod test_alert {
    pub use crate::self_protection::test_alert::{TEST, subject_of_tests, trail_of_test};
}
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
