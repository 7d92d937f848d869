//! The EventBridge patterns that bring the rules what they listen to, made from the rules' own `on`.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::{On, Rule};

/// EventBridge refuses patterns of more than 2,048 characters (quota "event pattern size"). The rest is left for whatever
/// spaces CloudFormation may write.
const MAX_PATTERN: usize = 1_900;

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
    let mut calls = BTreeSet::new();
    let mut reads = BTreeSet::new();
    let mut health = BTreeSet::new();
    let mut checks = BTreeSet::new();
    let mut errors = BTreeSet::new();
    let mut detectors = BTreeSet::new();
    let (mut root, mut console) = (false, false);
    for on in rules.iter().flat_map(|rule| rule.meta().on) {
        match on {
            On::Call(source, names) => calls.extend(names.iter().map(|name| (*source, *name))),
            On::Read(source, names) => reads.extend(names.iter().map(|name| (*source, *name))),
            On::Root => root = true,
            On::Health(prefix) => drop(health.insert(*prefix)),
            On::TrustedAdvisor(check) => drop(checks.insert(*check)),
            On::Failed(codes) => errors.extend(codes.iter().copied()),
            On::ConsoleChange => console = true,
            On::Detector(detector) => drop(detectors.insert(detector.source())),
            // Long-term keys are looked for in what the other patterns bring: all of an account's calls would cost
            // more than they tell.
            On::LongTermKey => {}
        }
    }
    let mut out = packed("calls", "ENABLED", &calls);
    // Read-only calls reach only a rule in this state (EventBridge user guide, "eb-service-event-cloudtrail"). Its
    // patterns are narrow, or every Describe of the account would be an invocation.
    const ALL: &str = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";
    if root {
        let pattern = call_pattern(&json!({"userIdentity": {"type": ["Root"]}}));
        out.push(EventRule { name: "root".to_owned(), state: ALL, pattern });
    }
    out.extend(packed("reads", ALL, &reads));
    if !errors.is_empty() {
        let pattern = call_pattern(&json!({"errorCode": errors}));
        out.push(EventRule { name: "failed-calls".to_owned(), state: "ENABLED", pattern });
    }
    if console {
        let pattern = call_pattern(&json!({"sessionCredentialFromConsole": ["true"], "readOnly": [false]}));
        out.push(EventRule { name: "console".to_owned(), state: "ENABLED", pattern });
    }
    if !detectors.is_empty() {
        let sources: Vec<&str> = detectors.iter().map(|(source, _)| *source).collect();
        let types: Vec<&str> = detectors.iter().map(|(_, detail_type)| *detail_type).collect();
        let pattern = json!({"source": sources, "detail-type": types});
        out.push(EventRule { name: "detectors".to_owned(), state: "ENABLED", pattern });
    }
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

/// As few rules as the size of a pattern allows: each costs an alarm. A pattern lists sources and names apart, so it may
/// bring a name that another of its sources has as well; no rule listens to that, and `detect` says so quickly.
fn packed(label: &str, state: &'static str, calls: &BTreeSet<(&str, &str)>) -> Vec<EventRule> {
    let mut parts: Vec<Vec<(&str, &str)>> = Vec::new();
    for call in calls {
        let mut longer = parts.last().cloned().unwrap_or_default();
        longer.push(*call);
        if parts.is_empty() || pattern_of(&longer).to_string().len() > MAX_PATTERN {
            parts.push(vec![*call]);
        } else {
            parts.pop();
            parts.push(longer);
        }
    }
    let name = |i: usize| if parts.len() > 1 { format!("{label}-{}", i + 1) } else { label.to_owned() };
    let rule = |(i, part): (usize, &Vec<_>)| EventRule { name: name(i), state, pattern: pattern_of(part) };
    parts.iter().enumerate().map(rule).collect()
}

fn pattern_of(calls: &[(&str, &str)]) -> Value {
    let sources: BTreeSet<&str> = calls.iter().map(|(source, _)| *source).collect();
    let names: BTreeSet<&str> = calls.iter().map(|(_, name)| *name).collect();
    call_pattern(&json!({"eventSource": sources, "eventName": names}))
}

/// Only AWS services may send events whose source begins with `aws.`, so that nobody plants a record by `PutEvents`.
fn call_pattern(detail: &Value) -> Value {
    json!({"source": [{"prefix": "aws."}], "detail-type": DETAIL_TYPES, "detail": detail})
}
