//! How a scan is printed: for people, and in the formats that other tools read.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use keepwatch_base::text::clean;
use keepwatch_checks::registry::{CHECKS, DOCUMENTED};
use keepwatch_core::finding::{Finding, finding_id};
use keepwatch_core::observation::{Occurrence, Verdict};
use keepwatch_core::posture::{Judged, Judgement, Missing, State};
use keepwatch_core::severity::Severity;
use serde_json::{Value, json};

use crate::output::{self, Listed, Output, SarifResult};
use crate::screen::Screen;
use crate::table::table;

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

/// What is listed, and how.
pub(super) struct Listing {
    pub(super) format: Output,
    /// What is well, too.
    pub(super) all: bool,
    /// People see a few of many that are alike.
    pub(super) fold: bool,
    /// People see nothing that is INFORMATIONAL.
    pub(super) quiet: bool,
}

/// Prints the judgements, worst first.
///
/// # Errors
/// Output that cannot be written.
pub(super) fn print(listing: &Listing, mut judgements: Vec<Judgement>, state: &State) -> anyhow::Result<()> {
    let Listing { format, all, fold, .. } = *listing;
    let is_well =
        |one: &Judgement| matches!(one.verdict, Judged::Passing | Judged::NotApplicable | Judged::Manual);
    let is_informational = |one: &Judgement| match one.verdict {
        Judged::Informational => true,
        Judged::Failing => one.severity == Severity::Informational,
        _ => false,
    };
    let mut summary = Summary::of(&judgements);
    if !all {
        judgements.retain(|one| !is_well(one));
    }
    if listing.quiet && format == Output::Table {
        let before = judgements.len();
        judgements.retain(|one| !is_informational(one));
        summary.left_out = before - judgements.len();
        summary.failing.retain(|(severity, _), _| severity.0 > Severity::Informational);
    }
    judgements.sort_by_key(|one| {
        let subject = &one.subject;
        (
            one.verdict,
            Reverse(one.severity),
            one.practices.is_empty(),
            one.practices,
            one.check.id,
            subject.region.clone(),
            subject.resource.clone(),
        )
    });
    let lines: Vec<Line<'_>> = judgements.iter().map(|one| Line { one, state }).collect();
    let region = state.regions.first().map_or("us-east-1", String::as_str);
    output::print(format, &lines, DOCUMENTED, region, |out| people(&judgements, &summary, state, fold, out))
}

/// A judgement of a scan.
struct Line<'l> {
    one: &'l Judgement,
    state: &'l State,
}

impl Listed for Line<'_> {
    const HEADER: &'static [&'static str] = &[
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
    ];

    fn json(&self) -> anyhow::Result<Value> {
        let one = self.one;
        Ok(json!({
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
        }))
    }

    fn cells(&self) -> Vec<String> {
        let one = self.one;
        let missing: Vec<String> = one.unknown_because.iter().map(Missing::to_string).collect();
        vec![
            one.practices.join(" "),
            one.check.id.to_owned(),
            one.subject.account.clone(),
            one.subject.region.clone(),
            one.subject.resource.clone(),
            one.subject.aspect.clone().unwrap_or_default(),
            one.verdict.as_str().to_owned(),
            one.severity.as_str().to_owned(),
            one.title.clone(),
            one.reason.clone(),
            one.as_of.map(|at| at.to_string()).unwrap_or_default(),
            missing.join("; "),
        ]
    }

    fn finding(&self) -> Option<Cow<'_, Finding>> {
        finding(self.one, self.state).map(Cow::Owned)
    }

    fn result(&self) -> SarifResult<'_> {
        let one = self.one;
        SarifResult {
            rule: one.check.id,
            kind: match one.verdict {
                Judged::Failing => "fail",
                Judged::Unknown => "open",
                Judged::Informational => "informational",
                Judged::Manual => "review",
                Judged::Passing => "pass",
                Judged::NotApplicable => "notApplicable",
            },
            severity: one.severity,
            text: match one.reason.as_str() {
                "" => one.title.clone(),
                reason => format!("{}: {reason}", one.title),
            },
            resource: &one.subject.resource,
            aspect: one.subject.aspect.as_deref(),
            region: &one.subject.region,
            id: finding_id(one.check.id, &one.subject),
            suppressed: false,
        }
    }
}

