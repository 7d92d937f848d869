//! `keepwatch tune`: what is set for single rules, and lists that rules read.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use keepwatch_aws::runtime::now;
use keepwatch_base::text::clean;
use keepwatch_core::settings::{KEY, LISTS, Settings};
use keepwatch_rules::registry;
use serde_json::{Value, json};

use crate::Format;
use crate::account::{Account, Home};
use crate::catalogue::CATALOGUE;
use crate::findings::shown;
use crate::principal;
use crate::table::table;
use crate::words::{did_you_mean, is_region};

/// The list whose values are users and roles.
const AUTOMATION: &str = "automation";

/// The list whose values are regions.
const EXPECTED_REGIONS: &str = "expected-regions";

const HELP: &str = "\
Examples:
  keepwatch tune rule iam-access-denied-burst --threshold 100
  keepwatch tune rule compute-cloudshell-used --severity LOW --note 'we live in it'
  keepwatch tune rule network-changed --off
  keepwatch tune rule access-key-new-address --on
  keepwatch tune values automation --add 'arn:aws:iam::111122223333:role/ci-*'
  keepwatch tune values trusted-identities --add 'repo:octo-org/*'
  keepwatch tune values expected-regions us-east-1 eu-central-1
  keepwatch tune list
  keepwatch tune reset rule#network-changed

A change takes effect within a minute, without a deployment, and a mail announces it. Rules on root, exposed keys and Keepwatch
itself cannot be switched off or lowered; `keepwatch suppress add` silences them for a time.

Exit codes: 0 done, 1 some rows cannot be used, 2 not valid or no such row, 3 AWS refused or cannot be reached.";

/// What is set for single rules, and lists that rules read.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Tune {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    account: Account,
}

#[derive(Subcommand)]
enum Command {
    /// Changes a rule's severity or threshold, or switches the rule off or on.
    ///
    /// What you do not name goes back to the rule's own value. Without any option nothing is changed, and the command shows
    /// what is set.
    Rule(Rule),
    /// Changes a list that rules use: trusted-accounts, trusted-identities, automation or expected-regions.
    Values(Values),
    /// Shows what is set.
    List(List),
    /// Removes a setting, so that the rule's own value or an empty list holds again.
    Reset {
        /// The key of the setting, as `tune list` shows it.
        key: String,
    },
}

