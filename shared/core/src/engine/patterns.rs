//! The EventBridge patterns that bring the rules what they listen to, made from the rules' own `on`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::rule::{On, Rule};
use crate::event::LONG_TERM_KEY;

/// EventBridge refuses patterns of more than 2,048 characters (quota "event pattern size"). The rest is left for whatever
/// spaces CloudFormation may write.
const MAX_PATTERN: usize = 1_900;

/// How the detail-types end under which CloudTrail records arrive: calls, actions in the console, sign-ins in both spellings of
/// AWS's guides, service events. Written out, they took a tenth of what CloudFormation takes for a forwarder.
const DETAIL_TYPE: &str = "via CloudTrail";

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

impl EventRule {
    /// Whether EventBridge would bring this event, an envelope: as far as the patterns made here go, which know lists of texts,
    /// prefixes and suffixes, `exists` for what is no object, `anything-but`, nested objects and `$or`; and read-only calls by
    /// rules of the state that asks for them.
    pub fn brings(&self, event: &Value) -> bool {
        let reads = event["detail"]["readOnly"] == true && event["detail"]["managementEvent"] != false;
        (!reads || self.state == ALL) && matches(&self.pattern, event)
    }
}

fn matches(pattern: &Value, event: &Value) -> bool {
    match pattern {
        Value::Object(fields) => fields.iter().all(|(key, sub)| match (key.as_str(), sub) {
            ("$or", Value::Array(alternatives)) => alternatives.iter().any(|pattern| matches(pattern, event)),
            _ => event.get(key).is_some_and(|value| matches(sub, value)),
        }),
        Value::Array(choices) => choices.iter().any(|choice| {
            if let Some(prefix) = choice.get("prefix").and_then(Value::as_str) {
                return event.as_str().is_some_and(|text| text.starts_with(prefix));
            }
            if let Some(suffix) = choice.get("suffix").and_then(Value::as_str) {
                return event.as_str().is_some_and(|text| text.ends_with(suffix));
            }
            if let Some(but) = choice.get("anything-but").and_then(Value::as_array) {
                return !but.contains(event);
            }
            match choice.get("exists") {
                Some(_) => !event.is_object() && !event.is_null(),
                None => choice == event,
            }
        }),
        _ => false,
    }
}

/// Read-only calls reach only a rule in this state (EventBridge user guide, "eb-service-event-cloudtrail").
const ALL: &str = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";

