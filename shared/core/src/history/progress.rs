//! What of the event history has been looked at, as the journal remembers it: for each question up to when, and what a run
//! had to leave to the next.

use std::collections::BTreeMap;
use std::time::Duration;

use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::decisive::Lookup;
use crate::memory::journal::{Journal, RECEIPTS_KEPT, change};
use crate::regions::Forwarders;

/// How much of what was looked at is looked at again. Events come into the history within some minutes, without a promise
/// (CloudTrail user guide: about five on average); a long overlap costs a page, and what was heard is not sent.
const OVERLAP: Duration = Duration::from_secs(6 * 3_600);

/// A new question counts as asked so long ago.
const FIRST: Duration = Duration::from_secs(86_400);

/// The furthest that any run looks back. The history would have 90 days.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// A question that was not asked for so long is told of: two daily runs are missing.
const SILENT: Duration = Duration::from_secs(49 * 3_600);

/// The journal's key of what the home stack watches.
pub(super) const ENTRY: &str = "event history";

/// The journal's key of a region that has a forwarder. One a region, because they are looked at one beside the other.
pub(super) fn entry_of(region: &str) -> String {
    format!("{ENTRY} in {region}")
}

/// Part of the history, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its earliest moment.
    pub from: Timestamp,
    /// Its latest moment.
    pub to: Timestamp,
}

/// What of one question has been looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// Everything up to here, but for `left` and `lost`.
    pub until: Timestamp,
    /// What a run had no time for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Span>,
    /// What was given up by the latest run: it lies too far back, or one second of it has too many events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Span>,
}

impl Looked {
    /// What a run looks at: everything new, and how the question stands when that is done.
    pub(super) fn next(&self, now: Timestamp) -> (Span, Looked) {
        let earliest = now.minus(LONGEST);
        let from = self.until.minus(OVERLAP).max(earliest);
        let too_old = |span: Span| (span.from < earliest).then(|| Span { to: span.to.min(earliest), ..span });
        let unseen = too_old(Span { from: self.until, to: now });
        let left = self.left.map(|left| Span { from: left.from.max(earliest), ..left });
        let left = left.filter(|left| left.from <= left.to);
        let mut looked = Looked { until: now, left, lost: self.left.and_then(too_old) };
        looked.lose(unseen);
        (Span { from, to: now }, looked)
    }

    /// Notes that this is given up as well. Two parts are told as one.
    pub(super) fn lose(&mut self, span: Option<Span>) {
        self.lost = match (self.lost, span) {
            (Some(lost), Some(span)) => {
                Some(Span { from: lost.from.min(span.from), to: lost.to.max(span.to) })
            }
            (lost, span) => lost.or(span),
        };
    }

    /// After a look at all that is new, which came no further back than `to`, so that the rest is left.
    pub(super) fn cut(&mut self, span: Span, to: Timestamp) {
        let from = self.left.map_or(span.from, |left| left.from.min(span.from));
        self.left = Some(Span { from, to });
    }
}

/// What has been looked at, by region and question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Since when runs are expected.
    #[serde(default)]
    since: Option<Timestamp>,
    #[serde(default)]
    looked: BTreeMap<String, Looked>,
}

/// The name of a question in a region: `PutRule in us-east-1`.
pub(super) fn name(region: &str, lookup: Lookup<'_>) -> String {
    format!("{} in {region}", lookup.name())
}

impl Progress {
    /// Times from the future were not written by a run: such a question begins anew.
    fn distrust_future(&mut self, now: Timestamp) {
        self.since = self.since.filter(|since| !since.is_ahead_of(now));
        self.looked.retain(|_, looked| {
            !looked.until.is_ahead_of(now) && looked.left.is_none_or(|left| !left.to.is_ahead_of(now))
        });
    }

    fn troubles(&self, now: Timestamp) -> Vec<Trouble> {
        let silent = |until: Timestamp| now.since(until) >= SILENT;
        if self.looked.is_empty() {
            return self.since.filter(|since| silent(*since)).map(Trouble::Never).into_iter().collect();
        }
        let mut troubles = Vec::new();
        for (name, looked) in &self.looked {
            let told = |span: Option<Span>| span.map(|span| (name.clone(), span));
            troubles.extend(silent(looked.until).then(|| Trouble::Silent(name.clone(), looked.until)));
            troubles.extend(told(looked.left).map(|(name, span)| Trouble::Left(name, span)));
            troubles.extend(told(looked.lost).map(|(name, span)| Trouble::Lost(name, span)));
        }
        troubles
    }
}

/// What people have to be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No run has looked at anything since this time.
    Never(Timestamp),
    /// This question was last asked then.
    Silent(String, Timestamp),
    /// There was more than a run has time for; the next goes on with this part.
    Left(String, Span),
    /// This part will not be looked at.
    Lost(String, Span),
}

/// Begins a run: what was looked at of each of these questions.
///
/// # Errors
/// As [`change`].
pub(super) async fn begin<J: Journal>(
    journal: &J,
    entry: &str,
    names: &[String],
    now: Timestamp,
) -> Result<Vec<Looked>, String> {
    change(journal, entry, now, RECEIPTS_KEPT, |progress: &mut Progress| {
        let before = progress.clone();
        progress.distrust_future(now);
        progress.since.get_or_insert(now);
        progress.looked.retain(|name, _| names.contains(name));
        for name in names {
            let new = Looked { until: now.minus(FIRST), left: None, lost: None };
            progress.looked.entry(name.clone()).or_insert(new);
        }
        let begun = names.iter().filter_map(|name| progress.looked.get(name).cloned()).collect();
        (begun, *progress != before)
    })
    .await
}

