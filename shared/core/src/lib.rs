//! Keepwatch's core: events, IAM policies, rules, findings and alerts, without I/O.
//!
//! One direction: an [`event`] meets the [`rules`], which make [`observation`]s; a [`finding`] folds them; an [`alert`]
//! is rendered from a finding. What a rule must know of the account is asked through [`state`].

pub mod alert;
pub mod event;
pub mod finding;
pub mod observation;
pub mod policy;
pub mod rules;
pub mod state;
pub mod text;
pub mod time;
