//! Keepwatch's model: events, observations, findings, settings, and the engine that leads from one to the next.
//!
//! One direction: an [`event`] meets the rules that the [`engine`] was handed, which make [`observation`]s; a [`finding`]
//! folds them. What a rule must know of the account is asked through [`state`], what it must know of earlier events stands
//! in [`memory`]; what the owner has set is in [`settings`]. [`about`] describes a rule or a check, the [`catalogue`] lists
//! them. [`history`] finds the events that nobody brought;
//! [`regions`] knows which other regions are heard, and the [`canary`] whether home is. [`public_acl`] is what rules and checks say
//! alike of a bucket.
//!
//! What lives here: pure logic, and the traits that the outside implements. What may never be here: a rule or a check, a
//! mail, an AWS SDK, an async runtime, I/O. Of the other crates it may use `keepwatch-base` alone.

pub mod about;
pub mod canary;
pub mod catalogue;
pub mod confirm;
pub mod engine;
pub mod event;
pub mod finding;
pub mod history;
pub mod memory;
pub mod observation;
pub mod posture;
pub mod public_acl;
pub mod regions;
pub mod settings;
pub mod severity;
pub mod state;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
