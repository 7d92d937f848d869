//! Keepwatch's core: events, IAM policies, rules, findings and alerts, without I/O.
//!
//! One direction: an [`event`] meets the [`rules`], which make [`observation`]s; a [`finding`] folds them; an [`alert`]
//! is rendered from a finding. What a rule must know of the account is asked through [`state`]; what the owner has set is in
//! [`settings`].

pub mod alert;
pub mod event;
pub mod finding;
pub mod format;
pub mod intake;
pub mod journal;
pub mod network;
pub mod observation;
pub mod policy;
pub mod replay;
pub mod rules;
pub mod seen;
pub mod settings;
pub mod state;
pub mod text;
pub mod time;
pub mod window;
