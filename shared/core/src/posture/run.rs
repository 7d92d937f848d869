//! One run of a scan as the journal remembers it: how far it came, what it told, what it could not see.
//!
//! A run that has no time for all checks goes on where it stopped. What is counted here is shown by the report, the daily
//! mail and `keepwatch scan --remote`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::coverage::Coverage;
use super::plan::{Emptied, Why};
use crate::memory::journal::{Journal, RECEIPTS_KEPT, change};
use crate::severity::Severity;

/// The journal's key.
const ENTRY: &str = "scans";

/// A run that has not gone on for so long was given up; the next begins anew.
const GIVEN_UP: Duration = Duration::from_secs(6 * 3_600);

/// After so long without a whole run people are told: two daily runs are missing.
const SILENT: Duration = Duration::from_secs(49 * 3_600);

/// How many of the worst a report names.
pub const WORST: usize = 10;

/// One of the worst that a run found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// How bad.
    pub severity: Severity,
    /// The check.
    pub check: String,
    /// What is so.
    pub title: String,
    /// The finding.
    pub finding_id: String,
}

/// A run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When it began.
    pub begun: Timestamp,
    /// When it last got on.
    pub at: Timestamp,
    /// How many checks it has done.
    pub done: usize,
    /// The themes of which it has done every check that is switched on. Versions that noted only how many it had done lost a theme
    /// where a check was switched off before the run went on.
    #[serde(default)]
    pub themes: BTreeSet<String>,
    /// Whether it is the account's first: one report tells of everything.
    #[serde(default)]
    pub first: bool,
    /// How many regions it looks at.
    #[serde(default)]
    pub regions: usize,
    /// What it could not see.
    #[serde(default)]
    pub coverage: Coverage,
    /// How many findings were told something, by why.
    #[serde(default)]
    pub told: BTreeMap<String, usize>,
    /// What fails, by severity.
    #[serde(default)]
    pub failing: BTreeMap<String, usize>,
    /// The worst of it.
    #[serde(default)]
    pub worst: Vec<Found>,
    /// Findings that could not be written.
    #[serde(default)]
    pub unwritten: usize,
}

impl Run {
    /// Takes one of what was found; of those that are as bad the first stays.
    pub fn found(&mut self, found: Found) {
        *self.failing.entry(found.severity.as_str().to_owned()).or_default() += 1;
        let place = self.worst.partition_point(|other| other.severity >= found.severity);
        if place < WORST {
            self.worst.insert(place, found);
            self.worst.truncate(WORST);
        }
    }

    /// Adds what the findings were told, by why.
    pub fn tell(&mut self, told: &BTreeMap<Why, usize>) {
        for (why, count) in told {
            *self.told.entry(why.as_str().to_owned()).or_default() += count;
        }
    }

    /// How many findings were told something for this reason.
    pub fn count(&self, why: Why) -> usize {
        self.told.get(why.as_str()).copied().unwrap_or(0)
    }
}

/// What the journal remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scans {
    /// Since when runs are expected.
    #[serde(default)]
    since: Option<Timestamp>,
    /// One that is not finished.
    #[serde(default)]
    pub open: Option<Run>,
    /// The last one that was finished.
    #[serde(default)]
    pub last: Option<Run>,
    /// The first one, until it was reported: its mail is made from it.
    #[serde(default)]
    pub first: Option<Run>,
    /// What is empty since when.
    #[serde(default)]
    pub emptied: Emptied,
}

/// What people have to be told of scans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScansMissing {
    /// No run was ever finished, and they are expected since then.
    Never(Timestamp),
    /// The last one was finished then.
    Since(Timestamp),
}

impl Scans {
    /// Times from the future were not written by a run.
    fn distrust_future(&mut self, now: Timestamp) {
        self.since = self.since.filter(|since| !since.is_ahead_of(now));
        self.open = self.open.take().filter(|run| !run.at.is_ahead_of(now) && !run.begun.is_ahead_of(now));
        self.last = self.last.take().filter(|run| !run.at.is_ahead_of(now));
        self.emptied.retain(|_, since| !since.is_ahead_of(now));
    }

    /// Whether scans are missing.
    pub fn silence(&self, now: Timestamp) -> Option<ScansMissing> {
        match (&self.last, self.since) {
            (Some(last), _) => (now.since(last.at) >= SILENT).then_some(ScansMissing::Since(last.at)),
            (None, Some(since)) => (now.since(since) >= SILENT).then_some(ScansMissing::Never(since)),
            (None, None) => None,
        }
    }
}

