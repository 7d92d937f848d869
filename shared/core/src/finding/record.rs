//! Recording observations: read, fold, write on condition that nobody else wrote meanwhile.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::future::Future;

use keepwatch_base::hash::short_hash;
use keepwatch_base::time::Timestamp;

use crate::finding::fold::REMEMBERED_EVENTS;
use crate::finding::future::believed;
use crate::finding::{Finding, Passed};
use crate::observation::{Actor, Observation, Verdict};
use crate::settings::Settings;

/// Attempts before a contended finding is given back to the queue, which delivers the event again. One is refused because another
/// writer's was not, and a flood writes a finding about as often as it remembers events: whoever may try more often than that gets
/// through, however long a write takes.
const ATTEMPTS: usize = REMEMBERED_EVENTS + 16;

/// The rules that told of one event on one finding. Kept in the journal far longer than any queue keeps a message, so
/// that no duplicate is ever counted twice.
pub type Receipt = BTreeSet<String>;

/// The journal's key of the receipt for an event on a finding.
pub fn receipt_key(finding_id: &str, event_id: &str) -> String {
    format!("receipt#{finding_id}#{}", short_hash(&[event_id]))
}

/// The journal's key of the good news about a finding that is not there yet.
pub fn passed_key(finding_id: &str) -> String {
    format!("passed#{finding_id}")
}

/// One change of the tables, made whole or not at all.
#[derive(Debug)]
pub enum Write<'a> {
    /// A finding begins. Refused when it is there already, or when the good news about it is not what `passed` says.
    Open {
        /// The finding.
        finding: &'a Finding,
        /// The rule and the key of the receipt that it adds its name to; refused when the name is there.
        receipt: (&'a str, &'a str),
        /// The good news that was taken into it.
        passed: Option<&'a Passed>,
    },
    /// A finding changes. Refused when its stored version is not `expected`.
    Update {
        /// The finding.
        finding: &'a Finding,
        /// The version it was read in.
        expected: u64,
        /// As above; a change that is no event's has none.
        receipt: Option<(&'a str, &'a str)>,
    },
    /// Good news about a finding that is not there. Refused when it is, or when the good news is not what `was` says.
    Note {
        /// The finding that is not there.
        finding_id: &'a str,
        /// The good news.
        passed: &'a Passed,
        /// The older good news that was read.
        was: Option<&'a Passed>,
    },
}

/// Where findings, receipts and early good news are kept.
pub trait FindingStore {
    /// What can go wrong with the tables.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Reads a finding, consistently.
    fn get(&self, finding_id: &str) -> impl Future<Output = Result<Option<Finding>, Self::Error>> + Send;

    /// Reads a receipt, consistently; empty when there is none.
    fn receipt(&self, key: &str) -> impl Future<Output = Result<Receipt, Self::Error>> + Send;

    /// Reads the good news about a finding that is not there, consistently.
    fn passed(&self, finding_id: &str) -> impl Future<Output = Result<Option<Passed>, Self::Error>> + Send;

    /// Makes a change. `false` when it is refused because somebody else wrote meanwhile.
    fn write(
        &self,
        write: Write<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Waits a little, longer with each attempt and never the same, so that writers of one finding get out of step.
    fn back_off(&self, attempt: usize) -> impl Future<Output = ()> + Send;
}

/// What came of recording an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// A finding began.
    Opened,
    /// A finding changed.
    Updated,
    /// Good news about a finding that is not there was kept, should the bad news come late.
    Noted,
    /// The tables knew it already.
    Unchanged,
}

/// An observation could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError<E> {
    /// The table refused or failed.
    #[error("the findings table could not be used: {0}")]
    Store(#[source] E),
    /// Others kept writing the same finding.
    #[error("finding {0} was written by others {ATTEMPTS} times in a row")]
    Contended(String),
}

/// Folds an observation into the tables. What happened later than clocks may differ counts as happening now: whoever can
/// forge an event must not settle what is told for years. Good news counts as happening now as soon as it is dated later: it
/// says nothing of what is yet to come.
///
/// # Errors
/// [`RecordError`]; the caller lets the queue deliver the event again.
pub async fn record<S: FindingStore>(
    store: &S,
    settings: &Settings,
    observation: &Observation,
    now: Timestamp,
) -> Result<Recorded, RecordError<S::Error>> {
    let mut present = Cow::Borrowed(observation);
    let time = observation.event.time;
    if time.is_ahead_of(now) || time > now && observation.verdict == Verdict::Passing {
        present.to_mut().event.time = now;
    }
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            store.back_off(attempt).await;
        }
        if let Some(recorded) = once(store, settings, &present, now).await.map_err(RecordError::Store)? {
            return Ok(recorded);
        }
    }
    Err(RecordError::Contended(observation.finding_id()))
}

/// One attempt; `None` when somebody else wrote meanwhile.
async fn once<S: FindingStore>(
    store: &S,
    settings: &Settings,
    observation: &Observation,
    now: Timestamp,
) -> Result<Option<Recorded>, S::Error> {
    let id = observation.finding_id();
    let rule = observation.rule.id;
    let actor = observation.actor.as_ref().map(Actor::identity);
    let silence = settings.silence(observation.rule.finding, &observation.subject, actor.as_slice(), now);
    let key = receipt_key(&id, &observation.event.id);
    let (write_was_made, recorded) = match store.get(&id).await? {
        None if observation.verdict == Verdict::Passing => {
            let passed = Passed::of(observation);
            let was = store.passed(&id).await?;
            if believed(was.clone(), now).as_ref() >= Some(&passed) {
                return Ok(Some(Recorded::Unchanged));
            }
            let note = Write::Note { finding_id: &id, passed: &passed, was: was.as_ref() };
            (store.write(note, now).await?, Recorded::Noted)
        }
        None => {
            let passed = store.passed(&id).await?;
            let Some(mut finding) = Finding::open(observation, believed(passed.clone(), now), silence) else {
                return Ok(Some(Recorded::Unchanged));
            };
            finding.stamp(now);
            let open = Write::Open { finding: &finding, receipt: (rule, &key), passed: passed.as_ref() };
            (store.write(open, now).await?, Recorded::Opened)
        }
        Some(mut finding) => {
            let expected = finding.version;
            finding.distrust_future(now);
            let event_id = &observation.event.id;
            // The finding itself knows the latest events; for older ones the receipt is asked.
            let told_by = if observation.verdict == Verdict::Passing || finding.remembers(event_id, None) {
                Receipt::new()
            } else {
                store.receipt(&key).await?
            };
            if told_by.contains(rule) {
                return Ok(Some(Recorded::Unchanged));
            }
            let before = (finding.severity, finding.alert.became_due, finding.silence.is_some());
            let woken = finding.end_silence(observation, silence, now);
            let flooded = finding.is_flooded_with(observation);
            let changed = finding.apply_counting(observation, told_by.is_empty(), woken);
            let after = (finding.severity, finding.alert.became_due, finding.silence.is_some());
            // What makes nothing worse and nobody is told of is not counted in a flood.
            if !changed || flooded && before == after {
                return Ok(Some(Recorded::Unchanged));
            }
            finding.stamp(now);
            let receipt = (observation.verdict != Verdict::Passing).then_some((rule, key.as_str()));
            let update = Write::Update { finding: &finding, expected, receipt };
            (store.write(update, now).await?, Recorded::Updated)
        }
    };
    Ok(write_was_made.then_some(recorded))
}
