//! `keepwatch replay`.

mod parallel;

use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use keepwatch_base::arn::is_account_id;
use keepwatch_base::text::{clean, defang};
use keepwatch_base::time::Timestamp;
use keepwatch_core::engine::replay::{Memory, Player};
use keepwatch_core::engine::{Config, Rule};
use keepwatch_core::observation::{Observation, Verdict};
use keepwatch_core::settings::Override;
use keepwatch_rules::registry;
use serde::Serialize;

use self::parallel::Batch;
use crate::Format;
use crate::input;
use crate::table::table;

/// Plays recorded events through the rules, without an account.
///
/// Reads CloudTrail's own files (`.json.gz`, compressed or not), `aws cloudtrail lookup-events`, JSON lines of records or
/// EventBridge envelopes, and folders of such files. What only the live account could tell is `unknown`. The table leaves
/// out good news about problems that the log does not show; `--format ndjson` prints everything.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  aws s3 sync s3://my-trail/AWSLogs/111122223333/CloudTrail logs && keepwatch replay logs\n  keepwatch replay --detections --format ndjson events.jsonl | jq 'select(.verdict==\"failing\")'\n\nExit codes: 0 all was read, 1 some of it was no event or some of your own rules are invalid (named on standard error), 2 wrong use."
)]
pub(crate) struct Replay {
    /// Files, folders of *.json, *.jsonl and *.ndjson, compressed or not; - is standard input.
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
    /// Patterns of identities that are trusted, as in `tune values trusted-identities` (repo:octo-org/*); may be repeated or
    /// separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "IDENTITY")]
    trusted_identity: Vec<String>,
    /// Rules to switch on that are off until somebody does; may be repeated or separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "RULE", value_parser = rule_id)]
    on: Vec<String>,
    /// ARN patterns of users and roles that are automation of yours, as in `tune values automation`; may be repeated or
    /// separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "ARN")]
    automation: Vec<String>,
    /// The stack that Keepwatch is deployed as: what is done to its resources is judged by the rules on Keepwatch itself.
    #[arg(long, default_value = "keepwatch")]
    stack: String,
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

    fn config(&self) -> Config {
        let on = Override { enabled: Some(true), ..Override::default() };
        let overrides = self.on.iter().map(|rule| (rule.clone(), on.clone())).collect();
        Config {
            trusted_accounts: self.trusted_account.clone(),
            trusted_identities: self.trusted_identity.clone(),
            automation: self.automation.clone(),
            stack: self.stack.clone(),
            overrides,
            ..Config::default()
        }
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
    let files = input::files(&replay.files)?;
    let player = Player::new(rules, replay.config());
    let mut replayed = Replayed::default();
    let mut out = BufWriter::new(anstream::AutoStream::auto(io::stdout()).lock());
    let mut table = table(["SEVERITY", "VERDICT", "WHEN", "EVENT", "WHAT", "RULE"]);
    let progress = input::progress();
    parallel::each(&files, &player, |batch| {
        progress.inc(batch.counts.values().sum::<usize>() as u64);
        for seen in replayed.settle(&player, batch) {
            if replay.format == Format::Ndjson {
                replayed.detections += 1;
                serde_json::to_writer(&mut out, &Detection::of(&seen))?;
                out.write_all(b"\n")?;
            } else if replayed.is_worth_a_line(&seen) {
                replayed.detections += 1;
                let (when, what) = (seen.event.time.to_string(), defang(&seen.title));
                let (severity, verdict) = (seen.severity.as_str(), seen.verdict.as_str());
                table.add_row([severity, verdict, &when, &seen.event.name, &what, seen.rule.id]);
            }
        }
        Ok(())
    })?;
    progress.finish_and_clear();
    if replay.format == Format::Table {
        if replayed.detections > 0 {
            writeln!(out, "{table}")?;
        }
        let kinds: Vec<String> =
            replayed.by_kind.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let events: usize = replayed.by_kind.values().sum();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        writeln!(out, "{} detections in {events} events{kinds}", replayed.detections)?;
    }
    out.flush()?;
    Ok(if complete && replayed.unreadable == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What has been replayed so far.
#[derive(Default)]
struct Replayed {
    memory: Memory,
    /// Findings that the log has shown to be there.
    findings: HashSet<String>,
    detections: usize,
    by_kind: BTreeMap<&'static str, usize>,
    unreadable: usize,
}

impl Replayed {
    /// What the rules saw, in the order of the log.
    fn settle(&mut self, player: &Player, batch: Batch) -> Vec<Observation> {
        for (kind, count) in batch.counts {
            *self.by_kind.entry(kind).or_default() += count;
        }
        for (line, reason) in &batch.unreadable {
            self.skip(&format!("{}:{line}", batch.file.display()), reason);
        }
        let mut seen = Vec::new();
        for (line, played) in batch.played {
            let evaluation = self.memory.settle(player, played);
            for error in evaluation.errors {
                anstream::eprintln!("{}:{line}: {error}", batch.file.display());
            }
            seen.extend(evaluation.observations);
        }
        seen
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

    /// Names what cannot be read. Only the first few, so that a file of another kind does not flood the terminal.
    fn skip(&mut self, place: &str, reason: &str) {
        const NAMED: usize = 20;
        self.unreadable += 1;
        if self.unreadable <= NAMED {
            anstream::eprintln!("{place}: {}", clean(reason, 300));
        } else if self.unreadable == NAMED + 1 {
            anstream::eprintln!(
                "more cannot be read; CloudTrail records or EventBridge envelopes are expected"
            );
        }
    }
}

/// The id of a rule, one of the user's own included; which of those there are is seen when they are read.
fn rule_id(text: &str) -> Result<String, String> {
    match registry::CATALOGUE.may_have(text) {
        true => Ok(text.to_owned()),
        false => Err("no rule is called so; `keepwatch rules list` names them all".to_owned()),
    }
}

/// An account id, for the command line.
fn account_id(text: &str) -> Result<String, String> {
    if is_account_id(text) { Ok(text.to_owned()) } else { Err("an account id has twelve digits".to_owned()) }
}
