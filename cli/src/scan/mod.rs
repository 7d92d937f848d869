//! `keepwatch scan`: an account as it is, judged by the checks.

mod output;
mod select;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use keepwatch_aws::profiles::{self, ProfileError};
use keepwatch_aws::runtime::now;
use keepwatch_checks::check::Check;
use keepwatch_checks::parameters::{Parameters, Profile};
use keepwatch_checks::{plan, run as runner};
use keepwatch_collect::{Client, Fault, collect};
use keepwatch_core::posture::{Judged, Judgement, State};
use keepwatch_core::severity::Severity;

use self::output::Output;
use crate::failure::Failure;
use crate::progress;

pub(crate) const HELP: &str = "\
Examples:
  keepwatch scan
  keepwatch scan --region eu-west-1,us-east-1 --min-severity medium
  keepwatch scan --check P40,P37 --format ndjson --all
  keepwatch scan --thresholds cis --set key-age-days=60
  keepwatch scan --print-policy > policy.json
  keepwatch scan --save-state today.json && keepwatch scan --state today.json --fail-on high

It only reads, and writes nothing to the account. What AWS refuses is told as unknown, with the action that is missing.

Exit codes: 0 nothing fails, 1 something fails, 2 wrong use, 3 incomplete: something is unknown, or AWS could not be asked.";

/// Which thresholds.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Thresholds {
    /// Those of AWS's best-practice documents.
    Default,
    /// Those of the CIS benchmark.
    Cis,
}

/// Looks at an account as it is, and judges it by the checks.
#[derive(Args)]
pub(crate) struct Scan {
    /// Only these checks: ids with * and ?, or practices such as P40; several with commas between them.
    #[arg(long = "check", value_name = "CHECK", value_delimiter = ',')]
    checks: Vec<String>,
    /// Only checks that ask these services, as IAM names them: iam, s3, ec2.
    #[arg(long, value_name = "SERVICE", value_delimiter = ',')]
    service: Vec<String>,
    /// Only these regions; without it all that are switched on.
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    region: Vec<String>,
    /// Only resources whose ARN matches, with * and ?.
    #[arg(long, value_name = "PATTERN")]
    resource: Option<String>,
    /// The profile of ~/.aws to take credentials from.
    #[arg(long)]
    profile: Option<String>,
    /// Which thresholds to judge by.
    #[arg(long, value_enum, default_value = "default")]
    thresholds: Thresholds,
    /// Sets a threshold, such as key-age-days=60; several times for several.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Account ids that are trusted, as in the template's TrustedAccounts; may be repeated or separated by commas.
    #[arg(long, value_name = "ACCOUNT", value_delimiter = ',')]
    trusted_account: Vec<String>,
    /// What is well, not applicable and for a person to look at as well.
    #[arg(long)]
    all: bool,
    /// Only from this severity on: informational, low, medium, high, critical.
    #[arg(long, value_name = "SEVERITY", value_parser = select::severity)]
    min_severity: Option<Severity>,
    /// Exit with 1 only for failures from this severity on.
    #[arg(long, value_name = "SEVERITY", value_parser = select::severity)]
    fail_on: Option<Severity>,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Output,
    /// Print the IAM policy that the scan needs, and nothing else.
    #[arg(long)]
    print_policy: bool,
    /// Keep what was read in this file, to judge it again.
    #[arg(long, value_name = "FILE")]
    save_state: Option<PathBuf>,
    /// Judge what such a file holds, and ask AWS nothing.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["save_state", "print_policy", "region", "profile"])]
    state: Option<PathBuf>,
}

