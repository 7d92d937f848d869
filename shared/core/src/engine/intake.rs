//! One message of the intake queue: read, judged by the rules, recorded.

use keepwatch_base::time::Timestamp;

use super::config::Config;
use super::dispatch::{Index, RuleError};
use crate::event::{Event, Unreadable};
use crate::finding::record::{FindingStore, RecordError, Recorded, record};
use crate::settings::Settings;
use crate::state::AccountState;

/// The source of the heartbeat that template.yaml sends through the intake queue.
const HEARTBEAT: &str = "keepwatch";

/// Everything that a message meets on its way.
#[derive(Clone, Copy)]
pub struct Intake<'a, S> {
    /// The rules.
    pub rules: &'a Index,
    /// Where findings are kept.
    pub store: &'a S,
    /// What the owner has set in the table.
    pub settings: &'a Settings,
    /// What the owner has set in the template.
    pub config: &'a Config,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// So many findings were opened or changed.
    Recorded(usize),
    /// Understood, and nothing new: no rule fired, or a duplicate.
    Quiet,
    /// JSON of a kind that no rule reads.
    Other,
    /// The template's clock, which shows that queue and function work.
    Heartbeat,
    /// A rule waits for events that may still be on their way; what the others saw is recorded. The message has to be
    /// delivered again.
    Later,
}

/// A message that has to be delivered again. What could be recorded of it is.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError<E: std::error::Error> {
    /// It is no event.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// A finding could not be written.
    #[error(transparent)]
    Record(#[from] RecordError<E>),
    /// A rule could not work with it.
    #[error(transparent)]
    Rule(#[from] RuleError),
}

impl<S: FindingStore> Intake<'_, S> {
    /// Judges one message.
    ///
    /// # Errors
    /// [`IntakeError`]; the caller lets the queue deliver the message again and, at last, move it to the dead-letter
    /// queue.
    pub async fn judge(
        &self,
        event: &Event<'_>,
        state: &impl AccountState,
        now: Timestamp,
    ) -> Result<Judged, IntakeError<S::Error>> {
        let evaluation = self.rules.evaluate_with(event, state, self.config, now).await;
        let mut changes = 0;
        let mut failed = Ok(());
        for observation in &evaluation.observations {
            match record(self.store, self.settings, observation, now).await {
                Ok(Recorded::Opened | Recorded::Updated) => changes += 1,
                Ok(Recorded::Noted | Recorded::Unchanged) => {}
                // What the other rules saw must not wait for the one finding that cannot be written.
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        failed?;
        // The event is tried again for the rule that failed; what the others saw is recorded once.
        if let Some(failed) = evaluation.errors.into_iter().next() {
            return Err(failed.into());
        }
        if evaluation.later {
            return Ok(Judged::Later);
        }
        Ok(match changes {
            0 if event.envelope.source.or_empty() == HEARTBEAT => Judged::Heartbeat,
            0 if event.kind() == "other" => Judged::Other,
            0 => Judged::Quiet,
            changes => Judged::Recorded(changes),
        })
    }
}
