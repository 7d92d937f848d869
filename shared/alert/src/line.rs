//! A finding as one line of a mail that tells of several.

use std::collections::BTreeMap;

use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::Finding;
use keepwatch_core::severity::Severity;

/// The most characters of a title in a list.
const MAX_TITLE: usize = 120;

/// What a digest or a report tells of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The finding.
    pub finding_id: String,
    /// How bad.
    pub severity: Severity,
    /// What happened, and to what.
    pub title: String,
    /// Whose finding it is.
    pub rule: String,
    /// The account.
    pub account: String,
    /// When it happened last.
    pub last_seen: Timestamp,
    /// When it happened first.
    pub first_seen: Timestamp,
    /// How many events told of it.
    pub occurrences: u64,
    /// Why it has its status.
    pub status_reason: Option<String>,
    /// How many different people and roles acted on it, where that is known.
    pub actors: usize,
    /// What to do first: what for, and the command.
    pub first_step: Option<(String, String)>,
}

impl Line {
    /// Of this finding.
    pub(super) fn of(finding: &Finding) -> Line {
        Line {
            finding_id: finding.finding_id.clone(),
            severity: finding.severity,
            title: clean(&finding.headline().title, MAX_TITLE),
            rule: finding.rule.clone(),
            account: finding.account.clone(),
            last_seen: finding.last_seen,
            first_seen: finding.first_seen,
            occurrences: finding.occurrences,
            status_reason: finding.status_reason.clone(),
            actors: finding.alert.told.len(),
            first_step: finding
                .headline()
                .steps
                .first()
                .map(|step| (step.purpose.clone(), step.command.clone())),
        }
    }

    /// What happened, and in which account.
    pub(super) fn named(&self) -> String {
        if self.account.is_empty() { self.title.clone() } else { format!("{}: {}", self.account, self.title) }
    }

    /// When it happened, and how often.
    pub(super) fn when(&self) -> String {
        match self.occurrences {
            0 => String::new(),
            1 => self.last_seen.to_string(),
            times => {
                let by =
                    if self.actors > 1 { format!(", by {} principals", self.actors) } else { String::new() };
                format!("{times} times since {}, last at {}{by}", self.first_seen, self.last_seen)
            }
        }
    }

    /// Of an item that is due an alert and cannot be read.
    pub(super) fn unreadable(finding_id: &str) -> Line {
        Line {
            finding_id: clean(finding_id, 128),
            severity: Severity::High,
            title: "Its item in the findings table cannot be read; look whether it was changed by hand"
                .to_owned(),
            rule: "unreadable".to_owned(),
            account: String::new(),
            last_seen: Timestamp::default(),
            first_seen: Timestamp::default(),
            occurrences: 0,
            status_reason: None,
            actors: 0,
            first_step: None,
        }
    }
}

/// `2 critical, 17 high`.
pub(super) fn by_severity(severities: impl Iterator<Item = Severity>) -> String {
    let mut counts: BTreeMap<std::cmp::Reverse<Severity>, usize> = BTreeMap::new();
    for severity in severities {
        *counts.entry(std::cmp::Reverse(severity)).or_default() += 1;
    }
    let parts: Vec<String> = counts
        .iter()
        .map(|(severity, count)| format!("{count} {}", severity.0.as_str().to_lowercase()))
        .collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}
