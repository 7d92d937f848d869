//! A Sigma rule at work.

use std::collections::BTreeSet;

use keepwatch_core::event::Record;
use keepwatch_core::observation::Actor;
use keepwatch_core::rules::{Cx, Described, Meta, Outcome, Rule};
use keepwatch_core::state::Interrupt;
use rsigma_eval::{CompiledRule, EvaluationResult, evaluate_rule};
use rsigma_parser::SigmaRule;

use crate::in_text::{InText, looked_into};
use crate::metadata::{description, false_positives, line};
use crate::subject::resource;

/// The most fields, references and false positives that are told.
const MAX_TOLD: usize = 6;

/// One rule, compiled. Its texts travel with what it reports: whoever writes the mail does not know the rule.
pub(crate) struct Sigma {
    meta: &'static Meta,
    compiled: CompiledRule,
    looked_into: BTreeSet<String>,
    description: String,
    false_positives: Vec<String>,
    references: Vec<String>,
}

impl Sigma {
    pub(crate) fn new(rule: &SigmaRule, compiled: CompiledRule, meta: &'static Meta) -> Sigma {
        Sigma {
            meta,
            looked_into: looked_into(&compiled),
            compiled,
            description: description(rule),
            false_positives: false_positives(rule),
            references: rule.references.iter().map(|text| line(text, 300)).collect(),
        }
    }
}

impl Described for Sigma {
    fn meta(&self) -> &'static Meta {
        self.meta
    }
}

impl Rule for Sigma {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        // An event that cannot be read as a whole may be any. It is said, not passed over.
        if record.whole().is_null() {
            return Err(Interrupt::Failed(
                "the record holds a number or text that cannot be read".to_owned(),
            ));
        }
        let event = InText::new(record.whole(), &self.looked_into);
        let Some(matched) = evaluate_rule(&self.compiled, &event) else { return Ok(()) };
        let who = Actor::of(record).name;
        let name = record.event_name.or_empty();
        // A Sigma rule need not care whether the call succeeded; whoever is woken does.
        let outcome = record.error_code.get().map(|code| format!(" (it failed: {code})")).unwrap_or_default();
        let mut seen = cx
            .failing(resource(record), format!("{}: {who} called {name}{outcome}", self.meta.title))
            .because(&self.description);
        for (field, value) in matches(&matched, &event) {
            seen = seen.detail(&field, value);
        }
        seen = seen.detail("Service", record.event_source.or_empty());
        for text in self.false_positives.iter().take(MAX_TOLD) {
            seen = seen.detail("False positive", text);
        }
        for text in self.references.iter().take(MAX_TOLD) {
            seen = seen.detail("Reference", text);
        }
        let region = record.aws_region.or_empty();
        let event_id = format!("AttributeKey=EventId,AttributeValue={}", record.event_id.or_empty());
        seen = seen.step(
            "Look at the whole event",
            "cloudtrail lookup-events",
            &[("--region", region), ("--lookup-attributes", &event_id)],
        );
        if let Some(key) = record.user_identity.access_key_id.get() {
            let by_key = format!("AttributeKey=AccessKeyId,AttributeValue={key}");
            let options = [("--region", region), ("--lookup-attributes", by_key.as_str())];
            seen = seen.step("See what else the caller did there", "cloudtrail lookup-events", &options);
        }
        cx.report(seen);
        Ok(())
    }
}

/// What in the event made the rule match, without what every mail says anyway.
fn matches(matched: &EvaluationResult, event: &InText<'_>) -> Vec<(String, String)> {
    let mut told = Vec::new();
    for field in matched.as_detection().into_iter().flat_map(|body| &body.matched_fields) {
        let value = event.as_it_is(&field.field).unwrap_or_else(|| field.value.clone());
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let told_anyway = matches!(field.field.as_str(), "eventName" | "eventSource");
        if !told_anyway && !field.value.is_null() && told.len() < MAX_TOLD {
            let pair = (line(&field.field, 100), value);
            if !told.contains(&pair) {
                told.push(pair);
            }
        }
    }
    told
}
