//! `keepwatch findings ack` and `resolve`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use keepwatch_aws::AwsError;
use keepwatch_aws::runtime::now;
use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::record::{FindingStore, Write};
use keepwatch_core::finding::{Finding, Status};
use keepwatch_core::observation::Resolution;

use super::read::{find, shown};
use crate::account::{Account, Home};
use crate::failure::Failure;
use crate::operator::is_refused;

pub(super) const ACK_HELP: &str = "\
Example:
  keepwatch findings ack 3f9a2c41d07be5a8 --by alice --note 'asking bob, INC-12'

Exit codes: 0 acknowledged, 1 the item is no finding, 2 wrong use, no such finding, or it is resolved already,
3 AWS refused or cannot be reached.";

pub(super) const RESOLVE_HELP: &str = "\
Examples:
  keepwatch findings resolve 3f9a2c41d07be5a8 --by alice --note 'took the policy away'
  keepwatch findings resolve 3f9a2c41d07be5a8 --by alice --note 'meant so' --as not-applicable

Exit codes: 0 resolved now or before, 1 the item is no finding or goes on, 2 wrong use or no such finding, 3 AWS refused
or cannot be reached.";

/// Attempts before a finding that others keep writing is given up: as many as `detect` makes.
const ATTEMPTS: usize = 12;

/// Who says it, and what.
#[derive(Args)]
struct Said {
    /// The finding: its id, or the beginning or the end of it.
    id: String,
    /// Who says so.
    #[arg(long, value_name = "NAME", value_parser = words)]
    by: String,
    /// What the next reader should know.
    #[arg(long, value_name = "TEXT", value_parser = words)]
    note: String,
}

/// The arguments.
#[derive(Args)]
pub(super) struct Ack {
    #[command(flatten)]
    said: Said,
}

/// The arguments.
#[derive(Args)]
pub(super) struct Resolve {
    #[command(flatten)]
    said: Said,
    /// How it went away.
    #[arg(long = "as", value_enum, default_value = "fixed")]
    how: How,
}

#[derive(Clone, Copy, ValueEnum)]
enum How {
    /// The resource is there, and is right.
    Fixed,
    /// The resource is gone.
    Deleted,
    /// It was no problem here.
    NotApplicable,
}

impl From<How> for Resolution {
    fn from(how: How) -> Resolution {
        match how {
            How::Fixed => Resolution::Fixed,
            How::Deleted => Resolution::Deleted,
            How::NotApplicable => Resolution::NotApplicable,
        }
    }
}

/// A text that says something.
fn words(text: &str) -> Result<String, String> {
    let text = clean(text, usize::MAX);
    if text.trim().is_empty() { Err("write a text".to_owned()) } else { Ok(text.trim().to_owned()) }
}

/// Acknowledges.
pub(super) async fn acknowledge(ack: &Ack, account: &Account) -> anyhow::Result<ExitCode> {
    let home = account.open().await?;
    let Said { id, by, note } = &ack.said;
    let changed = change(&home, id, |finding, now| {
        // One that comes back would be taken on before anybody has looked at it.
        if !finding.is_open() {
            anyhow::bail!("it is resolved already, so there is nothing to take on: {}", reason(finding));
        }
        finding.acknowledge(by, note, now);
        Ok(true)
    });
    let (finding, _) = changed.await?;
    let then = if finding.status == Status::Suppressed {
        "It stays suppressed; when that ends, repetitions are counted without a mail until it is gone or gets worse."
    } else {
        "Repetitions are counted without a mail until it is gone or gets worse."
    };
    tell(&finding, then)
}

/// Resolves.
pub(super) async fn resolve(resolve: &Resolve, account: &Account) -> anyhow::Result<ExitCode> {
    let home = account.open().await?;
    let Said { id, by, note } = &resolve.said;
    let changed = change(&home, id, |finding, now| {
        if !finding.is_open() {
            return Ok(false);
        }
        finding.resolve(resolve.how.into(), by, note, now);
        if finding.is_open() {
            return Err(Failure::data(format!(
                "it was last seen at {}, and by this computer's clock it is only {now}: set the clock, or try again later",
                finding.last_seen
            ))
            .into());
        }
        Ok(true)
    });
    let (finding, changed) = changed.await?;
    let then = if changed {
        "If it happens again, it is reopened and mailed."
    } else {
        "It was resolved before; nothing has changed."
    };
    tell(&finding, then)
}

/// Reads, changes and writes a finding, on condition that nobody else wrote it meanwhile. Returns it, and whether `apply`
/// changed it.
async fn change(
    home: &Home,
    id: &str,
    apply: impl Fn(&mut Finding, Timestamp) -> anyhow::Result<bool>,
) -> anyhow::Result<(Finding, bool)> {
    let findings = home.findings().await?;
    let finding = find(&findings, id).await?;
    change_found(home, finding, apply).await
}

/// As [`change`], of a finding that was read.
///
/// # Errors
/// What AWS refused, and a finding that others keep writing.
pub(crate) async fn change_found(
    home: &Home,
    mut finding: Finding,
    apply: impl Fn(&mut Finding, Timestamp) -> anyhow::Result<bool>,
) -> anyhow::Result<(Finding, bool)> {
    let findings = home.findings().await?;
    for attempt in 1..=ATTEMPTS {
        let (expected, now) = (finding.version, now());
        if !apply(&mut finding, now)? {
            return Ok((finding, false));
        }
        let update = Write::Update { finding: &finding, expected, receipt: None };
        let writing = home.findings_to_change().await?;
        let refused = |error: AwsError| match is_refused(&error) && is_about_keepwatch(&finding) {
            true => Failure::aws(ABOUT_KEEPWATCH),
            false => findings.failed(&error),
        };
        if writing.table.write(update, now).await.map_err(refused)? {
            return Ok((finding, true));
        }
        findings.table.back_off(attempt).await;
        let read = findings.table.get(&finding.finding_id).await;
        let read = read.map_err(|error| findings.failed(&error))?;
        finding = read.ok_or_else(|| Failure::data("somebody has removed it from the table meanwhile"))?;
    }
    Err(Failure::aws("others keep writing this finding: try again in a minute").into())
}

const ABOUT_KEEPWATCH: &str = "a finding about Keepwatch itself cannot be changed, or who took the operator's role could end the one \
     that tells of it. It ends when what it tells of is put right; `keepwatch suppress add` silences it for at most 30 days";

/// Whether this is a finding that the operator's role may not write.
fn is_about_keepwatch(finding: &Finding) -> bool {
    ["self-", "forwarder.changed", "forwarder.outdated", "forwarder.silent"]
        .iter()
        .any(|about| finding.finding_id.starts_with(about))
}

fn reason(finding: &Finding) -> String {
    shown(finding.status_reason.as_deref().unwrap_or("no reason is given"))
}

fn tell(finding: &Finding, then: &str) -> anyhow::Result<ExitCode> {
    let mut out = anstream::AutoStream::auto(io::stdout()).lock();
    writeln!(out, "{}: {}", clean(&finding.finding_id, 128), shown(&finding.title))?;
    writeln!(out, "{}, {}", finding.status.as_str(), reason(finding))?;
    writeln!(out, "{then}")?;
    Ok(ExitCode::SUCCESS)
}
