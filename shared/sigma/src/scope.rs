//! Which rules can be evaluated here: stateless ones, on CloudTrail.

use rsigma_parser::{Detection, Modifier, SigmaRule};

/// Why a valid rule is not evaluated; `None` where it is.
pub(crate) fn why_not(rule: &SigmaRule) -> Option<String> {
    let source = &rule.logsource;
    let is = |field: &Option<String>, word: &str| {
        field.as_deref().is_some_and(|value| value.trim().eq_ignore_ascii_case(word))
    };
    let own_service = is(&source.service, "cloudtrail");
    // Nobody else has a service of this name: a rule that leaves the product out means AWS.
    let own = match source.product {
        Some(_) => is(&source.product, "aws") && (own_service || source.service.is_none()),
        None => own_service,
    };
    if !own || source.category.is_some() {
        let parts =
            [("product", &source.product), ("service", &source.service), ("category", &source.category)];
        let named: Vec<String> =
            parts.iter().filter_map(|(key, value)| Some(format!("{key} {}", value.as_deref()?))).collect();
        let named = if named.is_empty() { "nothing".to_owned() } else { named.join(", ") };
        return Some(format!("its logsource is {named}; product aws, service cloudtrail is read here"));
    }
    if rule.detection.timeframe.is_some() {
        return Some(
            "it has a timeframe: counting over time is not supported, and alone it would alert on each event"
                .to_owned(),
        );
    }
    if rule.detection.named.values().any(expands) {
        return Some("it uses placeholders (|expand), and there is nothing to fill them with".to_owned());
    }
    None
}

fn expands(detection: &Detection) -> bool {
    match detection {
        Detection::AllOf(items) => items.iter().any(|item| item.field.has_modifier(Modifier::Expand)),
        Detection::AnyOf(parts) | Detection::And(parts) => parts.iter().any(expands),
        Detection::Keywords(_) => false,
        Detection::ArrayMatch { body, .. } => expands(body),
        Detection::Conditional { named, .. } => named.values().any(expands),
    }
}
