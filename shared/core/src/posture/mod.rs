//! What is true of an account now: questions, their answers, and what a check judges from them.
//!
//! [`Question`] lists everything that is ever asked of an account, with the actions that asking needs. An [`Answer`] is known,
//! absent, refused or failed, and says which; nothing here takes a refusal for an empty list. [`State`] holds the answers of
//! one scan. A check (crate `keepwatch-checks`) turns it into [`Judgement`]s; crate `keepwatch-collect` fills it.
//!
//! [`forwarders`] judges whether other regions are heard, for scans and sweeps; [`canary`] whether home is.
//!
//! [`plan`] turns what was judged into what the findings are told, [`tell`] tells them, [`coverage`] counts what could not be judged
//! and [`run`] remembers a run. [`changes`] says which calls change an answer, and
//! [`touched`] what one such call touched.
//!
//! [`crate::state`] is the other half: what single rules ask about single events.

mod answer;
pub mod canary;
pub mod changes;
pub mod coverage;
pub mod facts;
pub mod forwarders;
mod judgement;
pub mod plan;
mod question;
pub mod run;
mod snapshot;
pub mod tell;
pub mod touched;

use crate::about::{About, Origin};
use crate::severity::{Confidence, Severity};

pub use answer::{Answer, Missing, Refusal};
pub use judgement::{Judged, Judgement};
pub use question::{Ask, Place, Question, Scope, Standing, State, ask};
pub use snapshot::SnapshotError;

/// What describes a finding of Keepwatch's own that state alone tells, under its own name.
const fn of_state(
    id: &'static str,
    title: &'static str,
    severity: Severity,
    catalogue: &'static [&'static str],
) -> About {
    About {
        id,
        title,
        severity,
        confidence: Confidence::High,
        catalogue,
        origin: Origin::State,
        finding: id,
        general: false,
        repeat_hours: NEVER_AGAIN,
        alerts_as_witness: false,
        opt_in: false,
    }
}

/// Hours that no finding of a state lives to see: a state that goes on is no news, and is told in the weekly report.
pub const NEVER_AGAIN: u32 = u32::MAX;
