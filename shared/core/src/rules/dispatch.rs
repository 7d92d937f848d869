//! From an event to the rules that listen to it, and from the rules to observations.

use std::collections::HashMap;

use super::{Config, Cx, On, Rule};
use crate::event::{Body, Event};
use crate::observation::{Observation, Verdict};
use crate::state::{AccountState, Answer, Facts, Interrupt, Query};
use crate::time::Timestamp;

/// Rules by what they listen to. Over-inclusion is safe, over-exclusion loses alerts: the oracle test compares every
/// lookup with asking all rules in turn.
pub struct Index {
    rules: &'static [&'static dyn Rule],
    /// By event source and name.
    calls: HashMap<(&'static str, &'static str), Vec<usize>>,
    /// By event name in lower case, for rules that do not mind the case.
    names: HashMap<String, Vec<usize>>,
    /// Rules on records by something else than the call's name; few, asked one by one.
    records: Vec<usize>,
    /// Rules on what AWS tells besides calls; few, asked one by one.
    others: Vec<usize>,
}

/// A rule that could not work with an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule} failed: {reason}")]
pub struct RuleError {
    /// Id of the rule.
    pub rule: &'static str,
    /// What went wrong.
    pub reason: String,
}

/// What came of evaluating one event.
#[derive(Debug, Default)]
pub struct Evaluation {
    /// What the rules saw.
    pub observations: Vec<Observation>,
    /// Rules that failed. The others were heard all the same; `detect` has the event delivered again for these.
    pub errors: Vec<RuleError>,
    /// Questions to be answered before the rules that asked can finish.
    pub questions: Vec<Query>,
}

impl Index {
    /// An index of these rules.
    pub fn new(rules: &'static [&'static dyn Rule]) -> Index {
        let mut calls: HashMap<_, Vec<usize>> = HashMap::new();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        let (mut records, mut others) = (Vec::new(), Vec::new());
        for (i, rule) in rules.iter().enumerate() {
            for on in rule.meta().on {
                match on {
                    On::Call(source, names) | On::Read(source, names) => {
                        for name in *names {
                            enter(calls.entry((*source, *name)).or_default(), i);
                        }
                    }
                    On::Matching(_, names) if !names.is_empty() => {
                        for name in *names {
                            enter(by_name.entry(name.to_ascii_lowercase()).or_default(), i);
                        }
                    }
                    On::Health(_) | On::TrustedAdvisor(_) | On::Detector(_) => enter(&mut others, i),
                    On::Root | On::LongTermKey | On::Failed(_) | On::ConsoleChange | On::Matching(..) => {
                        enter(&mut records, i);
                    }
                }
            }
        }
        Index { rules, calls, names: by_name, records, others }
    }

    /// The rules that listen to this event, each once, in the registry's order.
    pub fn listeners(&self, event: &Event<'_>) -> impl Iterator<Item = &'static dyn Rule> {
        let mut found: Vec<usize> = match &event.body {
            Body::CloudTrail(record) => {
                self.calls.get(&(record.event_source.or_empty(), record.event_name.or_empty())).cloned()
            }
            _ => None,
        }
        .unwrap_or_default();
        if let Body::CloudTrail(record) = &event.body
            && !self.names.is_empty()
        {
            let name = record.event_name.or_empty().to_ascii_lowercase();
            let bucket = self.names.get(&name).into_iter().flatten();
            found.extend(bucket.filter(|&&i| listens(self.rules[i], event)));
        }
        let asked = if matches!(event.body, Body::CloudTrail(_)) { &self.records } else { &self.others };
        found.extend(asked.iter().filter(|&&i| listens(self.rules[i], event)));
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|i| self.rules[i]).filter(|rule| wants(*rule, event))
    }

    /// Evaluates the event as far as the facts allow. `received` stands in for an event time that cannot be read.
    pub fn evaluate(
        &self,
        event: &Event<'_>,
        facts: &Facts,
        config: &Config,
        received: Timestamp,
    ) -> Evaluation {
        let mut evaluation = Evaluation::default();
        for rule in self.listeners(event) {
            let before = evaluation.observations.len();
            let mut cx = Cx {
                event,
                facts,
                config,
                meta: rule.meta(),
                received,
                observations: &mut evaluation.observations,
            };
            let outcome = match &event.body {
                Body::CloudTrail(record) => rule.record(record, &mut cx),
                Body::Health(health) => rule.health(health, &mut cx),
                Body::TrustedAdvisor(item) => rule.trusted_advisor(item, &mut cx),
                Body::Other => Ok(()),
                body => rule.detector(body, &mut cx),
            };
            match outcome {
                Ok(()) => tune(&mut evaluation.observations, before, rule.meta().id, config),
                Err(Interrupt::Ask(query)) => {
                    evaluation.observations.truncate(before);
                    evaluation.questions.push(query);
                }
                Err(Interrupt::Failed(reason)) => {
                    evaluation.observations.truncate(before);
                    evaluation.errors.push(RuleError { rule: rule.meta().id, reason });
                }
            }
        }
        if evaluation.questions.is_empty() {
            cover(&mut evaluation.observations);
        }
        evaluation
    }

    /// Evaluates the event where the answers are at hand, until every question has one.
    pub fn evaluate_answering(
        &self,
        event: &Event<'_>,
        config: &Config,
        received: Timestamp,
        mut answer: impl FnMut(&Query) -> Answer,
    ) -> Evaluation {
        let mut facts = Facts::default();
        loop {
            let evaluation = self.evaluate(event, &facts, config, received);
            if evaluation.questions.is_empty() {
                return evaluation;
            }
            for query in evaluation.questions {
                let answered = answer(&query);
                facts.insert(query, answered);
            }
        }
    }

    /// Evaluates the event, asking `state` until every question has an answer.
    pub async fn evaluate_with(
        &self,
        event: &Event<'_>,
        state: &impl AccountState,
        config: &Config,
        received: Timestamp,
    ) -> Evaluation {
        let mut facts = Facts::default();
        loop {
            let evaluation = self.evaluate(event, &facts, config, received);
            if evaluation.questions.is_empty() {
                return evaluation;
            }
            // Every round answers at least one new question, and a rule asks a bounded number of them.
            for query in evaluation.questions {
                match state.answer(&query).await {
                    Ok(answer) => facts.insert(query, answer),
                    Err(why) => facts.postpone(query, why),
                }
            }
        }
    }
}

