//! A rule as a page for people: `keepwatch rules show` and docs/rules.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use keepwatch_core::about::{About, Docs};
use keepwatch_core::engine::{On, RuleMeta};

use crate::registry::DOCUMENTED;

/// What a rule listens to, in words.
pub fn event_names(meta: &RuleMeta) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for on in meta.on {
        match on {
            On::Call(_, calls)
            | On::Read(_, calls)
            | On::ReadByStack(_, calls)
            | On::ReadUnless { names: calls, .. }
            | On::Own(_, calls) => names.extend(calls.iter().map(|name| (*name).to_owned())),
            On::Root => drop(names.insert("every call by root".to_owned())),
            On::ExposedKey => drop(names.insert("every call signed by a key that is exposed".to_owned())),
            On::LongTermKey => drop(names.insert("every call signed by a long-term key".to_owned())),
            On::Health(prefix) => drop(names.insert(format!("{prefix}*"))),
            On::TrustedAdvisor(check) => drop(names.insert((*check).to_owned())),
            On::Failed(codes) => {
                names.extend(codes.iter().map(|code| format!("calls that fail with {code}")))
            }
            On::Policy { .. } => drop(names.insert("every policy for a principal".to_owned())),
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

/// Its title, and whether it waits to be switched on.
pub fn title(about: &About) -> String {
    let waits = if about.opt_in { " (off until switched on)" } else { "" };
    format!("{}{waits}", about.title)
}

/// What a rule refers to, one text a standard.
pub fn references(about: &About) -> Vec<String> {
    DOCUMENTED.docs(about.id).map(Docs::reference_texts).unwrap_or_default()
}

/// The documentation of a rule as Markdown, without indentation.
pub fn docs(about: &About) -> String {
    DOCUMENTED.docs(about.id).map(Docs::markdown).unwrap_or_default()
}

/// The rule's page in Markdown, which reads as well in a terminal.
pub fn markdown(meta: &RuleMeta) -> String {
    let about = &meta.about;
    let mut page = format!("# {}\n\n", about.title);
    let _ = writeln!(page, "| | |\n|---|---|");
    let rows = [
        ("Rule", format!("`{}`", about.id)),
        ("Severity", about.severity.as_str().to_owned()),
        ("Confidence", about.confidence.as_str().to_owned()),
        ("Catalogue", about.catalogue.join(", ")),
        ("Listens to", event_names(meta).into_iter().collect::<Vec<_>>().join(", ")),
        ("References", references(about).join("; ")),
    ];
    for (label, value) in rows {
        let _ = writeln!(page, "| {label} | {value} |");
    }
    if about.finding != about.id {
        let _ = writeln!(page, "| Adds to the finding of | [`{0}`]({0}.md) |", about.finding);
    }
    if about.opt_in {
        let _ = writeln!(page, "| Off until | `keepwatch tune rule {} --on` |", about.id);
    }
    page.push('\n');
    page.push_str(&DOCUMENTED.docs(about.id).map(Docs::page).unwrap_or_default());
    page
}
