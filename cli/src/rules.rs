//! `keepwatch rules`.

use std::io::{self, Write as _};

#[cfg(feature = "sigma")]
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use keepwatch_checks::meta::CheckMeta;
use keepwatch_core::engine::{Rule, RuleMeta, patterns};
use keepwatch_rules::{page, registry};
use serde_json::{Value, json};

use crate::Format;
use crate::catalogue::{Described, described, not_shown};
#[cfg(feature = "sigma")]
use crate::sigma;
use crate::table::table;

/// The patterns that this command prints stand in a template, where CloudFormation puts the stack's name in.
const STACK: &str = "${AWS::StackName}";

/// What the rules are.
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
        /// The rule's id, that of a finding, or a code that mails name with it (ADM-05), which several rules may have.
        id: String,
        /// How to print.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Prints the EventBridge rules that the rules need, as JSON: those of the template, or those that bring the events of your own rules as well.
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
}

/// # Errors
/// An unknown rule, or output that cannot be written.
pub(crate) fn run(command: &RulesCommand) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match command {
        RulesCommand::List { format: Format::Ndjson } => {
            for rule in registry::RULES {
                writeln!(out, "{}", machine(rule.meta()))?;
            }
        }
        RulesCommand::List { format: Format::Table } => {
            let mut table = table(["RULE", "SEVERITY", "WHAT", "CATALOGUE"]);
            for rule in registry::RULES {
                let about = rule.about();
                let (what, catalogue) = (page::title(about), about.catalogue.join(", "));
                table.add_row([about.id, about.severity.as_str(), &what, &catalogue]);
            }
            writeln!(out, "{table}")?;
        }
        RulesCommand::Show { id, format } => {
            let speaks_for = |rule: &&&'static dyn Rule| {
                rule.about().catalogue.iter().any(|code| code.eq_ignore_ascii_case(id))
            };
            let found: Vec<&RuleMeta> =
                registry::RULES.iter().filter(speaks_for).map(|rule| rule.meta()).collect();
            let found = match described(id) {
                _ if !found.is_empty() => found,
                Some(Described::Rule(meta)) => vec![meta],
                Some(Described::Check(CheckMeta { about, .. }) | Described::Whole(about)) => {
                    bail!(
                        "{0} is found by looking at the account, by no rule: `keepwatch checks show {0}`",
                        about.id
                    )
                }
                Some(Described::Own) | None => return Err(not_shown("rule", id)),
            };
            for (i, meta) in found.into_iter().enumerate() {
                match format {
                    Format::Ndjson => writeln!(out, "{}", machine(meta))?,
                    Format::Table if i > 0 => write!(out, "\n{}", page::markdown(meta))?,
                    Format::Table => write!(out, "{}", page::markdown(meta))?,
                }
            }
        }
        #[cfg(not(feature = "sigma"))]
        RulesCommand::Patterns {} => {
            let rules = patterns::event_rules(registry::RULES, STACK);
            writeln!(out, "{}", serde_json::to_string_pretty(&rules)?)?;
        }
        #[cfg(feature = "sigma")]
        RulesCommand::Check(check) => return sigma::check(check, &mut out),
        #[cfg(feature = "sigma")]
        RulesCommand::Patterns { sigma } => {
            let rules = patterns::event_rules(sigma::rules_to_bring(sigma.as_deref())?, STACK);
            writeln!(out, "{}", serde_json::to_string_pretty(&rules)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn machine(meta: &RuleMeta) -> Value {
    let about = &meta.about;
    json!({
        "id": about.id,
        "title": about.title,
        "severity": about.severity.as_str(),
        "confidence": about.confidence.as_str(),
        "catalogue": about.catalogue,
        "references": page::references(about),
        "event_names": page::event_names(meta),
        "finding": about.finding,
        "opt_in": about.opt_in,
        "docs": page::docs(about),
    })
}
