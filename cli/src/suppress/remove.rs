//! `keepwatch suppress remove`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Args;
use keepwatch_base::text::clean;
use keepwatch_core::settings::KEY;

use crate::account::Account;

pub(super) const HELP: &str = "\
Example:
  keepwatch suppress remove audit-week

A row that cannot be used is named by its whole key, as `suppress list` shows it.

Exit codes: 0 removed, 2 wrong use or no such name, 3 AWS refused or cannot be reached.";

/// The arguments.
#[derive(Args)]
pub(super) struct Remove {
    /// Its name.
    name: String,
}

/// Removes.
pub(super) async fn run(remove: &Remove, account: &Account) -> anyhow::Result<ExitCode> {
    let home = account.open().await?;
    let settings = home.settings_to_change().await?;
    // A row of a kind that does not exist has no name of its own, and must go all the same.
    let whole = remove.name.contains('#');
    let key = if whole { remove.name.clone() } else { format!("suppression#{}", remove.name) };
    let shown = clean(&remove.name, 128);
    if !settings.table.remove(&key).await.map_err(|error| settings.failed(&error))? {
        anyhow::bail!(
            "there is no row {shown} ({KEY} {}): `keepwatch suppress list` shows all",
            clean(&key, 128)
        );
    }
    let mut out = anstream::AutoStream::auto(io::stdout()).lock();
    writeln!(out, "{shown} is removed.")?;
    writeln!(
        out,
        "What it silenced wakes within a minute: open findings are mailed, and a mail says that it is gone."
    )?;
    Ok(ExitCode::SUCCESS)
}
