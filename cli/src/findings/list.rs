//! `keepwatch findings list`.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use keepwatch_base::wildcard::matches;
use keepwatch_core::finding::{Finding, Status};
use keepwatch_core::severity::Severity;
use serde_json::Value;

use super::read::{report_unreadable, shown, visit};
use crate::account::Account;
use crate::catalogue::CATALOGUE;
use crate::output::{self, Listed, Output, SarifResult};
use crate::table::table;
use crate::words::did_you_mean;

pub(super) const HELP: &str = "\
Examples:
  keepwatch findings list
  keepwatch findings list --severity high --rule 'root-*'
  keepwatch findings list --all --format ndjson | jq -r '[.status, .title] | @tsv'
  keepwatch findings list --format ocsf > findings.ocsf.jsonl
  keepwatch findings list --format asff | jq -s . > f.json && aws securityhub batch-import-findings --findings file://f.json

Exit codes: 0 listed, 1 some items of the table are no findings, 2 wrong use, 3 AWS refused or cannot be reached.";

const STATUSES: [Status; 4] = [Status::New, Status::InProgress, Status::Suppressed, Status::Resolved];

const SEVERITIES: [Severity; 5] =
    [Severity::Informational, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

/// The arguments.
#[derive(Args)]
pub(super) struct List {
    /// Only these: new, in-progress, suppressed, resolved; several with commas between them.
    #[arg(long, value_delimiter = ',', conflicts_with = "all", value_parser = status)]
    status: Vec<Status>,
    /// Only from this severity on: informational, low, medium, high, critical. A table without it begins with low.
    #[arg(long, value_name = "MIN", value_parser = severity)]
    severity: Option<Severity>,
    /// Only of rules whose id matches, with * and ?.
    #[arg(long, value_name = "PATTERN")]
    rule: Option<String>,
    /// Suppressed, resolved and informational ones too.
    #[arg(long)]
    all: bool,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Output,
}

impl List {
    /// A pattern that no rule matches is a typo; an empty list would say that all is well.
    fn check(&self) -> anyhow::Result<()> {
        let Some(pattern) = &self.rule else { return Ok(()) };
        if !CATALOGUE.all().any(|about| matches(pattern, about.finding)) {
            let meant = did_you_mean(pattern, CATALOGUE.all().map(|about| about.finding));
            anyhow::bail!(
                "no rule's and no check's findings match {}{meant}: `keepwatch rules list` and `keepwatch checks list` name \
                 all",
                keepwatch_base::text::clean(pattern, 100)
            );
        }
        Ok(())
    }

    fn wants_status(&self, status: Status) -> bool {
        match self.status.as_slice() {
            [] => self.all || matches!(status, Status::New | Status::InProgress),
            wanted => wanted.contains(&status),
        }
    }

    /// What is only worth knowing is listed when somebody asks for it.
    fn least(&self) -> Severity {
        let least =
            if self.all || self.format != Output::Table { Severity::Informational } else { Severity::Low };
        self.severity.unwrap_or(least)
    }

    fn wants(&self, finding: &Finding) -> bool {
        finding.severity >= self.least()
            && self.rule.as_ref().is_none_or(|pattern| matches(pattern, &finding.rule))
    }
}

/// Lists.
pub(super) async fn run(list: &List, account: &Account) -> anyhow::Result<ExitCode> {
    // Before AWS is asked for anything: what is wrong with the arguments costs no sign-in.
    list.check()?;
    let home = account.open().await?;
    let (findings, region) = (home.findings().await?, home.region());
    let mut found: Vec<Finding> = Vec::new();
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    let unreadable = visit(&findings, |finding| {
        if !list.wants(&finding) {
            if list.severity.is_none() && list.wants_status(finding.status) && finding.severity < list.least()
            {
                *left_out.entry(finding.severity.as_str()).or_default() += 1;
            }
            return;
        }
        if list.wants_status(finding.status) {
            found.push(finding);
        } else {
            *left_out.entry(finding.status.as_str()).or_default() += 1;
        }
    })
    .await
    .map_err(|error| findings.failed(&error))?;
    found.sort_by(|a, b| rank(a).cmp(&rank(b)));
    let rows: Vec<Row<'_>> = found.iter().map(Row).collect();
    output::print(list.format, &rows, CATALOGUE, &region, |out| print(out, &found, &left_out))?;
    Ok(report_unreadable(unreadable))
}

/// What is there before what is gone, then worst first, then oldest first.
fn rank(finding: &Finding) -> impl Ord + '_ {
    (!finding.is_open(), Reverse(finding.severity), finding.first_seen, &finding.finding_id)
}

/// A finding of the table.
struct Row<'r>(&'r Finding);

