//! The sentence that says where a power comes from.

use super::held::PolicyName;
use super::policy_set::{PolicySet, View};
use super::words::{list, name};

/// A statement as the reader finds it: by its Sid, or by its number.
fn label(sid: Option<&str>, number: usize) -> String {
    match sid.map(name) {
        Some(sid) if !sid.is_empty() => format!("\"{}\"", sid.replace('"', "'")),
        _ => number.to_string(),
    }
}

/// The policies' names and the statements, and the verb that agrees: `inline policy "p": statement 2 allows`.
pub(super) fn place(names: &[PolicyName<'_>], set: &PolicySet<'_>, witnesses: &[usize]) -> String {
    let mut documents: Vec<(usize, Vec<String>)> = Vec::new();
    for entry in witnesses.iter().map(|&i| &set.allows[i]) {
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
            let name = names.get(*document).map_or_else(|| "policy".to_owned(), PolicyName::to_string);
            format!("{name}: {noun} {}", list(labels))
        })
        .collect();
    format!("{} {verb}", list(&parts))
}

/// What is taken from "everything": the exceptions of a NotAction, and what is denied.
pub(super) fn exceptions(set: &PolicySet<'_>, witnesses: &[usize]) -> String {
    let entries = || witnesses.iter().map(|&i| &set.allows[i]);
    let mut left_out: Vec<String> = Vec::new();
    if witnesses.len() == 1 {
        left_out.extend(
            entries().filter_map(|e| e.statement.not_actions.as_ref()).flatten().take(50).map(|a| name(a)),
        );
        if entries().any(|e| e.statement.not_resources.as_ref().is_some_and(|list| !list.is_empty())) {
            left_out.push("some resources that it names".to_owned());
        }
    }
    let plain = set.denies.iter().filter(|entry| entry.statement.conditions.is_empty());
    let denied: Vec<String> = plain.map(|e| label(e.statement.sid.as_deref(), e.number)).collect();
    if !denied.is_empty() {
        let noun = if denied.len() == 1 { "statement" } else { "statements" };
        let verb = if denied.len() == 1 { "denies" } else { "deny" };
        left_out.push(format!("what {noun} {} {verb}", list(&denied)));
    }
    if left_out.is_empty() { String::new() } else { format!(", except {}", list(&left_out)) }
}

/// `, under a condition on aws:SourceIp`, if the power hangs on circumstances.
pub(super) fn circumstances(view: &View<'_, '_>, set: &PolicySet<'_>, witnesses: &[usize]) -> String {
    let of = if witnesses.is_empty() { &view.chosen } else { witnesses };
    let mut keys: Vec<String> =
        of.iter().flat_map(|&i| &set.allows[i].limits.circumstances).map(|key| name(key)).collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() { String::new() } else { format!(", under a condition on {}", list(&keys)) }
}
