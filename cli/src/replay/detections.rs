//! One line for each event and rule that saw something.

use std::collections::HashSet;
use std::io::Write;

use keepwatch_base::text::defang;
use keepwatch_base::time::Timestamp;
use keepwatch_base::wildcard::matches;
use keepwatch_core::observation::{Observation, Verdict};
use serde::Serialize;

use super::log::About;
use super::options::Replay;
use crate::output::Output;
use crate::table::{Table, table};

#[derive(Serialize)]
struct Detection<'a> {
    event_id: &'a str,
    event_name: &'a str,
    event_time: Timestamp,
    rule: &'a str,
    catalogue: &'a [&'a str],
    severity: &'a str,
    verdict: &'a str,
    resource: &'a str,
    title: &'a str,
    reason: &'a str,
}

impl<'a> Detection<'a> {
    fn of(seen: &'a Observation) -> Detection<'a> {
        Detection {
            event_id: &seen.event.id,
            event_name: &seen.event.name,
            event_time: seen.event.time,
            rule: seen.rule.id,
            catalogue: seen.rule.catalogue,
            severity: seen.severity.as_str(),
            verdict: seen.verdict.as_str(),
            resource: &seen.subject.resource,
            title: &seen.title,
            reason: &seen.reason,
        }
    }
}

/// Prints as the events come.
pub(super) struct Printer<'a, W> {
    replay: &'a Replay,
    out: &'a mut W,
    table: Table,
    /// Findings that the log has shown to be there.
    findings: HashSet<String>,
    printed: usize,
}

impl<'a, W: Write> Printer<'a, W> {
    pub(super) fn new(replay: &'a Replay, out: &'a mut W) -> Printer<'a, W> {
        let table = table(["SEVERITY", "VERDICT", "WHEN", "EVENT", "WHAT", "RULE"]);
        Printer { replay, out, table, findings: HashSet::new(), printed: 0 }
    }

    /// Prints what was seen of one event.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub(super) fn print(&mut self, observations: &[Observation]) -> anyhow::Result<()> {
        for seen in observations.iter().filter(|seen| self.replay.wants(seen)) {
            if self.replay.format == Output::Ndjson {
                self.printed += 1;
                serde_json::to_writer(&mut self.out, &Detection::of(seen))?;
                self.out.write_all(b"\n")?;
            } else if self.is_worth_a_line(seen) {
                self.printed += 1;
                let (when, what) = (seen.event.time.to_string(), defang(&seen.title));
                let verdict = match seen.verdict {
                    Verdict::Failing => "PROBLEM",
                    Verdict::Passing => "FIXED",
                    Verdict::Unknown => "UNSURE",
                };
                let severity = seen.severity.as_str();
                self.table.add_row([severity, verdict, &when, &seen.event.name, &what, seen.rule.id]);
            }
        }
        Ok(())
    }

    /// Good news is worth a line only where there was a problem.
    fn is_worth_a_line(&mut self, seen: &Observation) -> bool {
        let finding = seen.finding_id();
        if seen.verdict == Verdict::Passing {
            return self.findings.contains(&finding);
        }
        self.findings.insert(finding);
        true
    }

    /// Prints what is left.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub(super) fn finish(self, about: &About) -> anyhow::Result<()> {
        if self.replay.format != Output::Table {
            return Ok(());
        }
        if self.printed > 0 {
            writeln!(self.out, "{}", self.table)?;
        }
        let kinds: Vec<String> =
            about.by_kind.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        writeln!(self.out, "{} detections in {} events{kinds}", self.printed, about.events())?;
        Ok(())
    }
}

impl Replay {
    /// Whether a detection is listed.
    fn wants(&self, seen: &Observation) -> bool {
        self.min_severity.is_none_or(|least| seen.severity >= least)
            && self.rule.as_deref().is_none_or(|pattern| matches(pattern, seen.rule.id))
    }
}
