//! What a person receives: a mail with everything needed at three in the morning, and its JSON twin for machines.
//!
//! Made from a finding and from nothing else. All text that came from an event has been cleaned when the rule reported
//! it and is defanged here; the only links are built from parts that were checked.

mod announce;
pub mod budget;
mod console;
mod digest;
mod letter;
pub mod outbox;
pub mod report;
pub mod sweep;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::finding::{Finding, Witness};
use crate::observation::{Actor, Severity, Verdict};
use crate::rules::{Meta, registry};
use crate::text::{ascii, clean, defang, shell_word};

/// SNS: a subject has fewer than 100 characters (API reference, `Publish`).
const MAX_SUBJECT: usize = 99;

/// SNS: a message to e-mail subscribers has at most 256 KiB. A mail that nobody would read to its end is cut long
/// before.
const MAX_BODY: usize = 60_000;

/// An alert, ready for `Publish`.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// 1 to 99 printable ASCII characters: `[CRITICAL] 111122223333: …`.
    pub subject: String,
    /// The mail.
    pub text: String,
    /// The machine's copy.
    pub json: Value,
}

impl Alert {
    /// The alert for an item of the table that is due one and cannot be read: better a poor mail than none.
    pub fn unreadable(finding_id: &str, reason: &str) -> Alert {
        let id = clean(finding_id, 128);
        let reason = defang(&clean(reason, 500));
        let text = format!(
            "A finding is due an alert, and its item in the findings table cannot be read.\n\n\
             WHAT AND WHERE\n  Finding id      {id}\n  Reason          {reason}\n\n\
             WHAT TO DO NOW\nOpen the item in the findings table: it may have been changed by hand. What it is about still\n\
             stands in it.\n"
        );
        let json = json!({"finding_id": id, "alert_reason": "unreadable", "reason": reason});
        Alert::new(Severity::High, &format!("Keepwatch: finding {id} cannot be read"), text, json)
    }

    /// An alert about several findings or about Keepwatch itself. `headline` follows the severity in the subject.
    fn new(severity: Severity, headline: &str, text: String, json: Value) -> Alert {
        let subject = fit(&format!("[{}] {headline}", severity.as_str()));
        let text = cut(text);
        let mut json = json;
        json["severity"] = json!(severity);
        json["mail"] = json!({"subject": subject, "text": text});
        Alert { subject, text, json }
    }

    /// Renders the alert that is due for this finding.
    pub fn of(finding: &Finding) -> Alert {
        let subject = subject(finding);
        let text = cut(text(finding));
        let json = json!({
            "finding_id": finding.finding_id,
            "alert_reason": finding.alert_reason,
            "status": finding.status,
            "severity": finding.severity,
            "confidence": finding.confidence,
            "title": finding.headline().title,
            "rule": finding.rule,
            "account": finding.account,
            "region": finding.region,
            "resource": finding.resource,
            "first_seen": finding.first_seen,
            "last_seen": finding.last_seen,
            "occurrences": finding.occurrences,
            "witnesses": finding.witnesses,
            "mail": {"subject": subject, "text": text},
        });
        Alert { subject, text, json }
    }

    /// The `Message` of a `Publish` with `MessageStructure=json`: the mail for people, JSON for machines.
    pub fn message(&self) -> String {
        let machine = self.json.to_string();
        json!({
            "default": self.text,
            "email": self.text,
            "email-json": machine,
            "http": machine,
            "https": machine,
            "lambda": machine,
            "sqs": machine,
            "firehose": machine,
        })
        .to_string()
    }
}

fn subject(finding: &Finding) -> String {
    let note = match finding.alert_reason.as_deref() {
        Some("reopened") => "again: ",
        Some("again") => "still: ",
        _ => "",
    };
    let line =
        format!("[{}] {}: {note}{}", finding.severity.as_str(), finding.account, finding.headline().title);
    fit(&line)
}

/// A subject that SNS takes and no mail client turns into a link.
fn fit(line: &str) -> String {
    let line = ascii(&defang(&clean(line, 1_000)));
    if line.len() <= MAX_SUBJECT { line } else { format!("{}...", &line[..MAX_SUBJECT - 3]) }
}

