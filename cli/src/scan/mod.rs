//! `keepwatch scan`: an account as it is, judged by the checks.

mod output;
mod remote;
mod select;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use keepwatch_aws::profiles::{self, ProfileError, SdkConfig};
use keepwatch_aws::runtime::now;
use keepwatch_base::text::clean;
use keepwatch_checks::check::Check;
use keepwatch_checks::parameters::{Parameters, Profile};
use keepwatch_checks::{plan, run as runner};
use keepwatch_collect::{Client, Fault, collect};
use keepwatch_core::posture::{Judged, Judgement, State};
use keepwatch_core::severity::Severity;

use crate::failure::{Failure, told};
use crate::output::Output;
use crate::progress;

pub(crate) const HELP: &str = "\
Examples:
  keepwatch scan
  keepwatch scan --region eu-west-1,us-east-1 --min-severity medium
  keepwatch scan --check P40,P37 --format ndjson --all
  keepwatch scan --thresholds cis --set key-age-days=60
  keepwatch scan --print-policy > policy.json
  keepwatch scan --remote
  keepwatch scan --save-state today.json && keepwatch scan --state today.json --fail-on high

It only reads, and writes nothing to the account. What AWS refuses is UNSURE, with the action that is missing; formats for machines
say unknown.

Exit codes: 0 nothing fails, 1 something fails, 2 wrong use, 3 incomplete: something is UNSURE, or AWS could not be asked.";

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
    /// Which thresholds to judge by, such as the age at which a key is too old.
    #[arg(long, value_enum, default_value = "default")]
    thresholds: Thresholds,
    /// Sets a threshold, such as key-age-days=60; several times for several.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Account ids that are trusted, as in the template's TrustedAccounts; may be repeated or separated by commas.
    #[arg(long, value_name = "ACCOUNT", value_delimiter = ',')]
    trusted_account: Vec<String>,
    /// List what passes, what does not apply and what a person must look at, too. The table then has what is INFORMATIONAL as
    /// well, which it leaves out unless you ask for it by --all, --min-severity or --check.
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
    /// Start a scan by the deployed function, which updates the findings, and show its counts.
    #[arg(long, conflicts_with_all = [
        "checks", "service", "resource", "thresholds", "settings", "trusted_account", "all", "min_severity", "fail_on",
        "print_policy", "save_state", "state",
    ])]
    remote: bool,
    /// The stack whose function that is.
    #[arg(
        long,
        env = "KEEPWATCH_STACK",
        default_value = "keepwatch",
        value_name = "STACK",
        requires = "remote"
    )]
    stack: String,
    /// Write what was read from AWS into this file, so that --state can judge it again.
    #[arg(long, value_name = "FILE")]
    save_state: Option<PathBuf>,
    /// Judge what --save-state wrote into this file, and ask AWS nothing.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["save_state", "print_policy", "region", "profile"])]
    state: Option<PathBuf>,
}