/// Enters a rule once. Rules are entered one after another, so that only the last can be the same.
fn enter(bucket: &mut Vec<usize>, rule: usize) {
    if bucket.last() != Some(&rule) {
        bucket.push(rule);
    }
}

/// Applies what the owner has set for the rule to what it has just reported.
fn tune(observations: &mut Vec<Observation>, from: usize, rule: &str, config: &Config) {
    let Some(set) = config.overrides.get(rule) else { return };
    if set.enabled == Some(false) {
        observations.truncate(from);
    }
    for observation in observations.iter_mut().skip(from).filter(|seen| seen.verdict != Verdict::Passing) {
        observation.severity = set.severity.unwrap_or(observation.severity);
        // What happens often is no worse either, once a person has said how bad it is.
        observation.burst = observation.burst.filter(|_| set.severity.is_none());
    }
}

/// A general rule's observation is recorded but not mailed when a specific rule reported the same event.
fn cover(observations: &mut [Observation]) {
    let specific = observations
        .iter()
        .find(|o| {
            !o.rule.general && o.verdict != Verdict::Passing && o.severity >= crate::finding::MAILED_FROM
        })
        .map(|o| o.rule.id);
    for observation in observations.iter_mut().filter(|o| o.rule.general) {
        observation.covered_by = specific;
    }
}

fn listens(rule: &dyn Rule, event: &Event<'_>) -> bool {
    rule.meta().on.iter().any(|on| on.hears(event))
}

/// A failed call is shown only to rules that ask for failed calls, so that none is ever alerted as a success.
fn wants(rule: &dyn Rule, event: &Event<'_>) -> bool {
    match &event.body {
        Body::CloudTrail(record) => rule.meta().failed_calls || !record.failed(),
        _ => true,
    }
}

/// The rules that listen to this event, found by asking every rule. The index must agree with it.
pub fn linear(rules: &[&'static dyn Rule], event: &Event<'_>) -> Vec<&'static str> {
    rules
        .iter()
        .filter(|rule| listens(**rule, event) && wants(**rule, event))
        .map(|rule| rule.meta().id)
        .collect()
}
