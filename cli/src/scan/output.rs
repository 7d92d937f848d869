//! How a scan is printed: for people, and in the formats that other tools read.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};

use clap::ValueEnum;
use keepwatch_alert::format::{asff, ocsf};
use keepwatch_base::text::clean;
use keepwatch_checks::registry::{CHECKS, DOCUMENTED};
use keepwatch_core::finding::Finding;
use keepwatch_core::observation::{Occurrence, Verdict};
use keepwatch_core::posture::{Judged, Judgement, Missing, State};
use keepwatch_core::severity::Severity;
use serde_json::{Value, json};

use crate::table::table;

/// How to print a scan.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Table,
    /// One JSON object a line.
    Ndjson,
    /// One JSON array.
    Json,
    /// Comma-separated values with a header, for spreadsheets.
    Csv,
    /// OCSF 1.x Compliance Findings, for SIEMs and data lakes: one JSON object a line.
    Ocsf,
    /// AWS Security Finding Format, for Security Hub: one JSON object a line.
    Asff,
    /// SARIF 2.1.0, for code-scanning pages.
    Sarif,
}

/// The IAM policy that a scan needs.
///
/// # Errors
/// Output that cannot be written.
pub(super) fn policy(actions: &BTreeSet<&'static str>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string_pretty(&policy_of(actions))?)?;
    Ok(())
}

/// A policy document that allows these actions.
fn policy_of(actions: &BTreeSet<&'static str>) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Sid": "KeepwatchScan", "Effect": "Allow", "Action": actions, "Resource": "*"}],
    })
}

/// Prints the judgements, worst first; what is well only with `all`.
///
/// # Errors
/// Output that cannot be written.
pub(super) fn print(
    format: Output,
    all: bool,
    mut judgements: Vec<Judgement>,
    state: &State,
) -> anyhow::Result<()> {
    let quiet =
        |one: &Judgement| matches!(one.verdict, Judged::Passing | Judged::NotApplicable | Judged::Manual);
    let summary = Summary::of(&judgements);
    if !all {
        judgements.retain(|one| !quiet(one));
    }
    judgements.sort_by_key(|one| {
        let subject = &one.subject;
        (one.verdict, Reverse(one.severity), one.practices, subject.region.clone(), subject.resource.clone())
    });
    let mut out = BufWriter::new(io::stdout().lock());
    match format {
        Output::Table => people(&judgements, &summary, state, &mut out)?,
        Output::Ndjson => {
            for one in &judgements {
                writeln!(out, "{}", line(one))?;
            }
        }
        Output::Json => {
            let lines: Vec<Value> = judgements.iter().map(line).collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&lines)?)?;
        }
        Output::Csv => csv(&judgements, &mut out)?,
        Output::Ocsf => {
            for finding in judgements.iter().filter_map(|one| finding(one, state)) {
                writeln!(out, "{}", ocsf::finding(&finding, DOCUMENTED))?;
            }
        }
        Output::Asff => {
            for finding in judgements.iter().filter_map(|one| finding(one, state)) {
                let region = state.regions.first().map_or("us-east-1", String::as_str);
                writeln!(out, "{}", asff::finding(&finding, region, DOCUMENTED))?;
            }
        }
        Output::Sarif => writeln!(out, "{}", serde_json::to_string_pretty(&sarif(&judgements))?)?,
    }
    out.flush()?;
    Ok(())
}

fn line(one: &Judgement) -> Value {
    json!({
        "practice": one.practices,
        "check": one.check.id,
        "account": one.subject.account,
        "resource": one.subject.resource,
        "aspect": one.subject.aspect,
        "region": one.subject.region,
        "verdict": one.verdict.as_str(),
        "severity": one.severity.as_str(),
        "title": one.title,
        "reason": one.reason,
        "details": one.details,
        "steps": one.steps,
        "as_of": one.as_of,
        "unknown_because": one.unknown_because,
    })
}

