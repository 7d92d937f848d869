//! A Sigma rule at work.

use std::collections::BTreeSet;

use keepwatch_core::engine::{Cx, Described, Outcome, Rule, RuleMeta};
use keepwatch_core::event::Record;
use keepwatch_core::observation::{Actor, Observation};
use keepwatch_core::state::Interrupt;
use rsigma_eval::{CompiledRule, EvaluationResult, evaluate_rule};
use rsigma_parser::SigmaRule;

use crate::in_text::{InText, looked_into};
use crate::metadata::{description, false_positives, line, references};
use crate::subject::resource;

/// The most fields, references and false positives that are told.
const MAX_LISTED: usize = 6;

/// One rule, compiled. Its texts travel with what it reports: whoever writes the mail does not know the rule.
pub(crate) struct Sigma {
    meta: &'static RuleMeta,
    compiled: CompiledRule,
    looked_into: BTreeSet<String>,
    description: String,
    false_positives: Vec<String>,
    references: Vec<String>,
}

impl Sigma {
    pub(crate) fn new(rule: &SigmaRule, compiled: CompiledRule, meta: &'static RuleMeta) -> Sigma {
        Sigma {
            meta,
            looked_into: looked_into(&compiled),
            compiled,
            description: description(rule),
            false_positives: false_positives(rule),
            references: references(rule),
        }
    }
}

impl Described for Sigma {
    fn meta(&self) -> &'static RuleMeta {
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
        let who = Actor::name_of(record);
        let name = record.event_name.or_empty();
        // A Sigma rule need not care whether the call succeeded; whoever is woken does.
        let outcome = failure(record).map(|why| format!(" (it failed: {why})")).unwrap_or_default();
        let mut seen = cx
            .failing(resource(record), format!("{}: {who} called {name}{outcome}", self.meta.about.title))
            .because(&self.description);
        for (field, value) in matches(&matched, &event) {
            seen = seen.detail(&field, value);
        }
        seen = seen.detail("Service", record.event_source.or_empty());
        seen = list(seen, "False positive", &self.false_positives);
        seen = list(seen, "Reference", &self.references);
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

/// Why the call failed; `None` where it did not. A sign-in has no error code: its answer says `ConsoleLogin: Failure`, and
/// those of its steps are named after the event in the same way.
fn failure<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    let code = record.error_code.get();
    code.or_else(|| {
        let answer = record.response_text(&[record.event_name.or_empty()])?;
        (answer == "Failure").then(|| record.error_message.get().unwrap_or(answer))
    })
}

/// Adds the first of these texts. That there are more is said, or the list would pass for the whole.
fn list(mut seen: Observation, label: &str, texts: &[String]) -> Observation {
    for text in texts.iter().take(MAX_LISTED) {
        seen = seen.detail(label, text);
    }
    match texts.len().saturating_sub(MAX_LISTED) {
        0 => seen,
        more => seen.detail(label, format!("and {more} more")),
    }
}

/// What in the event made the rule match, without what every mail says anyway.
fn matches(matched: &EvaluationResult, event: &InText<'_>) -> Vec<(String, String)> {
    let mut reports = Vec::new();
    for field in matched.as_detection().into_iter().flat_map(|body| &body.matched_fields) {
        let value = event.as_it_is(&field.field).unwrap_or_else(|| field.value.clone());
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let told_anyway = matches!(field.field.as_str(), "eventName" | "eventSource");
        if !told_anyway && !field.value.is_null() && reports.len() < MAX_LISTED {
            let pair = (line(&field.field, 100), value);
            if !reports.contains(&pair) {
                reports.push(pair);
            }
        }
    }
    reports
}
