//! The EventBridge patterns that bring the rules what they listen to, made from the rules' own `on`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::{On, Rule};

/// EventBridge refuses longer patterns (quota "event pattern size"), counted in characters.
const MAX_PATTERN: usize = 2_048;

/// The detail-types under which CloudTrail records arrive. AWS's guides spell the console sign-in both ways.
const DETAIL_TYPES: [&str; 5] = [
    "AWS API Call via CloudTrail",
    "AWS Console Action via CloudTrail",
    "AWS Console Sign In via CloudTrail",
    "AWS Console Signin via CloudTrail",
    "AWS Service Event via CloudTrail",
];

/// An EventBridge rule of the template.
#[derive(Debug, Serialize)]
pub struct EventRule {
    /// Name, after the stack's.
    pub name: String,
    /// `State` of `AWS::Events::Rule`.
    pub state: &'static str,
    /// `EventPattern`.
    pub pattern: Value,
}

/// The EventBridge rules that these rules need.
pub fn event_rules(rules: &[&'static dyn Rule]) -> Vec<EventRule> {
    let mut calls: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut reads: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut health = BTreeSet::new();
    let mut checks = BTreeSet::new();
    let mut root = false;
    for on in rules.iter().flat_map(|rule| rule.meta().on) {
        match on {
            On::Call(source, names) => calls.entry(source).or_default().extend(*names),
            On::Read(source, names) => reads.entry(source).or_default().extend(*names),
            On::Root => root = true,
            On::Health(prefix) => drop(health.insert(*prefix)),
            On::TrustedAdvisor(check) => drop(checks.insert(*check)),
            // Long-term keys are looked for in what the other patterns bring: all of an account's calls would cost
            // more than they tell.
            On::LongTermKey => {}
        }
    }
    let mut out = by_source("calls", "ENABLED", &calls);
    // Read-only calls reach only a rule in this state (EventBridge user guide, "eb-service-event-cloudtrail"). Its
    // patterns are narrow, or every Describe of the account would be an invocation.
    const ALL: &str = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";
    if root {
        let pattern = call_pattern(&json!({"userIdentity": {"type": ["Root"]}}));
        out.push(EventRule { name: "root".to_owned(), state: ALL, pattern });
    }
    out.extend(by_source("reads", ALL, &reads));
    if !health.is_empty() {
        let prefixes: Vec<Value> = health.iter().map(|prefix| json!({"prefix": prefix})).collect();
        let pattern = json!({"source": ["aws.health"], "detail": {"eventTypeCode": prefixes}});
        out.push(EventRule { name: "health".to_owned(), state: "ENABLED", pattern });
    }
    if !checks.is_empty() {
        let pattern = json!({"source": ["aws.trustedadvisor"], "detail": {"check-name": checks}});
        out.push(EventRule { name: "trusted-advisor".to_owned(), state: "ENABLED", pattern });
    }
    out
}

/// One rule per event source; several where the names do not fit one pattern.
fn by_source(label: &str, state: &'static str, names: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<EventRule> {
    let mut out = Vec::new();
    for (source, names) in names {
        let service = source.trim_end_matches(".amazonaws.com");
        let mut parts: Vec<Vec<&str>> = vec![Vec::new()];
        for name in names {
            let mut longer = parts.last().cloned().unwrap_or_default();
            longer.push(name);
            if names_pattern(source, &longer).to_string().len() <= MAX_PATTERN {
                parts.pop();
                parts.push(longer);
            } else {
                parts.push(vec![name]);
            }
        }
        for (i, part) in parts.iter().enumerate() {
            let number = if parts.len() > 1 { format!("-{}", i + 1) } else { String::new() };
            let name = format!("{label}-{service}{number}");
            out.push(EventRule { name, state, pattern: names_pattern(source, part) });
        }
    }
    out
}

fn names_pattern(source: &str, names: &[&str]) -> Value {
    call_pattern(&json!({"eventSource": [source], "eventName": names}))
}

/// Only AWS services may send events whose source begins with `aws.`, so that nobody plants a record by `PutEvents`.
fn call_pattern(detail: &Value) -> Value {
    json!({"source": [{"prefix": "aws."}], "detail-type": DETAIL_TYPES, "detail": detail})
}
