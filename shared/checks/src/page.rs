//! A check as a page for people: `keepwatch checks show` and docs/checks.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use keepwatch_core::about::{About, Docs};
use keepwatch_core::posture::Question;

use crate::meta::CheckMeta;
use crate::registry::DOCUMENTED;

/// What a check refers to, one text a standard.
pub fn references(about: &About) -> Vec<String> {
    DOCUMENTED.docs(about.id).map(Docs::reference_texts).unwrap_or_default()
}

/// The IAM actions of its questions, sorted.
pub fn actions(meta: &CheckMeta) -> BTreeSet<&'static str> {
    meta.asks.iter().copied().flat_map(Question::actions).copied().collect()
}

/// The documentation of a check as Markdown, without indentation.
pub fn docs(about: &About) -> String {
    DOCUMENTED.docs(about.id).map(Docs::markdown).unwrap_or_default()
}

/// The check's page in Markdown, which reads as well in a terminal.
pub fn markdown(meta: &CheckMeta) -> String {
    let about = &meta.about;
    let number =
        meta.number.map_or_else(String::new, |number| format!(", number {number} of AWS's list of 26"));
    let actions = actions(meta).into_iter().map(|action| format!("`{action}`")).collect::<Vec<_>>();
    page(
        about,
        &[
            ("Check", format!("`{}`", about.id)),
            ("Practice", format!("{}{number}", meta.practices.join(", "))),
            ("Severity", about.severity.as_str().to_owned()),
            ("Needs", if actions.is_empty() { "nothing".to_owned() } else { actions.join(", ") }),
            ("References", references(about).join("; ")),
        ],
    )
}

/// The page of a finding that no single check makes, but a whole scan or a sweep: on forwarders, the canary, the scan's coverage.
pub fn of_whole(about: &About) -> String {
    page(
        about,
        &[
            ("Finding", format!("`{}`", about.id)),
            ("Severity", about.severity.as_str().to_owned()),
            ("References", references(about).join("; ")),
        ],
    )
}

fn page(about: &About, rows: &[(&str, String)]) -> String {
    let mut page = format!("# {}\n\n| | |\n|---|---|\n", about.title);
    for (label, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(page, "| {label} | {value} |");
    }
    page.push('\n');
    page.push_str(&DOCUMENTED.docs(about.id).map(Docs::page).unwrap_or_default());
    page
}
