//! What the tests of rules share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use keepwatch_base::time::Timestamp;
use keepwatch_core::engine::Config;
use keepwatch_core::engine::dispatch::{Index, linear};
use keepwatch_core::event::Event;
use keepwatch_core::observation::Observation;
use keepwatch_core::state::Fact;
use keepwatch_sigma::Loaded;
use serde_json::{Value, json};

pub(crate) fn record(source: &str, name: &str, changes: Value) -> String {
    let mut record = json!({
        "eventID": "6b2a5e0c-0000-4000-8000-000000000001",
        "eventTime": "2026-03-01T12:00:00Z",
        "eventSource": format!("{source}.amazonaws.com"),
        "eventName": name,
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "aws-cli/2.15.30",
        "recipientAccountId": "111122223333",
        "userIdentity": {
            "type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/alice", "accountId": "111122223333",
            "accessKeyId": "AKIAIOSFODNN7EXAMPLE", "userName": "alice",
        },
        "requestParameters": null,
        "responseElements": null,
    });
    for (key, value) in changes.as_object().unwrap() {
        record[key] = value.clone();
    }
    record.to_string()
}

pub(crate) fn seen(loaded: &Loaded, record: &str, config: &Config) -> Vec<Observation> {
    let index = Index::new(loaded.after(&[]));
    let event = Event::parse(record).unwrap();
    let found: Vec<&str> = index.listeners(&event).map(|rule| rule.about().id).collect();
    assert_eq!(found, linear(loaded.after(&[]), &event), "{record}");
    let nobody = |_: &_| Fact::Unavailable("nobody is asked".to_owned());
    let evaluation = index.evaluate_answering(&event, config, Timestamp::default(), nobody);
    assert!(evaluation.errors.is_empty(), "{:?}", evaluation.errors);
    evaluation.observations
}

pub(crate) fn ids(loaded: &Loaded, record: &str) -> Vec<&'static str> {
    seen(loaded, record, &Config::default()).iter().map(|o| o.rule.id).collect()
}
