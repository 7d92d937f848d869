//! The compiled functions, driven by a Runtime API and an AWS that run in the test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use keepwatch_base::time::Timestamp;
use keepwatch_tests::aws_stub::identity_center::{IDENTITY_STORE, INSTANCE, PERMISSION_SET, PERSON};
use keepwatch_tests::aws_stub::{ALERTS, AwsStub, Form, Item, NOTIFY, OPERATIONS, SEEN_AGAIN, TABLES};
use keepwatch_tests::events::{
    forged_batch, root_sign_in, sqs_batch, sqs_redelivery, stream_batch, uninteresting, user_call,
};
use keepwatch_tests::function::{Function, binary};
use keepwatch_tests::runtime_api::{ACCOUNT, Outcome};
use serde_json::{Value, json};

fn start(name: &str, aws: &AwsStub, settings: &[(&str, &str)], errors: Stdio) -> Function {
    let binary = binary(name).unwrap_or_else(|error| panic!("{error}"));
    let mut all = vec![("AWS_ENDPOINT_URL", aws.endpoint())];
    all.extend(settings);
    Function::start(&binary, &all, errors).unwrap()
}

fn detect(aws: &AwsStub) -> Function {
    start("detect", aws, &TABLES, Stdio::inherit())
}

fn notify(aws: &AwsStub) -> Function {
    let settings = [&TABLES[..], &NOTIFY[..]].concat();
    start("notify", aws, &settings, Stdio::inherit())
}

/// What the clock calls notify with.
const SWEEP: &str = r#"{"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}"#;

/// Sweeps; whether it succeeded.
fn sweep(notify: &Function) -> bool {
    matches!(notify.invoke(SWEEP).expect("the function did not answer").outcome, Outcome::Response(_))
}

#[expect(clippy::disallowed_methods, reason = "the functions under test go by the real clock")]
fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn set(aws: &AwsStub, id: &str, attributes: Value) {
    aws.change(id, attributes.as_object().unwrap().clone());
}

