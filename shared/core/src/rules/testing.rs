//! What the rules' own tests are written with: events from a base record, facts, and one rule at a time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::dispatch::Index;
use super::{Config, Rule};
use crate::alert::tests::check;
use crate::event::Event;
use crate::observation::{Observation, Severity, Verdict};
use crate::settings::Override;
use crate::state::{Answer, Fact, Query};
use crate::time::Timestamp;

/// How many evaluations of one test are rendered: more than any test has fixtures.
const MOST_RENDERED: usize = 500;

/// The account of all fixtures.
pub(crate) const ACCOUNT: &str = "111122223333";

/// A successful IAM call by the user alice, with `changes` merged in (objects deeply, `null` removes).
pub(crate) fn call(source: &str, name: &str, changes: Value) -> String {
    merged(base(source, name), [changes])
}

/// The same call, by root from a console session.
pub(crate) fn root_call(source: &str, name: &str, changes: Value) -> String {
    merged(base(source, name), [by_root(), changes])
}

/// A console sign-in event by root.
pub(crate) fn root_sign_in(name: &str, changes: Value) -> String {
    let sign_in = json!({"eventType": "AwsConsoleSignIn", "userIdentity": {"accessKeyId": null}});
    merged(base("signin", name), [by_root(), sign_in, changes])
}

fn base(source: &str, name: &str) -> Value {
    json!({
        "eventVersion": "1.11",
        "eventID": "6b2a5e0c-0000-4000-8000-000000000001",
        "eventTime": "2026-03-01T12:00:00Z",
        "eventType": "AwsApiCall",
        "eventSource": format!("{source}.amazonaws.com"),
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "aws-cli/2.15.30",
        "readOnly": false,
        "recipientAccountId": ACCOUNT,
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLEALICE",
            "arn": "arn:aws:iam::111122223333:user/alice",
            "accountId": ACCOUNT,
            "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
            "userName": "alice",
        },
        "requestParameters": null,
        "responseElements": null,
    })
}

fn by_root() -> Value {
    json!({"userIdentity": {
        "type": "Root", "principalId": ACCOUNT, "arn": "arn:aws:iam::111122223333:root", "userName": null,
    }})
}

fn merged<const N: usize>(mut record: Value, changes: [Value; N]) -> String {
    for change in changes {
        merge(&mut record, change);
    }
    record.to_string()
}

/// An event in an EventBridge envelope.
pub(crate) fn envelope(source: &str, detail_type: &str, detail: Value) -> String {
    json!({
        "version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602", "source": source, "detail-type": detail_type,
        "account": ACCOUNT, "region": "us-east-1", "time": "2026-03-01T12:00:00Z", "resources": [], "detail": detail,
    })
    .to_string()
}

fn merge(base: &mut Value, changes: Value) {
    match (base, changes) {
        (Value::Object(base), Value::Object(changes)) => {
            for (key, value) in changes {
                if value.is_null() && !["requestParameters", "responseElements"].contains(&key.as_str()) {
                    base.remove(&key);
                } else {
                    merge(base.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (base, changes) => *base = changes,
    }
}

/// What this rule alone makes of the event when the account's state cannot be read.
pub(crate) fn observe(rule: &'static dyn Rule, event: &str) -> Vec<Observation> {
    observe_with(rule, event, &[])
}

/// What this rule alone makes of the event, given answers; every other question is refused.
pub(crate) fn observe_with(
    rule: &'static dyn Rule,
    event: &str,
    answers: &[(Query, Answer)],
) -> Vec<Observation> {
    let rules: &'static [&'static dyn Rule] = Box::leak(Box::new([rule]));
    evaluate(rules, event, answers, switched_on(rule))
}

/// What all rules make of the event when the account's state cannot be read.
pub(crate) fn evaluate_all(event: &str) -> Vec<Observation> {
    evaluate_all_with(event, &[])
}

/// What all rules make of the event, given answers; every other question is refused.
pub(crate) fn evaluate_all_with(event: &str, answers: &[(Query, Answer)]) -> Vec<Observation> {
    evaluate(super::registry::RULES, event, answers, BTreeMap::new())
}

/// The setting that has the rule asked, whether or not it waits for that.
pub(crate) fn switched_on(rule: &dyn Rule) -> BTreeMap<String, Override> {
    let on = Override { enabled: Some(true), ..Override::default() };
    BTreeMap::from([(rule.meta().id.to_owned(), on)])
}

fn evaluate(
    rules: &'static [&'static dyn Rule],
    event: &str,
    answers: &[(Query, Answer)],
    overrides: BTreeMap<String, Override>,
) -> Vec<Observation> {
    let index = Index::new(rules);
    let event = Event::parse(event).expect("the fixture is an event");
    let config = Config {
        trusted_accounts: vec!["444455556666".to_owned()],
        stack: "keepwatch".to_owned(),
        overrides,
        ..Config::default()
    };
    let evaluation = index.evaluate_answering(&event, &config, Timestamp::from_millis(0), |query| {
        match answers.iter().find(|(known, _)| known == query) {
            Some((_, answer)) => answer.clone(),
            // The findings table is Keepwatch's own and can be read; the account's state cannot.
            None if matches!(query, Query::ExposedKey { .. }) => {
                Fact::Known(crate::state::Value::Flag(false))
            }
            None => Fact::Unavailable("AccessDenied".to_owned()),
        }
    });
    assert!(evaluation.errors.is_empty(), "{:?}", evaluation.errors);
    // Every fixture of every rule is a mail as well. Property tests make more than anybody would wait for.
    thread_local!(static RENDERED: Cell<usize> = const { Cell::new(0) });
    let rendered = RENDERED.replace(RENDERED.get() + 1);
    if rendered < MOST_RENDERED {
        evaluation.observations.iter().for_each(check::renders_well);
    }
    evaluation.observations
}

/// The one observation of a rule that must fire.
pub(crate) fn fired(rule: &'static dyn Rule, event: &str) -> Observation {
    fired_with(rule, event, &[])
}

/// The one observation of a rule that must fire, given answers.
pub(crate) fn fired_with(rule: &'static dyn Rule, event: &str, answers: &[(Query, Answer)]) -> Observation {
    let mut observations = observe_with(rule, event, answers);
    assert_eq!(observations.len(), 1, "{observations:?} of {event}");
    let observation = observations.remove(0);
    assert_ne!(observation.verdict, Verdict::Passing);
    assert!(!observation.title.is_empty());
    observation
}

/// Asserts that the rule fires with this severity.
pub(crate) fn fires_at(rule: &'static dyn Rule, severity: Severity, event: &str) -> Observation {
    let observation = fired(rule, event);
    assert_eq!(observation.severity, severity, "{observation:?}");
    observation
}

/// Asserts that the rule says nothing of any of these events.
pub(crate) fn quiet(rule: &'static dyn Rule, events: &[String]) {
    for event in events {
        let observations = observe(rule, event);
        assert!(observations.is_empty(), "{observations:?} of {event}");
    }
}