/// The arguments of `tune rule`.
#[derive(Args)]
struct Rule {
    /// The rule's id.
    id: String,
    /// Switch the rule off: it finds nothing any more.
    #[arg(long, conflicts_with = "on")]
    off: bool,
    /// Switch the rule on. Some rules are off at first; `keepwatch rules show RULE` says so.
    #[arg(long)]
    on: bool,
    /// The severity of all that the rule finds: INFORMATIONAL, LOW, MEDIUM, HIGH or CRITICAL.
    #[arg(long, value_name = "SEVERITY")]
    severity: Option<String>,
    /// From how many events on the rule speaks, for rules that count events.
    #[arg(long, value_name = "N")]
    threshold: Option<u64>,
    /// Why you change it, for whoever reads the settings later.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// The arguments of `tune values`.
#[derive(Args)]
struct Values {
    /// The list.
    list: String,
    /// The values: account ids, patterns of identities, ARNs or patterns of users and roles (a role by either of its ARNs), or
    /// regions.
    values: Vec<String>,
    /// Add the values to those that are set. Without it they replace them.
    #[arg(long)]
    add: bool,
}

/// The arguments of `tune list`.
#[derive(Args)]
struct List {
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Rule {
    fn row(&self) -> Value {
        let mut row = json!({KEY: format!("rule#{}", self.id)});
        if self.off || self.on {
            row["enabled"] = json!(self.on);
        }
        if let Some(severity) = &self.severity {
            row["severity"] = json!(severity.to_uppercase());
        }
        if let Some(threshold) = self.threshold {
            row["threshold"] = json!(threshold);
        }
        if let Some(note) = &self.note {
            row["note"] = json!(clean(note, 300));
        }
        row
    }
}

/// # Errors
/// Wrong use, or what AWS refused.
pub(crate) async fn run(tune: &Tune) -> anyhow::Result<ExitCode> {
    match &tune.command {
        Command::Rule(rule) => set_rule(rule, &tune.account).await,
        Command::Values(values) => set_list(values, &tune.account).await,
        Command::List(list) => show(list, &tune.account).await,
        Command::Reset { key } => reset(key, &tune.account).await,
    }
}

async fn set_rule(rule: &Rule, account: &Account) -> anyhow::Result<ExitCode> {
    let row = rule.row();
    check(&row).map_err(|error| {
        let ids = registry::RULES.iter().map(|rule| rule.about().id);
        anyhow::anyhow!("{error}{}", did_you_mean(&rule.id, ids))
    })?;
    let home = account.open().await?;
    let before = set_now(&home, &row).await?;
    if row.as_object().is_some_and(|row| row.len() == 1) {
        let mut out = anstream::AutoStream::auto(io::stdout()).lock();
        let id = shown(&rule.id);
        writeln!(out, "Nothing is changed: {id} is {before}.")?;
        writeln!(out, "Say what to set: --off, --on, --severity or --threshold.")?;
        writeln!(out, "The rule's own again: keepwatch tune reset rule#{id}")?;
        return Ok(ExitCode::SUCCESS);
    }
    write(&row, &before, &home).await
}

async fn set_list(given: &Values, account: &Account) -> anyhow::Result<ExitCode> {
    let row = |values: &[String]| json!({KEY: format!("list#{}", given.list), "values": values});
    let new: Result<Vec<String>, String> =
        given.values.iter().map(|value| in_form(&given.list, value)).collect();
    let new = new.map_err(|reason| anyhow::anyhow!("this cannot be set: {reason}"))?;
    check(&row(&new)).map_err(|error| anyhow::anyhow!("{error}{}", did_you_mean(&given.list, LISTS)))?;
    if given.values.is_empty() {
        anyhow::bail!(
            "no value is given, and nothing is changed: `keepwatch tune reset list#{}` empties the list",
            clean(&given.list, 60)
        );
    }
    let home = account.open().await?;
    let mut values = if given.add { listed(&home, &given.list).await? } else { Vec::new() };
    let new: Vec<String> = new.into_iter().filter(|value| !values.contains(value)).collect();
    values.extend(new);
    let row = row(&values);
    let before = set_now(&home, &row).await?;
    write(&row, &before, &home).await
}

/// A value of a list in the form that rules compare.
///
/// # Errors
/// A form that can mean nobody.
pub(crate) fn in_form(list: &str, value: &str) -> Result<String, String> {
    match list {
        AUTOMATION => principal::automation(value),
        _ => Ok(value.to_owned()),
    }
}

fn check(row: &Value) -> anyhow::Result<()> {
    refused(row).map_err(|reason| anyhow::anyhow!("this cannot be set: {reason}"))
}

/// Refuses a row with which the code that will read it finds something wrong, and a region that is none.
///
/// # Errors
/// What is wrong, and what to do.
pub(crate) fn refused(row: &Value) -> Result<(), String> {
    if row[KEY] == format!("list#{EXPECTED_REGIONS}") {
        let mut values = row["values"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if let Some(odd) = values.find(|value| !is_region(value)) {
            return Err(format!("`{}` is no region, such as eu-central-1", clean(odd, 60)));
        }
    }
    Settings::read([row], CATALOGUE).invalid.into_iter().next().map_or(Ok(()), |invalid| Err(invalid.reason))
}

async fn settings_now(home: &Home) -> anyhow::Result<Arc<Settings>> {
    let settings = home.settings().await?;
    Ok(settings.table.read(now()).await.map_err(|error| settings.failed(&error))?)
}

async fn listed(home: &Home, list: &str) -> anyhow::Result<Vec<String>> {
    let read = settings_now(home).await?;
    let known = read.lists.named().into_iter().find(|(name, _)| *name == list);
    Ok(known.map(|(_, values)| values.to_vec()).unwrap_or_default())
}

/// What the row of this key is set to, for people.
async fn set_now(home: &Home, row: &Value) -> anyhow::Result<String> {
    let settings = settings_now(home).await?;
    Ok(told(&settings, row))
}

/// What settings say under the key of this row.
fn told(settings: &Settings, row: &Value) -> String {
    let key = row[KEY].as_str().unwrap_or_default();
    let values = match key.split_once('#') {
        Some(("rule", id)) => settings.overrides.get(id).map(ToString::to_string),
        Some((_, list)) => {
            let named = settings.lists.named();
            named.iter().find(|(name, _)| *name == list).map(|(_, values)| values.join(", "))
        }
        None => None,
    };
    match values.filter(|text| !text.is_empty()) {
        Some(text) => shown(&text),
        None if key.starts_with("rule#") => "as the rule has it".to_owned(),
        None => "empty".to_owned(),
    }
}

/// Writes a valid row, and says what was set before and what is now.
async fn write(row: &Value, before: &str, home: &Home) -> anyhow::Result<ExitCode> {
    let settings = home.settings_to_change().await?;
    settings.table.put(row).await.map_err(|error| settings.failed(&error))?;
    let mut out = anstream::AutoStream::auto(io::stdout()).lock();
    let key = shown(row[KEY].as_str().unwrap_or_default());
    writeln!(out, "{key} was: {before}")?;
    writeln!(out, "{key} is now: {}", told(&Settings::read([row], CATALOGUE), row))?;
    writeln!(out, "It takes effect within a minute; a mail announces it.")?;
    Ok(ExitCode::SUCCESS)
}

async fn show(list: &List, account: &Account) -> anyhow::Result<ExitCode> {
    let home = account.open().await?;
    let settings = home.settings().await?;
    let read = settings.table.read(now()).await.map_err(|error| settings.failed(&error))?;
    let overrides = read.overrides.iter().map(|(rule, set)| (format!("rule#{rule}"), set.to_string()));
    let mut rows: Vec<(String, String)> = overrides.collect();
    for (name, values) in read.lists.named() {
        if !values.is_empty() {
            rows.push((format!("list#{name}"), values.join(", ")));
        }
    }
    let mut out = anstream::AutoStream::auto(io::stdout()).lock();
    match list.format {
        Format::Ndjson => {
            for (key, set) in &rows {
                writeln!(out, "{}", json!({KEY: key, "set": set}))?;
            }
        }
        Format::Table if rows.is_empty() => {
            writeln!(out, "nothing is tuned; the lists are {}", LISTS.join(", "))?
        }
        Format::Table => {
            let mut table = table(["KEY", "SET TO"]);
            for (key, set) in &rows {
                table.add_row([shown(key), shown(set)]);
            }
            writeln!(out, "{table}")?;
        }
    }
    for pattern in &read.lists.automation {
        if let Some(why) = principal::idle(pattern, principal::automation) {
            anstream::eprintln!("list#{AUTOMATION}: {}", shown(&why));
        }
    }
    for invalid in &read.invalid {
        anstream::eprintln!("{}: cannot be used: {}", shown(&invalid.setting_id), shown(&invalid.reason));
    }
    Ok(if read.invalid.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn reset(key: &str, account: &Account) -> anyhow::Result<ExitCode> {
    let home = account.open().await?;
    let settings = home.settings_to_change().await?;
    if !settings.table.remove(key).await.map_err(|error| settings.failed(&error))? {
        let read = settings_now(&home).await?;
        let rules = read.overrides.keys().map(|rule| format!("rule#{rule}"));
        let keys: Vec<String> = rules.chain(LISTS.iter().map(|list| format!("list#{list}"))).collect();
        let meant = did_you_mean(key, keys.iter().map(String::as_str));
        anyhow::bail!("there is no row {}{meant}: `keepwatch tune list` shows all", shown(key));
    }
    let mut out = anstream::AutoStream::auto(io::stdout()).lock();
    writeln!(out, "{} is taken away.", shown(key))?;
    Ok(ExitCode::SUCCESS)
}