/// The EventBridge rules that these rules need, in a stack of this name.
pub fn event_rules(rules: &[&'static dyn Rule], stack: &str) -> Vec<EventRule> {
    let mut calls = BTreeSet::new();
    let mut reads = BTreeSet::new();
    let mut health = BTreeSet::new();
    let mut checks = BTreeSet::new();
    let mut errors = BTreeSet::new();
    let mut detectors = BTreeSet::new();
    // What users' own rules name: calls, sources without a call, and calls without a source.
    let (mut own, mut services, mut names) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut root, mut console) = (false, false);
    // Read-only calls of which only some come.
    let (mut by_stack, mut by_key, mut by_agent) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    let (mut policies, mut judged) = (BTreeSet::new(), BTreeSet::new());
    for on in rules.iter().flat_map(|rule| rule.meta().on) {
        match on {
            On::Call(source, names) => calls.extend(names.iter().map(|name| (*source, *name))),
            On::Read(source, names) => reads.extend(names.iter().map(|name| (*source, *name))),
            On::ReadByStack(source, names) => by_stack.extend(names.iter().map(|name| (*source, *name))),
            On::ReadUnless { source, names, agents } => {
                let calls = names.iter().map(|name| (*source, *name));
                by_key.extend(calls.clone());
                by_agent.entry(agents).or_insert_with(BTreeSet::new).extend(calls);
            }
            On::Root => root = true,
            On::Health(prefix) => drop(health.insert(*prefix)),
            On::TrustedAdvisor(check) => drop(checks.insert(*check)),
            On::Failed(codes) => errors.extend(codes.iter().copied()),
            On::ConsoleChange => console = true,
            On::Policy { fields, but } => {
                policies.extend(fields.iter().copied());
                judged.extend(but.iter().copied());
            }
            On::Detector(detector) => drop(detectors.insert(detector.source())),
            // A rule of the user's that names nothing sees what the other patterns bring; `rules patterns` says so.
            On::Matching([], []) => {}
            On::Matching(sources, []) => services.extend(sources.iter().copied()),
            On::Matching([], calls) => names.extend(calls.iter().copied()),
            On::Matching(sources, calls) => {
                own.extend(sources.iter().flat_map(|s| calls.iter().map(move |n| (*s, *n))));
            }
            // Long-term keys are looked for in what the other patterns bring: all of an account's calls would cost
            // more than they tell. So would all that are the same calls as some on a resource of the stack.
            On::LongTermKey | On::ExposedKey | On::Own(..) => {}
        }
    }
    // Which calls only read cannot be told from their names (`AssumeRoleWithSAML`, `InvokeModel`), so users' are all asked
    // for as if they did; those that are certain to come by another rule are left to it.
    let elsewhere =
        |call: &(&str, &str)| calls.contains(call) || services.contains(call.0) || names.contains(call.1);
    reads.extend(own.into_iter().filter(|call| !elsewhere(call)));
    let mut out = packed("calls", "ENABLED", &calls, &[], pairs);
    // The patterns of this state are narrow, or every Describe of the account would be an invocation.
    let mut also: Vec<Value> =
        root.then(|| json!({"userIdentity": {"type": ["Root"]}})).into_iter().collect();
    let mut of_some = |calls: BTreeSet<(&str, &str)>, key: &str, condition: Value| {
        let calls: Vec<(&str, &str)> = calls.into_iter().filter(|call| !reads.contains(call)).collect();
        if !calls.is_empty() {
            also.push(with(pairs(&calls), key, condition));
        }
    };
    for (agents, calls) in by_agent {
        of_some(calls, "userAgent", json!([{"anything-but": agents}]));
    }
    of_some(by_key, "userIdentity", json!({"accessKeyId": [{"prefix": LONG_TERM_KEY}]}));
    let issuer = json!({"userName": [{"prefix": format!("{stack}-")}]});
    of_some(by_stack, "userIdentity", json!({"sessionContext": {"sessionIssuer": issuer}}));
    out.extend(packed("reads", ALL, &reads, &also, pairs));
    // What changes nothing does not come in this state. `exists` looks at texts and numbers alone.
    out.extend(packed("policies", "ENABLED", &policies, &[], |fields| {
        let pattern = any(fields.iter().map(|field| held(field)).collect());
        match judged.is_empty() {
            true => pattern,
            false => with(pattern, "eventSource", json!([{"anything-but": judged}])),
        }
    }));
    out.extend(packed("own-names", ALL, &names, &[], |names| json!({"eventName": names})));
    out.extend(packed("own-services", ALL, &services, &[], |services| json!({"eventSource": services})));
    let failed = (!errors.is_empty()).then(|| json!({"errorCode": errors}));
    let console = console.then(|| json!({"sessionCredentialFromConsole": ["true"], "readOnly": [false]}));
    let others: Vec<Value> = failed.into_iter().chain(console).collect();
    if !others.is_empty() {
        out.push(EventRule {
            name: "all-calls".to_owned(),
            state: "ENABLED",
            pattern: call_pattern(&any(others)),
        });
    }
    out.extend(findings(&health, &checks, &detectors));
    out
}