/// How many judgements of each kind there are.
struct Summary {
    /// Failing, by practice and severity.
    failing: BTreeMap<(Reverse<Severity>, &'static str), usize>,
    verdicts: BTreeMap<Judged, usize>,
    /// What could not be read, and how much is unknown for it.
    missing: BTreeMap<Missing, usize>,
}

impl Summary {
    fn of(judgements: &[Judgement]) -> Summary {
        let mut summary =
            Summary { failing: BTreeMap::new(), verdicts: BTreeMap::new(), missing: BTreeMap::new() };
        for one in judgements {
            *summary.verdicts.entry(one.verdict).or_default() += 1;
            if one.verdict == Judged::Failing {
                *summary.failing.entry((Reverse(one.severity), one.check.id)).or_default() += 1;
            }
            for missing in &one.unknown_because {
                // What AWS says names the caller and the resource; by action it is one line.
                let why = if missing.action.is_some() { String::new() } else { missing.why.clone() };
                *summary.missing.entry(Missing { action: missing.action.clone(), why }).or_default() += 1;
            }
        }
        summary
    }

    fn count(&self, verdict: Judged) -> usize {
        self.verdicts.get(&verdict).copied().unwrap_or(0)
    }
}

fn people(
    judgements: &[Judgement],
    summary: &Summary,
    state: &State,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    if !judgements.is_empty() {
        let mut table = table(["SEVERITY", "PRACTICE", "WHAT", "REGION", "RESOURCE"]);
        for one in judgements {
            let severity = match one.verdict {
                Judged::Failing => one.severity.as_str().to_owned(),
                other => other.as_str().replace('-', " "),
            };
            let resource = match &one.subject.aspect {
                Some(aspect) => format!("{} {aspect}", one.subject.resource),
                None => one.subject.resource.clone(),
            };
            let what = match (one.verdict, one.reason.as_str()) {
                (Judged::Unknown, reason) if !reason.is_empty() => format!("{}: {reason}", one.title),
                _ => one.title.clone(),
            };
            let cells = [severity, one.practices.join(", "), what, one.subject.region.clone(), resource];
            table.add_row(cells.map(|cell| clean(&cell, 400)));
        }
        writeln!(out, "{table}\n")?;
    }
    if !summary.failing.is_empty() {
        let mut table = table(["SEVERITY", "PRACTICE", "CHECK", "FAILING"]);
        for ((severity, id), count) in &summary.failing {
            let meta = CHECKS.iter().map(|check| check.meta()).find(|meta| meta.about.id == *id);
            let practices = meta.map(|meta| meta.practices.join(", ")).unwrap_or_default();
            table.add_row([severity.0.as_str(), &practices, id, &count.to_string()]);
        }
        writeln!(out, "{table}\n")?;
    }
    for (missing, count) in &summary.missing {
        match &missing.action {
            Some(action) => writeln!(out, "{action} is missing: {count} not known for it")?,
            None => writeln!(out, "{}: {count} not known for it", clean(&missing.why, 300))?,
        }
    }
    writeln!(
        out,
        "account {}, {}: {} failing, {} unknown, {} to know, {} passing, {} not applicable, {} to look at by hand",
        state.account,
        if state.regions.len() == 1 {
            "1 region".to_owned()
        } else {
            format!("{} regions", state.regions.len())
        },
        summary.count(Judged::Failing),
        summary.count(Judged::Unknown),
        summary.count(Judged::Informational),
        summary.count(Judged::Passing),
        summary.count(Judged::NotApplicable),
        summary.count(Judged::Manual),
    )?;
    Ok(())
}

/// Text that a spreadsheet would take for a formula is led by an apostrophe.
fn cell(text: &str) -> String {
    let risky = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if risky { format!("'{text}") } else { text.to_owned() }
}

fn csv(judgements: &[Judgement], out: &mut impl Write) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record([
        "practice",
        "check",
        "account",
        "region",
        "resource",
        "aspect",
        "verdict",
        "severity",
        "title",
        "reason",
        "as_of",
        "unknown_because",
    ])?;
    for one in judgements {
        let missing: Vec<String> = one.unknown_because.iter().map(Missing::to_string).collect();
        let cells = [
            &one.practices.join(" "),
            one.check.id,
            &one.subject.account,
            &one.subject.region,
            &one.subject.resource,
            one.subject.aspect.as_deref().unwrap_or_default(),
            one.verdict.as_str(),
            one.severity.as_str(),
            &one.title,
            &one.reason,
            &one.as_of.map(|at| at.to_string()).unwrap_or_default(),
            &missing.join("; "),
        ];
        writer.write_record(cells.map(cell))?;
    }
    writer.flush()?;
    Ok(())
}

