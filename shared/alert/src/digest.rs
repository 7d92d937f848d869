//! One mail for many findings: what the mail budget did not let out alone.

use std::collections::BTreeMap;

use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::Finding;
use keepwatch_core::severity::Severity;
use serde_json::json;

use crate::Alert;
use crate::layout::{Page, command, heading, keepwatch, line, listed, paragraph};
use crate::sender::Sender;

/// How many findings a digest tells one by one; the others are counted by rule. All of them fit into a mail, whatever their
/// titles: what a digest does not tell would count as told.
const MAX_LISTED: usize = 150;

/// The most characters of a title in a list.
const MAX_TITLE: usize = 120;

/// For how many findings a digest has a command.
const MAX_COMMANDS: usize = 5;

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
    fn named(&self) -> String {
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

/// The digest of these findings, which are not none.
pub(super) fn alert(lines: &[Line], sender: &Sender) -> Alert {
    let mut lines: Vec<&Line> = lines.iter().collect();
    lines.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.last_seen.cmp(&b.last_seen)));
    let counts = by_severity(lines.iter().map(|line| line.severity));
    let account = common_account(&lines);
    let headline = format!("{} findings at once: {counts}", lines.len());
    let worst = lines.first().map_or(Severity::Medium, |line| line.severity);

    let mut out = Page::new(sender);
    paragraph(
        &mut out,
        &format!(
            "{} findings came at once, too many for a mail each: {counts}. Each of them is in the findings table.",
            lines.len()
        ),
    );
    heading(&mut out, "WHAT TO DO NOW");
    paragraph(
        &mut out,
        "So many at once often come from one hand or one script: look who acted in the earliest of them, and begin there.",
    );
    // Those of the others are in what `findings show` prints.
    for worst in lines.iter().filter(|line| line.severity == Severity::Critical).take(MAX_COMMANDS) {
        if let Some((purpose, call)) = &worst.first_step {
            command(&mut out, &format!("{}: {purpose}", worst.named()), call);
        }
    }
    keepwatch(&mut out, "List what is open, worst first", "findings list");
    keepwatch(&mut out, "Everything about one of them", "findings show FINDING_ID");
    let (listed_lines, counted) = lines.split_at(lines.len().min(MAX_LISTED));
    let mut severity = None;
    for line in listed_lines {
        if severity != Some(line.severity) {
            heading(&mut out, line.severity.as_str());
            severity = Some(line.severity);
        }
        let title = if account.is_empty() { line.named() } else { line.title.clone() };
        listed(&mut out, &title, &[&line.when(), &line.finding_id]);
    }
    if !counted.is_empty() {
        heading(&mut out, "AND MORE, COUNTED BY RULE");
        let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
        for line in counted {
            *rules.entry(&line.rule).or_default() += 1;
        }
        for (rule, count) in rules {
            line(&mut out, &count.to_string(), rule);
        }
    }
    let ids: Vec<&str> = listed_lines.iter().map(|line| line.finding_id.as_str()).collect();
    Alert::new(
        worst,
        &headline,
        account,
        out,
        json!({"digest": {"findings": lines.len(), "finding_ids": ids}}),
    )
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

/// The account, where all are of one; of what cannot be read none is known.
fn common_account<'l>(lines: &[&'l Line]) -> &'l str {
    let mut known = lines.iter().map(|line| line.account.as_str()).filter(|account| !account.is_empty());
    let first = known.next().unwrap_or_default();
    if known.all(|account| account == first) { first } else { "" }
}
