//! `keepwatch settings`: suppressions, tuning and lists as a file.

mod file;
mod plan;
mod rehearsal;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use keepwatch_aws::runtime::now;
use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;
use keepwatch_core::settings::Invalid;

use self::file::Refusal;
pub(crate) use self::file::document;
use self::plan::{Plan, Table, plan};
pub(crate) use self::rehearsal::read as rehearsed;
use crate::account::{Account, Home};
use crate::findings::shown;

const EXPORT_HELP: &str = "\
Examples:
  keepwatch settings export --output keepwatch-settings.yaml
  keepwatch settings export | git diff --no-index keepwatch-settings.yaml -
  keepwatch settings export > try.yaml          edit it, and see in a log what it would do: keepwatch replay logs --settings try.yaml

Suppressions that are over are left out, and so is what cannot be used; both are named on standard error.

Exit codes: 0 written, 1 some rows cannot be used and are left out, 2 wrong use, 3 AWS refused or cannot be reached.";

const APPLY_HELP: &str = "\
Examples:
  keepwatch settings apply keepwatch-settings.yaml
  keepwatch settings apply keepwatch-settings.yaml --yes

The first shows what would change: + a new row, ~ a changed one, - one that the file does not have. Nothing is written
without --yes. One row that `suppress add` or `tune` would refuse, and nothing of the file is written. Up to 100 rows are
written together or not at all.

Exit codes: 0 written, or nothing differs; 1 it differs and --yes was not given; 2 the file is not valid; 3 AWS refused or
cannot be reached.";

/// DynamoDB takes so many writes in one transaction (DynamoDB developer guide, "Quotas").
const AT_ONCE: usize = 100;

/// Suppressions, tuning and lists as a file that can lie under version control.
#[derive(Args)]
pub(crate) struct SettingsFile {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    account: Account,
}

#[derive(Subcommand)]
enum Command {
    /// Prints what is set, in an order that stays the same.
    #[command(after_help = EXPORT_HELP)]
    Export(Export),
    /// Shows how a file differs from what is set and, with --yes, sets what it says.
    #[command(after_help = APPLY_HELP)]
    Apply(Apply),
}

/// The arguments of `settings export`.
#[derive(Args)]
struct Export {
    /// The file to write, in place of standard output; one that is there is replaced.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The arguments of `settings apply`.
#[derive(Args)]
struct Apply {
    /// The file, as `settings export` writes it.
    file: PathBuf,
    /// Writes what is shown.
    #[arg(long)]
    yes: bool,
}

/// # Errors
/// Wrong use, or what AWS refused.
pub(crate) async fn run(settings: &SettingsFile) -> anyhow::Result<ExitCode> {
    match &settings.command {
        Command::Export(export) => exported(export, &settings.account).await,
        Command::Apply(apply) => applied(apply, &settings.account).await,
    }
}

async fn exported(export: &Export, account: &Account) -> anyhow::Result<ExitCode> {
    let home = account.open().await?;
    let table = read(&home, now()).await?;
    let text = file::text(table.used.values())?;
    match &export.output {
        Some(path) => fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?,
        None => io::stdout().lock().write_all(text.as_bytes())?,
    }
    for key in table.idle.keys() {
        anstream::eprintln!("{}: left out, it silences nothing now", shown(key));
    }
    unusable(&table.unusable, "left out");
    Ok(if table.unusable.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn applied(apply: &Apply, account: &Account) -> anyhow::Result<ExitCode> {
    let path = &apply.file;
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    // Before AWS is asked for anything: what is no settings file costs no sign-in.
    let entries = file::parse(&text).map_err(|refusals| refused(path, &refusals))?;
    let home = account.open().await?;
    let now = now();
    let table = read(&home, now).await?;
    let plan = plan(&entries, &table, now).map_err(|refusals| refused(path, &refusals))?;
    for key in &plan.over {
        anstream::eprintln!("{}: it silences nothing now; take it out of the file, or renew it", shown(key));
    }
    let named = |one: &&Invalid| plan.changed.iter().any(|(_, row)| row["setting_id"] == one.setting_id);
    let left: Vec<Invalid> = table.unusable.iter().filter(|one| !named(one)).cloned().collect();
    unusable(&left, "left as it is");
    let mut out = anstream::AutoStream::auto(io::stdout()).lock();
    for line in plan.lines() {
        writeln!(out, "{line}")?;
    }
    match (plan.len(), apply.yes) {
        (0, _) => writeln!(out, "Nothing differs.")?,
        (rows, false) => {
            writeln!(out, "{} would be written. Write it: --yes", counted(rows))?;
            return Ok(ExitCode::from(1));
        }
        (rows, true) => {
            write(&plan, &home).await?;
            writeln!(
                out,
                "{} written. It takes effect within a minute; a mail announces it.",
                counted(rows)
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn counted(rows: usize) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

async fn read(home: &Home, now: Timestamp) -> anyhow::Result<Table> {
    let settings = home.settings().await?;
    let rows = settings.table.rows().await.map_err(|error| settings.failed(&error))?;
    Ok(Table::of(&rows, now))
}

fn unusable(rows: &[Invalid], what: &str) {
    for invalid in rows {
        anstream::eprintln!(
            "{}: {what}, it cannot be used: {}",
            shown(&invalid.setting_id),
            shown(&invalid.reason)
        );
    }
}

/// All that is wrong, a line each.
fn refused(path: &Path, refusals: &[Refusal]) -> anyhow::Error {
    let lines = refusals
        .iter()
        .map(|one| format!("{}:{}: {}", path.display(), one.line, clean(&one.reason, 600)))
        .collect::<Vec<_>>();
    anyhow::anyhow!("nothing is written: the file cannot be applied\n{}", lines.join("\n"))
}

/// Writes all of it: what fits into one transaction together or not at all.
async fn write(plan: &Plan, home: &Home) -> anyhow::Result<()> {
    use keepwatch_aws::settings::Change;
    let settings = home.settings_to_change().await?;
    let added = plan.added.iter().map(Change::Add);
    let changed = plan.changed.iter().map(|(_, row)| Change::Put(row));
    let removed = plan.removed.iter().filter_map(|row| row["setting_id"].as_str()).map(Change::Remove);
    let changes: Vec<Change<'_>> = added.chain(changed).chain(removed).collect();
    for (lot, part) in changes.chunks(AT_ONCE).enumerate() {
        let before = lot * AT_ONCE;
        let so_far = || match before {
            0 => "nothing is written".to_owned(),
            before => {
                format!("{before} of {} rows are written; the same command writes the others", changes.len())
            }
        };
        let written = settings.table.change(part).await;
        if !written.map_err(|error| settings.failed(&error)).with_context(so_far)? {
            anyhow::bail!("{}: somebody else changed the settings in this moment; try again", so_far());
        }
    }
    Ok(())
}
