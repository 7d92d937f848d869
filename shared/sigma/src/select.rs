//! Which events a rule can match at all, as far as its text says so literally: the sources and names that every matching
//! event has one of. It only ever says too much, so that nothing is lost: what it cannot tell is "any".

use std::collections::{BTreeSet, HashMap};

use rsigma_parser::{ConditionExpr, Detection, DetectionItem, Detections, Modifier, Quantifier, SigmaValue};

type Words = Option<BTreeSet<String>>;

/// Event sources and names; `None` is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selected {
    pub(crate) sources: Words,
    pub(crate) names: Words,
}

/// What the rule selects: any of its conditions is enough for a match.
pub(crate) fn selected(detections: &Detections) -> Selected {
    any(detections.conditions.iter().map(|condition| of_condition(condition, &detections.named)))
}

fn of_condition(condition: &ConditionExpr, named: &HashMap<String, Detection>) -> Selected {
    match condition {
        ConditionExpr::And(parts) => all(parts.iter().map(|part| of_condition(part, named))),
        ConditionExpr::Or(parts) => any(parts.iter().map(|part| of_condition(part, named))),
        ConditionExpr::Not(_) => Selected::default(),
        ConditionExpr::Identifier(name) => named.get(name).map(of_detection).unwrap_or_default(),
        ConditionExpr::Selector { quantifier, pattern } => {
            let parts = named.iter().filter(|(name, _)| pattern.matches_detection_name(name));
            let parts = parts.map(|(_, detection)| of_detection(detection));
            match quantifier {
                Quantifier::All => all(parts),
                Quantifier::Any => any(parts),
                Quantifier::Count(0) => Selected::default(),
                Quantifier::Count(_) => any(parts),
            }
        }
    }
}

fn of_detection(detection: &Detection) -> Selected {
    match detection {
        Detection::AllOf(items) => all(items.iter().map(of_item)),
        Detection::And(parts) => all(parts.iter().map(of_detection)),
        Detection::AnyOf(parts) => any(parts.iter().map(of_detection)),
        Detection::Keywords(_) | Detection::ArrayMatch { .. } | Detection::Conditional { .. } => {
            Selected::default()
        }
    }
}

fn of_item(item: &DetectionItem) -> Selected {
    let plain = item.field.modifiers.iter().all(|modifier| *modifier == Modifier::Cased);
    let words = || item.values.iter().map(word).collect::<Words>().filter(|words| !words.is_empty());
    match item.field.name.as_deref() {
        Some("eventSource") if plain => Selected { sources: words(), names: None },
        Some("eventName") if plain => Selected { sources: None, names: words() },
        _ => Selected::default(),
    }
}

/// The longest value that may be a source or a name. EventBridge's patterns have no room for more.
const MAX_WORD: usize = 256;

/// A value that stands for itself. Only ASCII is compared in the same way everywhere.
fn word(value: &SigmaValue) -> Option<String> {
    match value {
        SigmaValue::String(text) => text.as_plain().filter(|text| fits(text)),
        _ => None,
    }
}

fn fits(text: &str) -> bool {
    !text.is_empty() && text.is_ascii() && text.len() <= MAX_WORD
}

/// Everything must match: whichever part says least is right, and so is any other.
fn all(parts: impl Iterator<Item = Selected>) -> Selected {
    let narrower = |a: Words, b: Words| match (a, b) {
        (Some(a), Some(b)) => Some(if b.len() < a.len() { b } else { a }),
        (a, b) => a.or(b),
    };
    parts.fold(Selected::default(), |so_far, part| Selected {
        sources: narrower(so_far.sources, part.sources),
        names: narrower(so_far.names, part.names),
    })
}

/// One match is enough: a part that says nothing leaves nothing to say.
fn any(parts: impl Iterator<Item = Selected>) -> Selected {
    let both = |a: Words, b: Words| Some(a?.into_iter().chain(b?).collect());
    let joined = |a: Selected, b: Selected| Selected {
        sources: both(a.sources, b.sources),
        names: both(a.names, b.names),
    };
    parts.reduce(joined).unwrap_or_default()
}
