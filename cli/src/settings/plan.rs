//! What a file would change in the table, and what of it is refused.

use std::collections::BTreeMap;

use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;
use keepwatch_core::settings::{Invalid, KEY, Settings, Suppression};
use serde_json::{Map, Value, json};

use super::file::{Entry, Refusal};
use crate::catalogue::CATALOGUE;
use crate::findings::shown;
use crate::principal;
use crate::suppress::whole;
use crate::tune;
use crate::words::time;

/// The attribute that says when a suppression was made. No file has it: it is the time of the writing.
pub(super) const CREATED: &str = "created_at";

/// The most characters of a note that are kept.
const MAX_NOTE: usize = 300;

/// The table's rows, each in the one form in which equal settings are equal.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// What is in force, by key.
    pub(super) used: BTreeMap<String, Value>,
    /// Suppressions that have ended, or are from the future and silence nothing. No export has them, and a file that does not
    /// have them leaves them where they are.
    pub(super) idle: BTreeMap<String, Value>,
    /// What cannot be used.
    pub(super) unusable: Vec<Invalid>,
    /// When suppressions were made, by key.
    created: BTreeMap<String, Value>,
}

impl Table {
    /// Reads rows, in any order.
    pub(super) fn of(rows: &[Value], now: Timestamp) -> Table {
        let mut table = Table::default();
        for row in rows {
            let key = row[KEY].as_str().unwrap_or_default().to_owned();
            let invalid = Settings::read([row], CATALOGUE).invalid;
            let read = canonical(row);
            match (invalid.into_iter().next(), read) {
                (None, Ok(same)) => {
                    let active = suppression(row).is_none_or(|it| it.is_active(now));
                    if let Some(created) = row.get(CREATED) {
                        table.created.insert(key.clone(), created.clone());
                    }
                    if active {
                        table.used.insert(key, same)
                    } else {
                        table.idle.insert(key, same)
                    };
                }
                (Some(invalid), _) => table.unusable.push(invalid),
                (None, Err(reason)) => table.unusable.push(Invalid { setting_id: clean(&key, 200), reason }),
            }
        }
        table
    }

    fn known(&self, key: &str) -> Option<&Value> {
        self.used.get(key).or_else(|| self.idle.get(key))
    }
}

/// What is to be written.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Rows of keys that the table does not have.
    pub(super) added: Vec<Value>,
    /// What is there, where it can be used, and what is to be there.
    pub(super) changed: Vec<(Option<Value>, Value)>,
    /// Rows that the file does not have.
    pub(super) removed: Vec<Value>,
    /// Suppressions of the file that are over in the table: nothing to do, and worth a word.
    pub(super) over: Vec<String>,
}

impl Plan {
    /// How many rows are to be written or removed.
    pub(super) fn len(&self) -> usize {
        self.added.len() + self.changed.len() + self.removed.len()
    }

    /// One line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let key = |row: &Value| shown(row[KEY].as_str().unwrap_or_default());
        let added = self.added.iter().map(|row| format!("+ {}: {}", key(row), said(row)));
        let changed = self.changed.iter().map(|(before, after)| match before {
            Some(before) => format!("~ {}: {}", key(after), difference(before, after)),
            None => format!("~ {}: a row that cannot be used; is now: {}", key(after), said(after)),
        });
        let removed = self.removed.iter().map(|row| format!("- {}: {}", key(row), said(row)));
        added.chain(changed).chain(removed).collect()
    }
}

/// What the file would change.
///
/// # Errors
/// Every row that `suppress add` or `tune` would refuse. What the table has already is not refused.
pub(super) fn plan(file: &[Entry], table: &Table, now: Timestamp) -> Result<Plan, Vec<Refusal>> {
    let mut plan = Plan::default();
    let mut refusals = Vec::new();
    for Entry { line, row } in file {
        let key = row[KEY].as_str().unwrap_or_default();
        let before = table.known(key);
        if before.is_some_and(|before| is_same(row, before, table.created.get(key))) {
            if table.idle.contains_key(key) {
                plan.over.push(key.to_owned());
            }
            continue;
        }
        match new(row, now) {
            Ok(after) => match before {
                Some(before) => plan.changed.push((Some(before.clone()), after)),
                None if table.unusable.iter().any(|one| one.setting_id == key) => {
                    plan.changed.push((None, after))
                }
                None => plan.added.push(after),
            },
            Err(reason) => {
                refusals.push(Refusal { line: *line, reason: format!("{}: {reason}", clean(key, 200)) });
            }
        }
    }
    let named = |key: &str| file.iter().any(|entry| entry.row[KEY] == *key);
    plan.removed = table.used.iter().filter(|(key, _)| !named(key)).map(|(_, row)| row.clone()).collect();
    if refusals.is_empty() { Ok(plan) } else { Err(refusals) }
}

/// Whether a row of a file says what the table says.
fn is_same(row: &Value, before: &Value, created: Option<&Value>) -> bool {
    if row.get(CREATED).is_some() {
        return false;
    }
    let says = |mut row: Value| {
        if let Some(created) = created {
            row[CREATED] = created.clone();
        }
        canonical(&row).is_ok_and(|same| same == *before)
    };
    says(with_time(row)) || as_meant(row).is_ok_and(says)
}