/// Begins a run; or goes on with the one that was cut, if there is one.
///
/// # Errors
/// The journal's.
pub async fn begin<J: Journal>(
    journal: &J,
    go_on: bool,
    now: Timestamp,
) -> Result<Option<(Run, Emptied)>, String> {
    change(journal, ENTRY, now, RECEIPTS_KEPT, |scans: &mut Scans| {
        scans.distrust_future(now);
        scans.since.get_or_insert(now);
        let run = match go_on {
            true => scans.open.clone().filter(|run| now.since(run.at) < GIVEN_UP),
            false => Some(Run { begun: now, first: scans.last.is_none(), ..Run::default() }),
        };
        if let Some(run) = &run {
            scans.open = Some(Run { at: now, ..run.clone() });
        }
        let begun = run.map(|run| (run, scans.emptied.clone()));
        let changed = begun.is_some();
        (begun, changed)
    })
    .await
}

/// Notes how far a run came; `finished` when that is the end.
///
/// # Errors
/// The journal's.
pub async fn note<J: Journal>(
    journal: &J,
    run: &Run,
    emptied: &Emptied,
    finished: bool,
    now: Timestamp,
) -> Result<(), String> {
    change(journal, ENTRY, now, RECEIPTS_KEPT, |scans: &mut Scans| {
        let run = Run { at: now, ..run.clone() };
        scans.emptied.clone_from(emptied);
        if finished {
            scans.open = None;
            if run.first {
                scans.first = Some(run.clone());
            }
            scans.last = Some(run);
        } else {
            scans.open = Some(run);
        }
        ((), true)
    })
    .await
}

/// What the journal remembers. From the first time that it is asked on, runs are expected.
///
/// # Errors
/// The journal's.
pub async fn read<J: Journal>(journal: &J, now: Timestamp) -> Result<Scans, J::Error> {
    let entry = journal.read::<Scans>(ENTRY).await?;
    let expected = entry.as_ref().map(|entry| entry.version);
    let mut scans = entry.map(|entry| entry.value).unwrap_or_default();
    let since = scans.since;
    scans.distrust_future(now);
    scans.since.get_or_insert(now);
    if scans.since != since {
        // Refused when a run is writing, which knows it too.
        journal.write(ENTRY, &scans, expected, now.plus(RECEIPTS_KEPT)).await?;
    }
    Ok(scans)
}

/// Forgets the first run, once it was reported.
///
/// # Errors
/// The journal's.
pub async fn reported<J: Journal>(journal: &J, now: Timestamp) -> Result<(), J::Error> {
    let Some(mut entry) = journal.read::<Scans>(ENTRY).await? else { return Ok(()) };
    if entry.value.first.take().is_some() {
        // Refused when a run is writing: the mail is sent once for its key, and the next sweep forgets the run.
        journal.write(ENTRY, &entry.value, Some(entry.version), now.plus(RECEIPTS_KEPT)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_millis(1_000 * 3_600_000 + hours * 3_600_000)
    }

    fn found(severity: Severity, number: usize) -> Found {
        Found { severity, check: String::new(), title: String::new(), finding_id: format!("f-{number}") }
    }

    #[test]
    fn the_worst_are_named_and_all_are_counted() {
        let mut run = Run::default();
        for number in 0..20 {
            run.found(found(Severity::Low, number));
        }
        run.found(found(Severity::Critical, 99));
        assert_eq!((run.worst.len(), run.worst[0].finding_id.as_str()), (WORST, "f-99"));
        assert_eq!(run.worst[1].finding_id, "f-0");
        assert_eq!(run.failing["LOW"], 20);
    }

    #[test]
    fn a_run_of_an_earlier_version_is_read() {
        let text = r#"{"begun": "2026-03-01T12:00:00Z", "at": "2026-03-01T12:01:00Z", "done": 40}"#;
        let run: Run = serde_json::from_str(text).unwrap();
        assert_eq!((run.done, run.themes.len()), (40, 0));
        let themes = BTreeSet::from(["iam".to_owned()]);
        let run = Run { themes, ..run };
        let written = serde_json::to_value(&run).unwrap();
        assert_eq!((&written["done"], &written["themes"][0]), (&40.into(), &"iam".into()));
        assert_eq!(serde_json::from_value::<Run>(written).unwrap(), run);
    }

    #[test]
    fn people_are_told_when_scans_do_not_come() {
        let mut scans = Scans { since: Some(at(0)), ..Scans::default() };
        assert_eq!(scans.silence(at(48)), None);
        assert_eq!(scans.silence(at(49)), Some(ScansMissing::Never(at(0))));
        scans.last = Some(Run { at: at(100), ..Run::default() });
        assert_eq!(scans.silence(at(148)), None);
        assert_eq!(scans.silence(at(149)), Some(ScansMissing::Since(at(100))));
        // What was planted from the future is no run.
        scans.last = Some(Run { at: at(9_000), ..Run::default() });
        scans.distrust_future(at(200));
        assert_eq!(scans.silence(at(200)), Some(ScansMissing::Never(at(0))));
    }
}
