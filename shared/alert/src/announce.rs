//! Mails about the settings themselves: whoever silences the watch is told of, and so is a row that cannot be used.

use std::collections::BTreeMap;

use keepwatch_base::hash::short_hash;
use keepwatch_base::text::{MAX_TEXT, clean, shell_word};
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::settings::{Invalid, Settings};
use keepwatch_core::severity::Severity;
use serde_json::json;

use crate::Alert;
use crate::layout::{Page, heading, keepwatch, listed, paragraph};
use crate::sender::Sender;

/// What the settings say, each row as one line, by a fingerprint of the row.
pub(super) type Announced = BTreeMap<String, String>;

/// How many lines of one kind a mail has.
const MAX_LISTED: usize = 50;

/// How many commands of one kind a mail has.
const MAX_COMMANDS: usize = 5;

/// How the fingerprint of a row begins that cannot be used. Such rows come and go as they are corrected, which is no news.
const INVALID: &str = "invalid-";

/// A row of the settings as it stands.
struct Row<'s> {
    what: What<'s>,
    /// The row as one line.
    text: String,
}

/// What a row is.
enum What<'s> {
    /// A suppression of this name.
    Suppression(&'s str),
    /// What is tuned, by its key in the settings table: `rule#root-api-call`.
    Tuning(String),
    /// It cannot be used.
    Invalid,
}

/// What has changed since it was announced last.
#[derive(Debug)]
pub(super) struct SettingsChange {
    /// Stands for exactly these changes.
    pub key: String,
    /// What is announced afterwards.
    pub all: Announced,
    /// The mail.
    pub alert: Alert,
}

/// What is new in the settings, or gone from them, compared with what was announced; `own_rules` are those that cannot be
/// used.
pub(super) fn changes(
    settings: &Settings,
    own_rules: &[Invalid],
    known: &Announced,
    catalogue: Catalogue,
    sender: &Sender,
) -> Option<SettingsChange> {
    let mut rows: BTreeMap<String, Row<'_>> = BTreeMap::new();
    let mut core = false;
    for suppression in &settings.suppressions {
        let text = format!(
            "suppression {}: {} until {}, {}: {}",
            suppression.id,
            suppression.scope(),
            suppression.expires_at,
            suppression.owner,
            suppression.reason,
        );
        let fingerprint = suppression.fingerprint();
        core |= !known.contains_key(&fingerprint) && suppression.core_rule(catalogue).is_some();
        rows.insert(fingerprint, Row { what: What::Suppression(&suppression.id), text });
    }
    for (key, text) in tuning(settings) {
        let row = Row { what: What::Tuning(key), text };
        rows.insert(format!("tuning-{}", short_hash(&[&row.text])), row);
    }
    for invalid in settings.invalid.iter().chain(own_rules) {
        let text = format!("{}: {}", invalid.setting_id, invalid.reason);
        rows.insert(format!("{INVALID}{}", short_hash(&[&text])), Row { what: What::Invalid, text });
    }
    let fresh = rows.iter().filter(|(key, _)| !known.contains_key(*key)).map(|(_, row)| row);
    let (invalid, added): (Vec<&Row<'_>>, Vec<&Row<'_>>) =
        fresh.partition(|row| matches!(row.what, What::Invalid));
    let gone = known.iter().filter(|(key, _)| !rows.contains_key(*key) && !key.starts_with(INVALID));
    let removed: Vec<&str> = gone.map(|(_, text)| text.as_str()).collect();
    if added.is_empty() && invalid.is_empty() && removed.is_empty() {
        return None;
    }
    let alert = alert(&added, &removed, &invalid, core, sender);
    // By the rows' fingerprints, because the same words may stand for a row that went and came again.
    let came = rows.keys().filter(|key| !known.contains_key(*key));
    let went = known.keys().filter(|key| !rows.contains_key(*key));
    let parts: Vec<&str> = came.chain(went).map(String::as_str).collect();
    let key = format!("settings#{}", short_hash(&parts));
    let all = rows.into_iter().map(|(key, row)| (key, row.text)).collect();
    Some(SettingsChange { key, alert, all })
}

