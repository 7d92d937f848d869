//! `keepwatch checks`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use keepwatch_checks::check::Check;
use keepwatch_checks::meta::CheckMeta;
use keepwatch_checks::{page, registry};
use keepwatch_core::about::About;
use serde_json::{Value, json};

use crate::Format;
use crate::catalogue::{Described, described, not_shown};
use crate::table::table;

/// What the checks are.
#[derive(Subcommand)]
pub(crate) enum ChecksCommand {
    /// Lists all checks with the practices that they speak for.
    #[command(
        after_help = "Example:\n  keepwatch checks list --format ndjson | jq -r '.practices[]' | sort -u"
    )]
    List {
        /// How to print.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Shows one check: what it looks at, why it matters, what to do, what that costs and may break.
    #[command(after_help = "Examples:\n  keepwatch checks show root.mfa\n  keepwatch checks show P40")]
    Show {
        /// The check's id, that of a finding, or a practice.
        id: String,
        /// How to print.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

/// # Errors
/// An unknown check, or output that cannot be written.
pub(crate) fn run(command: &ChecksCommand) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match command {
        ChecksCommand::List { format: Format::Ndjson } => {
            for check in registry::CHECKS {
                writeln!(out, "{}", machine(check.meta()))?;
            }
        }
        ChecksCommand::List { format: Format::Table } => {
            let mut table = table(["PRACTICE", "CHECK", "SEVERITY", "WHAT"]);
            for check in sorted() {
                let meta = check.meta();
                let (about, practices) = (&meta.about, meta.practices.join(", "));
                table.add_row([practices.as_str(), about.id, about.severity.as_str(), about.title]);
            }
            writeln!(out, "{table}")?;
        }
        ChecksCommand::Show { id, format } => {
            let found: Vec<&CheckMeta> =
                registry::CHECKS.iter().map(|check| check.meta()).filter(|meta| is_named(meta, id)).collect();
            let found = match (found.is_empty(), described(id)) {
                (false, _) => found,
                (true, Some(Described::Check(meta))) => vec![meta],
                (true, Some(Described::Whole(about))) => {
                    match format {
                        Format::Ndjson => writeln!(out, "{}", of_whole(about))?,
                        Format::Table => writeln!(out, "{}", page::of_whole(about))?,
                    }
                    return Ok(ExitCode::SUCCESS);
                }
                (true, Some(Described::Rule(meta))) => {
                    bail!("{0} is found by a rule, in events: `keepwatch rules show {0}`", meta.about.id)
                }
                (true, Some(Described::Own) | None) => return Err(not_shown("check", id)),
            };
            for meta in found {
                match format {
                    Format::Ndjson => writeln!(out, "{}", machine(meta))?,
                    Format::Table => writeln!(out, "{}", page::markdown(meta))?,
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// In the order of their practices, and at the end what speaks for none.
fn sorted() -> Vec<&'static dyn Check> {
    let mut checks = registry::CHECKS.to_vec();
    checks.sort_by_key(|check| check.meta().order());
    checks
}

/// Whether the text is the check's id, or one of its practices.
pub(crate) fn is_named(meta: &CheckMeta, text: &str) -> bool {
    meta.about.id == text || meta.practices.iter().any(|practice| practice.eq_ignore_ascii_case(text))
}

fn machine(meta: &CheckMeta) -> Value {
    let about = &meta.about;
    json!({
        "id": about.id,
        "title": about.title,
        "severity": about.severity.as_str(),
        "practices": meta.practices,
        "number": meta.number,
        "references": page::references(about),
        "actions": page::actions(meta),
        "finding": about.finding,
        "docs": page::docs(about),
    })
}

/// The same for what a whole scan tells.
fn of_whole(about: &About) -> Value {
    json!({
        "id": about.id,
        "title": about.title,
        "severity": about.severity.as_str(),
        "references": page::references(about),
        "finding": about.finding,
        "docs": page::docs(about),
    })
}
