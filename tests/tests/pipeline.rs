//! The compiled functions under the load of one principal: five copies of `detect` and `notify`, and an AWS whose answers take time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use keepwatch_aws::runtime::now;
use keepwatch_base::time::Timestamp;
use keepwatch_tests::aws_stub::ALERTS;
use keepwatch_tests::events::user_call;
use keepwatch_tests::pipeline::{JOURNAL, Pipeline};
use serde_json::{Value, json};

const LATENCY: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// The event, at this second: CloudTrail's times are whole seconds.
fn just_now(event: &str, fields: Value) -> String {
    let mut event: Value = serde_json::from_str(event).unwrap();
    event["detail"]["eventTime"] = json!(Timestamp::from_millis(now().millis() / 1_000 * 1_000).to_string());
    event["detail"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event.to_string()
}

/// A read of the one secret by the one role.
fn read(number: usize) -> String {
    let event = user_call(
        "secretsmanager",
        "GetSecretValue",
        &format!("read-{number}"),
        json!({"secretId": "shop/database"}),
    );
    let role = json!({"type": "AssumedRole", "principalId": "AROAEXAMPLE:batch",
        "arn": "arn:aws:sts::111122223333:assumed-role/batch/batch", "sessionContext": {"sessionIssuer": {
        "type": "Role", "userName": "batch", "arn": "arn:aws:iam::111122223333:role/batch"}}});
    just_now(&event, json!({"readOnly": true, "userIdentity": role}))
}

/// A call of alice that was refused.
fn refused(number: usize) -> String {
    let event = user_call("ec2", "RunInstances", &format!("refused-{number}"), Value::Null);
    just_now(&event, json!({"errorCode": "Client.UnauthorizedOperation"}))
}

fn administrator() -> String {
    let request = json!({"userName": "bob", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"});
    just_now(&user_call("iam", "AttachUserPolicy", "administrator", request), json!({}))
}

/// When the mail about the administrator was published.
fn told(pipeline: &Pipeline) -> Option<Instant> {
    let mails = pipeline.aws.published().into_iter().zip(pipeline.aws.published_at());
    let mut mails =
        mails.filter(|(mail, _)| mail["TopicArn"] == ALERTS && mail["Subject"].starts_with("[CRITICAL] "));
    mails.next().map(|(_, at)| at)
}

/// How often the items were written whose key begins so.
fn writes(pipeline: &Pipeline, table: &str, beginning: &str) -> usize {
    let items = pipeline.aws.units().writes_of_items;
    items
        .into_iter()
        .filter(|((of, key), _)| of == table && key.starts_with(beginning))
        .map(|(_, count)| count)
        .sum()
}

/// Once they wrote one entry of the journal four hundred times: 79 failed, and the administrator's mail came after 39 seconds.
#[test]
fn four_hundred_reads_of_one_secret_fail_none_and_hold_up_no_alert() {
    let pipeline = Pipeline::start(LATENCY).unwrap();
    for number in 0..200 {
        pipeline.send(read(number));
    }
    let sent = Instant::now();
    pipeline.send(administrator());
    for number in 200..400 {
        pipeline.send(read(number));
    }
    assert!(pipeline.drained(PATIENCE), "{:?}", pipeline.tally());
    let tally = pipeline.tally();
    assert_eq!((tally.done, tally.given_back, tally.errors), (401, 0, 0), "{tally:?}");
    assert_eq!(pipeline.failed(), 0);
    let waited = told(&pipeline).expect("the administrator is told of").duration_since(sent);
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    // At first up to as many try as there are messages on their way; all but one of them are refused.
    let window = "window#data-secrets-read-in-bulk";
    let stored: Vec<_> =
        pipeline.aws.table(JOURNAL).into_iter().filter(|(key, _)| key.starts_with(window)).collect();
    let [(_, entry)] = &stored[..] else { panic!("one window is expected: {stored:?}") };
    let version: usize = entry["version"]["N"].as_str().unwrap().parse().unwrap();
    assert!(version <= 2, "written {version} times within a minute");
}

/// Each refused call counts, and from the twenty-fifth on each is one of a finding: neither is written by every event.
#[test]
fn hundreds_of_refused_calls_of_one_principal_fail_none_and_are_one_finding() {
    let pipeline = Pipeline::start(LATENCY).unwrap();
    for number in 0..400 {
        pipeline.send(refused(number));
    }
    let sent = Instant::now();
    pipeline.send(administrator());
    assert!(pipeline.drained(PATIENCE), "{:?}", pipeline.tally());
    let tally = pipeline.tally();
    assert_eq!((tally.done, tally.given_back, tally.errors), (401, 0, 0), "{tally:?}");
    assert_eq!(pipeline.failed(), 0);
    let waited = told(&pipeline).expect("the administrator is told of").duration_since(sent);
    assert!(waited < Duration::from_secs(20), "{waited:?}");
    let findings =
        pipeline.aws.items().into_values().filter(|item| item["rule"]["S"] == "iam-access-denied-burst");
    let [finding] = &findings.collect::<Vec<_>>()[..] else { panic!("one finding is expected") };
    let occurrences: usize = finding["occurrences"]["N"].as_str().unwrap().parse().unwrap();
    assert!((16..200).contains(&occurrences), "{occurrences}");
    // How many fewer than there are events depends on how close together the machine brings them.
    let window = writes(&pipeline, JOURNAL, "window#iam-access-denied-burst");
    assert!(window < 400, "the window was written {window} times");
}
