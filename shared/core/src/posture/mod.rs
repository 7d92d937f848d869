//! What is true of an account now: questions, their answers, and what a check judges from them.
//!
//! [`Question`] lists everything that is ever asked of an account, with the actions that asking needs. An [`Answer`] is known,
//! absent, refused or failed, and says which; nothing here takes a refusal for an empty list. [`State`] holds the answers of
//! one scan. A check (crate `keepwatch-checks`) turns it into [`Judgement`]s; crate `keepwatch-collect` fills it.
//!
//! [`crate::state`] is the other half: what single rules ask about single events.

mod answer;
pub mod facts;
mod judgement;
mod question;
mod snapshot;

pub use answer::{Answer, Missing, Refusal};
pub use judgement::{Judged, Judgement};
pub use question::{Ask, Place, Question, Scope, State, ask};
pub use snapshot::SnapshotError;
