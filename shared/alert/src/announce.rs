//! Mails about the settings themselves: whoever silences the watch is told of, and so is a row that cannot be used.

use std::collections::BTreeMap;

use keepwatch_base::hash::short_hash;
use keepwatch_base::text::{MAX_TEXT, clean, shell_word};
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::settings::{Invalid, Settings};
use keepwatch_core::severity::Severity;
use serde_json::json;

use crate::Alert;
use crate::layout::{command, heading, listed, paragraph};

/// What the settings say, each row as one line, by a fingerprint of the row.
pub(super) type Announced = BTreeMap<String, String>;

/// How many lines of one kind a mail has.
const MAX_LISTED: usize = 50;

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
) -> Option<SettingsChange> {
    let mut all = Announced::new();
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
        all.insert(fingerprint, text);
    }
    for text in tuning(settings) {
        all.insert(format!("tuning-{}", short_hash(&[&text])), text);
    }
    for invalid in settings.invalid.iter().chain(own_rules) {
        let text = format!("{}: {}", invalid.setting_id, invalid.reason);
        all.insert(format!("invalid-{}", short_hash(&[&text])), text);
    }
    let new = |invalid: bool| -> Vec<&String> {
        let fresh = all.iter().filter(|(key, _)| !known.contains_key(*key));
        fresh.filter(|(key, _)| key.starts_with("invalid-") == invalid).map(|(_, text)| text).collect()
    };
    let (added, invalid) = (new(false), new(true));
    let gone = known.iter().filter(|(key, _)| !all.contains_key(*key) && !key.starts_with("invalid-"));
    let removed: Vec<&String> = gone.map(|(_, text)| text).collect();
    if added.is_empty() && invalid.is_empty() && removed.is_empty() {
        return None;
    }
    let alert = alert(&added, &removed, &invalid, core);
    // By the rows' fingerprints, because the same words may stand for a row that went and came again.
    let came = all.keys().filter(|key| !known.contains_key(*key));
    let went = known.keys().filter(|key| !all.contains_key(*key));
    let parts: Vec<&str> = came.chain(went).map(String::as_str).collect();
    let key = format!("settings#{}", short_hash(&parts));
    Some(SettingsChange { key, alert, all })
}

/// What is tuned, each row as one line.
fn tuning(settings: &Settings) -> Vec<String> {
    let overrides = settings.overrides.iter().map(|(rule, set)| format!("rule {rule}: {set}"));
    let lists = settings.lists.named().into_iter().filter(|(_, values)| !values.is_empty());
    let lists = lists.map(|(name, values)| format!("list {name}: {}", values.join(", ")));
    overrides.chain(lists).collect()
}

fn alert(added: &[&String], removed: &[&String], invalid: &[&String], core: bool) -> Alert {
    let severity = match (added.is_empty(), invalid.is_empty()) {
        _ if core => Severity::High,
        (true, true) => Severity::Informational,
        _ => Severity::Medium,
    };
    let headline = match (added, removed, invalid) {
        ([one], [], []) => format!("Keepwatch: added: {one}"),
        ([], [one], []) => format!("Keepwatch: removed: {one}"),
        ([], [], [one]) => format!("Keepwatch: cannot be used: {one}"),
        _ => format!(
            "Keepwatch: the settings have changed: added {}, removed {}, unusable {}",
            added.len(),
            removed.len(),
            invalid.len()
        ),
    };
    let mut out = String::new();
    paragraph(
        &mut out,
        "What Keepwatch is told to do has changed. What is suppressed is recorded, and nobody is mailed about it.",
    );
    for (title, rows) in [("ADDED", added), ("REMOVED", removed), ("CANNOT BE USED, HAS NO EFFECT", invalid)]
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
            "If none of you did this, somebody is hiding: take it away, and look who may write the settings table.",
        );
    }
    let first = added.iter().find_map(|row| row.strip_prefix("suppression ")?.split_once(": "));
    let name = first.map_or("NAME".to_owned(), |(name, _)| shell_word(name));
    command(
        &mut out,
        "What is suppressed, and what is tuned",
        "keepwatch suppress list; keepwatch tune list",
    );
    command(
        &mut out,
        "Take a suppression away; what it silenced is told again",
        &format!("keepwatch suppress remove {name}"),
    );
    let listed_rows = |rows: &[&String]| -> Vec<String> {
        rows.iter().take(MAX_LISTED).map(|row| clean(row, MAX_TEXT)).collect()
    };
    let json = json!({"settings": {"added": listed_rows(added), "removed": listed_rows(removed), "invalid": listed_rows(invalid)}});
    Alert::new(severity, &headline, out, json)
}