fn text(finding: &Finding) -> String {
    let mut out = String::new();
    let headline = finding.headline();
    // A finding may have several rules as witnesses; the one that speaks explains itself.
    let meta = registry::meta(&headline.rule);

    paragraph(&mut out, &format!("{}.", defang(headline.title.trim_end_matches('.'))));
    if !headline.reason.is_empty() {
        paragraph(&mut out, &defang(&headline.reason));
    }
    if headline.verdict == Verdict::Unknown {
        paragraph(
            &mut out,
            "Keepwatch could not find out whether this is a danger. Treat it as one until you know.",
        );
    }

    heading(&mut out, "WHO");
    match &headline.actor {
        Some(actor) => who(&mut out, actor),
        None => line(&mut out, "By", "AWS tells of this itself; no caller is named"),
    }

    heading(&mut out, "WHAT AND WHERE");
    line(&mut out, "Resource", &defang(&finding.resource));
    for (label, value) in merged_details(finding) {
        line(&mut out, label, &defang(value));
    }
    line(&mut out, "Account", &finding.account);
    // Rules on global resources may name the region that a call went to.
    if !merged_details(finding).iter().any(|(label, _)| *label == "Region") {
        line(&mut out, "Region", &defang(&finding.region));
    }

    heading(&mut out, "WHEN");
    line(&mut out, "Event", &format!("{} at {}", defang(&headline.event.name), headline.event.time));
    if finding.occurrences > 1 {
        let seen = format!(
            "{} times since {}, last at {}",
            finding.occurrences, finding.first_seen, finding.last_seen
        );
        line(&mut out, "Seen", &seen);
    }
    if finding.current_witnesses().count() > 1 {
        for witness in finding.current_witnesses() {
            line(&mut out, "Witness", &format!("{}: {}", witness.event.time, defang(&witness.title)));
        }
    }

    if let Some(why) = meta.and_then(|meta| section(meta.docs, "Why it matters")) {
        heading(&mut out, "WHY IT MATTERS");
        paragraph(&mut out, &why);
    }

    heading(&mut out, "WHAT TO DO NOW");
    if let Some(what) = meta.and_then(|meta| section(meta.docs, "What to do")) {
        paragraph(&mut out, &what);
    }
    for (purpose, command) in merged_steps(finding) {
        let _ = writeln!(out, "  # {purpose}\n  {command}\n");
    }
    if let Some(link) = console::link(finding) {
        line(&mut out, "Console", &link);
    }

    heading(&mut out, "THIS FINDING");
    line(&mut out, "Finding id", &finding.finding_id);
    line(&mut out, "Status", finding.status.as_str());
    if let Some(reason) = &finding.status_reason {
        line(&mut out, "", &defang(reason));
    }
    line(
        &mut out,
        "Severity",
        &format!("{} (confidence {})", finding.severity.as_str(), finding.confidence.as_str()),
    );
    if let Some(meta) = meta {
        line(&mut out, "Rule", &rule_line(meta));
    }
    heading(&mut out, "IF IT IS EXPECTED");
    if let Some(harmless) = meta.and_then(|meta| section(meta.docs, "False positives")) {
        paragraph(&mut out, &harmless);
    }
    for (purpose, command) in silencing(finding) {
        let _ = writeln!(out, "  # {purpose}\n  {command}\n");
    }
    out
}

