//! `keepwatch suppress list`.

use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

use clap::Args;
use keepwatch_aws::runtime::now;
use keepwatch_base::time::Timestamp;
use keepwatch_core::settings::{KEY, Settings, Suppression};
use serde_json::json;

use super::add::machine;
use crate::Format;
use crate::account::Account;
use crate::findings::shown;
use crate::principal;
use crate::progress;
use crate::table::table;

pub(super) const HELP: &str = "\
Examples:
  keepwatch suppress list
  keepwatch suppress list --format ndjson | jq -r 'select(.state == \"active\") | .name'

Exit codes: 0 listed, 1 some rows cannot be used and silence nothing, 2 wrong use, 3 AWS refused or cannot be reached.";

/// The arguments.
#[derive(Args)]
pub(super) struct List {
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// Lists.
pub(super) async fn run(list: &List, account: &Account) -> anyhow::Result<ExitCode> {
    let home = account.open().await?;
    let settings = home.settings().await?;
    let now = now();
    let bar = progress::spinner("reading the settings");
    let read = progress::while_shown(&bar, settings.table.read(now));
    let read = read.await.map_err(|error| settings.failed(&error))?;
    let mut out = BufWriter::new(anstream::AutoStream::auto(io::stdout()).lock());
    let rows = by_state(&read, now);
    match list.format {
        Format::Ndjson => {
            for (state, suppression) in &rows {
                writeln!(out, "{}", machine(suppression, state))?;
            }
            for invalid in &read.invalid {
                let row = json!({KEY: invalid.setting_id, "state": "invalid", "problem": invalid.reason});
                writeln!(out, "{row}")?;
            }
        }
        Format::Table => {
            let mut table = table(["STATE", "NAME", "RULE", "RESOURCE", "UNTIL", "OWNER", "REASON"]);
            for (state, row) in &rows {
                let actor = row.actor.as_ref().map(|actor| format!(" by {actor}")).unwrap_or_default();
                let account =
                    row.account.as_ref().map(|account| format!(" in {account}")).unwrap_or_default();
                table.add_row([
                    (*state).to_owned(),
                    row.id.clone(),
                    row.rule.clone(),
                    shown(&format!("{}{actor}{account}", row.resource)),
                    row.expires_at.to_string(),
                    shown(&row.owner),
                    shown(&row.reason),
                ]);
            }
            if rows.is_empty() {
                writeln!(out, "nothing is suppressed")?;
            } else {
                writeln!(out, "{table}")?;
            }
            for invalid in &read.invalid {
                writeln!(
                    out,
                    "{}: cannot be used, silences nothing: {}",
                    shown(&invalid.setting_id),
                    shown(&invalid.reason)
                )?;
            }
        }
    }
    out.flush()?;
    for (_, row) in rows.iter().filter(|(state, _)| *state != "expired") {
        if let Some(why) = row.actor.as_deref().and_then(|actor| principal::idle(actor, principal::actor)) {
            anstream::eprintln!("{}: silences nothing, its actor is wrong: {}", shown(&row.id), shown(&why));
        }
    }
    Ok(if read.invalid.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What silences now, what will, what did; the next to end first.
fn by_state(settings: &Settings, now: Timestamp) -> Vec<(&'static str, &Suppression)> {
    let mut rows: Vec<_> = settings
        .suppressions
        .iter()
        .map(|suppression| {
            let (order, state) = match suppression {
                active if active.is_active(now) => (0, "active"),
                early if early.created_at > now => (1, "not yet"),
                _ => (2, "expired"),
            };
            (order, suppression.expires_at, state, suppression)
        })
        .collect();
    rows.sort_by_key(|(order, expires_at, _, suppression)| (*order, *expires_at, &suppression.id));
    rows.into_iter().map(|(_, _, state, suppression)| (state, suppression)).collect()
}
