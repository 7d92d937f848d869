//! `keepwatch replay`.

mod detections;
mod lookup;
mod order;
mod parallel;
mod span;
mod summary;
mod told;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use keepwatch_alert::Alert;
use keepwatch_base::arn::is_account_id;
use keepwatch_base::text::{clean, defang};
use keepwatch_base::time::Timestamp;
use keepwatch_base::wildcard::matches;
use keepwatch_core::engine::replay::{Memory, Player};
use keepwatch_core::engine::{Config, Rule};
use keepwatch_core::finding::Finding;
use keepwatch_core::observation::{Observation, Verdict};
use keepwatch_core::settings::{Override, Settings};
use keepwatch_core::severity::Severity;
use keepwatch_rules::registry::{self, DOCUMENTED};
use serde_json::Value;

use self::order::Ordered;
use self::parallel::{Batch, KeyUses, Reading};
use self::span::{Only, Span};
use self::told::Told;
use crate::findings::severity;
use crate::input;
use crate::words::did_you_mean;

const HELP: &str = "\
Examples:
  aws s3 sync s3://my-trail/AWSLogs/111122223333/CloudTrail logs && keepwatch replay logs
  keepwatch replay logs --finding 41d07be5
  keepwatch replay --lookup history --days 7
  keepwatch replay logs --since 2026-03-01 --min-severity low --format csv > problems.csv
  keepwatch replay --detections --format ndjson events.jsonl | jq 'select(.verdict==\"failing\")'

Exit codes: 0 all was read, 1 some of it was no event or some of your own rules are invalid (named on standard error), or
--fail-on found something, 2 wrong use or unreadable files, 3 AWS refused or cannot be reached (--lookup).";

/// No line of a mail is longer.
const MAX_LINE: usize = 4_000;

/// Tells what Keepwatch would have told you of recorded events, and in how many mails; without an account.
///
/// Reads CloudTrail's own files (`.json.gz`, compressed or not), `aws cloudtrail lookup-events`, JSON lines of records or
/// EventBridge envelopes, and folders of such files, in any order. Findings and mails are made by the code that is deployed, on
/// the log's own clock. What only the live account could tell is UNSURE.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Replay {
    /// Files, folders of *.json, *.jsonl, *.ndjson and *.csv, compressed or not; - is standard input.
    #[arg(required_unless_present = "lookup")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    lookup: lookup::Lookup,
    /// Print one line for each event and rule that saw something, in the order of time.
    #[arg(long, conflicts_with_all = ["finding", "all"])]
    detections: bool,
    /// Show this finding as its mail tells it: its id, or the beginning or the end of it.
    #[arg(long, value_name = "ID", conflicts_with = "all")]
    finding: Option<String>,
    /// List every finding, one a line.
    #[arg(long)]
    all: bool,
    /// How to print. ndjson, json, csv, ocsf and asff are the findings; with --detections there are table and ndjson.
    #[arg(long, value_enum, default_value = "table")]
    format: Output,
    /// Only events from this time on: 2026-03-31, which is midnight UTC, or 2026-03-31T18:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = crate::words::time)]
    since: Option<Timestamp>,
    /// Only events before this time.
    #[arg(long, value_name = "TIME", value_parser = crate::words::time)]
    until: Option<Timestamp>,
    /// Only events of these accounts; may be repeated or separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "ACCOUNT", value_parser = account_id)]
    account: Vec<String>,
    /// Only events of these regions; those of IAM are in us-east-1. May be repeated or separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "REGION")]
    region: Vec<String>,
    /// List only what is at least so bad: informational, low, medium, high, critical. Without it, from medium on.
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    min_severity: Option<Severity>,
    /// List only what rules saw whose id matches, with * and ?.
    #[arg(long, value_name = "PATTERN")]
    rule: Option<String>,
    /// Exit with 1 if a problem is still there that is at least so bad.
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    fail_on: Option<Severity>,
    /// Rows of the settings table, one JSON object a line: what is suppressed and tuned.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
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

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people: what it comes to in about twenty lines.
    Table,
    /// The findings as they would stand in the table: one JSON object a line.
    Ndjson,
    /// One JSON object: what it comes to, and the findings.
    Json,
    /// The findings as comma-separated values with a header, for spreadsheets.
    Csv,
    /// OCSF 1.x, for SIEMs and data lakes: one JSON object a line.
    Ocsf,
    /// AWS Security Finding Format, for Security Hub: one JSON object a line.
    Asff,
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

    fn config(&self, settings: &Settings) -> Config {
        let on = Override { enabled: Some(true), ..Override::default() };
        let overrides = self.on.iter().map(|rule| (rule.clone(), on.clone())).collect();
        let config = Config {
            trusted_accounts: self.trusted_account.clone(),
            trusted_identities: self.trusted_identity.clone(),
            automation: self.automation.clone(),
            stack: self.stack.clone(),
            overrides,
            ..Config::default()
        };
        config.with(settings)
    }

    /// What the owner has set, as `--settings` says.
    fn settings(&self) -> anyhow::Result<Settings> {
        let Some(path) = &self.settings else { return Ok(Settings::default()) };
        let named = || format!("cannot read the settings in {}", path.display());
        let text = fs::read_to_string(path).with_context(named)?;
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let rows: Vec<Value> =
            lines.map(serde_json::from_str).collect::<Result<_, _>>().with_context(named)?;
        let settings = Settings::read(&rows, registry::CATALOGUE);
        if let Some(invalid) = settings.invalid.first() {
            bail!("{}: {}: {}", path.display(), invalid.setting_id, invalid.reason);
        }
        Ok(settings)
    }

    /// A pattern that no rule matches is a typo; an empty list would say that all is well.
    fn check(&self, rules: &[&dyn Rule]) -> anyhow::Result<()> {
        if let Some(pattern) = &self.rule
            && !rules.iter().any(|rule| matches(pattern, rule.about().id))
        {
            bail!("no rule's id matches {}: `keepwatch rules list` names all rules", clean(pattern, 100));
        }
        if self.detections && !matches!(self.format, Output::Table | Output::Ndjson) {
            bail!(
                "--detections are printed as table or ndjson; without it, the other formats print findings"
            );
        }
        Ok(())
    }

    /// Whether a finding is listed.
    fn lists(&self, finding: &Finding) -> bool {
        let pattern = self.rule.as_deref();
        let rules =
            finding.witnesses.values().map(|witness| witness.rule.as_str()).chain([finding.rule.as_str()]);
        pattern.is_none_or(|pattern| rules.into_iter().any(|rule| matches(pattern, rule)))
    }
}