/// How to silence this finding rightly: with a name, a reason and an end.
fn silencing(finding: &Finding) -> [(&'static str, String); 2] {
    let id = shell_word(&finding.finding_id);
    let (rule, resource) = (shell_word(&finding.rule), shell_word(&finding.resource));
    [
        (
            "You are working on it: repetitions are counted without a mail",
            format!("keepwatch findings ack {id} --by NAME --note TEXT"),
        ),
        (
            "It is meant to be so: recorded without a mail, for 30 days",
            format!(
                "keepwatch suppress add --rule {rule} --resource {resource} --owner NAME --reason TEXT --days 30"
            ),
        ),
    ]
}

fn who(out: &mut String, actor: &Actor) {
    line(out, "By", &defang(&actor.name));
    let optional = [
        ("Type", actor.kind.as_deref()),
        ("ARN", actor.arn.as_deref()),
        ("Access key", actor.access_key_id.as_deref()),
        ("Source IP", actor.source_ip.as_deref()),
        ("User agent", actor.user_agent.as_deref()),
    ];
    for (label, value) in optional {
        if let Some(value) = value {
            line(out, label, &defang(value));
        }
    }
    if let Some(mfa) = actor.mfa {
        line(
            out,
            "MFA",
            if mfa { "the session was opened with MFA" } else { "the session was opened without MFA" },
        );
    }
}

/// The details of all witnesses, the headline's first, each line once.
fn merged_details(finding: &Finding) -> Vec<(&str, &str)> {
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for (label, value) in headline_first(finding).iter().flat_map(|witness| &witness.details) {
        if !lines.contains(&(label, value)) {
            lines.push((label, value));
        }
    }
    lines
}

/// The steps of all witnesses, the headline's first, each command once.
fn merged_steps(finding: &Finding) -> Vec<(&str, &str)> {
    let mut steps: Vec<(&str, &str)> = Vec::new();
    for step in headline_first(finding).iter().flat_map(|witness| &witness.steps) {
        if !steps.iter().any(|(_, command)| *command == step.command) {
            steps.push((&step.purpose, &step.command));
        }
    }
    steps
}

fn headline_first(finding: &Finding) -> Vec<&Witness> {
    let mut witnesses: Vec<&Witness> = finding.current_witnesses().collect();
    witnesses.sort_by_key(|witness| std::cmp::Reverse(witness.rank()));
    witnesses.insert(0, finding.strongest());
    witnesses.insert(0, finding.headline());
    witnesses
}

fn rule_line(meta: &Meta) -> String {
    format!("{} ({})", meta.id, meta.catalogue.join(", "))
}

/// The text under a heading of a rule's documentation, unwrapped to one paragraph.
pub fn section(docs: &str, title: &str) -> Option<String> {
    let mut words = Vec::new();
    let mut inside = false;
    for line in docs.lines().map(str::trim) {
        if let Some(heading) = line.strip_prefix("## ") {
            inside = heading == title;
        } else if inside {
            words.extend(line.split_whitespace());
        }
    }
    (!words.is_empty()).then(|| words.join(" "))
}

/// A heading, set off by one empty line.
fn heading(out: &mut String, title: &str) {
    if !out.ends_with("\n\n") {
        out.push('\n');
    }
    let _ = writeln!(out, "{title}");
}

fn line(out: &mut String, label: &str, value: &str) {
    let mut label = label;
    for row in wrap(value, 60) {
        let _ = writeln!(out, "  {label:<16}{row}");
        label = "";
    }
}

/// A line of a list, and a note under it.
fn listed(out: &mut String, text: &str, note: &str) {
    for (i, row) in wrap(&defang(text), 74).iter().enumerate() {
        let _ = writeln!(out, "{}{row}", if i == 0 { "  " } else { "    " });
    }
    if !note.is_empty() {
        let _ = writeln!(out, "    {}", defang(note));
    }
}

fn paragraph(out: &mut String, text: &str) {
    for row in wrap(text, 76) {
        let _ = writeln!(out, "{row}");
    }
    out.push('\n');
}

/// Wraps at spaces; a word longer than the width keeps its line, so that an ARN can be copied whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    for word in text.split(' ') {
        let Some(row) = rows.last_mut() else { continue };
        if row.is_empty() {
            row.push_str(word);
        } else if row.chars().count() + 1 + word.chars().count() <= width {
            row.push(' ');
            row.push_str(word);
        } else {
            rows.push(word.to_owned());
        }
    }
    rows
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_BODY {
        let mut end = MAX_BODY;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("\n[cut here; the findings table has the rest]\n");
    }
    text
}
