//! One mail for many findings: what the mail budget did not let out alone.

use std::collections::BTreeMap;

use keepwatch_core::severity::Severity;
use serde_json::json;

use crate::Alert;
use crate::layout::{Page, command, heading, keepwatch, line, listed, paragraph};
use crate::line::{Line, by_severity};
use crate::sender::Sender;

/// How many findings a digest tells one by one; the others are counted by rule. All of them fit into a mail, whatever their
/// titles: what a digest does not tell would count as told.
const MAX_LISTED: usize = 150;

/// For how many findings a digest has a command.
const MAX_COMMANDS: usize = 5;

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

/// The account, where all are of one; of what cannot be read none is known.
fn common_account<'l>(lines: &[&'l Line]) -> &'l str {
    let mut known = lines.iter().map(|line| line.account.as_str()).filter(|account| !account.is_empty());
    let first = known.next().unwrap_or_default();
    if known.all(|account| account == first) { first } else { "" }
}
