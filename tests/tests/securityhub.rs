//! The compiled `securityhub` function: from the findings table's stream to a Security Hub that runs in the
//! test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{failures, pending, start};
use keepwatch_tests::aws_stub::{AwsStub, Item};
use keepwatch_tests::function::Function;
use keepwatch_tests::runtime_api::ACCOUNT;
use serde_json::{Value, json};

fn securityhub(aws: &AwsStub) -> Function {
    // What Lambda gives are credentials of a session.
    start("securityhub", aws, &[("AWS_SESSION_TOKEN", "session")])
}

/// A finding's item as detect writes it.
fn finding() -> Item {
    let (aws, id) = pending();
    aws.items().remove(&id).expect("a finding")
}

/// The item with these attributes set.
fn with(item: &Item, attributes: Value) -> Item {
    let mut item = item.clone();
    item.extend(attributes.as_object().unwrap().clone());
    item
}

/// The item as that of another finding.
fn named(item: &Item, finding_id: &str) -> Item {
    with(item, json!({"finding_id": {"S": finding_id}}))
}

fn record(number: &str, old: Option<&Item>, new: Option<&Item>) -> Value {
    let name = match (old, new) {
        (None, _) => "INSERT",
        (_, None) => "REMOVE",
        _ => "MODIFY",
    };
    let mut change = json!({
        "ApproximateCreationDateTime": 1_772_366_400,
        "Keys": {"finding_id": {"S": "key"}},
        "SequenceNumber": number,
        "SizeBytes": 100,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    });
    for (image, item) in [("OldImage", old), ("NewImage", new)] {
        if let Some(item) = item {
            change[image] = json!(item);
        }
    }
    json!({
        "eventID": format!("event-{number}"),
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": format!("arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/findings/stream/0"),
        "dynamodb": change,
    })
}

/// Hands the records to the function; the sequence numbers it gives back.
fn deliver(function: &Function, records: &[Value]) -> Vec<String> {
    failures(function, &json!({"Records": records}).to_string())
}

