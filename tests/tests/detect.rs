//! The compiled `detect`, driven by a Runtime API and an AWS that run in the test: from messages of the queue to findings.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{DAY, answer, attribute, detect, failures, names_what_is_missing, now, start};
use keepwatch_base::time::Timestamp;
use keepwatch_tests::aws_stub::identity_center::{IDENTITY_STORE, INSTANCE, PERMISSION_SET, PERSON};
use keepwatch_tests::aws_stub::{AwsStub, Item, SEEN_AGAIN, TABLES};
use keepwatch_tests::events::{
    forged_batch, root_sign_in, sqs_batch, sqs_redelivery, uninteresting, user_call,
};
use keepwatch_tests::function::Function;
use keepwatch_tests::runtime_api::ACCOUNT;
use serde_json::{Value, json};

#[test]
fn a_missing_setting_is_named() {
    for missing in ["FINDINGS_TABLE", "JOURNAL_TABLE", "SETTINGS_TABLE", "OWN_ARNS"] {
        names_what_is_missing("detect", &TABLES, missing);
    }
}

#[test]
fn each_message_of_a_batch_succeeds_or_fails_alone() {
    let aws = AwsStub::http().unwrap();
    let detect = detect(&aws);
    let sign_in = root_sign_in(ACCOUNT, "e1");
    let batch = sqs_batch(&[
        ("sign-in", &sign_in),
        ("malformed", r#"{"detail-type": "AWS API Call via CloudTrail", "detail": {"#),
        ("unknown", r#"{"detail-type": "Something New", "source": "aws.new", "detail": {"a": 1}}"#),
        ("quiet", &uninteresting("e2")),
        ("duplicate", &sign_in),
    ]);
    assert_eq!(failures(&detect, &batch), ["malformed"]);
    let ids: Vec<String> = aws.items().into_keys().collect();
    let [id] = &ids[..] else { panic!("one finding is expected: {ids:?}") };
    // Event and duplicate race, and one write wins: the item is at its first version and counts one occurrence.
    let first = |name: &str| assert_eq!(attribute(&aws, id, name).as_deref(), Some("1"), "{name}");
    first("occurrences");
    first("version");
    // The process lives on, and knows the event again.
    let writes = aws.calls("TransactWriteItems");
    assert!(failures(&detect, &sqs_batch(&[("again", &sign_in)])).is_empty());
    assert_eq!(aws.calls("TransactWriteItems"), writes);
    assert_eq!(aws.table("journal").keys().filter(|key| key.starts_with("receipt#")).count(), 1);
}

/// CloudFormation changes the code of detect, so many seconds ago.
fn code_changed_by_a_stack(event_id: &str, seconds: i64) -> String {
    let mut event: Value = serde_json::from_str(&uninteresting(event_id)).unwrap();
    event["source"] = json!("aws.lambda");
    let detail = &mut event["detail"];
    detail["eventSource"] = json!("lambda.amazonaws.com");
    detail["eventName"] = json!("UpdateFunctionCode20150331v2");
    detail["requestParameters"] = json!({"functionName": "keepwatch-detect"});
    detail["userIdentity"]["invokedBy"] = json!("cloudformation.amazonaws.com");
    detail["eventTime"] = json!(Timestamp::from_millis(now() - 1_000 * seconds).to_string());
    event.to_string()
}

#[test]
fn a_change_waits_once_for_the_deployment_that_may_explain_it() {
    let aws = AwsStub::http().unwrap();
    let detect = detect(&aws);
    let soon = code_changed_by_a_stack("e1", 5);
    assert_eq!(failures(&detect, &sqs_batch(&[("m1", &soon)])), ["m1"]);
    assert!(aws.items().is_empty());
    // The queue delivers it again after its visibility timeout, three minutes.
    let later = code_changed_by_a_stack("e1", 185);
    assert!(failures(&detect, &sqs_batch(&[("m1", &later)])).is_empty());
    assert_eq!(aws.items().len(), 1);
}

#[test]
fn a_stack_of_somebody_elses_that_replaces_the_code_is_told_and_a_deployment_is_not() {
    let critical = |deployed: Option<&str>| {
        let aws = AwsStub::http().unwrap();
        let detect = detect(&aws);
        // Changes have been heard before, so that this is no installation.
        let mut events = vec![code_changed_by_a_stack("e1", 86_400)];
        events.extend(deployed.map(|stack| {
            let mut event: Value = serde_json::from_str(&code_changed_by_a_stack("e2", 300)).unwrap();
            let detail = &mut event["detail"];
            detail["eventSource"] = json!("cloudformation.amazonaws.com");
            detail["eventName"] = json!("UpdateStack");
            detail["requestParameters"] = json!({"stackName": stack});
            detail["userIdentity"]["invokedBy"] = json!(null);
            event.to_string()
        }));
        events.push(code_changed_by_a_stack("e3", 200));
        for event in &events {
            assert!(failures(&detect, &sqs_batch(&[("m", event)])).is_empty());
        }
        let ids: Vec<String> = aws.items().into_keys().collect();
        let severities = ids.iter().filter_map(|id| attribute(&aws, id, "severity"));
        severities.filter(|severity| severity == "CRITICAL").count()
    };
    assert_eq!(critical(Some("shop")), 1);
    assert_eq!(critical(None), 1);
    assert_eq!(critical(Some("keepwatch")), 0);
}

#[test]
fn a_finding_that_cannot_be_written_is_not_lost() {
    let aws = AwsStub::http().unwrap();
    let detect = detect(&aws);
    let sign_in = root_sign_in(ACCOUNT, "e1");
    let batch = sqs_batch(&[("sign-in", &sign_in), ("quiet", &uninteresting("e2"))]);
    for operation in ["GetItem", "TransactWriteItems"] {
        aws.fail(operation);
        assert_eq!(failures(&detect, &batch), ["sign-in"], "while {operation} fails");
        assert!(aws.items().is_empty());
        aws.heal(operation);
    }
    assert!(failures(&detect, &batch).is_empty());
    assert_eq!(aws.items().len(), 1);
}

#[test]
fn tls_is_spoken_with_a_certificate_from_a_file() {
    let aws = AwsStub::https().unwrap();
    let file = std::env::temp_dir().join(format!("keepwatch-detect-{}.pem", std::process::id()));
    std::fs::write(&file, aws.certificate().unwrap()).unwrap();
    let settings = [&TABLES[..], &[("SSL_CERT_FILE", file.to_str().unwrap())]].concat();
    let detect = start("detect", &aws, &settings);
    detect.started_in().expect("it must start");
    std::fs::remove_file(&file).unwrap();
    // The connection was opened during the start.
    assert_eq!(aws.calls("GetItem"), 1);
    let sign_in = root_sign_in(ACCOUNT, "e1");
    assert!(failures(&detect, &sqs_batch(&[("sign-in", &sign_in)])).is_empty());
    assert_eq!(aws.items().len(), 1);
}

/// Somebody assigns the permission set to the person.
fn assignment(event_id: &str) -> String {
    let request = json!({
        "instanceArn": INSTANCE, "permissionSetArn": PERMISSION_SET, "targetId": ACCOUNT, "targetType": "AWS_ACCOUNT",
        "principalType": "USER", "principalId": PERSON,
    });
    user_call("sso", "CreateAccountAssignment", event_id, request)
}

/// The severity of the only finding of this rule.
fn told(aws: &AwsStub, rule: &str) -> String {
    let items = aws.items();
    let found: Vec<_> = items.values().filter(|item| item["rule"]["S"] == rule).collect();
    let [item] = &found[..] else { panic!("one finding of {rule} is expected: {items:?}") };
    item["severity"]["S"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_a_permission_set_grants_is_read_from_identity_center() {
    let assign = |aws: &AwsStub| failures(&detect(aws), &sqs_batch(&[("m1", &assignment("e1"))]));

    let admin = AwsStub::http().unwrap();
    admin.permission_set("Admins", "arn:aws:iam::aws:policy/AdministratorAccess");
    assert!(assign(&admin).is_empty());
    assert_eq!(told(&admin, "admin-account-assignment"), "CRITICAL");

    let reader = AwsStub::http().unwrap();
    reader.permission_set("Readers", "arn:aws:iam::aws:policy/ReadOnlyAccess");
    assert!(assign(&reader).is_empty());
    assert!(reader.items().values().all(|item| item["rule"]["S"] != "admin-account-assignment"));

    // Nobody may read it, or it is gone: not known, and said so.
    for gone in [false, true] {
        let aws = AwsStub::http().unwrap();
        if gone {
            aws.delete_permission_set();
        }
        assert!(assign(&aws).is_empty());
        assert_eq!(told(&aws, "admin-account-assignment"), "MEDIUM", "gone: {gone}");
    }

    // Out of order: the message goes back to the queue, after three attempts.
    let broken = AwsStub::http().unwrap();
    broken.permission_set("Admins", "arn:aws:iam::aws:policy/AdministratorAccess");
    broken.fail("DescribePermissionSet");
    assert_eq!(assign(&broken), ["m1"]);
    assert_eq!(broken.calls("DescribePermissionSet"), 3);
}

#[test]
fn what_a_person_is_assigned_is_read_from_identity_center() {
    let set_password = |person: &str, store: &str| {
        let aws = AwsStub::http().unwrap();
        aws.permission_set("Admins", "arn:aws:iam::aws:policy/AdministratorAccess");
        let request = json!({"identityStoreId": store, "userId": person, "passwordMode": "OTP"});
        let event = user_call("sso-directory", "UpdatePassword", "e2", request);
        assert!(failures(&detect(&aws), &sqs_batch(&[("m1", &event)])).is_empty());
        told(&aws, "iam-password-set")
    };
    assert_eq!(set_password(PERSON, IDENTITY_STORE), "HIGH");
    assert_eq!(set_password("somebody-else", IDENTITY_STORE), "MEDIUM");
    assert_eq!(set_password(PERSON, "d-2222222222"), "MEDIUM");
}

#[test]
fn a_forwarders_heartbeat_is_remembered_for_its_region() {
    let aws = AwsStub::http().unwrap();
    let detect = detect(&aws);
    let beat = |region: &str, account: &str, minutes: i64| {
        json!({
            "version": "0", "id": format!("{region}{minutes}"), "detail-type": "Scheduled Event", "source": "aws.events",
            "account": account, "time": Timestamp::from_millis(now() - 60_000 * minutes).to_string(), "region": region,
            "resources": [format!("arn:aws:events:{region}:{account}:rule/keepwatch-heartbeat-0123456789abcdef")],
            "detail": {},
        })
        .to_string()
    };
    let beats = [
        beat("eu-west-1", ACCOUNT, 20),
        beat("eu-west-1", ACCOUNT, 5),
        beat("sa-east-1", ACCOUNT, 7),
        beat("eu-north-1", "999988887777", 1),
    ];
    for (number, beat) in beats.iter().enumerate() {
        assert!(failures(&detect, &sqs_batch(&[(&format!("m{number}"), beat)])).is_empty());
    }
    let journal = aws.table("journal");
    let known = Value::Object(journal["forwarders"].clone()).to_string();
    assert!(known.contains("eu-west-1") && known.contains("sa-east-1"), "{known}");
    assert!(!known.contains("eu-north-1"), "{known}");
    assert!(aws.items().is_empty(), "{:?}", aws.items());
}

/// Asserts that the invocation fails, which rings the alarm on detect's errors, and says why.
fn rings(function: &Function, batch: &str) {
    let why = answer(function, batch).expect_err("no alarm rings");
    assert!(why.contains("no message of the batch is known to be the queue's own"), "{why}");
}

/// Whoever may invoke the function can hand it anything, and no trail shows that by default.
#[test]
fn a_message_that_no_queue_held_writes_nothing() {
    let aws = AwsStub::http().unwrap();
    let detect = detect(&aws);
    let heartbeat = json!({
        "version": "0", "id": "b1", "detail-type": "Scheduled Event", "source": "aws.events", "account": ACCOUNT,
        "time": Timestamp::from_millis(now()).to_string(), "region": "eu-west-1", "detail": {},
        "resources": [format!("arn:aws:events:eu-west-1:{ACCOUNT}:rule/keepwatch-heartbeat-0123456789abcdef")],
    });
    let forged = [
        // A finding and its receipt; a first sight; a forwarder's heartbeat; a dead letter, which the operator could
        // move into the queue.
        root_sign_in(ACCOUNT, "e1"),
        user_call("lambda", "UpdateFunctionCode20150331v2", "e2", json!({"functionName": "shop"})),
        heartbeat.to_string(),
        r#"{"detail-type": "AWS API Call via CloudTrail", "detail": {"#.to_owned(),
    ];
    let written = |aws: &AwsStub| (aws.items(), aws.table("journal"), aws.given_up());
    let before = written(&aws);
    for event in &forged {
        rings(&detect, &forged_batch("m1", event));
    }
    assert_eq!(written(&aws), before);
    // Nor while the settings cannot be read, or the queue cannot be asked.
    for operation in ["Scan", "ChangeMessageVisibilityBatch"] {
        aws.fail(operation);
        for event in &forged {
            rings(&self::detect(&aws), &forged_batch("m1", event));
        }
        aws.heal(operation);
    }
    assert_eq!(written(&aws), before);
    // The same from the queue is written, whatever came with it.
    let mut batch: Value = serde_json::from_str(&sqs_batch(&[("own", &forged[1])])).unwrap();
    let other: Value = serde_json::from_str(&forged_batch("m1", &forged[0])).unwrap();
    batch["Records"].as_array_mut().unwrap().extend(other["Records"].as_array().unwrap().clone());
    assert_eq!(failures(&detect, &batch.to_string()), ["m1"]);
    for event in &forged[1..] {
        failures(&detect, &sqs_batch(&[("own", event)]));
    }
    let journal = aws.table("journal");
    assert!(journal.keys().any(|key| key.starts_with("seen#")), "{journal:?}");
    assert!(journal.contains_key("forwarders"), "{journal:?}");
    assert!(aws.items().keys().all(|id| !id.starts_with("root-console-sign-in")), "{:?}", aws.items());
}

/// A queue that somebody has set to hide messages for no time does not make its messages look forged: the call that set it is
/// one of them.
#[test]
fn a_message_that_is_not_hidden_any_more_is_judged() {
    let aws = AwsStub::http().unwrap();
    let batch = sqs_redelivery(SEEN_AGAIN, &root_sign_in(ACCOUNT, "e1"), 1, now());
    assert!(failures(&detect(&aws), &batch).is_empty());
    assert_eq!(aws.items().len(), 1);
}

/// A queue that is out of order costs time and no event.
#[test]
fn a_message_waits_while_the_queue_cannot_be_asked() {
    let aws = AwsStub::http().unwrap();
    let detect = detect(&aws);
    let batch = sqs_redelivery("m1", &root_sign_in(ACCOUNT, "e1"), 20, now());
    aws.fail("ChangeMessageVisibilityBatch");
    // Lambda leaves the batch of a failed invocation in the queue.
    rings(&detect, &batch);
    assert!(aws.given_up().is_empty() && aws.items().is_empty());
    aws.heal("ChangeMessageVisibilityBatch");
    assert!(failures(&detect, &batch).is_empty());
    assert_eq!(aws.items().len(), 1);
}

/// The findings of a rule: account, region and how often it was seen.
fn seen(aws: &AwsStub, rule: &str) -> Vec<(String, String, String)> {
    let of = |item: &Item, name: &str, kind: &str| item[name][kind].as_str().unwrap().to_owned();
    let items = aws.items().into_values().filter(|item| item["rule"]["S"] == rule);
    items
        .map(|item| (of(&item, "account", "S"), of(&item, "region", "S"), of(&item, "occurrences", "N")))
        .collect()
}

/// One act reaches the queue more than once: by two rules of a forwarder, by the forwarders of two regions, by the event history.
#[test]
fn copies_of_one_event_are_one_finding_that_counts_it_once() {
    let aws = AwsStub::http().unwrap();
    let detect = detect(&aws);
    let trail = user_call("cloudtrail", "StopLogging", "act-1", json!({"name": "audit"}));
    let iam =
        user_call("iam", "DeactivateMFADevice", "act-2", json!({"userName": "bob", "serialNumber": "arn"}));
    for (number, (delivered, record)) in [
        ("us-east-1", &trail),
        ("eu-west-1", &trail),
        ("us-east-1", &iam),
        ("eu-west-1", &iam),
        ("us-west-2", &iam),
    ]
    .into_iter()
    .enumerate()
    {
        let mut copy: Value = serde_json::from_str(record).unwrap();
        copy["id"] = json!(format!("envelope-{number}"));
        copy["region"] = json!(delivered);
        // What belongs to no region is logged in one that says nothing of where it was done (CloudTrail user guide, "Global
        // service events").
        if record == &iam {
            copy["detail"]["awsRegion"] = json!(delivered);
        }
        assert!(failures(&detect, &sqs_batch(&[(&format!("m{number}"), &copy.to_string())])).is_empty());
    }
    let once = |region: &str| vec![("111122223333".to_owned(), region.to_owned(), "1".to_owned())];
    assert_eq!(seen(&aws, "audit-trail-stopped"), once("us-east-1"));
    assert_eq!(seen(&aws, "iam-mfa-removed"), once("global"));
}

/// What is done across accounts CloudTrail tells each of them, as events of their own with one `sharedEventID` (CloudTrail user
/// guide, "CloudTrail record contents"). Each account has its own finding of it, and neither counts the other's copy.
#[test]
fn the_copies_of_two_accounts_are_a_finding_of_each_and_count_once() {
    let aws = AwsStub::http().unwrap();
    let detect = detect(&aws);
    for (number, (event_id, account)) in [
        ("copy-1", "111122223333"),
        ("copy-2", "999988887777"),
        ("copy-1", "111122223333"),
        ("copy-2", "999988887777"),
    ]
    .into_iter()
    .enumerate()
    {
        let record = user_call("cloudtrail", "StopLogging", event_id, json!({"name": "audit"}));
        let mut copy: Value = serde_json::from_str(&record).unwrap();
        copy["account"] = json!(account);
        copy["detail"]["recipientAccountId"] = json!(account);
        copy["detail"]["sharedEventID"] = json!("act");
        assert!(failures(&detect, &sqs_batch(&[(&format!("m{number}"), &copy.to_string())])).is_empty());
    }
    let mut all = seen(&aws, "audit-trail-stopped");
    all.sort();
    let once = |account: &str| (account.to_owned(), "us-east-1".to_owned(), "1".to_owned());
    assert_eq!(all, [once("111122223333"), once("999988887777")]);
}

#[test]
fn what_nobody_can_work_with_is_given_up_at_the_fifth_delivery_and_says_why() {
    let aws = AwsStub::http().unwrap();
    let detect = detect(&aws);
    let poison = r#"{"detail-type": "AWS API Call via CloudTrail", "detail": {"#;
    let deliver = |deliveries| failures(&detect, &sqs_redelivery("m1", poison, deliveries, now()));
    for deliveries in 1..5 {
        assert_eq!(deliver(deliveries), ["m1"]);
    }
    assert!(aws.given_up().is_empty());
    // The dead-letter queue does not take it: it stays where it is.
    aws.fail("SendMessage");
    assert_eq!(deliver(5), ["m1"]);
    aws.heal("SendMessage");
    assert!(deliver(6).is_empty());
    let given_up = aws.given_up();
    let [message] = &given_up[..] else { panic!("one message is expected: {given_up:?}") };
    assert_eq!(message["MessageBody"], poison);
    let reason = message["MessageAttributes"]["reason"]["StringValue"].as_str().unwrap();
    assert!(reason.contains("not an event"), "{reason}");
}

#[test]
fn an_outage_gives_nothing_up_and_lets_messages_wait_longer() {
    let aws = AwsStub::http().unwrap();
    let detect = detect(&aws);
    let sign_in = root_sign_in(ACCOUNT, "e1");
    let deliver =
        |deliveries, age| failures(&detect, &sqs_redelivery("m1", &sign_in, deliveries, now() - age));
    aws.fail("TransactWriteItems");
    assert_eq!(deliver(1, 0), ["m1"]);
    assert_eq!(aws.hidden("m1"), None, "the queue's own pause does");
    assert_eq!(deliver(20, DAY / 12), ["m1"]);
    let pause = aws.hidden("m1").unwrap();
    assert!((700..=900).contains(&pause), "{pause} s");
    assert_eq!(deliver(600, 12 * DAY), ["m1"]);
    assert!(aws.given_up().is_empty());
    // Before the queue forgets it, it lies where somebody finds it.
    assert!(deliver(650, 13 * DAY + 1_000).is_empty());
    assert_eq!(aws.given_up().len(), 1);
    // It works again, after four days.
    aws.heal("TransactWriteItems");
    assert!(deliver(300, 4 * DAY).is_empty());
    assert_eq!(aws.items().len(), 1);
}

#[test]
fn without_the_settings_every_message_waits() {
    let aws = AwsStub::http().unwrap();
    aws.fail("Scan");
    let detect = detect(&aws);
    let batch = sqs_redelivery("m1", &root_sign_in(ACCOUNT, "e1"), 20, now());
    assert_eq!(failures(&detect, &batch), ["m1"]);
    assert!(aws.hidden("m1").is_some());
    assert!(aws.given_up().is_empty() && aws.items().is_empty());
    aws.heal("Scan");
    assert!(failures(&detect, &batch).is_empty());
    assert_eq!(aws.items().len(), 1);
}