/// # Errors
/// Wrong use, or an account that cannot be asked at all.
pub(crate) async fn run(scan: &Scan) -> anyhow::Result<ExitCode> {
    let checks = select::checks(&scan.checks, &scan.service)?;
    let parameters = scan.parameters()?;
    if scan.print_policy {
        output::policy(&plan::actions(&checks))?;
        return Ok(ExitCode::SUCCESS);
    }
    let state = match &scan.state {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            State::from_json(&text).with_context(|| path.display().to_string())?
        }
        None => scan.look(&checks, &parameters).await?,
    };
    if let Some(path) = &scan.save_state {
        fs::write(path, state.to_json()?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut judgements = runner::run(&checks, &state, &parameters, state.at);
    if let Some(pattern) = &scan.resource {
        judgements.retain(|one| keepwatch_base::wildcard::matches(pattern, &one.subject.resource));
        if judgements.is_empty() {
            bail!("no resource matches {}", keepwatch_base::text::clean(pattern, 200));
        }
    }
    let code = exit_code(&judgements, scan.fail_on);
    if let Some(least) = scan.min_severity {
        // What is unknown may be anything.
        judgements.retain(|one| one.severity >= least || one.verdict == Judged::Unknown);
    }
    output::print(scan.format, scan.all, judgements, &state)?;
    Ok(code)
}

/// What the process ends with. What is not known makes a scan incomplete, whatever else it found: nobody may take it for
/// the whole.
fn exit_code(judgements: &[Judgement], fail_on: Option<Severity>) -> ExitCode {
    let least = fail_on.unwrap_or(Severity::Informational);
    if judgements.iter().any(|one| one.verdict == Judged::Unknown) {
        ExitCode::from(3)
    } else if judgements.iter().any(|one| one.verdict == Judged::Failing && one.severity >= least) {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    }
}

impl Scan {
    fn parameters(&self) -> anyhow::Result<Parameters> {
        let profile = match self.thresholds {
            Thresholds::Default => Profile::Default,
            Thresholds::Cis => Profile::Cis,
        };
        let mut parameters = Parameters::of(profile);
        parameters.trusted_accounts.clone_from(&self.trusted_account);
        for setting in &self.settings {
            let Some((name, value)) = setting.split_once('=') else {
                bail!("--set takes NAME=VALUE, such as key-age-days=60, and not {setting}");
            };
            let value = value.trim().parse().with_context(|| format!("{value} is no number"))?;
            parameters.set(name.trim(), value).map_err(anyhow::Error::msg)?;
        }
        Ok(parameters)
    }

    /// Asks the account.
    async fn look(&self, checks: &[&dyn Check], parameters: &Parameters) -> anyhow::Result<State> {
        let client = self.client().await?;
        let caller = client.caller().await.map_err(|fault| failed(&fault))?;
        let client = client.of(&caller.account);
        let regions = self.regions(&client).await?;
        let state = State::new(&caller.account, client.partition().name, &regions, now());
        let questions = plan::questions(checks);
        let bar = progress::share("asking AWS");
        let told = |progress: keepwatch_collect::Progress| {
            bar.set_length(progress.put as u64);
            bar.set_position(progress.answered as u64);
        };
        let places = |question, state: &State| plan::places(question, state, parameters);
        let work = collect(&client, state, &questions, plan::needs, &places, told);
        Ok(progress::while_shown(&bar, work).await)
    }

    async fn client(&self) -> anyhow::Result<Client> {
        let profile = self.profile.as_deref().filter(|profile| !profile.is_empty());
        let configured = profiles::config(profile, None).await;
        let config = match (configured, self.region.first()) {
            // Whoever names regions need not name one more.
            (Err(ProfileError::NoRegion), Some(region)) => profiles::config(profile, Some(region)).await,
            (other, _) => other,
        };
        let config = config.map_err(|error| match error {
            ProfileError::NoRegion => {
                anyhow::anyhow!("no region is set: name one with AWS_REGION or --region")
            }
            ProfileError::NoProfile { .. } => Failure::aws(&error.to_string()).into(),
            ProfileError::NoCredentials(_) => {
                Failure::aws(&format!("{error}. Sign in (`aws sso login`) or name a profile (--profile)"))
                    .into()
            }
        })?;
        Client::new(&config, now).map_err(|fault| failed(&fault).into())
    }

    async fn regions(&self, client: &Client) -> anyhow::Result<Vec<String>> {
        if self.region.is_empty() {
            return client.regions().await.map_err(|fault| failed(&fault).into());
        }
        let named: BTreeSet<String> = self.region.iter().map(|region| region.trim().to_owned()).collect();
        for region in &named {
            let name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if region.split('-').count() < 3 || !region.bytes().all(name) {
                bail!("{} is no region", keepwatch_base::text::clean(region, 60));
            }
        }
        // In the order in which they were given, each once.
        let mut left = named;
        Ok(self
            .region
            .iter()
            .map(|region| region.trim().to_owned())
            .filter(|region| left.remove(region))
            .collect())
    }
}

fn failed(fault: &Fault) -> Failure {
    match fault {
        Fault::Refused { action, why } => {
            Failure::aws(&format!("AWS refused what no scan can do without: {action}. {why}"))
        }
        Fault::Code { why, .. } | Fault::Failed(why) => Failure::aws(why),
    }
}
