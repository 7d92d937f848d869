//! What a replay is asked for.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use keepwatch_aws::runtime::now;
use keepwatch_base::arn::is_account_id;
use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;
use keepwatch_base::wildcard::matches;
use keepwatch_core::engine::{Config, Rule};
use keepwatch_core::finding::Finding;
use keepwatch_core::settings::{Override, Settings};
use keepwatch_core::severity::Severity;
use keepwatch_rules::registry;

use super::lookup::Lookup;
use crate::findings::severity;
use crate::output::Output;
use crate::words::did_you_mean;
use crate::{principal, settings};

const HELP: &str = "\
Examples:
  keepwatch replay s3://my-trail/AWSLogs/111122223333/CloudTrail/ --since 2026-03-01
  aws s3 sync s3://my-trail/AWSLogs/111122223333/CloudTrail logs && keepwatch replay logs
  keepwatch replay logs --finding 41d07be5
  keepwatch replay --lookup history --days 7
  keepwatch replay logs --since 2026-03-01 --min-severity low --format csv > problems.csv
  keepwatch replay --detections --format ndjson events.jsonl | jq -r 'select(.verdict == \"failing\") | .title'
  keepwatch settings export > try.yaml          then change try.yaml, and see what it would do:
  keepwatch replay logs --settings try.yaml

Exit codes: 0 all was read, 1 some of it was no event, a file is empty or some of your own rules are invalid (named on standard
error), or --fail-on found something, 2 wrong use or unreadable files, 3 AWS refused or cannot be reached (--lookup, s3://).";

/// Tells what Keepwatch would have told you of recorded events, and in how many mails; without an account.
///
/// Reads CloudTrail's own files (`.json.gz`, or unpacked), `aws cloudtrail lookup-events`, JSON lines of records or
/// EventBridge envelopes, and folders of such files, in any order. Findings and mails are made by the code that is deployed, on
/// the log's own clock. What only the live account could tell is UNSURE.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Replay {
    /// Files, folders of *.json, *.jsonl, *.ndjson and *.csv, each as it is or as .gz; s3://BUCKET/PREFIX for such files in a bucket, of
    /// which only the days of --since and --until are fetched; - is standard input.
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) lookup: Lookup,
    /// Print one line for each event and rule that saw something, in the order of time. The verdicts PROBLEM, FIXED and UNSURE are
    /// `failing`, `passing` and `unknown` in ndjson.
    #[arg(long, conflicts_with_all = ["finding", "all"])]
    pub(super) detections: bool,
    /// Show this finding as its mail tells it: its id, or the beginning or the end of it.
    #[arg(long, value_name = "ID", conflicts_with = "all")]
    pub(super) finding: Option<String>,
    /// List every finding, one a line.
    #[arg(long)]
    pub(super) all: bool,
    /// How to print: the table is a summary in about twenty lines, json is the summary and the findings as one object, and all
    /// others are the findings. --detections knows table and ndjson.
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: Output,
    /// Only events from this time on: 2026-03-31, which is midnight UTC, or 2026-03-31T18:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = crate::words::time)]
    pub(super) since: Option<Timestamp>,
    /// Only events before this time.
    #[arg(long, value_name = "TIME", value_parser = crate::words::time)]
    pub(super) until: Option<Timestamp>,
    /// Only events of these accounts; may be repeated or separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "ACCOUNT", value_parser = account_id)]
    pub(super) account: Vec<String>,
    /// Only events of these regions; those of IAM are in us-east-1. May be repeated or separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "REGION")]
    pub(super) region: Vec<String>,
    /// List only what is at least so bad: informational, low, medium, high, critical. Without it, from medium on.
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub(super) min_severity: Option<Severity>,
    /// List only what rules saw whose id matches, with * and ?.
    #[arg(long, value_name = "PATTERN")]
    pub(super) rule: Option<String>,
    /// Exit with 1 if a problem is still there that is at least so bad.
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub(super) fail_on: Option<Severity>,
    /// What is suppressed and tuned: a file of `settings export` or of `suppress add --print`, or rows of the settings table as JSON.
    /// A suppression without `created_at` holds from the beginning of the log.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Account ids that are trusted, as in the template's TrustedAccounts; may be repeated or separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "ACCOUNT", value_parser = account_id)]
    trusted_account: Vec<String>,
    /// Patterns of identities that are trusted, as in `tune values trusted-identities` (repo:octo-org/*); may be repeated or
    /// separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "IDENTITY")]
    trusted_identity: Vec<String>,
    /// Switch on these rules, which are off by default; may be repeated or separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "RULE", value_parser = rule_id)]
    pub(super) on: Vec<String>,
    /// ARNs or patterns of users and roles that are automation of yours, as in `tune values automation`, a role by either of its
    /// ARNs; may be repeated or separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "ARN", value_parser = principal::automation)]
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
    pub(super) fn rules(&self) -> anyhow::Result<(&'static [&'static dyn Rule], bool)> {
        #[cfg(feature = "sigma")]
        if let Some(folder) = &self.sigma {
            return crate::sigma::rules(folder);
        }
        Ok((registry::RULES, true))
    }

    pub(super) fn config(&self, settings: &Settings) -> Config {
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
    pub(super) fn settings(&self) -> anyhow::Result<Settings> {
        let Some(path) = &self.settings else { return Ok(Settings::default()) };
        settings::rehearsed(path, now())
    }

    /// A pattern that no rule matches is a typo; an empty list would say that all is well.
    pub(super) fn check(&self, rules: &[&dyn Rule]) -> anyhow::Result<()> {
        if self.files.is_empty() && self.lookup.lookup.is_none() {
            bail!(
                "there is nothing to read: name files or folders of logs, s3://BUCKET/PREFIX, or - for standard input; or let \
                 --lookup DIR fetch the account's event history into a folder first"
            );
        }
        if let Some(pattern) = &self.rule
            && !rules.iter().any(|rule| matches(pattern, rule.about().id))
        {
            let meant = did_you_mean(pattern, rules.iter().map(|rule| rule.about().id));
            bail!(
                "no rule's id matches {}{meant}: `keepwatch rules list` names all rules",
                clean(pattern, 100)
            );
        }
        if self.detections && !matches!(self.format, Output::Table | Output::Ndjson) {
            bail!(
                "--detections are printed as table or ndjson; without it, the other formats print findings"
            );
        }
        Ok(())
    }

    /// Whether a finding is listed.
    pub(super) fn lists(&self, finding: &Finding) -> bool {
        let pattern = self.rule.as_deref();
        let rules =
            finding.witnesses.values().map(|witness| witness.rule.as_str()).chain([finding.rule.as_str()]);
        pattern.is_none_or(|pattern| rules.into_iter().any(|rule| matches(pattern, rule)))
    }
}

/// The id of a rule, one of the user's own included; which of those there are is seen when they are read.
fn rule_id(text: &str) -> Result<String, String> {
    match registry::CATALOGUE.may_have(text) {
        true => Ok(text.to_owned()),
        false => {
            let ids = registry::RULES.iter().map(|rule| rule.about().id);
            Err(format!(
                "no rule is called so{}: `keepwatch rules list` names them all",
                did_you_mean(text, ids)
            ))
        }
    }
}

/// An account id, for the command line.
fn account_id(text: &str) -> Result<String, String> {
    if is_account_id(text) { Ok(text.to_owned()) } else { Err("an account id has twelve digits".to_owned()) }
}
