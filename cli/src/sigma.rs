//! Users' own rules on the command line: `keepwatch rules check`, and what `replay` and `rules patterns` need of them.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use keepwatch_base::text::clean;
use keepwatch_core::engine::Rule;
use keepwatch_rules::registry;
use keepwatch_sigma::{Loaded, Problem};
use serde_json::json;

use crate::Format;
use crate::table::table;

pub(crate) const HELP: &str = "\
Example:
  keepwatch rules check my-rules
  keepwatch rules check my-rules --format ndjson | jq -r 'select(.state == \"invalid\") | \"\\(.file):\\(.line): \\(.reason)\"'

Exit codes: 0 no file is invalid, 1 some are (the others are evaluated all the same), 2 wrong use.";

/// The most invalid files that are named where they are not what was asked for.
const NAMED: usize = 20;

/// What to know of a rule that no EventBridge rule can be made for.
const EVERY_EVENT: &str = "warning: it names neither eventSource nor eventName literally, so it looks at every event \
     that other rules bring, and brings none";

/// The arguments of `rules check`.
#[derive(Args)]
pub(crate) struct Check {
    /// The folder; *.yml and *.yaml in it and in its folders are read.
    folder: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// A document of the folder and what becomes of it.
struct Line<'a> {
    file: &'a Path,
    line: usize,
    state: &'static str,
    rule: &'a str,
    severity: &'a str,
    title: &'a str,
    /// Why it is not evaluated, or what to know of a rule that is.
    reason: &'a str,
}

/// Validates a folder.
pub(crate) fn check(check: &Check, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let loaded = load(&check.folder)?;
    let mut out = BufWriter::new(out);
    let lines = lines(&loaded);
    match check.format {
        Format::Ndjson => {
            for line in &lines {
                let Line { file, line, state, rule, severity, title, reason } = line;
                let object = json!({"file": file, "line": line, "state": state, "rule": rule, "severity": severity,
                    "title": title, "reason": reason});
                writeln!(out, "{object}")?;
            }
        }
        Format::Table => {
            let mut table = table(["STATE", "WHERE", "RULE", "SEVERITY", "WHAT"]);
            for line in &lines {
                let place = format!("{}:{}", line.file.display(), line.line);
                let what = match (line.title, line.reason) {
                    ("", what) | (what, "") => what.to_owned(),
                    (title, reason) => format!("{title}: {reason}"),
                };
                table.add_row([line.state, &clean(&place, 200), line.rule, line.severity, &what]);
            }
            writeln!(out, "{table}")?;
            let (rules, skipped) = (loaded.rules.len(), loaded.skipped.len());
            writeln!(out, "{rules} evaluated, {skipped} not evaluated, {} invalid", loaded.problems.len())?;
            let bring_none = loaded.rules.iter().filter(|own| own.not_brought().is_some()).count();
            if bring_none > 0 {
                writeln!(out, "{bring_none} of those evaluated bring no events of their own")?;
            }
        }
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(!loaded.problems.is_empty())))
}

fn lines(loaded: &Loaded) -> Vec<Line<'_>> {
    let evaluated = loaded.rules.iter().map(|own| {
        let about = own.rule.about();
        let (rule, severity, title) = (about.id, about.severity.as_str(), about.title);
        let reason = if own.not_brought().is_some() { EVERY_EVENT } else { "" };
        Line { file: &own.file, line: own.line, state: "evaluated", rule, severity, title, reason }
    });
    let skipped = loaded.skipped.iter().map(|skipped| Line {
        file: &skipped.file,
        line: skipped.line,
        state: "not evaluated",
        rule: "",
        severity: "",
        title: &skipped.title,
        reason: &skipped.reason,
    });
    let invalid = loaded.problems.iter().map(|Problem { file, line, reason }| Line {
        file,
        line: *line,
        state: "invalid",
        rule: "",
        severity: "",
        title: "",
        reason,
    });
    let mut lines: Vec<Line<'_>> = evaluated.chain(skipped).chain(invalid).collect();
    lines.sort_by_key(|line| (line.file, line.line));
    lines
}

fn load(folder: &Path) -> anyhow::Result<Loaded> {
    if !folder.is_dir() {
        bail!("{} is not a folder; name the one that holds your Sigma rules", folder.display());
    }
    let loaded = keepwatch_sigma::load(folder);
    let loaded = loaded.with_context(|| format!("cannot read the folder {}", folder.display()))?;
    if loaded.rules.is_empty() && loaded.skipped.is_empty() && loaded.problems.is_empty() {
        bail!("{} has no files that end in .yml or .yaml", folder.display());
    }
    Ok(loaded)
}

/// The built-in rules and those of the folder, and whether none of it is invalid. What is not evaluated is told on
/// standard error: silence would be taken for "nothing found".
pub(crate) fn rules(folder: &Path) -> anyhow::Result<(&'static [&'static dyn Rule], bool)> {
    let loaded = load(folder)?;
    for Problem { file, line, reason } in loaded.problems.iter().take(NAMED) {
        anstream::eprintln!("{}:{line}: invalid, not evaluated: {reason}", file.display());
    }
    let (more, skipped) = (loaded.problems.len().saturating_sub(NAMED), loaded.skipped.len());
    if more + skipped > 0 {
        anstream::eprintln!(
            "{more} more are invalid, {skipped} are valid and not evaluated: `keepwatch rules check {}` says why",
            folder.display()
        );
    }
    Ok((loaded.after(registry::RULES), loaded.problems.is_empty()))
}

/// The rules that EventBridge is to bring events for. Those that it cannot be told of are named on standard error, and
/// those that bring a whole service, which costs.
pub(crate) fn rules_to_bring(folder: Option<&Path>) -> anyhow::Result<&'static [&'static dyn Rule]> {
    let Some(folder) = folder else { return Ok(registry::RULES) };
    let loaded = load(folder)?;
    for Problem { file, line, reason } in &loaded.problems {
        anstream::eprintln!("{}:{line}: invalid, brings nothing: {reason}", file.display());
    }
    for own in &loaded.rules {
        if let Some(reason) = own.not_brought() {
            anstream::eprintln!(
                "{}:{}: sees only what other rules bring: {reason}",
                own.file.display(),
                own.line
            );
        }
        let services = own.whole_services();
        if !services.is_empty() {
            anstream::eprintln!(
                "{}:{}: brings every call to {}, those that only read included: it names no eventName literally",
                own.file.display(),
                own.line,
                services.join(", ")
            );
        }
    }
    Ok(loaded.after(registry::RULES))
}
