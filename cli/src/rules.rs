//! `keepwatch rules`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use keepwatch_core::rules::{Meta, On, patterns, registry};
use serde_json::{Value, json};

use crate::Format;
#[cfg(feature = "sigma")]
use crate::sigma;
use crate::table::table;

/// What the rules are, and what is generated from them.
#[derive(Subcommand)]
pub(crate) enum RulesCommand {
    /// Lists all rules.
    #[command(after_help = "Example:\n  keepwatch rules list --format ndjson | jq -r '.id'")]
    List {
        /// How to print.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Shows one rule: what it detects, why it matters, what to do, what it avoids.
    #[command(after_help = "Example:\n  keepwatch rules show root-console-sign-in")]
    Show {
        /// The rule's id.
        id: String,
        /// How to print.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Prints the EventBridge rules that the rules need, as JSON (`make patterns` writes them into template.yaml).
    Patterns {
        /// A folder of your own Sigma rules, whose events are to be brought as well.
        #[cfg(feature = "sigma")]
        #[arg(long, value_name = "DIR")]
        sigma: Option<PathBuf>,
    },
    /// Validates a folder of your own Sigma rules: which are evaluated, which are not and why.
    #[cfg(feature = "sigma")]
    #[command(after_help = sigma::HELP)]
    Check(sigma::Check),
    /// Writes docs/rules: a page for each rule and an index.
    Docs {
        /// The folder to write to.
        folder: PathBuf,
    },
}

/// # Errors
/// An unknown rule, or output that cannot be written.
pub(crate) fn run(command: &RulesCommand) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match command {
        RulesCommand::List { format: Format::Ndjson } => {
            for meta in metas() {
                writeln!(out, "{}", machine(meta))?;
            }
        }
        RulesCommand::List { format: Format::Table } => {
            let mut table = table(["RULE", "SEVERITY", "WHAT", "CATALOGUE"]);
            for meta in metas() {
                table.add_row([meta.id, meta.severity.as_str(), &what(meta), &meta.catalogue.join(", ")]);
            }
            writeln!(out, "{table}")?;
        }
        RulesCommand::Show { id, format } => {
            let Some(meta) = registry::meta(id) else {
                bail!("there is no rule {id}; `keepwatch rules list` shows all of them");
            };
            match format {
                Format::Ndjson => writeln!(out, "{}", machine(meta))?,
                Format::Table => write!(out, "{}", page(meta))?,
            }
        }
        #[cfg(not(feature = "sigma"))]
        RulesCommand::Patterns {} => {
            let rules = patterns::event_rules(registry::RULES);
            writeln!(out, "{}", serde_json::to_string_pretty(&rules)?)?;
        }
        #[cfg(feature = "sigma")]
        RulesCommand::Check(check) => return sigma::check(check, &mut out),
        #[cfg(feature = "sigma")]
        RulesCommand::Patterns { sigma } => {
            let rules = patterns::event_rules(sigma::rules_to_bring(sigma.as_deref())?);
            writeln!(out, "{}", serde_json::to_string_pretty(&rules)?)?;
        }
        RulesCommand::Docs { folder } => write_docs(folder)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn metas() -> impl Iterator<Item = &'static Meta> {
    registry::RULES.iter().map(|rule| rule.meta())
}

fn docs(meta: &Meta) -> &'static str {
    registry::docs(meta.id).unwrap_or_default()
}

/// Its title, and whether it waits to be switched on.
fn what(meta: &Meta) -> String {
    let waits = if meta.opt_in { " (off until switched on)" } else { "" };
    format!("{}{waits}", meta.title)
}

fn machine(meta: &Meta) -> Value {
    json!({
        "id": meta.id,
        "title": meta.title,
        "severity": meta.severity.as_str(),
        "confidence": meta.confidence.as_str(),
        "catalogue": meta.catalogue,
        "references": meta.references,
        "event_names": event_names(meta),
        "finding": meta.finding,
        "opt_in": meta.opt_in,
        "docs": docs(meta).lines().map(str::trim).collect::<Vec<_>>().join("\n").trim(),
    })
}

fn event_names(meta: &Meta) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for on in meta.on {
        match on {
            On::Call(_, calls) | On::Read(_, calls) => {
                names.extend(calls.iter().map(|name| (*name).to_owned()))
            }
            On::Root => drop(names.insert("every call by root".to_owned())),
            On::ExposedKey => drop(names.insert("every call signed by a key that is exposed".to_owned())),
            On::LongTermKey => drop(names.insert("every call signed by a long-term key".to_owned())),
            On::Health(prefix) => drop(names.insert(format!("{prefix}*"))),
            On::TrustedAdvisor(check) => drop(names.insert((*check).to_owned())),
            On::Failed(codes) => {
                names.extend(codes.iter().map(|code| format!("calls that fail with {code}")))
            }
            On::ConsoleChange => drop(names.insert("every change made in the console".to_owned())),
            On::Detector(detector) => drop(names.insert(detector.source().1.to_owned())),
            On::Matching([], []) => drop(names.insert("every call that is brought".to_owned())),
            On::Matching(sources, []) => {
                names.extend(sources.iter().map(|source| format!("every call to {source}")))
            }
            On::Matching(_, calls) => names.extend(calls.iter().map(|name| (*name).to_owned())),
        }
    }
    names
}

/// The rule's page in Markdown, which reads as well in a terminal.
fn page(meta: &Meta) -> String {
    let mut page = format!("# {}\n\n", meta.title);
    let _ = writeln!(page, "| | |\n|---|---|");
    let rows = [
        ("Rule", format!("`{}`", meta.id)),
        ("Severity", meta.severity.as_str().to_owned()),
        ("Confidence", meta.confidence.as_str().to_owned()),
        ("Catalogue", meta.catalogue.join(", ")),
        ("Listens to", event_names(meta).into_iter().collect::<Vec<_>>().join(", ")),
        ("References", meta.references.join("; ")),
    ];
    for (label, value) in rows {
        let _ = writeln!(page, "| {label} | {value} |");
    }
    if meta.finding != meta.id {
        let _ = writeln!(page, "| Adds to the finding of | [`{0}`]({0}.md) |", meta.finding);
    }
    if meta.opt_in {
        let _ = writeln!(page, "| Off until | `keepwatch tune rule {} --on` |", meta.id);
    }
    page.push('\n');
    for line in docs(meta).lines().map(str::trim) {
        if line.starts_with("## ") && !page.ends_with("\n\n") {
            page.push('\n');
        }
        page.push_str(line);
        page.push('\n');
        if line.starts_with("## ") {
            page.push('\n');
        }
    }
    page
}

fn write_docs(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut index = String::from(
        "# Rules\n\nGenerated from the rule files by `make docs`; edit those.\n\n| rule | severity | what | catalogue |\n|---|---|---|---|\n",
    );
    let mut written = BTreeSet::from(["README.md".to_owned()]);
    for meta in metas() {
        let name = format!("{}.md", meta.id);
        write(&folder.join(&name), &page(meta))?;
        let catalogue = meta.catalogue.join(", ");
        let _ = writeln!(
            index,
            "| [{0}]({0}.md) | {1} | {2} | {catalogue} |",
            meta.id,
            meta.severity.as_str(),
            what(meta)
        );
        written.insert(name);
    }
    write(&folder.join("README.md"), &index)?;
    // The page of a rule that is no more would go on documenting it.
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".md") && !written.contains(&name) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