/// # Errors
/// A file that cannot be read, or output that cannot be written.
pub(crate) async fn run(replay: &Replay) -> anyhow::Result<ExitCode> {
    let (rules, complete) = replay.rules()?;
    replay.check(rules)?;
    let settings = replay.settings()?;
    let mut named = replay.files.clone();
    named.extend(replay.lookup.fetch(&replay.region).await?);
    let input::Files { paths: files, digests } = input::files(&named)?;
    let player = Player::new(rules, replay.config(&settings));
    let only = Only {
        since: replay.since,
        until: replay.until,
        accounts: replay.account.clone(),
        regions: replay.region.clone(),
    };
    let log = Log::read(&files, &player, &only)?;
    let place = |place: order::Place| {
        let file = files.get(place.0 as usize).map_or(Path::new("?"), PathBuf::as_path);
        format!("{}:{}", file.display(), place.1)
    };
    let mut memory = Memory::default();
    let mut settle = |at, played| -> Vec<Observation> {
        let evaluation = memory.settle(&player, played);
        for error in evaluation.errors {
            anstream::eprintln!("{}: {error}", place(at));
        }
        evaluation.observations
    };
    let mut out = BufWriter::new(anstream::AutoStream::auto(io::stdout()).lock());
    let Log { mut about, ordered } = log;
    about.digests = digests;
    if about.events() == 0 && about.unreadable == 0 {
        let but = if about.left_out > 0 {
            ": none is of the time, account or region that is asked for"
        } else {
            ""
        };
        anstream::eprintln!("there is no event in what was read{but}");
    }
    let whole = complete && about.unreadable == 0;
    if replay.detections {
        let mut printed = detections::Printer::new(replay, &mut out);
        ordered.each(&player, |at, played| printed.print(&settle(at, played)))?;
        printed.finish(&about)?;
        out.flush()?;
        return Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(1) });
    }
    let account = about.span.accounts.keys().next().cloned().unwrap_or_default();
    let mut told = Told::new(settings, &account);
    ordered.each(&player, |at, played| {
        let time = played.at;
        told.take_in(time, &mut settle(at, played))
    })?;
    let outcome = told.finish()?;
    match &replay.finding {
        Some(id) => show(&outcome.findings, id, &mut out)?,
        None => summary::print(replay, rules, &about, &outcome, &mut out)?,
    }
    out.flush()?;
    let fails = |finding: &Finding| {
        finding.is_open() && replay.fail_on.is_some_and(|least| finding.severity >= least)
    };
    let failed = outcome.findings.values().any(|finding| replay.lists(finding) && fails(finding));
    Ok(if whole && !failed { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Shows one finding as its mail tells it.
fn show(all: &BTreeMap<String, Finding>, id: &str, out: &mut impl Write) -> anyhow::Result<()> {
    let id = id.trim();
    let means = |one: &&Finding| one.finding_id.starts_with(id) || one.finding_id.ends_with(id);
    let meant: Vec<&Finding> = all.values().filter(|one| !id.is_empty() && means(one)).collect();
    let [finding] = meant[..] else {
        let lines = meant.iter().take(10);
        let lines: String =
            lines.map(|one| format!("\n  {}  {}", one.finding_id, defang(&one.title))).collect();
        match meant.len() {
            0 => bail!("no finding's id begins or ends with {}: --all lists all of them", clean(id, 128)),
            count => bail!("{} may mean {count} findings; write more of it:{lines}", clean(id, 128)),
        }
    };
    for line in Alert::of(finding, DOCUMENTED).text.lines() {
        writeln!(out, "{}", clean(line, MAX_LINE))?;
    }
    Ok(())
}

/// A log that has been read: what rules have something to say of, and what is known of the rest.
struct Log {
    about: About,
    ordered: Ordered,
}

/// What is known of a log as a whole.
#[derive(Default)]
struct About {
    /// Events by kind.
    by_kind: BTreeMap<&'static str, usize>,
    span: Span,
    /// Files, lines and parts of them that are no events.
    unreadable: usize,
    /// Events that were not asked for.
    left_out: usize,
    /// Digest files that were passed over.
    digests: usize,
}

impl About {
    /// All events that were asked for.
    fn events(&self) -> usize {
        self.by_kind.values().sum()
    }
}

impl Log {
    /// Reads all files; a second time for what was done with a key that turns out to be exposed.
    fn read(files: &[PathBuf], player: &Player, only: &Only) -> anyhow::Result<Log> {
        let mut log = Log { about: About::default(), ordered: Ordered::new(order::KEPT) };
        let progress = input::progress();
        let again = files.iter().all(|file| file.is_file());
        let key_uses = if again { KeyUses::Noted } else { KeyUses::Kept };
        let (mut used, mut exposed) = (HashSet::new(), HashSet::new());
        let places = Places::new(files);
        parallel::each(files, Reading { player, only, key_uses }, |mut batch| {
            progress.inc(batch.counts.values().sum::<usize>() as u64);
            used.extend(std::mem::take(&mut batch.used));
            let exposes = batch.played.iter().flat_map(|(_, played)| played.exposes());
            exposed.extend(exposes.map(|(_, key)| key.to_owned()));
            log.take_in(&places, batch)
        })?;
        exposed.retain(|key| used.contains(key));
        if !exposed.is_empty() {
            let reading = Reading { player, only, key_uses: KeyUses::Of(&exposed) };
            parallel::each(files, reading, |batch| log.keep(&places, batch))?;
        }
        progress.finish_and_clear();
        Ok(log)
    }

    fn take_in(&mut self, places: &Places, mut batch: Batch) -> anyhow::Result<()> {
        for (kind, count) in &batch.counts {
            *self.about.by_kind.entry(kind).or_default() += count;
        }
        self.about.left_out += batch.left_out;
        self.about.span.merge(std::mem::take(&mut batch.span));
        for (line, reason) in &batch.unreadable {
            self.about.skip(&format!("{}:{line}", batch.file.display()), reason);
        }
        self.keep(places, batch)
    }

    fn keep(&mut self, places: &Places, batch: Batch) -> anyhow::Result<()> {
        let file = places.of(&batch.file);
        for (line, played) in batch.played {
            self.ordered.push((file, u32::try_from(line).unwrap_or(u32::MAX)), played)?;
        }
        Ok(())
    }
}

/// The numbers of the files.
struct Places(BTreeMap<PathBuf, u32>);

impl Places {
    fn new(files: &[PathBuf]) -> Places {
        Places(files.iter().cloned().zip(0..).collect())
    }

    fn of(&self, file: &Path) -> u32 {
        self.0.get(file).copied().unwrap_or(u32::MAX)
    }
}

impl About {
    /// Names what cannot be read. Only the first few, so that a file of another kind does not flood the terminal.
    fn skip(&mut self, place: &str, reason: &str) {
        const NAMED: usize = 20;
        self.unreadable += 1;
        if self.unreadable <= NAMED {
            anstream::eprintln!("{place}: {}", clean(reason, 300));
        } else if self.unreadable == NAMED + 1 {
            anstream::eprintln!(
                "more cannot be read; CloudTrail records or EventBridge envelopes are expected, as a trail's bucket, `aws cloudtrail lookup-events` or a query for eventJson have them"
            );
        }
    }
}

/// The word for what a finding came to.
fn word(finding: &Finding) -> &'static str {
    if !finding.is_open() {
        "FIXED"
    } else if finding.headline().verdict == Verdict::Unknown {
        "UNSURE"
    } else {
        "PROBLEM"
    }
}

/// The id of a rule, one of the user's own included; which of those there are is seen when they are read.
fn rule_id(text: &str) -> Result<String, String> {
    match registry::CATALOGUE.may_have(text) {
        true => Ok(text.to_owned()),
        false => {
            let ids = registry::RULES.iter().map(|rule| rule.about().id);
            Err(format!(
                "no rule is called so{} `keepwatch rules list` names them all",
                did_you_mean(text, ids)
            ))
        }
    }
}

/// An account id, for the command line.
fn account_id(text: &str) -> Result<String, String> {
    if is_account_id(text) { Ok(text.to_owned()) } else { Err("an account id has twelve digits".to_owned()) }
}
