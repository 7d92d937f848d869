//! `keepwatch replay`.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use keepwatch_core::event::{Event, is_account_id};
use keepwatch_core::observation::{Observation, Verdict};
use keepwatch_core::rules::{Config, Rule, dispatch::Index, registry};
use keepwatch_core::state::{Answer, Fact, Query, Value};
use keepwatch_core::text::{clean, defang};
use keepwatch_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Format;
use crate::input::{Place, lines};
use crate::table::table;

/// Plays recorded events through the rules, without an account.
///
/// Reads JSON lines: CloudTrail records, bare or as CloudTrail writes them to S3 (`Records`), or EventBridge envelopes.
/// What only the live account could tell is `unknown`.
#[derive(Args)]
#[command(
    after_help = "Example:\n  keepwatch replay --detections --format ndjson events.jsonl | jq 'select(.verdict==\"failing\")'\n\nExit codes: 0 all lines were read, 1 some lines were no events or some of your own rules are invalid (named on standard error), 2 wrong use."
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
    #[arg(long, value_delimiter = ',', value_name = "ACCOUNT", value_parser = account_id)]
    trusted_account: Vec<String>,
    /// A folder of your own Sigma rules, evaluated after the built-in ones.
    #[cfg(feature = "sigma")]
    #[arg(long, value_name = "DIR")]
    sigma: Option<PathBuf>,
}

impl Replay {
    /// The rules to play, and whether all that were asked for are there.
    fn rules(&self) -> anyhow::Result<(&'static [&'static dyn Rule], bool)> {
        #[cfg(feature = "sigma")]
        if let Some(folder) = &self.sigma {
            return crate::sigma::rules(folder);
        }
        Ok((registry::RULES, true))
    }
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
    let (rules, complete) = replay.rules()?;
    let mut player = Player {
        rules: Index::new(rules),
        config: Config { trusted_accounts: replay.trusted_account.clone(), ..Config::default() },
        exposed: BTreeMap::new(),
        by_kind: BTreeMap::new(),
        unreadable: 0,
    };
    let mut out = BufWriter::new(anstream::AutoStream::auto(io::stdout()).lock());
    let mut table = table(["SEVERITY", "VERDICT", "WHEN", "EVENT", "WHAT", "RULE"]);
    let mut detections = 0_usize;
    lines(&replay.files, |place, line| {
        for seen in player.line(place, line) {
            detections += 1;
            if replay.format == Format::Ndjson {
                serde_json::to_writer(&mut out, &Detection::of(&seen))?;
                out.write_all(b"\n")?;
            } else {
                let (when, what) = (seen.event.time.to_string(), defang(&seen.title));
                let (severity, verdict) = (seen.severity.as_str(), seen.verdict.as_str());
                table.add_row([severity, verdict, &when, &seen.event.name, &what, seen.rule.id]);
            }
        }
        Ok(())
    })?;
    if replay.format == Format::Table {
        if detections > 0 {
            writeln!(out, "{table}")?;
        }
        let kinds: Vec<String> =
            player.by_kind.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let events: usize = player.by_kind.values().sum();
        writeln!(out, "{detections} detections in {events} events ({})", kinds.join(", "))?;
    }
    out.flush()?;
    Ok(if complete && player.unreadable == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The rules, and what they have learnt from the lines so far.
struct Player {
    rules: Index,
    config: Config,
    /// Accounts and ids of keys that the replayed events have shown to be exposed, and since when. On an account the
    /// findings table knows them.
    exposed: BTreeMap<(String, String), Timestamp>,
    by_kind: BTreeMap<&'static str, usize>,
    unreadable: usize,
}

/// The files that CloudTrail writes to S3, and the answers of `aws cloudtrail lookup-events`.
#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow, rename = "Records", default)]
    records: Vec<&'a RawValue>,
    #[serde(rename = "CloudTrailEvent")]
    event: Option<String>,
}

impl Player {
    fn line(&mut self, place: &Place<'_>, line: &str) -> Vec<Observation> {
        let event = match Event::parse(line) {
            Ok(event) => event,
            Err(error) => return self.skip(place, &error.to_string()),
        };
        if event.kind() != "other" || event.envelope.detail_type.get().is_some() {
            return self.event(place, &event);
        }
        match serde_json::from_str::<Wrapped<'_>>(line) {
            Ok(wrapped) if !wrapped.records.is_empty() => {
                wrapped.records.iter().flat_map(|record| self.record(place, record.get())).collect()
            }
            Ok(Wrapped { event: Some(event), .. }) => self.record(place, &event),
            _ => self.skip(place, "neither a CloudTrail record nor an EventBridge envelope"),
        }
    }

    fn record(&mut self, place: &Place<'_>, record: &str) -> Vec<Observation> {
        match Event::parse(record) {
            Ok(event) if event.kind() == "cloudtrail" => self.event(place, &event),
            Ok(_) => self.skip(place, "it holds something else than CloudTrail records"),
            Err(error) => self.skip(place, &error.to_string()),
        }
    }

    fn event(&mut self, place: &Place<'_>, event: &Event<'_>) -> Vec<Observation> {
        *self.by_kind.entry(event.kind()).or_default() += 1;
        let answer = |question: &Query| self.answer(question, event);
        let evaluation = self.rules.evaluate_answering(event, &self.config, Timestamp::default(), answer);
        for error in evaluation.errors {
            anstream::eprintln!("{place}: {error}");
        }
        for seen in evaluation.observations.iter().filter(|seen| seen.rule.finding == "exposed-access-key") {
            let key = (seen.subject.account.clone(), seen.subject.resource.clone());
            if seen.verdict == Verdict::Passing {
                self.exposed.remove(&key);
            } else {
                self.exposed.entry(key).or_insert(seen.event.time);
            }
        }
        evaluation.observations
    }

    fn answer(&self, question: &Query, event: &Event<'_>) -> Answer {
        match question {
            Query::ExposedKey { account, access_key_id } => {
                // Lines need not be in order: what a key did before it leaked is no sign of the thief.
                let since = self.exposed.get(&(account.clone(), access_key_id.clone()));
                Fact::Known(Value::Flag(since.is_some_and(|since| event.time() >= Some(*since))))
            }
            _ => Fact::Unavailable("replay does not ask the account".to_owned()),
        }
    }

    /// Names a line that cannot be read. Only the first few, so that a file of another kind does not flood the terminal.
    fn skip(&mut self, place: &Place<'_>, reason: &str) -> Vec<Observation> {
        const NAMED: usize = 20;
        self.unreadable += 1;
        if self.unreadable <= NAMED {
            anstream::eprintln!("{place}: {}", clean(reason, 300));
        } else if self.unreadable == NAMED + 1 {
            anstream::eprintln!("more lines cannot be read; one event a line is expected");
        }
        Vec::new()
    }
}

/// An account id, for the command line.
fn account_id(text: &str) -> Result<String, String> {
    if is_account_id(text) { Ok(text.to_owned()) } else { Err("an account id has twelve digits".to_owned()) }
}
