//! The compiled `scan`: from an event history that runs in the test to the intake queue, and on to the compiled `detect` and
//! `notify`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{
    CLOCK, SCAN, ago, answer, detect, minutes_ago, names_what_is_missing, notify, scan, subjects, taken,
};
use keepwatch_tests::aws_stub::AwsStub;
use keepwatch_tests::events::{root_sign_in, stream_batch, user_call};
use keepwatch_tests::function::Function;
use keepwatch_tests::runtime_api::ACCOUNT;
use serde_json::{Value, json};

/// One run; why it failed, if it did.
fn run(scan: &Function) -> Result<(), String> {
    answer(scan, CLOCK).map(drop)
}

/// The call is in the event history.
fn remember(aws: &AwsStub, message: &str) {
    aws.remember(&serde_json::from_str::<Value>(message).unwrap()["detail"]);
}

const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

fn attach(event_id: &str, minutes: i64, name: &str) -> String {
    let request = json!({"userName": "bob", "policyArn": ADMIN});
    ago(minutes, &user_call("iam", name, event_id, request))
}

/// The finding that bob is an administrator: its id and an attribute.
fn administrator(aws: &AwsStub, attribute: &str) -> (String, String) {
    let items = aws.items();
    let (id, item) =
        items.iter().find(|(id, _)| id.starts_with("admin-managed-policy-attached-")).expect("it");
    let value = item[attribute].as_object().unwrap().values().next().unwrap();
    (id.clone(), value.as_str().unwrap().to_owned())
}

#[test]
fn an_event_that_eventbridge_lost_becomes_a_mail_and_one_that_was_heard_counts_once() {
    let aws = AwsStub::http().unwrap();
    let (scan, detect) = (scan(&aws), detect(&aws));
    let heard = ago(50, &root_sign_in(ACCOUNT, "heard"));
    taken(&detect, std::slice::from_ref(&heard));
    let lost = attach("lost", 40, "AttachUserPolicy");
    for event in [&heard, &lost] {
        remember(&aws, event);
    }
    run(&scan).unwrap();
    let found = aws.take_messages();
    let [message] = &found[..] else { panic!("one message is expected: {found:?}") };
    assert!(message.contains("\"lost\""), "{message}");
    taken(&detect, &found);
    let (id, severity) = administrator(&aws, "severity");
    assert_eq!(severity, "CRITICAL");
    // The mail.
    notify(&aws).invoke(&stream_batch(&[("1", &id)])).expect("the function did not answer");
    assert!(subjects(&aws).iter().any(|subject| subject.contains("bob")), "{:?}", subjects(&aws));
    // The next day nobody is told anything new, whichever way the event comes.
    run(&scan).unwrap();
    assert_eq!(aws.take_messages(), [""; 0]);
    taken(&detect, &[lost, heard]);
    for item in aws.items().into_values() {
        assert_eq!(item["occurrences"]["N"], "1", "{item:?}");
    }
}

#[test]
fn a_late_event_neither_reopens_nor_closes_what_a_newer_one_settled() {
    let aws = AwsStub::http().unwrap();
    let (scan, detect) = (scan(&aws), detect(&aws));
    let call = |event_id: &str, minutes: i64, name: &str| {
        ago(minutes, &user_call("cloudtrail", name, event_id, json!({"name": "main"})))
    };
    let is = |attribute: &str| {
        let items = aws.items();
        let item = items.values().find(|item| item["title"].to_string().contains("stopped")).expect("it");
        item[attribute]["S"].as_str().unwrap().to_owned()
    };
    // That the trail was stopped was lost, and that it was started again was heard.
    taken(&detect, &[call("started", 30, "StartLogging")]);
    remember(&aws, &call("stopped", 60, "StopLogging"));
    run(&scan).unwrap();
    let late = aws.take_messages();
    assert_eq!(late.len(), 1);
    taken(&detect, &late);
    assert_eq!(is("status"), "RESOLVED");
    // A trail that was stopped for half an hour is told all the same.
    assert_eq!(is("alert_state"), "PENDING");
    // It is stopped again, and then the news of an earlier end comes late.
    taken(&detect, &[call("again", 10, "StopLogging")]);
    taken(&detect, &[call("earlier", 20, "StartLogging")]);
    assert_eq!(is("status"), "NEW");
}

#[test]
fn throttling_is_waited_out_and_pages_are_followed() {
    let aws = AwsStub::http().unwrap();
    for i in 0..120 {
        let request = json!({"userName": format!("user-{i}")});
        remember(&aws, &ago(60 + i, &user_call("iam", "CreateUser", &format!("e{i}"), request)));
    }
    aws.throttle_lookups(2);
    run(&scan(&aws)).unwrap();
    assert_eq!(aws.take_messages().len(), 120);
}

#[test]
fn what_is_refused_is_said_and_does_not_stop_the_rest() {
    let aws = AwsStub::http().unwrap();
    let scan = scan(&aws);
    remember(&aws, &ago(60, &user_call("iam", "CreateUser", "hidden", json!({"userName": "x"}))));
    remember(&aws, &ago(60, &root_sign_in(ACCOUNT, "seen")));
    aws.refuse_lookup("CreateUser");
    let reason = run(&scan).unwrap_err();
    assert!(
        reason.contains("CreateUser in us-east-1: cloudtrail:LookupEvents: 400 AccessDeniedException"),
        "{reason}"
    );
    // It was found twice, by its name and by root's.
    let found = aws.take_messages();
    assert!(found.len() == 1 && found[0].contains("\"seen\""), "{found:?}");
    taken(&detect(&aws), &found);
    aws.allow_lookups();
    run(&scan).unwrap();
    let found = aws.take_messages();
    assert!(found.len() == 1 && found[0].contains("\"hidden\""), "{found:?}");
}

#[test]
fn runs_that_do_not_come_are_told_by_the_daily_mail() {
    let told = |hours: i64| {
        let aws = AwsStub::http().unwrap();
        let since = json!({"M": {"since": {"S": minutes_ago(hours * 60)}, "looked": {"M": {}}}});
        let row = json!({"entry": {"S": "event history"}, "version": {"N": "1"}, "kept": since});
        aws.put("journal", "event history", row.as_object().unwrap().clone());
        notify(&aws).invoke(CLOCK).expect("the function did not answer");
        subjects(&aws)
            .iter()
            .any(|subject| subject.contains("does not look through all of the event history"))
    };
    assert!(told(50));
    assert!(!told(40));
}

#[test]
fn a_missing_setting_is_named() {
    for (missing, _) in SCAN {
        names_what_is_missing("scan", &SCAN, missing);
    }
}