/// Notes what was looked at.
///
/// # Errors
/// As [`change`].
pub(super) async fn note<J: Journal>(
    journal: &J,
    entry: &str,
    name: &str,
    looked: &Looked,
    now: Timestamp,
) -> Result<(), String> {
    change(journal, entry, now, RECEIPTS_KEPT, |progress: &mut Progress| {
        progress.looked.insert(name.to_owned(), looked.clone());
        ((), true)
    })
    .await
}

/// What people have to be told of today. From the first time that it is asked on, runs are expected.
///
/// # Errors
/// The journal's.
pub async fn troubles<J: Journal>(journal: &J, now: Timestamp) -> Result<Vec<Trouble>, J::Error> {
    let mut troubles = begun(journal, now).await?.troubles(now);
    for region in Forwarders::read(journal).await?.0.keys() {
        // Where no run has begun yet, the next one will.
        if let Some(entry) = journal.read::<Progress>(&entry_of(region)).await? {
            let mut progress = entry.value;
            progress.distrust_future(now);
            troubles.extend(progress.troubles(now));
        }
    }
    Ok(troubles)
}

/// Since when the account is watched: since this was asked for the first time.
///
/// # Errors
/// The journal's.
pub async fn since<J: Journal>(journal: &J, now: Timestamp) -> Result<Timestamp, J::Error> {
    Ok(begun(journal, now).await?.since.unwrap_or(now))
}

/// What is known of runs, with a beginning.
async fn begun<J: Journal>(journal: &J, now: Timestamp) -> Result<Progress, J::Error> {
    let entry = journal.read::<Progress>(ENTRY).await?;
    let expected = entry.as_ref().map(|entry| entry.version);
    let mut progress = entry.map(|entry| entry.value).unwrap_or_default();
    let since = progress.since;
    progress.distrust_future(now);
    progress.since.get_or_insert(now);
    if progress.since != since {
        // Refused when a run is writing, which knows it too.
        journal.write(ENTRY, &progress, expected, now.plus(RECEIPTS_KEPT)).await?;
    }
    Ok(progress)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const NOW: i64 = 2_000 * HOUR;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_millis(hours * HOUR)
    }

    fn span(from: i64, to: i64) -> Span {
        Span { from: at(from), to: at(to) }
    }

    fn looked(until: i64, left: Option<Span>) -> Looked {
        Looked { until: at(until), left, lost: None }
    }

    fn next(was: &Looked) -> (Span, Looked) {
        was.next(Timestamp::from_millis(NOW))
    }

    #[test]
    fn a_run_looks_at_what_is_new_and_at_some_hours_before() {
        assert_eq!(next(&looked(1_976, None)), (span(1_970, 2_000), looked(2_000, None)));
    }

    #[test]
    fn it_looks_back_a_week_at_most_and_says_what_that_loses() {
        let (week, day) = (7 * 24, 24);
        let lost = Looked { lost: Some(span(1_000, 2_000 - week)), ..looked(2_000, None) };
        assert_eq!(next(&looked(1_000, None)), (span(2_000 - week, 2_000), lost));
        // What was left is shortened, or given up.
        let left = span(2_000 - week - day, 2_000 - day);
        let (_, shortened) = next(&looked(1_976, Some(left)));
        assert_eq!(shortened.left, Some(span(2_000 - week, 2_000 - day)));
        assert_eq!(shortened.lost, Some(span(2_000 - week - day, 2_000 - week)));
        let (_, given_up) = next(&looked(1_976, Some(span(1_000, 1_001))));
        assert_eq!((given_up.left, given_up.lost), (None, Some(span(1_000, 1_001))));
    }

    #[test]
    fn what_is_left_by_two_runs_is_one_part() {
        let (fresh, mut stands) = next(&looked(1_976, Some(span(1_900, 1_950))));
        stands.cut(fresh, at(1_990));
        assert_eq!(stands.left, Some(span(1_900, 1_990)));
    }

    #[test]
    fn people_are_told_of_silence_and_of_what_is_left_or_lost() {
        let now = Timestamp::from_millis(NOW);
        let since = |hours: i64| Progress { since: Some(at(2_000 - hours)), ..Progress::default() };
        assert_eq!(since(48).troubles(now), []);
        assert_eq!(since(49).troubles(now), [Trouble::Never(at(1_951))]);
        let mut progress = since(500);
        progress.looked.insert("a".to_owned(), looked(1_952, None));
        assert_eq!(progress.troubles(now), []);
        progress.looked.insert("b".to_owned(), looked(1_951, Some(span(1_900, 1_910))));
        progress.looked.insert("c".to_owned(), Looked { lost: Some(span(1, 2)), ..looked(1_999, None) });
        assert_eq!(
            progress.troubles(now),
            [
                Trouble::Silent("b".to_owned(), at(1_951)),
                Trouble::Left("b".to_owned(), span(1_900, 1_910)),
                Trouble::Lost("c".to_owned(), span(1, 2)),
            ]
        );
    }

    #[test]
    fn what_was_planted_from_the_future_is_forgotten() {
        let mut progress = Progress { since: Some(at(9_000)), ..Progress::default() };
        progress.looked.insert("a".to_owned(), looked(9_000, None));
        progress.looked.insert("b".to_owned(), looked(1_990, Some(span(1_900, 9_000))));
        progress.looked.insert("c".to_owned(), looked(1_990, None));
        progress.distrust_future(Timestamp::from_millis(NOW));
        assert_eq!(progress.since, None);
        assert_eq!(progress.looked.into_keys().collect::<Vec<_>>(), ["c"]);
    }
}
