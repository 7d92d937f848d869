//! What is known of a Sigma rule without running it, in Keepwatch's words.

use keepwatch_base::text::clean;
use keepwatch_core::about::{About, Origin};
use keepwatch_core::catalogue::OWN_RULES;
use keepwatch_core::engine::{On, RuleMeta};
use keepwatch_core::severity::{Confidence, Severity};
use rsigma_parser::{Level, SigmaRule};

use crate::leak;
use crate::select::selected;

/// The most characters of an id that come from the rule's name.
const MAX_SLUG: usize = 64;

/// The most characters of a description, or of a false positive, that are kept.
const MAX_DESCRIPTION: usize = 1_000;

/// The id that suppressions and findings know the rule by: its `name`, made for that, or its title. Not the UUID, which
/// nobody can read in a mail.
pub(crate) fn id(rule: &SigmaRule) -> String {
    let named = rule.name.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or(&rule.title);
    let mut slug = String::new();
    for c in named.chars().take(200) {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(MAX_SLUG);
    format!("{}{}", OWN_RULES, slug.trim_end_matches('-'))
}

/// Leaks the metadata of the rule with this id.
pub(crate) fn meta(rule: &SigmaRule, id: String) -> &'static RuleMeta {
    let selected = selected(&rule.detection);
    let on = On::Matching(
        leak::texts(selected.sources.into_iter().flatten()),
        leak::texts(selected.names.into_iter().flatten()),
    );
    let id = leak::text(id);
    leak::value(RuleMeta {
        about: About {
            id,
            title: leak::text(line(&rule.title, 200)),
            severity: severity(rule.level),
            confidence: Confidence::Medium,
            catalogue: &["SIGMA"],
            origin: Origin::Event,
            finding: id,
            general: false,
            repeat_hours: 24,
            alerts_as_witness: false,
            opt_in: false,
        },
        on: leak::value([on]),
        // Whether a refused call matters is for the rule's own text to say.
        failed_calls: true,
    })
}

/// A rule without a level is worth a look, like most.
fn severity(level: Option<Level>) -> Severity {
    match level {
        Some(Level::Informational) => Severity::Informational,
        Some(Level::Low) => Severity::Low,
        Some(Level::Medium) | None => Severity::Medium,
        Some(Level::High) => Severity::High,
        Some(Level::Critical) => Severity::Critical,
    }
}

/// The techniques that its tags name (`attack.t1562.008`), and its references. The techniques come first, or a rule with
/// many references would not tell them.
pub(crate) fn references(rule: &SigmaRule) -> Vec<String> {
    let techniques: Vec<String> = rule.tags.iter().filter_map(|tag| technique(tag)).collect();
    let attack = (!techniques.is_empty()).then(|| format!("ATT&CK {}", techniques.join(", ")));
    attack.into_iter().chain(rule.references.iter().map(|text| line(text, 300))).collect()
}

fn technique(tag: &str) -> Option<String> {
    let technique = tag.trim().to_ascii_lowercase().strip_prefix("attack.")?.to_ascii_uppercase();
    let digits = technique.strip_prefix('T')?;
    digits.starts_with(|c: char| c.is_ascii_digit()).then_some(technique)
}

/// One line: a heading of the rule's own must not end a section.
pub(crate) fn line(text: &str, max: usize) -> String {
    clean(&text.split_whitespace().collect::<Vec<_>>().join(" "), max)
}

/// What the rule says of itself.
pub(crate) fn description(rule: &SigmaRule) -> String {
    let text = rule.description.as_deref().filter(|text| !text.trim().is_empty()).unwrap_or(&rule.title);
    line(text, MAX_DESCRIPTION)
}

/// What harmless reasons the rule knows.
pub(crate) fn false_positives(rule: &SigmaRule) -> Vec<String> {
    rule.falsepositives
        .iter()
        .map(|text| line(text, MAX_DESCRIPTION))
        .filter(|text| !text.is_empty())
        .collect()
}
