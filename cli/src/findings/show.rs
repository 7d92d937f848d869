//! `keepwatch findings show`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use keepwatch_alert::format::{asff, ocsf};
use keepwatch_alert::{Alert, RelatedActs, Sender, Stack};
use keepwatch_base::text::clean;

use super::read::find;
use crate::account::Account;
use crate::catalogue::CATALOGUE;

pub(super) const HELP: &str = "\
Examples:
  keepwatch findings show 3f9a2c41d07be5a8
  keepwatch findings show root-console-sign-in-3f9a2c41d07be5a8 --format json

ID may be the beginning or the end of an id, if only one finding's begins or ends so.

Exit codes: 0 shown, 1 the item is no finding, 2 wrong use or no such finding, 3 AWS refused or cannot be reached.";

/// No line of a mail is longer.
const MAX_LINE: usize = 4_000;

/// How to print a finding.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// As its mail tells it.
    Text,
    /// As it stands in the table.
    Json,
    /// OCSF 1.x, for SIEMs and data lakes.
    Ocsf,
    /// AWS Security Finding Format, for Security Hub.
    Asff,
}

/// The arguments.
#[derive(Args)]
pub(super) struct Show {
    /// The finding.
    id: String,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Shows.
pub(super) async fn run(show: &Show, account: &Account) -> anyhow::Result<ExitCode> {
    let home = account.open().await?;
    let region = home.region();
    let finding = find(&home.findings().await?, &show.id).await?;
    let json = match show.format {
        Format::Text => None,
        Format::Json => Some(serde_json::to_value(&finding)?),
        Format::Ocsf => Some(ocsf::finding(&finding, CATALOGUE)),
        Format::Asff => Some(asff::finding(&finding, &region, CATALOGUE)),
    };
    let mut out = anstream::AutoStream::auto(io::stdout()).lock();
    match json {
        Some(json) => writeln!(out, "{json:#}")?,
        None => {
            let name = account.stack().to_owned();
            let sender =
                Sender { stack: Some(Stack { name, region, account: finding.account.clone() }), zone: None };
            for line in Alert::of(&finding, CATALOGUE, &sender, &RelatedActs::default()).text.lines() {
                writeln!(out, "{}", clean(line, MAX_LINE))?;
            }
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