impl Listed for Row<'_> {
    const HEADER: &'static [&'static str] = &[
        "finding_id",
        "status",
        "severity",
        "rule",
        "account",
        "region",
        "resource",
        "aspect",
        "title",
        "who",
        "first_seen",
        "last_seen",
        "occurrences",
    ];

    fn json(&self) -> anyhow::Result<Value> {
        Ok(serde_json::to_value(self.0)?)
    }

    fn cells(&self) -> Vec<String> {
        let one = self.0;
        vec![
            one.finding_id.clone(),
            one.status.as_str().to_owned(),
            one.severity.as_str().to_owned(),
            one.rule.clone(),
            one.account.clone(),
            one.region.clone(),
            one.resource.clone(),
            one.aspect.clone().unwrap_or_default(),
            one.title.clone(),
            one.who.clone().unwrap_or_default(),
            one.first_seen.to_string(),
            one.last_seen.to_string(),
            one.occurrences.to_string(),
        ]
    }

    fn finding(&self) -> Option<Cow<'_, Finding>> {
        Some(Cow::Borrowed(self.0))
    }

    fn result(&self) -> SarifResult<'_> {
        SarifResult::of(self.0)
    }
}

fn print(out: &mut dyn Write, findings: &[Finding], left_out: &BTreeMap<&str, usize>) -> anyhow::Result<()> {
    let header = ["SEVERITY", "STATUS", "WHAT", "RESOURCE", "FIRST SEEN (UTC)", "TIMES", "ID"];
    let mut table = table(header);
    for finding in findings {
        table.add_row([
            finding.severity.as_str().to_owned(),
            finding.status.as_str().to_owned(),
            shown(&finding.title),
            shown(&finding.resource),
            day_and_minute(&finding.first_seen.to_string()),
            finding.occurrences.to_string(),
            short_id(&finding.finding_id),
        ]);
    }
    // What is copied must not be wrapped.
    table.keep_whole(header.len() - 1);
    if !findings.is_empty() {
        writeln!(out, "{table}\n")?;
    }
    let mut by_severity: BTreeMap<Severity, usize> = BTreeMap::new();
    for finding in findings {
        *by_severity.entry(finding.severity).or_default() += 1;
    }
    let counts: Vec<String> =
        by_severity.iter().rev().map(|(severity, count)| format!("{count} {}", severity.as_str())).collect();
    let of = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
    let plural = if findings.len() == 1 { "" } else { "s" };
    writeln!(out, "{} finding{plural}{of}", findings.len())?;
    if !left_out.is_empty() {
        let counts: Vec<String> =
            left_out.iter().map(|(status, count)| format!("{count} {status}")).collect();
        writeln!(out, "left out: {} (--all lists them)", counts.join(", "))?;
    }
    if let Some(first) = findings.first() {
        writeln!(out, "one of them in full: keepwatch findings show {}", short_id(&first.finding_id))?;
    }
    Ok(())
}

/// `2026-03-01T12:00:00.123Z` as `2026-03-01 12:00`: the list is for an overview.
fn day_and_minute(time: &str) -> String {
    time.get(..16).unwrap_or(time).replacen('T', " ", 1)
}

/// The hash that an id ends with, which is unique enough to name it by; an id of another form stays as it is.
fn short_id(id: &str) -> String {
    let hash = id.rsplit_once('-').map(|(_, hash)| hash);
    let is_hash = |hash: &&str| hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    shown(hash.filter(is_hash).unwrap_or(id))
}

fn status(text: &str) -> Result<Status, String> {
    one_of(text, &STATUSES, |status| status.as_str())
}

/// A severity in any case.
pub(crate) fn severity(text: &str) -> Result<Severity, String> {
    one_of(text, &SEVERITIES, |severity| severity.as_str())
}

/// A word in any case, with `-` for `_`.
fn one_of<T: Copy>(text: &str, all: &[T], word: impl Fn(&T) -> &'static str) -> Result<T, String> {
    let wanted = text.trim().replace('-', "_");
    let found = all.iter().find(|one| word(one).eq_ignore_ascii_case(&wanted));
    found.copied().ok_or_else(|| {
        let words: Vec<String> =
            all.iter().map(|one| word(one).to_ascii_lowercase().replace('_', "-")).collect();
        format!("write one of {}", words.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_case() {
        assert_eq!(status("In-Progress"), Ok(Status::InProgress));
        assert_eq!(status("IN_PROGRESS"), Ok(Status::InProgress));
        assert_eq!(severity("high"), Ok(Severity::High));
        assert!(severity("bad").is_err_and(|told| told.ends_with("medium, high, critical")));
    }

    #[test]
    fn only_a_hash_stands_for_an_id() {
        assert_eq!(short_id("root-sign-in-3f9a2c41d07be5a8"), "3f9a2c41d07be5a8");
        assert_eq!(short_id("root-sign-in"), "root-sign-in");
    }
}
