//! The one writer of what commands list: for people, and in the formats that other tools read.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};

use clap::ValueEnum;
use keepwatch_alert::format::{asff, ocsf};
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::finding::{Finding, Status};
use keepwatch_core::observation::Verdict;
use keepwatch_core::severity::Severity;
use serde_json::{Value, json};

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// One JSON object a line.
    Ndjson,
    /// One JSON document: an array, or of replay an object with the summary and the findings.
    Json,
    /// Comma-separated values with a header, for spreadsheets.
    Csv,
    /// OCSF 1.x, for SIEMs and data lakes: one JSON object a line.
    Ocsf,
    /// AWS Security Finding Format, for Security Hub: one JSON object a line.
    Asff,
    /// SARIF 2.1.0, for code-scanning pages.
    Sarif,
}

/// One of what a command lists.
pub(crate) trait Listed {
    /// The names of [`Listed::cells`].
    const HEADER: &'static [&'static str];

    /// All of it, in the command's own form.
    ///
    /// # Errors
    /// What has no JSON form.
    fn json(&self) -> anyhow::Result<Value>;

    /// It as a row of a spreadsheet.
    fn cells(&self) -> Vec<String>;

    /// It as a finding, for the formats of findings; nothing where it is no problem that could be there or gone.
    fn finding(&self) -> Option<Cow<'_, Finding>>;

    /// It as a result of SARIF.
    fn result(&self) -> SarifResult<'_>;

    /// The region of the Security Hub that it is for, where the list's is `region`.
    fn hub<'s>(&'s self, region: &'s str) -> &'s str {
        region
    }
}

/// What SARIF says of one result (SARIF 2.1.0, 3.27).
pub(crate) struct SarifResult<'r> {
    /// The rule or check.
    pub(crate) rule: &'r str,
    /// `fail`, `open`, `pass` …
    pub(crate) kind: &'static str,
    /// How bad it is.
    pub(crate) severity: Severity,
    /// What is so.
    pub(crate) text: String,
    /// What it is about.
    pub(crate) resource: &'r str,
    /// The part of it.
    pub(crate) aspect: Option<&'r str>,
    /// Where that is.
    pub(crate) region: &'r str,
    /// What stays the same from one time to the next.
    pub(crate) id: String,
    /// Somebody has silenced it.
    pub(crate) suppressed: bool,
}

impl SarifResult<'_> {
    /// What it says of a finding.
    pub(crate) fn of(one: &Finding) -> SarifResult<'_> {
        SarifResult {
            rule: &one.rule,
            kind: match one.status {
                Status::Resolved => "pass",
                _ if one.strongest().verdict == Verdict::Unknown => "open",
                Status::New | Status::InProgress | Status::Suppressed => "fail",
            },
            severity: one.severity,
            text: one.title.clone(),
            resource: &one.resource,
            aspect: one.aspect.as_deref(),
            region: &one.region,
            id: one.finding_id.clone(),
            suppressed: one.status == Status::Suppressed,
        }
    }
}

/// Prints a list. `people` prints it as a table; `catalogue` explains what SARIF and the formats of findings refer to;
/// `region` is where Security Hub is.
///
/// # Errors
/// Output that cannot be written.
pub(crate) fn print<T: Listed>(
    format: Output,
    items: &[T],
    catalogue: Catalogue,
    region: &str,
    people: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut out = BufWriter::new(anstream::AutoStream::auto(io::stdout()).lock());
    write(&mut out, format, items, catalogue, region, people)?;
    out.flush()?;
    Ok(())
}

/// Prints a list to somewhere else than standard output, as [`print`] does.
///
/// # Errors
/// Output that cannot be written.
pub(crate) fn write<T: Listed>(
    out: &mut dyn Write,
    format: Output,
    items: &[T],
    catalogue: Catalogue,
    region: &str,
    people: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    match format {
        Output::Table => people(out)?,
        Output::Ndjson => {
            for item in items {
                writeln!(out, "{}", item.json()?)?;
            }
        }
        Output::Json => {
            let all: Vec<Value> = items.iter().map(Listed::json).collect::<anyhow::Result<_>>()?;
            writeln!(out, "{:#}", Value::Array(all))?;
        }
        Output::Csv => {
            let mut writer = csv::Writer::from_writer(out);
            writer.write_record(T::HEADER)?;
            for item in items {
                writer.write_record(item.cells().iter().map(|text| cell(text)))?;
            }
            writer.flush()?;
        }
        Output::Ocsf => {
            for finding in items.iter().filter_map(Listed::finding) {
                writeln!(out, "{}", ocsf::finding(&finding, catalogue))?;
            }
        }
        Output::Asff => {
            for item in items {
                let Some(finding) = item.finding() else { continue };
                writeln!(out, "{}", asff::finding(&finding, item.hub(region), catalogue))?;
            }
        }
        Output::Sarif => writeln!(out, "{:#}", sarif(items, catalogue))?,
    }
    Ok(())
}

/// Text that a spreadsheet would take for a formula is led by an apostrophe.
fn cell(text: &str) -> String {
    let risky = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if risky { format!("'{text}") } else { text.to_owned() }
}

/// SARIF 2.1.0 (OASIS), with the rules that the results name.
fn sarif<T: Listed>(items: &[T], catalogue: Catalogue) -> Value {
    let results: Vec<SarifResult<'_>> = items.iter().map(Listed::result).collect();
    let named: BTreeSet<&str> = results.iter().map(|one| one.rule).collect();
    let rules: Vec<Value> = named.into_iter().map(|id| rule(id, catalogue)).collect();
    let results: Vec<Value> = results.iter().map(result).collect();
    json!({
        "version": "2.1.0",
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "runs": [{
            "tool": {"driver": {"name": "Keepwatch", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "results": results,
        }],
    })
}

fn rule(id: &str, catalogue: Catalogue) -> Value {
    // One that an older or newer version wrote has no text here.
    let Some(about) = catalogue.find(id) else { return json!({"id": id}) };
    let section = |headings: &[&str]| {
        let docs = catalogue.docs(id);
        headings.iter().find_map(|heading| docs.and_then(|docs| docs.section(heading))).unwrap_or_default()
    };
    json!({
        "id": id,
        "shortDescription": {"text": about.title},
        "fullDescription": {"text": section(&["What it checks", "What it detects"])},
        "help": {"text": section(&["What to do"])},
        "properties": {"tags": about.catalogue},
    })
}

fn result(one: &SarifResult<'_>) -> Value {
    let level = match (one.kind, one.severity) {
        ("fail", severity) if severity >= Severity::High => "error",
        ("fail", Severity::Medium) => "warning",
        ("fail", _) => "note",
        _ => "none",
    };
    let suppressions: &[Value] = if one.suppressed { &[json!({"kind": "external"})] } else { &[] };
    json!({
        "ruleId": one.rule,
        "kind": one.kind,
        "level": level,
        "message": {"text": one.text},
        "locations": [{"logicalLocations": [{
            "fullyQualifiedName": one.resource,
            "name": one.aspect.unwrap_or(one.resource),
            "kind": "resource",
        }]}],
        "partialFingerprints": {"keepwatch/finding": one.id},
        "suppressions": suppressions,
        "properties": {"severity": one.severity.as_str(), "region": one.region},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_is_text() {
        for text in ["=1+1", "+1", "-1", "@x", "\tx"] {
            assert_eq!(cell(text), format!("'{text}"));
        }
        assert_eq!(cell("arn:aws:s3:::a"), "arn:aws:s3:::a");
    }
}