/// The judgement as a finding of this scan, for the formats of findings.
fn finding(one: &Judgement, state: &State) -> Option<Finding> {
    let scan = Occurrence::new(&format!("scan-{}", state.at.millis()), "scan", state.at);
    let observation = one.observation(&scan)?;
    let mut finding = match observation.verdict {
        Verdict::Failing | Verdict::Unknown => Finding::open(&observation, None, None)?,
        Verdict::Passing => {
            // A finding begins with a problem: that it is gone is what this one tells.
            let mut problem = observation.clone();
            problem.verdict = Verdict::Unknown;
            let mut finding = Finding::open(&problem, None, None)?;
            finding.apply(&observation);
            finding
        }
    };
    // Here it is the check's, whatever finding it will add to in the account's table.
    one.check.id.clone_into(&mut finding.rule);
    finding.stamp(state.at);
    Some(finding)
}

/// SARIF 2.1.0 (OASIS): what fails is an error, a warning or a note; what is unknown is open.
fn sarif(judgements: &[Judgement]) -> Value {
    let rules: Vec<Value> = CHECKS
        .iter()
        .map(|check| {
            let about = &check.meta().about;
            let docs = DOCUMENTED.docs(about.id);
            let section = |heading: &str| docs.and_then(|docs| docs.section(heading)).unwrap_or_default();
            json!({
                "id": about.id,
                "shortDescription": {"text": about.title},
                "fullDescription": {"text": section("What it checks")},
                "help": {"text": section("What to do")},
                "properties": {"tags": check.meta().practices},
            })
        })
        .collect();
    let results: Vec<Value> = judgements
        .iter()
        .map(|one| {
            let (kind, level) = match one.verdict {
                Judged::Failing if one.severity >= Severity::High => ("fail", "error"),
                Judged::Failing if one.severity >= Severity::Medium => ("fail", "warning"),
                Judged::Failing => ("fail", "note"),
                Judged::Unknown => ("open", "none"),
                Judged::Informational => ("informational", "none"),
                Judged::Manual => ("review", "none"),
                Judged::Passing => ("pass", "none"),
                Judged::NotApplicable => ("notApplicable", "none"),
            };
            let text = if one.reason.is_empty() { one.title.clone() } else { format!("{}: {}", one.title, one.reason) };
            json!({
                "ruleId": one.check.id,
                "kind": kind,
                "level": level,
                "message": {"text": text},
                "locations": [{"logicalLocations": [{
                    "fullyQualifiedName": one.subject.resource,
                    "name": one.subject.aspect.as_ref().unwrap_or(&one.subject.resource),
                    "kind": "resource",
                }]}],
                "partialFingerprints": {"keepwatch/finding": keepwatch_core::finding::finding_id(one.check.id, &one.subject)},
                "properties": {"severity": one.severity.as_str(), "region": one.subject.region},
            })
        })
        .collect();
    json!({
        "version": "2.1.0",
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "runs": [{
            "tool": {"driver": {"name": "Keepwatch", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "results": results,
        }],
    })
}