/// # Errors
/// Wrong use, or an account that cannot be asked at all.
pub(crate) async fn run(scan: &Scan) -> anyhow::Result<ExitCode> {
    if scan.remote {
        return remote::run(&scan.config().await?, &scan.stack, scan.format == Output::Json).await;
    }
    let checks = select::checks(&scan.checks, &scan.service)?;
    let parameters = scan.parameters()?;
    if scan.print_policy {
        output::policy(&plan::actions(&checks))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &scan.save_state {
        // Not after minutes of asking: that it can be written is known before, and what is in it stays until then.
        let file = fs::OpenOptions::new().append(true).create(true).open(path);
        file.with_context(|| format!("cannot write {}", path.display()))?;
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
            bail!("no resource matches {}", clean(pattern, 200));
        }
    }
    let code = exit_code(&judgements, scan.fail_on);
    if let Some(least) = scan.min_severity {
        // What is unknown may be anything.
        judgements.retain(|one| one.severity >= least || one.verdict == Judged::Unknown);
    }
    // Whoever names a check wants all of it.
    let fold = scan.checks.is_empty();
    let quiet = fold && !scan.all && scan.min_severity.is_none();
    let listing = output::Listing { format: scan.format, all: scan.all, fold, quiet };
    output::print(&listing, judgements, &state)?;
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
        for account in &self.trusted_account {
            if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
                bail!("--trusted-account takes account ids of twelve digits, and not {}", clean(account, 60));
            }
        }
        parameters.trusted_accounts.clone_from(&self.trusted_account);
        for setting in &self.settings {
            let Some((name, value)) = setting.split_once('=') else {
                bail!("--set takes NAME=VALUE, such as key-age-days=60, and not {}", clean(setting, 100));
            };
            let value = value
                .trim()
                .parse()
                .with_context(|| format!("--set {}: {} is no number", clean(name, 60), clean(value, 60)))?;
            parameters.set(name.trim(), value).map_err(anyhow::Error::msg)?;
        }
        Ok(parameters)
    }

    /// Asks the account.
    async fn look(&self, checks: &[&dyn Check], parameters: &Parameters) -> anyhow::Result<State> {
        self.check_regions()?;
        let client = self.client().await?;
        let caller = client.caller().await.map_err(|fault| Failure::unasked(&fault, client.region()))?;
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

    /// Before AWS is asked for anything: what is wrong with the arguments costs no sign-in.
    fn check_regions(&self) -> anyhow::Result<()> {
        for region in self.region.iter().map(|region| region.trim()) {
            let name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if region.split('-').count() < 3 || !region.bytes().all(name) {
                bail!("{} is no region; they are named as eu-west-1 is", clean(region, 60));
            }
        }
        Ok(())
    }

    async fn client(&self) -> anyhow::Result<Client> {
        Client::new(&self.config().await?, now)
            .map_err(|fault| Failure::unasked(&fault, "the region of the configuration").into())
    }

    async fn config(&self) -> anyhow::Result<SdkConfig> {
        let profile = self.profile.as_deref().filter(|profile| !profile.is_empty());
        let configured = profiles::config(profile, None).await;
        let config = match (configured, self.region.first()) {
            // Whoever names regions need not name one more.
            (Err(ProfileError::NoRegion), Some(region)) => profiles::config(profile, Some(region)).await,
            (other, _) => other,
        };
        config.map_err(|error| match error {
            ProfileError::NoRegion => {
                anyhow::anyhow!("no region is set: name one with AWS_REGION or --region")
            }
            ProfileError::NoProfile { .. } => Failure::aws(&error.to_string()).into(),
            ProfileError::NoCredentials(_) => {
                let why = error.to_string();
                let what = match profile {
                    Some(name) => format!(
                        "Is there a profile {} in ~/.aws, and are you signed in with it?",
                        clean(name, 100)
                    ),
                    None => "Sign in (`aws sso login`) or name a profile (--profile)".to_owned(),
                };
                Failure::aws(&format!("{}. {what}", why.trim_end_matches('.'))).into()
            }
        })
    }

    async fn regions(&self, client: &Client) -> anyhow::Result<Vec<String>> {
        if self.region.is_empty() {
            return client.regions().await.map_err(|fault| match fault {
                Fault::Refused(refusals) => Failure::aws(&format!(
                    "nobody knows which regions there are, so name them with --region: {}",
                    told(&refusals)
                ))
                .into(),
                other => Failure::unasked(&other, client.region()).into(),
            });
        }
        let named: BTreeSet<String> = self.region.iter().map(|region| region.trim().to_owned()).collect();
        // One that is off answers every question with an error of its own; to say so once is enough. Whoever may not list
        // the regions is taken at his word.
        match client.regions().await {
            Ok(on) => {
                if let Some(off) = named.iter().find(|region| !on.contains(region)) {
                    let all = on.join(", ");
                    bail!(
                        "region {off} is not switched on for account {}, or there is none of that name; it has {all}",
                        client.account()
                    );
                }
            }
            Err(Fault::Refused(_)) => {}
            Err(fault) => return Err(Failure::unasked(&fault, client.region()).into()),
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