/// The row to write for one of a file, or why it is refused.
fn new(row: &Value, now: Timestamp) -> Result<Value, String> {
    let key = row[KEY].as_str().unwrap_or_default();
    let mut row = as_meant(row)?;
    let Some(name) = key.strip_prefix("suppression#") else {
        tune::refused(&row)?;
        let same = canonical(&row)?;
        let sets = match key.split_once('#') {
            Some(("list", _)) => same["values"].as_array().is_some_and(|values| !values.is_empty()),
            _ => ["enabled", "severity", "threshold"].iter().any(|name| same.get(name).is_some()),
        };
        return if sets { Ok(same) } else { Err("it sets nothing: leave it out of the file".to_owned()) };
    };
    if row.get(CREATED).is_some() {
        return Err(format!("`{CREATED}` is not for a file: it is the time when the row is written"));
    }
    row[CREATED] = json!(now);
    let read = Suppression::read(name, &row, CATALOGUE).map_err(|unfit| match unfit {
        keepwatch_core::settings::Unfit::Over => "`expires_at` is not in the future".to_owned(),
        unfit => unfit.to_string(),
    })?;
    whole(&row, &read, "`", "`")?;
    Ok(read.row())
}

/// The row in the forms that are stored: an end that may be written as a day, and users and roles in any form of their ARNs.
///
/// # Errors
/// A form that can mean nobody.
pub(super) fn as_meant(row: &Value) -> Result<Value, String> {
    let mut row = with_time(row);
    if let Some(actor) = row["actor"].as_str() {
        row["actor"] = json!(principal::actor(actor).map_err(|reason| format!("`actor`: {reason}"))?);
    }
    let key = row[KEY].as_str().unwrap_or_default().to_owned();
    if let Some(list) = key.strip_prefix("list#") {
        for value in row.get_mut("values").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(text) = value.as_str() {
                *value = json!(tune::in_form(list, text)?);
            }
        }
    }
    Ok(row)
}

/// The row with an end that may be written as a day.
fn with_time(row: &Value) -> Value {
    let mut row = row.clone();
    if let Some(end) = row["expires_at"].as_str().and_then(|text| time(text).ok()) {
        row["expires_at"] = json!(end);
    }
    row
}

fn suppression(row: &Value) -> Option<Suppression> {
    let name = row[KEY].as_str()?.strip_prefix("suppression#")?;
    Suppression::read(name, row, CATALOGUE).ok()
}

/// A row in the one form in which equal settings are equal, without the time when it was made.
fn canonical(row: &Value) -> Result<Value, String> {
    let key = row[KEY].as_str().unwrap_or_default();
    if let Some(name) = key.strip_prefix("suppression#") {
        // Read twice: a blank at the end may stand there only once a hidden character is gone.
        let once = Suppression::read(name, row, CATALOGUE).map_err(|unfit| unfit.to_string())?;
        let twice = Suppression::read(name, &once.row(), CATALOGUE).map_err(|unfit| unfit.to_string())?;
        let mut same = twice.row();
        if let Some(attributes) = same.as_object_mut() {
            attributes.remove(CREATED);
        }
        return Ok(same);
    }
    let read = Settings::read([row], CATALOGUE);
    if let Some(invalid) = read.invalid.into_iter().next() {
        return Err(invalid.reason);
    }
    let mut same = Map::from_iter([(KEY.to_owned(), json!(key))]);
    if let Some(set) = read.overrides.values().next() {
        let attributes = [
            ("enabled", set.enabled.map(Value::from)),
            ("severity", set.severity.map(|severity| json!(severity.as_str()))),
            ("threshold", set.threshold.map(Value::from)),
        ];
        same.extend(attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    if row.get("values").is_some() {
        let mut values: Vec<&String> =
            read.lists.named().into_iter().flat_map(|(_, values)| values).collect();
        values.sort();
        values.dedup();
        same.insert("values".to_owned(), json!(values));
    }
    match row.get("note") {
        None | Some(Value::Null) => {}
        Some(Value::String(note)) => {
            let note = clean(note, MAX_NOTE).trim().to_owned();
            if !note.is_empty() {
                same.insert("note".to_owned(), json!(note));
            }
        }
        Some(_) => return Err("`note` must be a text".to_owned()),
    }
    Ok(Value::Object(same))
}

/// What a row sets, for people.
fn said(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let part = |name: &str, word: &str| match row.get(name) {
        Some(Value::String(value)) => format!(" {word} {value}"),
        _ => String::new(),
    };
    if row.get("resource").is_some() {
        let scope = format!(
            "{} on {}{}{}",
            text("rule"),
            text("resource"),
            part("actor", "by"),
            part("account", "in")
        );
        return shown(&format!(
            "{scope} until {}, {}: {}",
            text("expires_at"),
            text("owner"),
            text("reason")
        ));
    }
    let sets = attributes(row).filter(|(name, _)| *name != KEY);
    shown(&sets.map(|(name, value)| format!("{name} {}", word(value))).collect::<Vec<_>>().join(", "))
}

/// What is other than it was, for people.
fn difference(before: &Value, after: &Value) -> String {
    let mut names: Vec<&String> = attributes(before).chain(attributes(after)).map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    let other = names.into_iter().filter(|name| *name != CREATED && before.get(*name) != after.get(*name));
    let told = other.map(|name| match (before[name].as_array(), after[name].as_array()) {
        (Some(old), Some(new)) => {
            let only = |these: &[Value], those: &[Value]| {
                these.iter().filter(|one| !those.contains(one)).map(word).collect::<Vec<_>>().join(", ")
            };
            let parts = [("adds", only(new, old)), ("drops", only(old, new))];
            let parts = parts.iter().filter(|(_, which)| !which.is_empty());
            parts.map(|(verb, which)| format!("{verb} {which}")).collect::<Vec<_>>().join(", ")
        }
        _ => {
            let set = |row: &Value| row.get(name).map_or_else(|| "not set".to_owned(), word);
            format!("{name} was {}, is now {}", set(before), set(after))
        }
    });
    shown(&told.collect::<Vec<_>>().join("; "))
}

fn attributes(row: &Value) -> impl Iterator<Item = (&String, &Value)> {
    row.as_object().into_iter().flatten()
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(word).collect::<Vec<_>>().join(" "),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests;
