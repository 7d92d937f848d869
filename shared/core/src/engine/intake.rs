//! One message of the intake queue: read, judged by the rules, recorded.

use std::time::Duration;

use keepwatch_base::time::Timestamp;

use super::config::Config;
use super::dispatch::{Index, RuleError};
use super::given_back::Fault;
use crate::confirm::Confirmed;
use crate::event::{Event, Unreadable};
use crate::finding::Finding;
use crate::finding::record::{FindingStore, RecordError, Recorded, record};
use crate::observation::{Observation, Verdict};
use crate::settings::Settings;
use crate::severity::Severity;
use crate::state::AccountState;

/// The source of the heartbeat that template.yaml sends through the intake queue.
const HEARTBEAT: &str = "keepwatch";

/// How long after an event the account may still show what was before it: IAM's lists are behind its events.
pub const LAG: Duration = Duration::from_secs(120);

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
pub enum IntakeOutcome {
    /// So many findings were opened or changed.
    Recorded(usize),
    /// Understood, and nothing new: no rule fired, or a duplicate.
    Quiet,
    /// JSON of a kind that no rule reads.
    Other,
    /// The template's clock, which shows that queue and function work.
    Heartbeat,
    /// A rule waits for events that may still be on their way, or it is too early to ask whether good news is so; the rest is
    /// recorded. The message has to be delivered again.
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
    /// It says that a problem is gone, and the account says otherwise.
    #[error("good news about finding {finding_id} is not confirmed: {why}")]
    Unconfirmed {
        /// The finding that stays open.
        finding_id: String,
        /// What it says.
        why: String,
    },
    /// It says that a problem is gone, and what the account says of that is not to be had just now.
    #[error("good news about finding {finding_id} could not be asked about: {why}")]
    Unasked {
        /// The finding that stays open.
        finding_id: String,
        /// Why there is no answer.
        why: String,
    },
}

impl<E: std::error::Error> IntakeError<E> {
    /// What is wrong. A table that fails is something that the work depends on; whether it fails for this message alone, only
    /// the table's own error says.
    pub fn fault(&self) -> Fault {
        match self {
            IntakeError::Unreadable(_) | IntakeError::Unconfirmed { .. } => Fault::Poison,
            IntakeError::Record(_) | IntakeError::Rule(_) | IntakeError::Unasked { .. } => Fault::Dependency,
        }
    }
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
    ) -> Result<IntakeOutcome, IntakeError<S::Error>> {
        let evaluation = self.rules.evaluate_with(event, state, self.config, now).await;
        let Kept { changes, later } =
            keep(self.store, self.settings, &evaluation.observations, state, now).await?;
        // The event is tried again for the rule that failed; what the others saw is recorded once.
        if let Some(failed) = evaluation.errors.into_iter().next() {
            return Err(failed.into());
        }
        if later || evaluation.later {
            return Ok(IntakeOutcome::Later);
        }
        Ok(match changes {
            0 if event.envelope.source.or_empty() == HEARTBEAT => IntakeOutcome::Heartbeat,
            0 if event.kind() == "other" => IntakeOutcome::Other,
            0 => IntakeOutcome::Quiet,
            changes => IntakeOutcome::Recorded(changes),
        })
    }
}

/// What came of the observations of one event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// How many findings were opened or changed.
    pub changes: usize,
    /// Whether the message has to be delivered again, to ask the account about good news.
    pub later: bool,
}

/// Records what the rules saw of one event; good news is weighed first.
///
/// # Errors
/// [`IntakeError`]; all that could be recorded is.
pub async fn keep<S: FindingStore>(
    store: &S,
    settings: &Settings,
    observations: &[Observation],
    state: &impl AccountState,
    now: Timestamp,
) -> Result<Kept, IntakeError<S::Error>> {
    let mut sum = Kept::default();
    let mut failed = Ok(());
    for observation in observations {
        let weighed = match weighed(store, observation, state, now).await {
            Ok(weighed) => weighed,
            Err(error) => {
                failed = failed.and(Err(error));
                continue;
            }
        };
        sum.later |= matches!(weighed, Weighed::TooEarly);
        let kept = if let Weighed::Instead(other) = &weighed { other } else { observation };
        match record(store, settings, kept, now).await {
            Ok(Recorded::Opened | Recorded::Updated) => sum.changes += 1,
            Ok(Recorded::Noted | Recorded::Unchanged) => {}
            // What the other rules saw must not wait for the one finding that cannot be written.
            Err(error) => failed = failed.and(Err(error.into())),
        }
    }
    failed.map(|()| sum)
}