/// The EventBridge rules that bring a re-check the calls after which it looks again. A call that failed changed nothing.
pub fn recheck_rules(calls: &BTreeSet<(String, &'static str)>) -> Vec<EventRule> {
    let calls: BTreeSet<(&str, &str)> = calls.iter().map(|(source, name)| (source.as_str(), *name)).collect();
    packed("recheck", "ENABLED", &calls, &[], |calls| {
        with(pairs(calls), "errorCode", json!([{"exists": false}]))
    })
}

/// Of these calls, those that none of these event rules brings: a forwarder sends what a re-check listens to over the bus that all
/// its events take, and sends nothing twice.
pub fn not_brought(
    mut calls: BTreeSet<(String, &'static str)>,
    rules: &[EventRule],
) -> BTreeSet<(String, &'static str)> {
    calls.retain(|(source, name)| {
        let event = json!({
            "source": format!("aws.{source}"),
            "detail-type": "AWS API Call via CloudTrail",
            "detail": {"eventSource": source, "eventName": name},
        });
        !rules.iter().any(|rule| rule.brings(&event))
    });
    calls
}

/// What a forwarder listens to besides what the rules need: who becomes the operator of the home stack of this name, whichever
/// region's STS is asked; and what is done to the forwarder's own event rules and its stack. The latter come a second way by
/// another rule, so that no single call keeps its own event from being heard.
pub fn forwarder_rules(stack: &str) -> [EventRule; 2] {
    let rule = |name: &str, detail: Value| EventRule {
        name: name.to_owned(),
        state: "ENABLED",
        pattern: json!({
            "source": [{"prefix": "aws."}],
            "detail-type": ["AWS API Call via CloudTrail"],
            "detail": detail,
        }),
    };
    let ours = json!([{"prefix": format!("{stack}-")}]);
    let operator = json!({
        "eventSource": ["sts.amazonaws.com"],
        "eventName": ["AssumeRole"],
        "requestParameters": {"roleArn": [{"wildcard": format!("*:role/{stack}-OperatorRole-*")}]},
    });
    let of_rules =
        json!(["DeleteRule", "DisableRule", "EnableRule", "PutRule", "PutTargets", "RemoveTargets"]);
    let of_stack = json!([
        "CancelUpdateStack",
        "ContinueUpdateRollback",
        "CreateChangeSet",
        "DeleteStack",
        "ExecuteChangeSet",
        "RollbackStack",
        "SetStackPolicy",
        "UpdateStack",
        "UpdateTerminationProtection"
    ]);
    // A stack is named by its name or its ARN (CloudFormation API reference, `DeleteStack`).
    let names = json!([format!("{stack}-forwarder"), {"wildcard": format!("*:stack/{stack}-forwarder/*")}]);
    let guard = json!({
        "eventSource": ["cloudformation.amazonaws.com", "events.amazonaws.com"],
        // The calls about targets name the rule otherwise (EventBridge API reference, `PutTargets`).
        "$or": [
            {"eventName": of_rules, "requestParameters": {"name": ours}},
            {"eventName": of_rules, "requestParameters": {"rule": ours}},
            {"eventName": of_stack, "requestParameters": {"stackName": names}},
        ],
    });
    [rule("operator", operator), rule("guard", guard)]
}

/// What the rule for users' own rules listens to, which stands in the templates as it was written by hand.
pub fn own_rules_pattern() -> Value {
    let mut pattern = call_pattern(&json!({"$or": [
        {"eventSource": [{"anything-but": ["kms.amazonaws.com"]}]},
        {"eventSource": ["kms.amazonaws.com"], "readOnly": [false]},
    ]}));
    pattern["detail-type"] = json!([
        "AWS API Call via CloudTrail",
        "AWS Console Action via CloudTrail",
        "AWS Console Sign In via CloudTrail",
        "AWS Console Signin via CloudTrail",
        "AWS Service Event via CloudTrail",
    ]);
    pattern
}

/// A pattern of these calls.
fn pairs(calls: &[(&str, &str)]) -> Value {
    let sources: BTreeSet<&str> = calls.iter().map(|(source, _)| *source).collect();
    let names: BTreeSet<&str> = calls.iter().map(|(_, name)| *name).collect();
    json!({"eventSource": sources, "eventName": names})
}

/// A pattern with one more condition.
fn with(mut pattern: Value, key: &str, condition: Value) -> Value {
    pattern[key] = condition;
    pattern
}

/// A pattern of the parameters that hold something at this path.
fn held(path: &str) -> Value {
    let there = json!([{"exists": true}]);
    let nested = path.rsplit('.').fold(there, |inner, name| json!({name: inner}));
    json!({"requestParameters": nested})
}

/// What AWS tells besides calls, in one rule.
fn findings(
    health: &BTreeSet<&str>,
    checks: &BTreeSet<&str>,
    detectors: &BTreeSet<(&'static str, &'static str)>,
) -> Option<EventRule> {
    let mut sources: BTreeSet<&str> = detectors.iter().map(|(source, _)| *source).collect();
    let mut kinds = Vec::new();
    if !health.is_empty() {
        sources.insert("aws.health");
        let prefixes: Vec<Value> = health.iter().map(|prefix| json!({"prefix": prefix})).collect();
        kinds.push(json!({"detail": {"eventTypeCode": prefixes}}));
    }
    if !checks.is_empty() {
        sources.insert("aws.trustedadvisor");
        kinds.push(json!({"detail": {"check-name": checks}}));
    }
    if !detectors.is_empty() {
        let types: BTreeSet<&str> = detectors.iter().map(|(_, detail_type)| *detail_type).collect();
        kinds.push(json!({"detail-type": types}));
    }
    let mut pattern = any(kinds);
    pattern.as_object_mut()?.insert("source".to_owned(), json!(sources));
    (!sources.is_empty()).then(|| EventRule { name: "findings".to_owned(), state: "ENABLED", pattern })
}

/// A pattern that fits what any of these fits, so that alternatives share a rule.
fn any(mut alternatives: Vec<Value>) -> Value {
    match alternatives.len() {
        1 => alternatives.remove(0),
        _ => json!({"$or": alternatives}),
    }
}

/// As few rules as the size of a pattern allows. A pattern lists sources and names apart, so it may
/// bring a name that another of its sources has as well; no rule listens to that, and `detect` says so quickly.
///
/// `also` is what the first of them brings besides, and `detail` the pattern of some of the calls.
fn packed<T: Copy>(
    label: &str,
    state: &'static str,
    calls: &BTreeSet<T>,
    also: &[Value],
    detail: impl Fn(&[T]) -> Value,
) -> Vec<EventRule> {
    let mut parts: Vec<Vec<T>> = if also.is_empty() { Vec::new() } else { vec![Vec::new()] };
    let pattern_of = |part: &[T], first: bool| {
        let mut alternatives = if first { also.to_vec() } else { Vec::new() };
        if !part.is_empty() {
            alternatives.push(detail(part));
        }
        call_pattern(&any(alternatives))
    };
    for call in calls {
        let mut longer = parts.last().cloned().unwrap_or_default();
        longer.push(*call);
        let long = pattern_of(&longer, parts.len() == 1).to_string().len() > MAX_PATTERN;
        if parts.is_empty() || long {
            parts.push(vec![*call]);
        } else {
            parts.pop();
            parts.push(longer);
        }
    }
    let name = |i: usize| if parts.len() > 1 { format!("{label}-{}", i + 1) } else { label.to_owned() };
    let rule =
        |(i, part): (usize, &Vec<_>)| EventRule { name: name(i), state, pattern: pattern_of(part, i == 0) };
    parts.iter().enumerate().map(rule).collect()
}

/// Only AWS services may send events whose source begins with `aws.`, so that nobody plants a record by `PutEvents`.
fn call_pattern(detail: &Value) -> Value {
    json!({"source": [{"prefix": "aws."}], "detail-type": [{"suffix": DETAIL_TYPE}], "detail": detail})
}