/// How many lines of one check and severity people see before the rest is one line.
const FOLDED: usize = 5;

/// What people read where machines read `unknown`; a replay says the same.
const UNSURE: &str = "UNSURE";

/// How bad it is; of what does not fail, what it is.
fn word(one: &Judgement) -> String {
    match one.verdict {
        Judged::Failing => one.severity.as_str().to_owned(),
        Judged::Unknown => UNSURE.to_owned(),
        other => other.as_str().replace('-', " "),
    }
}

fn cells(one: &Judgement, state: &State) -> [String; 5] {
    let subject = &one.subject;
    // The ARN without what is the same in all lines; machines get the whole.
    let own = subject.resource.strip_prefix("arn:").and_then(|rest| rest.splitn(5, ':').last());
    let resource = match own {
        _ if subject.resource == state.root_arn() => "account",
        Some(own) => own,
        None => subject.resource.as_str(),
    };
    let resource = match &subject.aspect {
        Some(aspect) => format!("{resource} ({aspect})"),
        None => resource.to_owned(),
    };
    let what = match (one.verdict, one.reason.as_str()) {
        (Judged::Unknown, reason) if !reason.is_empty() => format!("{}: {reason}", one.title),
        _ => one.title.clone(),
    };
    [word(one), one.check.id.to_owned(), what, subject.region.clone(), resource]
}

/// How many judgements of each kind there are.
struct Summary {
    /// Failing, by practice and severity.
    failing: BTreeMap<(Reverse<Severity>, &'static str), usize>,
    verdicts: BTreeMap<Judged, usize>,
    /// What could not be read, and how much is unknown for it.
    missing: BTreeMap<Missing, usize>,
    /// How much is INFORMATIONAL and not listed.
    left_out: usize,
}

impl Summary {
    fn of(judgements: &[Judgement]) -> Summary {
        let mut summary = Summary {
            failing: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            missing: BTreeMap::new(),
            left_out: 0,
        };
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
    fold: bool,
    mut out: &mut dyn Write,
) -> anyhow::Result<()> {
    let screen = Screen::of_output();
    let mut cut = false;
    if !judgements.is_empty() {
        let mut table = table(["SEVERITY", "CHECK", "WHAT", "REGION", "RESOURCE"]);
        let alike = |a: &Judgement, b: &Judgement| {
            (a.check.id, a.verdict, a.severity) == (b.check.id, b.verdict, b.severity)
        };
        for group in judgements.chunk_by(alike) {
            let shown = if fold && group.len() > FOLDED + 1 { FOLDED } else { group.len() };
            for one in &group[..shown] {
                table.add_row(cells(one, state).map(|cell| clean(&cell, 400)));
            }
            if shown < group.len() {
                let more = format!("and {} more", group.len() - shown);
                let id = group[0].check.id.to_owned();
                table.add_row([word(&group[0]), id, more, String::new(), String::new()]);
                cut = true;
            }
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
            Some(action) => {
                screen.line(&mut out, &format!("not allowed: {action}, so {} {UNSURE}", are(*count)))?;
            }
            None => {
                let why = clean(&missing.why, 300);
                screen.line(&mut out, &format!("{why}, so {} {UNSURE}", are(*count)))?;
            }
        }
    }
    if summary.missing.keys().any(|missing| missing.action.is_some()) {
        writeln!(out, "what a scan needs: keepwatch scan --print-policy")?;
    }
    let counts = format!(
        "account {}, {}: {} failing, {} {UNSURE}, {} to know, {} passing, {} not applicable, {} to look at by hand",
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
    );
    screen.line(&mut out, &counts)?;
    if summary.left_out > 0 {
        writeln!(out, "left out: {} INFORMATIONAL (--all lists them)", summary.left_out)?;
    }
    if cut {
        writeln!(out, "all of one kind: keepwatch scan --check CHECK")?;
    }
    if let Some(first) = judgements.first().filter(|one| one.verdict == Judged::Failing) {
        writeln!(
            out,
            "what to do, and what that costs and may break: keepwatch checks show {}",
            first.check.id
        )?;
    }
    Ok(())
}

fn are(count: usize) -> String {
    if count == 1 { "1 verdict is".to_owned() } else { format!("{count} verdicts are") }
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
