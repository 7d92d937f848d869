//! The sentence that says where a power comes from.

use super::Level;
use super::power::{Power, View};
use crate::text::clean;

/// The most characters of a name that a document's author chose.
const MAX_NAME: usize = 64;
/// The most characters of an ability, without the ellipsis of a longer one.
const MAX_ABILITY: usize = 79;

/// A name from a document, safe to show.
pub(super) fn name(text: &str) -> String {
    clean(text.trim(), MAX_NAME)
}

/// `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`.
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] if items.len() <= 3 => format!("{} and {last}", first.join(", ")),
        _ => format!("{} and {} more", items[..3].join(", "), items.len() - 3),
    }
}

/// A statement as the reader finds it: by its Sid, or by its number.
fn label(sid: Option<&str>, number: usize) -> String {
    match sid.map(name) {
        Some(sid) if !sid.is_empty() => format!("\"{}\"", sid.replace('"', "'")),
        _ => number.to_string(),
    }
}

/// The documents' names and the statements, and the verb that agrees: `inline policy "p": statement 2 allows`.
pub(super) fn place(names: &[&str], power: &Power<'_>, witnesses: &[usize]) -> String {
    let mut documents: Vec<(usize, Vec<String>)> = Vec::new();
    for entry in witnesses.iter().map(|&i| &power.allows[i]) {
        let label = label(entry.statement.sid.as_deref(), entry.number);
        match documents.last_mut() {
            Some((document, labels)) if *document == entry.document => labels.push(label),
            _ => documents.push((entry.document, vec![label])),
        }
    }
    let verb = if witnesses.len() == 1 { "allows" } else { "together allow" };
    let parts: Vec<String> = documents
        .iter()
        .map(|(document, labels)| {
            let noun = if labels.len() == 1 { "statement" } else { "statements" };
            format!("{}: {noun} {}", document_name(names.get(*document).copied()), list(labels))
        })
        .collect();
    format!("{} {verb}", list(&parts))
}

/// A document's name as the caller gave it: a kind and a name, so that it may be longer than a name.
pub(super) fn document_name(text: Option<&str>) -> String {
    let text = clean(text.unwrap_or_default().trim(), 2 * MAX_NAME);
    if text.is_empty() { "policy".to_owned() } else { text }
}

/// What is taken from "everything": the exceptions of a NotAction, and what is denied.
pub(super) fn exceptions(power: &Power<'_>, witnesses: &[usize]) -> String {
    let entries = || witnesses.iter().map(|&i| &power.allows[i]);
    let mut left_out: Vec<String> = Vec::new();
    if witnesses.len() == 1 {
        left_out.extend(
            entries().filter_map(|e| e.statement.not_actions.as_ref()).flatten().take(50).map(|a| name(a)),
        );
        if entries().any(|e| e.statement.not_resources.as_ref().is_some_and(|list| !list.is_empty())) {
            left_out.push("some resources that it names".to_owned());
        }
    }
    let denied: Vec<String> =
        power.denies.iter().map(|e| label(e.statement.sid.as_deref(), e.number)).collect();
    if !denied.is_empty() {
        let noun = if denied.len() == 1 { "statement" } else { "statements" };
        let verb = if denied.len() == 1 { "denies" } else { "deny" };
        left_out.push(format!("what {noun} {} {verb}", list(&denied)));
    }
    if left_out.is_empty() { String::new() } else { format!(", except {}", list(&left_out)) }
}

/// `, under a condition on aws:SourceIp`, if the power hangs on circumstances.
pub(super) fn circumstances(view: &View<'_, '_>, power: &Power<'_>, witnesses: &[usize]) -> String {
    let of = if witnesses.is_empty() { &view.chosen } else { witnesses };
    let mut keys: Vec<String> =
        of.iter().flat_map(|&i| &power.allows[i].limits.circumstances).map(|key| name(key)).collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() { String::new() } else { format!(", under a condition on {}", list(&keys)) }
}

/// What the holder can do, in a clause of at most 80 characters that follows its name. `way` is what a weak path or a
/// right over named identities lets it do.
pub(super) fn ability(level: Level, services: &[String], way: Option<&str>) -> String {
    let text = match level {
        Level::FullAdmin => "is a full administrator".to_owned(),
        Level::PrivilegeEscalation => "can make itself administrator".to_owned(),
        Level::ServiceAdmin => match (services, way) {
            ([], Some(way)) => format!("can {way}"),
            ([], None) => "fully controls a service".to_owned(),
            (services, _) => format!("fully controls {}", control(services)),
        },
        Level::Ordinary => "has no power over IAM or over a whole service".to_owned(),
    };
    clean(&text, MAX_ABILITY)
}

/// `s3`, `s3 and ec2`, `s3, ec2 and 2 more services`. Names that no service of AWS has are counted only: they may be
/// sentences.
fn control(services: &[String]) -> String {
    if services.iter().any(|s| s == "*") {
        return "nearly every service".to_owned();
    }
    let plain = |s: &&String| {
        s.len() <= 24 && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let named: Vec<&str> = services.iter().filter(plain).take(2).map(String::as_str).collect();
    match (named.as_slice(), services.len() - named.len()) {
        ([], 1) => "a service".to_owned(),
        ([], count) => format!("{count} services"),
        (named, 0) => named.join(" and "),
        (named, 1) => format!("{} and 1 more service", named.join(", ")),
        (named, more) => format!("{} and {more} more services", named.join(", ")),
    }
}
