//! `keepwatch replay`.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use keepwatch_core::event::Event;
use keepwatch_core::observation::Observation;
use keepwatch_core::rules::{Config, dispatch::Index, registry};
use keepwatch_core::state::{Fact, Facts};
use keepwatch_core::text::{clean, defang};
use keepwatch_core::time::Timestamp;
use serde::Serialize;

use crate::Format;
use crate::input::{Place, lines};
use crate::table::table;

/// Plays recorded events through the rules, without an account.
///
/// Reads JSON lines: bare CloudTrail records or EventBridge envelopes. What only the live account could tell is
/// `unknown`.
#[derive(Args)]
#[command(
    after_help = "Example:\n  keepwatch replay --detections --format ndjson events.jsonl | jq 'select(.verdict==\"failing\")'\n\nExit codes: 0 all lines were read, 1 some lines were no events (named on standard error), 2 wrong use."
)]
pub(crate) struct Replay {
    /// Files of JSON lines; - is standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print one line for each event and rule that saw something (the default, and for now the only view).
    #[arg(long)]
    detections: bool,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Account ids that are trusted, as in the template's TrustedAccounts; may be repeated or separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "ACCOUNT")]
    trusted_account: Vec<String>,
}

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

/// # Errors
/// A file that cannot be read, or output that cannot be written.
pub(crate) fn run(replay: &Replay) -> anyhow::Result<ExitCode> {
    let rules = Index::new(registry::RULES);
    let config = Config { trusted_accounts: replay.trusted_account.clone() };
    let mut out = BufWriter::new(anstream::AutoStream::auto(io::stdout()).lock());
    let mut table = table(["SEVERITY", "VERDICT", "WHEN", "EVENT", "WHAT", "RULE"]);
    let mut by_kind: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut unreadable, mut detections) = (0_usize, 0_usize);
    lines(&replay.files, |place, line| {
        let event = match Event::parse(line) {
            Ok(event) => event,
            Err(error) => {
                unreadable += 1;
                report_unreadable(place, unreadable, &error);
                return Ok(());
            }
        };
        *by_kind.entry(event.kind()).or_default() += 1;
        for seen in evaluate(&rules, &event, &config, place) {
            detections += 1;
            if replay.format == Format::Ndjson {
                serde_json::to_writer(&mut out, &Detection::of(&seen))?;
                out.write_all(b"\n")?;
            } else {
                let when = seen.event.time.to_string();
                table.add_row([
                    seen.severity.as_str(),
                    seen.verdict.as_str(),
                    &when,
                    &seen.event.name,
                    &defang(&seen.title),
                    seen.rule.id,
                ]);
            }
        }
        Ok(())
    })?;
    if replay.format == Format::Table {
        let kinds: Vec<String> = by_kind.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        if detections > 0 {
            writeln!(out, "{table}")?;
        }
        writeln!(
            out,
            "{detections} detections in {} events ({})",
            by_kind.values().sum::<usize>(),
            kinds.join(", ")
        )?;
    }
    out.flush()?;
    Ok(if unreadable == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Evaluates with every question answered "nobody was asked".
fn evaluate(rules: &Index, event: &Event<'_>, config: &Config, place: &Place<'_>) -> Vec<Observation> {
    let mut facts = Facts::default();
    loop {
        let evaluation = rules.evaluate(event, &facts, config, Timestamp::default());
        if evaluation.questions.is_empty() {
            for error in evaluation.errors {
                anstream::eprintln!("{place}: {error}");
            }
            return evaluation.observations;
        }
        for question in evaluation.questions {
            facts.insert(question, Fact::Unavailable("replay does not ask the account".to_owned()));
        }
    }
}

/// The first few are named, so that a file of another kind does not flood the terminal.
fn report_unreadable(place: &Place<'_>, count: usize, error: &keepwatch_core::event::Unreadable) {
    const NAMED: usize = 20;
    if count <= NAMED {
        anstream::eprintln!("{place}: {}", clean(&error.to_string(), 300));
    } else if count == NAMED + 1 {
        anstream::eprintln!("more lines are no events; they are counted and not named");
    }
}