/// The ids of what was imported.
fn imported(aws: &AwsStub) -> Vec<String> {
    aws.imported().iter().map(|finding| finding["Id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_finding_is_imported_and_imported_again_when_it_changes() {
    let aws = AwsStub::http().unwrap();
    let hub = securityhub(&aws);
    let item = finding();
    assert!(deliver(&hub, &[record("1", None, Some(&item))]).is_empty());
    let findings = aws.imported();
    let [record_sent] = &findings[..] else { panic!("one finding is expected: {findings:?}") };
    assert_eq!(record_sent["Id"], item["finding_id"]["S"]);
    assert_eq!(record_sent["AwsAccountId"], ACCOUNT);
    assert_eq!(record_sent["Severity"]["Label"], "CRITICAL");
    assert_eq!(record_sent["RecordState"], "ACTIVE");
    // It happened again, and again, and was then resolved: one call with the last of it.
    let again = with(&item, json!({"occurrences": {"N": "2"}, "version": {"N": "2"}}));
    let over = with(&again, json!({"status": {"S": "RESOLVED"}, "version": {"N": "3"}}));
    assert!(
        deliver(&hub, &[record("2", Some(&item), Some(&again)), record("3", Some(&again), Some(&over))])
            .is_empty()
    );
    let findings = aws.imported();
    assert_eq!(findings.len(), 2);
    assert_eq!(findings[1]["RecordState"], "ARCHIVED");
    assert_eq!(aws.calls("BatchImportFindings"), 2);
}

#[test]
fn what_the_alert_does_to_the_item_is_not_sent() {
    let aws = AwsStub::http().unwrap();
    let hub = securityhub(&aws);
    let item = finding();
    let mut sent = with(
        &item,
        json!({
            "alert_state": {"S": "SENT"}, "alerts_sent": {"N": "1"}, "version": {"N": "3"},
            "updated_at": {"S": "2026-03-01T12:01:00.000Z"},
        }),
    );
    sent.remove("due");
    sent.remove("due_at");
    assert!(deliver(&hub, &[record("1", Some(&item), Some(&sent))]).is_empty());
    assert_eq!(aws.calls("BatchImportFindings"), 0);
    // With the least of news it is.
    let news = with(&sent, json!({"title": {"S": "root signed in, and again"}}));
    assert!(deliver(&hub, &[record("2", Some(&item), Some(&news))]).is_empty());
    assert_eq!(aws.imported().len(), 1);
}

#[test]
fn what_the_table_forgets_is_not_sent() {
    let aws = AwsStub::http().unwrap();
    let hub = securityhub(&aws);
    assert!(deliver(&hub, &[record("1", Some(&finding()), None)]).is_empty());
    assert_eq!(aws.calls("BatchImportFindings"), 0);
}

#[test]
fn a_finding_of_another_account_is_left_to_that_account() {
    let aws = AwsStub::http().unwrap();
    let hub = securityhub(&aws);
    let item = finding();
    let other = with(&named(&item, "other"), json!({"account": {"S": "444455556666"}}));
    assert!(
        deliver(&hub, &[record("1", None, Some(&other)), record("2", None, Some(&named(&item, "own")))])
            .is_empty()
    );
    assert_eq!(imported(&aws), ["own"]);
}

#[test]
fn an_image_that_cannot_be_read_fails_alone() {
    let aws = AwsStub::http().unwrap();
    let hub = securityhub(&aws);
    let item = finding();
    let broken = with(&item, json!({"strongest": {"L": []}}));
    let (a, b) = (named(&item, "a"), named(&item, "b"));
    let records =
        [record("1", None, Some(&a)), record("2", None, Some(&broken)), record("3", None, Some(&b))];
    assert_eq!(deliver(&hub, &records), ["2"]);
    assert_eq!(imported(&aws), ["a", "b"]);
}

#[test]
fn a_finding_that_security_hub_refuses_fails_alone() {
    let aws = AwsStub::http().unwrap();
    let hub = securityhub(&aws);
    let item = finding();
    aws.fail_import("b");
    let items = ["a", "b", "c"].map(|id| named(&item, id));
    let records: Vec<Value> =
        (1..).zip(&items).map(|(i, item)| record(&i.to_string(), None, Some(item))).collect();
    assert_eq!(deliver(&hub, &records), ["2"]);
    assert_eq!(imported(&aws), ["a", "c"]);
    // Lambda delivers from the failure on; an earlier state of the refused finding is not what failed.
    let later = with(&items[1], json!({"occurrences": {"N": "2"}}));
    assert_eq!(deliver(&hub, &[records[1].clone(), record("4", Some(&items[1]), Some(&later))]), ["4"]);
}

#[test]
fn a_finding_that_spoils_its_call_does_not_keep_the_others_out() {
    let aws = AwsStub::http().unwrap();
    let hub = securityhub(&aws);
    let item = finding();
    let ids: Vec<String> = (0..120).map(|i| format!("finding-{i}")).collect();
    aws.spoil_import("finding-70");
    let items: Vec<Item> = ids.iter().map(|id| named(&item, id)).collect();
    let records: Vec<Value> =
        (0..).zip(&items).map(|(i, item)| record(&i.to_string(), None, Some(item))).collect();
    assert_eq!(deliver(&hub, &records), ["70"]);
    assert_eq!(aws.imported().len(), 119);
}

#[test]
fn throttled_calls_are_made_again() {
    let aws = AwsStub::http().unwrap();
    let hub = securityhub(&aws);
    let records = [record("1", None, Some(&finding()))];
    aws.throttle_imports(2);
    assert!(deliver(&hub, &records).is_empty());
    assert_eq!(aws.imported().len(), 1);
    assert_eq!(aws.calls("BatchImportFindings"), 3);
    // Too often for one invocation: the stream brings the record again.
    aws.throttle_imports(4);
    assert_eq!(deliver(&hub, &records), ["1"]);
    assert!(deliver(&hub, &records).is_empty());
    assert_eq!(aws.imported().len(), 2);
}

#[test]
fn an_outage_costs_time_and_no_finding() {
    let aws = AwsStub::http().unwrap();
    let hub = securityhub(&aws);
    let item = finding();
    let (a, b) = (named(&item, "a"), named(&item, "b"));
    let records = [record("1", None, Some(&a)), record("2", None, Some(&b))];
    aws.fail("BatchImportFindings");
    assert_eq!(deliver(&hub, &records), ["1", "2"]);
    assert!(aws.imported().is_empty());
    aws.heal("BatchImportFindings");
    assert!(deliver(&hub, &records).is_empty());
    assert_eq!(imported(&aws), ["a", "b"]);
}

#[test]
fn tls_is_spoken_with_a_certificate_from_a_file() {
    let aws = AwsStub::https().unwrap();
    let file = std::env::temp_dir().join(format!("keepwatch-securityhub-{}.pem", std::process::id()));
    std::fs::write(&file, aws.certificate().unwrap()).unwrap();
    let hub = start("securityhub", &aws, &[("SSL_CERT_FILE", file.to_str().unwrap())]);
    hub.started_in().expect("it must start");
    let failed = deliver(&hub, &[record("1", None, Some(&finding()))]);
    std::fs::remove_file(&file).unwrap();
    assert!(failed.is_empty());
    assert_eq!(aws.imported().len(), 1);
}
