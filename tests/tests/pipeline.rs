//! The compiled functions under the load of one principal: five copies of `detect` and `notify`, and an AWS whose answers take time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use keepwatch_aws::runtime::now;
use keepwatch_base::time::Timestamp;
use keepwatch_core::memory::window::ENOUGH;
use keepwatch_tests::aws_stub::ALERTS;
use keepwatch_tests::events::user_call;
use keepwatch_tests::pipeline::{JOURNAL, Pipeline};
use serde_json::{Value, json};

const LATENCY: Duration = Duration::from_millis(5);
/// No measure of anything, but an end to what would never end.
const PATIENCE: Duration = Duration::from_secs(300);

/// This second: CloudTrail's times are whole seconds. All events of a test happen at one, however long sending them takes.
fn this_second() -> Timestamp {
    Timestamp::from_millis(now().millis() / 1_000 * 1_000)
}

fn at(time: Timestamp, event: &str, fields: Value) -> String {
    let mut event: Value = serde_json::from_str(event).unwrap();
    event["detail"]["eventTime"] = json!(time.to_string());
    event["detail"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event.to_string()
}

/// A read of the one secret by the one role.
fn read(number: usize, time: Timestamp) -> String {
    let event = user_call(
        "secretsmanager",
        "GetSecretValue",
        &format!("read-{number}"),
        json!({"secretId": "shop/database"}),
    );
    let role = json!({"type": "AssumedRole", "principalId": "AROAEXAMPLE:batch",
        "arn": "arn:aws:sts::111122223333:assumed-role/batch/batch", "sessionContext": {"sessionIssuer": {
        "type": "Role", "userName": "batch", "arn": "arn:aws:iam::111122223333:role/batch"}}});
    at(time, &event, json!({"readOnly": true, "userIdentity": role}))
}

/// A call of alice that was refused.
fn refused(number: usize, time: Timestamp) -> String {
    let event = user_call("ec2", "RunInstances", &format!("refused-{number}"), Value::Null);
    at(time, &event, json!({"errorCode": "Client.UnauthorizedOperation"}))
}

fn administrator(time: Timestamp) -> String {
    let request = json!({"userName": "bob", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"});
    at(time, &user_call("iam", "AttachUserPolicy", "administrator", request), json!({}))
}

/// Whether a mail about the administrator was published.
fn is_told(pipeline: &Pipeline) -> bool {
    let mails = pipeline.aws.published();
    mails.iter().any(|mail| mail["TopicArn"] == ALERTS && mail["Subject"].starts_with("[CRITICAL] "))
}

/// How often each entry of the journal was written whose key begins so, attempts that were refused left out.
fn written(pipeline: &Pipeline, beginning: &str) -> Vec<usize> {
    let entries = pipeline.aws.table(JOURNAL).into_iter().filter(|(key, _)| key.starts_with(beginning));
    entries.map(|(_, entry)| entry["version"]["N"].as_str().unwrap().parse().unwrap()).collect()
}

/// Once they wrote one entry of the journal four hundred times: 79 failed, and the administrator's mail came after 39 seconds.
#[test]
fn four_hundred_reads_of_one_secret_fail_none_and_hold_up_no_alert() {
    let pipeline = Pipeline::start(LATENCY).unwrap();
    let second = this_second();
    for number in 0..200 {
        pipeline.send(read(number, second));
    }
    pipeline.send(administrator(second));
    for number in 200..400 {
        pipeline.send(read(number, second));
    }
    assert!(pipeline.drained(PATIENCE), "{:?}", pipeline.tally());
    let tally = pipeline.tally();
    assert_eq!((tally.done, tally.given_back, tally.errors), (401, 0, 0), "{tally:?}");
    assert_eq!(pipeline.failed(), 0);
    assert!(is_told(&pipeline), "the administrator is told of");
    // At first up to as many try as there are messages on their way; all but one of them are refused, and then nobody waits for
    // anybody.
    assert_eq!(written(&pipeline, "window#data-secrets-read-in-bulk"), [1]);
    let calls = pipeline.aws.calls("GetItem") + pipeline.aws.calls("PutItem");
    assert!(calls < 2 * 401, "{calls} calls");
}

/// Each refused call counts, and from the twenty-fifth on each is one of a finding: neither is written by every event.
#[test]
fn hundreds_of_refused_calls_of_one_principal_fail_none_and_are_one_finding() {
    let pipeline = Pipeline::start(LATENCY).unwrap();
    let second = this_second();
    for number in 0..400 {
        pipeline.send(refused(number, second));
    }
    pipeline.send(administrator(second));
    assert!(pipeline.drained(PATIENCE), "{:?}", pipeline.tally());
    let tally = pipeline.tally();
    assert_eq!((tally.done, tally.given_back, tally.errors), (401, 0, 0), "{tally:?}");
    assert_eq!(pipeline.failed(), 0);
    assert!(is_told(&pipeline), "the administrator is told of");
    let findings =
        pipeline.aws.items().into_values().filter(|item| item["rule"]["S"] == "iam-access-denied-burst");
    let [finding] = &findings.collect::<Vec<_>>()[..] else { panic!("one finding is expected") };
    // As many as a finding remembers: from then on it is a flood.
    assert_eq!(finding["occurrences"]["N"], "64");
    let windows = written(&pipeline, "window#iam-access-denied-burst");
    let [window] = windows[..] else { panic!("one window is expected: {windows:?}") };
    assert!(window <= ENOUGH, "the window was written {window} times");
}