/// The ids that the function gives back to the queue or the stream.
fn failures(function: &Function, batch: &str) -> Vec<String> {
    let reply = function.invoke(batch).expect("the function did not answer");
    let Outcome::Response(text) = reply.outcome else { panic!("the batch failed: {:?}", reply.outcome) };
    let response: Value = serde_json::from_str(&text).unwrap();
    let failures = response["batchItemFailures"].as_array().expect("a partial batch response");
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

/// Asserts that the invocation fails, which rings the alarm on detect's errors, and says why.
fn rings(function: &Function, batch: &str) {
    let reply = function.invoke(batch).expect("the function did not answer");
    let Outcome::Error(why) = reply.outcome else { panic!("no alarm rings: {:?}", reply.outcome) };
    assert!(why.contains("no message of the batch is known to be the queue's own"), "{why}");
}

/// An AWS whose table holds one finding that is due an alert, written by detect itself; and the finding's id.
fn pending() -> (AwsStub, String) {
    let aws = AwsStub::http().unwrap();
    let batch = sqs_batch(&[("m1", &root_sign_in(ACCOUNT, "e1"))]);
    assert!(failures(&detect(&aws), &batch).is_empty());
    let ids: Vec<String> = aws.items().into_keys().collect();
    let [id] = &ids[..] else { panic!("one finding is expected: {ids:?}") };
    (aws, id.clone())
}

fn attribute(aws: &AwsStub, finding_id: &str, name: &str) -> Option<String> {
    let item = aws.items().remove(finding_id)?;
    let (_, value) = item.get(name)?.as_object()?.iter().next()?;
    value.as_str().map(str::to_owned)
}

/// The subjects of the mails about findings; reports and announcements left out.
fn alerts(aws: &AwsStub) -> Vec<String> {
    subjects(aws)
        .into_iter()
        .filter(|subject| subject.starts_with("[CRITICAL] ") && subject.ends_with(" (111122223333)"))
        .collect()
}

fn subjects(aws: &AwsStub) -> Vec<String> {
    aws.published().into_iter().filter_map(|mut message| message.remove("Subject")).collect()
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
fn a_missing_setting_is_named() {
    let aws = AwsStub::http().unwrap();
    let without = |left_out: &str| -> Vec<(&'static str, &'static str)> {
        let all = [&TABLES[..], &NOTIFY[..]].concat();
        all.into_iter().filter(|(name, _)| *name != left_out).collect()
    };
    for (name, missing) in [
        ("detect", "FINDINGS_TABLE"),
        ("detect", "JOURNAL_TABLE"),
        ("detect", "SETTINGS_TABLE"),
        ("detect", "OWN_ARNS"),
        ("notify", "FINDINGS_TABLE"),
        ("notify", "ALERT_TOPIC_ARN"),
        ("notify", "OPS_TOPIC_ARN"),
        ("notify", "RECHECK_QUEUE_URL"),
        ("notify", "DEAD_LETTER_QUEUE_URL"),
        ("notify", "INVOCATION_DEAD_LETTER_QUEUE_URL"),
        ("notify", "MAIL_DEAD_LETTER_QUEUE_URL"),
        ("notify", "REPORT_HOUR"),
        ("notify", "MAIL_WINDOW_MINUTES"),
    ] {
        let mut function = start(name, &aws, &without(missing), Stdio::piped());
        let (status, text) = function.ended().unwrap().expect("it must not start");
        assert!(!status.success(), "{name} without {missing}: {status}");
        let wanted = format!("environment variable {missing} is not set");
        assert!(text.contains(&wanted), "{name} without {missing} says: {text}");
    }
}

#[test]
fn an_alert_that_nobody_would_get_stays_due_and_the_other_topic_says_so() {
    let (aws, id) = pending();
    aws.unsubscribe(ALERTS);
    let notify = notify(&aws);
    let batch = stream_batch(&[("1", &id)]);
    assert!(failures(&notify, &batch).is_empty());
    assert!(sweep(&notify));
    assert!(aws.published().is_empty(), "before anybody confirms there is an hour: {:?}", aws.published());
    assert_eq!(aws.items()[&id]["alert_state"]["S"], "PENDING");

    // Somebody confirms, and the next sweep after the stream's turn sends the alert.
    aws.subscribe(ALERTS);
    aws.change(&id, serde_json::from_value(json!({"due_at": {"N": "1000"}})).unwrap());
    assert!(sweep(&notify));
    let mails = aws.published();
    assert!(mails.iter().all(|mail| mail["TopicArn"] == ALERTS), "{mails:?}");
    assert!(mails.iter().any(|mail| mail["Subject"].starts_with("[CRITICAL]")), "{mails:?}");
    assert_eq!(aws.items()[&id]["alert_state"]["S"], "SENT");
}

#[test]
fn who_is_subscribed_no_more_is_told_over_the_other_topic() {
    let (aws, _) = pending();
    let notify = notify(&aws);
    assert!(sweep(&notify));
    aws.unsubscribe(ALERTS);
    assert!(sweep(&notify));
    let before = aws.published().len();
    // It was so for two minutes already.
    let earlier = json!({"S": Timestamp::from_millis(now() - 120_000).to_string()});
    let gone = json!({"M": {"last": earlier, "missed": earlier}});
    let alerts = json!({"M": {"gone": {"M": {"email ann@example.com": gone}}, "empty": earlier}});
    let mut item = aws.table("journal")["audience"].clone();
    item["kept"]["M"]["alerts"] = alerts;
    aws.put("journal", "audience", item);
    assert!(sweep(&notify));
    let mails = aws.published().split_off(before);
    let [mail] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!(mail["TopicArn"], OPERATIONS);
    assert!(mail["Subject"].contains("Nobody gets the alerts"), "{mail:?}");
    // Once.
    assert!(sweep(&notify));
    assert_eq!(aws.published().len(), before + 1);
}

#[test]
fn an_alert_is_published_once() {
    let (aws, id) = pending();
    let notify = notify(&aws);
    let batch = stream_batch(&[("1", &id), ("2", &id)]);
    assert!(failures(&notify, &batch).is_empty());
    // The stream delivers again, and the marks that notify itself made come through it as well.
    assert!(failures(&notify, &batch).is_empty());
    let subjects = subjects(&aws);
    let [subject] = &subjects[..] else { panic!("one message is expected: {subjects:?}") };
    assert!(subject.starts_with("[CRITICAL] ") && subject.ends_with(" (111122223333)"), "{subject}");
    let message = &aws.published()[0];
    assert_eq!(message["TopicArn"], ALERTS);
    let body: Value = serde_json::from_str(&message["Message"]).unwrap();
    assert!(body["email"].as_str().unwrap().contains(&id));
    assert_eq!(attribute(&aws, &id, "alert_state").as_deref(), Some("SENT"));
    assert_eq!(attribute(&aws, &id, "alerts_sent").as_deref(), Some("1"));
}

#[test]
fn somebody_elses_claim_is_left_alone_until_its_lease_ends() {
    let (aws, id) = pending();
    let notify = notify(&aws);
    let claim = |lease: i64| {
        set(
            &aws,
            &id,
            json!({
                "alert_state": {"S": "CLAIMED"}, "alert_claim": {"S": "other"},
                "due": {"S": "alert"}, "due_at": {"N": lease.to_string()},
            }),
        );
    };
    claim(now() + 180_000);
    assert!(failures(&notify, &stream_batch(&[("7", &id)])).is_empty(), "the other one has it");
    assert!(sweep(&notify));
    assert!(alerts(&aws).is_empty());
    assert_eq!(attribute(&aws, &id, "alert_claim").as_deref(), Some("other"));
    // The other one crashed: its lease ends, and a sweep sends the alert after all.
    claim(now() - 1_000);
    assert!(sweep(&notify));
    assert_eq!(alerts(&aws).len(), 1);
}

#[test]
fn a_failed_publish_is_made_up_for_by_a_sweep() {
    let (aws, id) = pending();
    let notify = notify(&aws);
    aws.fail("Publish");
    assert_eq!(failures(&notify, &stream_batch(&[("7", &id)])), ["7"]);
    assert_eq!(attribute(&aws, &id, "alert_state").as_deref(), Some("DEFERRED"));
    assert!(!sweep(&notify), "a sweep that could not send must count as an error");
    assert!(aws.published().is_empty());
    aws.heal("Publish");
    assert!(sweep(&notify));
    assert_eq!(alerts(&aws).len(), 1);
    assert_eq!(attribute(&aws, &id, "alert_state").as_deref(), Some("SENT"));
    assert!(sweep(&notify));
    assert_eq!(alerts(&aws).len(), 1, "and only once");
}

#[test]
fn an_alert_whose_stream_record_is_lost_is_swept() {
    let (aws, id) = pending();
    let notify = notify(&aws);
    assert!(sweep(&notify));
    assert!(alerts(&aws).is_empty(), "a fresh one is left to the stream");
    set(&aws, &id, json!({"due_at": {"N": (now() - 1_000).to_string()}}));
    assert!(sweep(&notify));
    assert_eq!(alerts(&aws).len(), 1);
    assert_eq!(attribute(&aws, &id, "due"), None, "it has left the index");
}

#[test]
fn a_suppression_silences_is_announced_and_its_end_is_told() {
    let aws = AwsStub::http().unwrap();
    let day = |days: i64| {
        let time = keepwatch_base::time::Timestamp::from_millis(now() + days * 86_400_000);
        json!({"S": time.to_string()})
    };
    let row = json!({
        "setting_id": {"S": "suppression#test"}, "rule": {"S": "root-console-sign-in"}, "resource": {"S": "*root"},
        "owner": {"S": "bob"}, "reason": {"S": "a fire drill"}, "created_at": day(-1), "expires_at": day(1),
    });
    aws.put("settings", "suppression#test", row.as_object().unwrap().clone());
    assert!(failures(&detect(&aws), &sqs_batch(&[("m1", &root_sign_in(ACCOUNT, "e1"))])).is_empty());
    let id = aws.items().into_keys().next().unwrap();
    assert_eq!(attribute(&aws, &id, "status").as_deref(), Some("SUPPRESSED"));
    assert_eq!(attribute(&aws, &id, "occurrences").as_deref(), Some("1"), "recorded all the same");
    let notify = notify(&aws);
    assert!(failures(&notify, &stream_batch(&[("7", &id)])).is_empty());
    assert!(sweep(&notify));
    assert!(alerts(&aws).is_empty());
    assert!(
        subjects(&aws).iter().any(|s| s.contains("Added to the settings: suppression test")),
        "{:?}",
        subjects(&aws)
    );
    // It ends.
    let mut row = row;
    row["expires_at"] = json!({"S": keepwatch_base::time::Timestamp::from_millis(now() - 1).to_string()});
    aws.put("settings", "suppression#test", row.as_object().unwrap().clone());
    assert!(sweep(&notify));
    assert_eq!(attribute(&aws, &id, "status").as_deref(), Some("NEW"));
    assert!(failures(&notify, &stream_batch(&[("8", &id)])).is_empty());
    assert_eq!(alerts(&aws).len(), 1);
}

#[test]
fn what_one_principal_does_within_minutes_is_one_mail() {
    let aws = AwsStub::http().unwrap();
    let shared = |i: usize| {
        let grantee = json!({"add": {"items": [{"userId": "999988887777"}]}});
        let request = json!({"imageId": format!("ami-{i}"), "launchPermission": grantee});
        user_call("ec2", "ModifyImageAttribute", &format!("e{i}"), request)
    };
    let batch: Vec<(String, String)> = (0..5).map(|i| (format!("m{i}"), shared(i))).collect();
    let batch: Vec<(&str, &str)> = batch.iter().map(|(id, body)| (id.as_str(), body.as_str())).collect();
    assert!(failures(&detect(&aws), &sqs_batch(&batch)).is_empty());
    let ids: Vec<String> = aws.items().into_keys().collect();
    assert_eq!(ids.len(), 5);
    let notify = notify(&aws);
    let records: Vec<(&str, &str)> = ids.iter().map(|id| ("1", id.as_str())).collect();
    assert!(failures(&notify, &stream_batch(&records)).is_empty());
    assert!(sweep(&notify));
    let told = || subjects(&aws).into_iter().filter(|s| s.contains("ami-")).collect::<Vec<String>>();
    assert_eq!(told(), [""; 0], "they wait for one another");
    // Their window ends.
    for id in &ids {
        assert_eq!(attribute(&aws, id, "alert_state").as_deref(), Some("DEFERRED"));
        set(&aws, id, json!({"due_at": {"N": (now() - 1_000).to_string()}}));
    }
    assert!(sweep(&notify));
    let told = told();
    let [subject] = &told[..] else { panic!("one mail is expected: {told:?}") };
    assert!(subject.starts_with("[MEDIUM] 5 by alice: "), "{subject}");
    let text = aws.published().pop().unwrap().remove("Message").unwrap();
    assert!((0..5).all(|i| text.contains(&format!("ami-{i}"))), "{text}");
    assert!(
        text.contains("keepwatch tune values automation --add arn:aws:iam::111122223333:user/alice"),
        "{text}"
    );
    for id in &ids {
        assert_eq!(attribute(&aws, id, "alert_state").as_deref(), Some("SENT"));
    }
}

#[test]
fn what_no_sweep_sends_goes_out_with_the_next_alert() {
    let (aws, id) = pending();
    let notify = notify(&aws);
    let overdue = (now() - 600_000).to_string();
    set(
        &aws,
        &id,
        json!({"alert_state": {"S": "DEFERRED"}, "due": {"S": "alert"}, "due_at": {"N": overdue}}),
    );
    // Another finding's record comes through the stream; no sweep does.
    assert!(failures(&notify, &stream_batch(&[("1", "no-such-finding")])).is_empty());
    assert_eq!(alerts(&aws).len(), 1);
}

#[test]
fn a_planted_claim_from_the_future_holds_no_alert_back() {
    let (aws, id) = pending();
    let notify = notify(&aws);
    set(
        &aws,
        &id,
        json!({
            "alert_state": {"S": "CLAIMED"}, "alert_claim": {"S": "planted"},
            "due": {"S": "alert"}, "due_at": {"N": "4070908800000"},
        }),
    );
    let planted = |key: &str, value: Value| {
        let row = json!({"entry": {"S": key}, "version": {"N": "1"}, "kept": value});
        aws.put("journal", key, row.as_object().unwrap().clone());
    };
    planted("budget", json!({"M": {"tokens": {"N": "0"}, "filled_at": {"N": "4070908800000"}}}));
    planted("last digest", json!({"M": {"at": {"N": "4070908800000"}}}));
    assert!(sweep(&notify));
    assert_eq!(alerts(&aws).len(), 1);
}

#[test]
fn planted_rows_that_nobody_can_read_hold_no_alert_back() {
    let (aws, id) = pending();
    let notify = notify(&aws);
    for key in ["budget", "last digest", "settings applied", "settings announced"] {
        let row = json!({"entry": {"S": key}, "version": {"S": "x"}, "kept": {"S": "garbage"}});
        aws.put("journal", key, row.as_object().unwrap().clone());
    }
    assert!(failures(&notify, &stream_batch(&[("1", &id)])).is_empty());
    assert!(sweep(&notify));
    assert_eq!(alerts(&aws).len(), 1);
    // The same for good news about a finding that is not there yet.
    let aws = AwsStub::http().unwrap();
    let key = format!("passed#{id}");
    let row = json!({"entry": {"S": key}, "at": {"S": "never"}});
    aws.put("journal", &key, row.as_object().unwrap().clone());
    assert!(failures(&detect(&aws), &sqs_batch(&[("m1", &root_sign_in(ACCOUNT, "e1"))])).is_empty());
    assert_eq!(attribute(&aws, &id, "status").as_deref(), Some("NEW"));
}

#[test]
fn tls_is_spoken_with_a_certificate_from_a_file() {
    let aws = AwsStub::https().unwrap();
    let file = std::env::temp_dir().join(format!("keepwatch-bootstrap-{}.pem", std::process::id()));
    std::fs::write(&file, aws.certificate().unwrap()).unwrap();
    let settings = [&TABLES[..], &[("SSL_CERT_FILE", file.to_str().unwrap())]].concat();
    let detect = start("detect", &aws, &settings, Stdio::inherit());
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

/// detect knows no checks, to stay small: it tells nobody what cannot be used. notify knows them.
#[test]
fn settings_for_checks_can_be_used_and_an_unknown_id_is_told() {
    let aws = AwsStub::http().unwrap();
    let day = |days: i64| json!({"S": Timestamp::from_millis(now() + days * DAY).to_string()});
    let suppression = json!({
        "rule": {"S": "iam.user-mfa-all"}, "resource": {"S": "*bob"}, "owner": {"S": "bob"},
        "reason": {"S": "a robot"}, "created_at": day(-1), "expires_at": day(1),
    });
    let off = json!({"enabled": {"BOOL": false}});
    let rows =
        [("suppression#robot", &suppression), ("rule#s3.encryption", &off), ("rule#s3.nonsense", &off)];
    for (key, row) in rows {
        let mut row = row.as_object().unwrap().clone();
        row.insert("setting_id".to_owned(), json!({"S": key}));
        aws.put("settings", key, row);
    }
    assert!(failures(&detect(&aws), &sqs_batch(&[("m1", &root_sign_in(ACCOUNT, "e1"))])).is_empty());
    let noted: Vec<String> = aws.table("journal").into_keys().filter(|key| key.contains("setting")).collect();
    assert!(noted.is_empty(), "{noted:?}");
    assert!(sweep(&notify(&aws)));
    let mut mails = aws.published();
    mails.retain(|mail| mail["Subject"].to_lowercase().contains("settings"));
    let [mail] = &mails[..] else { panic!("one mail is expected: {mails:?}") };
    assert!(mail["Subject"].contains("2 added, 0 removed, 1 cannot be used"), "{}", mail["Subject"]);
    let (_, told) = mail["Message"].split_once("CANNOT BE USED").unwrap();
    let (unusable, _) = told.split_once("WHAT TO DO NOW").unwrap();
    assert!(unusable.contains("nonsense"), "{unusable}");
    assert!(!unusable.contains("encryption") && !unusable.contains("robot"), "{unusable}");
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

const DAY: i64 = 86_400_000;

/// The alarm tells of the first dead letter, stays on, and says nothing of the next.
#[test]
fn an_old_dead_letter_does_not_hide_a_new_one_and_is_told_of_each_day() {
    let aws = AwsStub::http().unwrap();
    let (detect, notify) = (detect(&aws), notify(&aws));
    let give_up = |id| assert!(failures(&detect, &sqs_redelivery(id, "no event", 5, now())).is_empty());
    let told = || -> Vec<String> {
        let mails = aws.published().into_iter().filter(|mail| mail["TopicArn"] == OPERATIONS);
        mails.map(|mail| mail["Subject"].clone()).filter(|subject| subject.contains("dead letter")).collect()
    };
    // What the journal knows, as if it were so long ago that people were told.
    let earlier = |millis: i64| {
        let mut item = aws.table("journal")["dead letters"].clone();
        let at = json!({"S": Timestamp::from_millis(now() - millis).to_string()});
        item["kept"]["M"]["lying"]["M"]["since"] = at.clone();
        item["kept"]["M"]["lying"]["M"]["told"] = at;
        aws.put("journal", "dead letters", item);
    };
    assert!(sweep(&notify));
    give_up("m1");
    assert!(sweep(&notify) && sweep(&notify));
    assert!(told().is_empty(), "the alarm tells of it: {:?}", told());
    earlier(DAY / 12);
    give_up("m2");
    assert!(sweep(&notify) && sweep(&notify));
    let [more] = &told()[..] else { panic!("one mail is expected: {:?}", told()) };
    assert!(more.contains("2 dead letters, 1 before"), "{more}");
    earlier(DAY);
    assert!(sweep(&notify) && sweep(&notify));
    let [_, still] = &told()[..] else { panic!("two mails are expected: {:?}", told()) };
    assert!(still.contains("2 dead letters since"), "{still}");
    // A queue that does not answer is an error, for the function's alarm, and keeps nothing else back.
    aws.fail("GetQueueAttributes");
    assert!(!sweep(&notify));
    aws.heal("GetQueueAttributes");
    assert!(sweep(&notify));
    // The queue is emptied, and the next one is the first again.
    aws.take_given_up();
    assert!(sweep(&notify));
    give_up("m3");
    assert!(sweep(&notify));
    assert_eq!(told().len(), 2);
}

/// No alarm looks at the queues of records and runs, and of mails: a sweep tells of the first, whatever lies elsewhere.
#[test]
fn a_dead_letter_in_a_queue_that_no_alarm_looks_at_is_told_by_a_sweep() {
    for (counts, label) in [([1, 0], "  Invocations "), ([0, 1], "  Mails ")] {
        let aws = AwsStub::http().unwrap();
        let (detect, notify) = (detect(&aws), notify(&aws));
        let told = || -> Vec<Form> {
            let mails = aws.published().into_iter().filter(|mail| mail["TopicArn"] == OPERATIONS);
            mails.filter(|mail| mail["Subject"].contains("dead letter")).collect()
        };
        // An old one of another kind hides it from nobody.
        assert!(failures(&detect, &sqs_redelivery("m1", "no event", 5, now())).is_empty());
        assert!(sweep(&notify) && sweep(&notify));
        assert_eq!(told().len(), 0, "the alarm tells of the event");
        aws.give_up_by_aws(counts);
        assert!(sweep(&notify) && sweep(&notify) && sweep(&notify));
        let [mail] = &told()[..] else { panic!("one mail is expected: {:?}", told()) };
        assert!(mail["Subject"].contains("2 dead letters, 1 before"), "{}", mail["Subject"]);
        assert!(
            mail["Message"].contains(label) && mail["Message"].contains("  Events "),
            "{}",
            mail["Message"]
        );
        // Emptied and filled again, it is the first again.
        aws.give_up_by_aws([0, 0]);
        assert!(sweep(&notify));
        aws.give_up_by_aws(counts);
        assert!(sweep(&notify) && sweep(&notify));
        assert_eq!(told().len(), 2);
    }
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