/// What is tuned: the key of each row, and the row as one line.
fn tuning(settings: &Settings) -> Vec<(String, String)> {
    let overrides =
        settings.overrides.iter().map(|(rule, set)| (format!("rule#{rule}"), format!("rule {rule}: {set}")));
    let lists = settings.lists.named().into_iter().filter(|(_, values)| !values.is_empty());
    let lists =
        lists.map(|(name, values)| (format!("list#{name}"), format!("list {name}: {}", values.join(", "))));
    overrides.chain(lists).collect()
}

fn alert(rows: &[&Row<'_>], removed: &[&str], unusable: &[&Row<'_>], core: bool, sender: &Sender) -> Alert {
    fn texts<'r>(rows: &[&'r Row<'_>]) -> Vec<&'r str> {
        rows.iter().map(|row| row.text.as_str()).collect()
    }
    let (added, invalid) = (texts(rows), texts(unusable));
    let severity = match (added.is_empty(), invalid.is_empty()) {
        _ if core => Severity::High,
        (true, true) => Severity::Informational,
        _ => Severity::Medium,
    };
    let headline = match (added.as_slice(), removed, invalid.as_slice()) {
        ([one], [], []) => format!("Added to the settings: {one}"),
        ([], [one], []) => format!("Removed from the settings: {one}"),
        ([], [], [one]) => format!("Setting cannot be used: {one}"),
        _ => format!(
            "Settings have changed: {} added, {} removed, {} cannot be used",
            added.len(),
            removed.len(),
            invalid.len()
        ),
    };
    let mut out = Page::new(sender);
    paragraph(
        &mut out,
        "What Keepwatch is told to do has changed. What is suppressed is recorded, and nobody is mailed about it.",
    );
    for (title, rows) in
        [("ADDED", &added[..]), ("REMOVED", removed), ("CANNOT BE USED, HAS NO EFFECT", &invalid[..])]
    {
        if rows.is_empty() {
            continue;
        }
        heading(&mut out, title);
        for row in rows.iter().take(MAX_LISTED) {
            listed(&mut out, row, &[]);
        }
        if rows.len() > MAX_LISTED {
            listed(&mut out, &format!("and {} more", rows.len() - MAX_LISTED), &[]);
        }
    }
    heading(&mut out, "WHAT TO DO NOW");
    if !invalid.is_empty() {
        paragraph(&mut out, "Correct what cannot be used, or remove it.");
    }
    if added.len() + removed.len() > 0 {
        paragraph(
            &mut out,
            "If none of you did this, somebody wants to act unseen: take it back, and find out who took the operator role.",
        );
    }
    keepwatch(&mut out, "What is suppressed", "suppress list");
    keepwatch(&mut out, "What is tuned", "tune list");
    let suppressions: Vec<&str> = rows
        .iter()
        .filter_map(|row| match &row.what {
            What::Suppression(id) => Some(*id),
            _ => None,
        })
        .collect();
    for id in suppressions.iter().take(MAX_COMMANDS) {
        let remove = format!("suppress remove {}", shell_word(id));
        keepwatch(&mut out, "Take a suppression away; what it silenced is told again", &remove);
    }
    let tuned = rows.iter().filter_map(|row| match &row.what {
        What::Tuning(key) => Some(key),
        _ => None,
    });
    for key in tuned.take(MAX_COMMANDS) {
        let reset = format!("tune reset {}", shell_word(key));
        keepwatch(&mut out, "Take back what is tuned", &reset);
    }
    let listed_rows = |rows: &[&str]| -> Vec<String> {
        rows.iter().take(MAX_LISTED).map(|row| clean(row, MAX_TEXT)).collect()
    };
    let json = json!({"settings": {
        "added": listed_rows(&added),
        "suppressions": suppressions.iter().take(MAX_LISTED).collect::<Vec<_>>(),
        "removed": listed_rows(removed),
        "invalid": listed_rows(&invalid),
    }});
    Alert::new(severity, &headline, sender.account(), out, json)
}
