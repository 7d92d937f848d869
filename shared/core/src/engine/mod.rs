//! From an event to observations: which rules listen to it, what they may ask, what they report.
//!
//! [`rule`] says what a rule is, [`context`] what it sees, [`dispatch`] finds and asks the rules of an event. [`intake`] does
//! one message of the queue, [`given_back`] says what becomes of one that it could not do, [`replay`] does a log without an
//! account. [`patterns`] turns what rules listen to into
//! EventBridge patterns. Nothing here knows any single rule: they are handed in.

pub mod automation;
pub mod config;
pub mod context;
pub mod dispatch;
pub mod given_back;
pub mod intake;
pub mod patterns;
pub mod replay;
pub mod rule;

pub use config::Config;
pub use context::Cx;
pub use rule::{Described, Detector, On, Outcome, Rule, RuleMeta};