/// What an observation comes to when it is weighed.
enum Weighed {
    /// It is kept as it is.
    AsItIs,
    /// It is kept as it is, and weighed again when the account has caught up.
    TooEarly,
    /// This is kept in its place.
    Instead(Box<Observation>),
}

/// Weighs good news. Only news that would close a finding of some weight is worth the question whether the account shows that it
/// is so. What is there not to be closed yet may be on its way: then, and where nobody knows which of two came first, the account
/// is asked once it has caught up with both.
async fn weighed<S: FindingStore>(
    store: &S,
    news: &Observation,
    state: &impl AccountState,
    now: Timestamp,
) -> Result<Weighed, IntakeError<S::Error>> {
    let Some(confirm) = news.confirm.as_ref().filter(|_| news.verdict == Verdict::Passing) else {
        return Ok(Weighed::AsItIs);
    };
    let finding_id = news.finding_id();
    let mut known = store.get(&finding_id).await.map_err(RecordError::Store)?;
    if let Some(finding) = &mut known {
        finding.distrust_future(now);
    }
    let has_caught_up = now.since(news.event.time) >= LAG;
    let was_open = known.as_ref().is_some_and(Finding::is_open);
    let mut borne_out = Box::new(Observation { confirm: None, ..news.clone() });
    let mut is_early = !was_open;
    if let Some(mut finding) = known {
        // It came before; of one moment an older version believed it.
        if finding.passed.as_ref().is_some_and(|passed| passed.event_id == news.event.id) {
            return Ok(Weighed::AsItIs);
        }
        if was_open && finding.last_seen == news.event.time {
            is_early = true;
            borne_out.event.time = news.event.time.plus(Duration::from_millis(1));
        }
        if !finding.is_grave() || !finding.apply(&borne_out) {
            return Ok(Weighed::AsItIs);
        }
        if finding.is_open() {
            // What happened since outweighs it.
            return Ok(Weighed::Instead(borne_out));
        }
    }
    if is_early && !has_caught_up {
        // What is dated far ahead would come again until then.
        let is_plausible = !news.event.time.is_ahead_of(now);
        return Ok(if is_plausible { Weighed::TooEarly } else { Weighed::AsItIs });
    }
    let unconfirmed = |why| IntakeError::Unconfirmed { finding_id: finding_id.clone(), why };
    let unasked = |why| IntakeError::Unasked { finding_id: finding_id.clone(), why };
    let answer = state.answer(&confirm.query).await.map_err(unasked)?;
    let why = match confirm.read(&answer) {
        Confirmed::Yes => return Ok(Weighed::Instead(borne_out)),
        // There is nothing that it could be a claim about.
        _ if !was_open => return Ok(Weighed::AsItIs),
        Confirmed::No if !has_caught_up => {
            return Err(unconfirmed("the account does not show it yet".to_owned()));
        }
        Confirmed::No => "the account shows that it is not so".to_owned(),
        Confirmed::Unknown(why) => format!("the account could not be asked ({why})"),
    };
    Ok(Weighed::Instead(Box::new(claim(news, &why))))
}

/// That somebody says a problem is gone and the account does not: a witness on the finding, which stays open.
fn claim(news: &Observation, why: &str) -> Observation {
    let claim = Observation {
        verdict: Verdict::Unknown,
        severity: Severity::Low,
        confirm: None,
        witness: format!("{} unconfirmed", news.rule.id),
        ..news.clone()
    };
    claim.because(format!(
        "An event says that the problem is gone, and {why}. The finding stays open; resolve it by hand if you know better."
    ))
}
