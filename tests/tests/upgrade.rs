//! Tables that version 0.1.0 (f32d958) wrote are read, kept and added to; and what is written now can be read by it.
//!
//! `fixtures/tables-0.1.0.json` holds what its `detect` and `notify` left of the five events below. A stack that goes back
//! meets the items of this version: whatever 0.1.0 wrote of an event has to be there, in the same type.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{detect, notify, subjects, sweep, taken};
use keepwatch_tests::aws_stub::{AwsStub, FINDINGS};
use keepwatch_tests::events::{root_sign_in, user_call};
use keepwatch_tests::function::Function;
use keepwatch_tests::runtime_api::ACCOUNT;
use serde_json::{Value, json};

const OLD: &str = include_str!("../fixtures/tables-0.1.0.json");

fn events() -> Vec<String> {
    let policy = |id: &str, user: &str, name: &str| {
        let document = "{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}}";
        let request = json!({"userName": user, "policyName": "extra", "policyDocument": document});
        user_call("iam", name, id, request)
    };
    vec![
        root_sign_in(ACCOUNT, "e1"),
        policy("e2", "bob", "PutUserPolicy"),
        policy("e3", "carol", "PutUserPolicy"),
        policy("e4", "carol", "DeleteUserPolicy"),
        policy("e5", "dave", "DeleteUserPolicy"),
    ]
}

/// One after the other: what is in a batch together is judged together.
fn judge(detect: &Function, events: &[String]) {
    events.iter().for_each(|event| taken(detect, std::slice::from_ref(event)));
}

fn old() -> Value {
    serde_json::from_str(OLD).unwrap()
}

/// An AWS whose tables 0.1.0 has written.
fn upgraded() -> AwsStub {
    let aws = AwsStub::http().unwrap();
    for (table, name) in [("findings", FINDINGS), ("journal", "journal")] {
        for (key, item) in old()[table].as_object().unwrap() {
            aws.put(name, key, item.as_object().unwrap().clone());
        }
    }
    aws
}

#[test]
fn events_that_it_heard_are_known_and_new_ones_are_added() {
    let aws = upgraded();
    let before = aws.items();
    let detect = detect(&aws);
    judge(&detect, &events());
    assert_eq!(aws.items(), before, "nothing is counted twice");
    judge(&detect, &[root_sign_in(ACCOUNT, "e9")]);
    let id = before.keys().find(|id| id.starts_with("root-console-sign-in")).unwrap();
    assert_eq!(aws.items()[id]["occurrences"]["N"], "2");
    assert_eq!(aws.items().len(), before.len());
}

#[test]
fn an_alert_that_it_left_due_is_told_and_those_it_sent_are_not() {
    let aws = upgraded();
    let notify = notify(&aws);
    assert!(sweep(&notify));
    let alerts: Vec<String> =
        subjects(&aws).into_iter().filter(|subject| subject.starts_with("[CRITICAL]")).collect();
    let [alert] = &alerts[..] else { panic!("one alert was due: {alerts:?}") };
    assert!(alert.contains("Root signed in"), "{alert}");
    assert!(aws.items().values().all(|item| item["alert_state"]["S"] != "PENDING"));
}

#[test]
fn what_is_written_now_has_all_that_it_wrote() {
    let aws = AwsStub::http().unwrap();
    let mut events = events();
    // Of one second the good news closes nothing any more.
    events[3] = events[3].replace("T12:00:00Z", "T12:00:01Z");
    judge(&detect(&aws), &events);
    let written = aws.items();
    let old = old();
    let findings = old["findings"].as_object().unwrap();
    assert_eq!(written.keys().collect::<Vec<_>>(), findings.keys().collect::<Vec<_>>(), "ids are for ever");
    for (id, item) in findings {
        // Good news about these is asked of the account now, which says nothing here.
        let severity = item["severity"]["S"].as_str().unwrap();
        if item["status"]["S"] == "RESOLVED" && ["HIGH", "CRITICAL"].contains(&severity) {
            continue;
        }
        for (name, value) in item.as_object().unwrap() {
            // The alert of two had been sent by then.
            if name.starts_with("alert") || name.starts_with("due") {
                continue;
            }
            let kind = |value: &Value| value.as_object().and_then(|value| value.keys().next().cloned());
            let now = written[id].get(name).and_then(kind);
            assert_eq!(now, kind(value), "{name} of {id}");
        }
        // These are optional there; nothing else of a witness is.
        for (rule, witness) in item["witnesses"]["M"].as_object().unwrap() {
            let now = written[id]["witnesses"]["M"][rule]["M"].as_object().unwrap();
            let missing = |name: &&String| {
                !now.contains_key(*name) && !["actor", "details", "steps"].contains(&name.as_str())
            };
            let missing: Vec<_> = witness["M"].as_object().unwrap().keys().filter(missing).collect();
            assert!(missing.is_empty(), "{missing:?} of {rule} of {id}");
        }
    }
}
