//! All stores of findings pass one suite.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use keepwatch_alert::in_memory::InMemory;
use keepwatch_aws::clients::local_config;
use keepwatch_aws::findings::FindingsTable;
use keepwatch_aws::journal::JournalTable;
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::Passed;
use keepwatch_core::finding::record::{FindingStore, Write, passed_key};
use keepwatch_core::memory::journal::{Entry, Journal};
use keepwatch_core::observation::Resolution;
use keepwatch_tests::aws_stub::{AwsStub, FINDINGS};
use keepwatch_tests::conformance::Suite;
use keepwatch_tests::sim;
use serde_json::{Map, Value, json};

#[tokio::test]
async fn the_table_in_dynamodb_conforms() {
    let aws = AwsStub::http().unwrap();
    let config = local_config(aws.endpoint()).unwrap();
    let table = FindingsTable::new(&config, FINDINGS, "journal");
    Suite(&table).pass().await.unwrap();
}

#[tokio::test]
async fn the_table_in_memory_conforms() {
    Suite(&InMemory::default()).pass().await.unwrap();
}

#[test]
fn the_simulation_s_table_conforms() {
    sim::conforms();
}

/// How long each answer takes where two meet.
const SLOW: Duration = Duration::from_millis(200);

const ENTRY: &str = "passed#root-console-sign-in-0000000000000000";

fn finding_id() -> &'static str {
    ENTRY.strip_prefix(passed_key("").as_str()).unwrap()
}

fn item(attributes: Value) -> Map<String, Value> {
    attributes.as_object().unwrap().clone()
}

/// Waits until the item was read, and writes this in its place before anything else is written.
async fn meanwhile(aws: &AwsStub, written: Value) {
    while aws.calls("GetItem") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    aws.put("journal", ENTRY, item(written));
}

/// An entry that cannot be read is made anew, unless somebody has done so since it was read: a receipt or good news would be lost.
#[tokio::test]
async fn what_replaces_an_unreadable_entry_is_not_overwritten() {
    let aws = AwsStub::http().unwrap();
    let config = local_config(aws.endpoint()).unwrap();
    let journal = JournalTable::new(&config, "journal");
    let spoiled = json!({"entry": {"S": ENTRY}, "kept": {"S": "many"}, "version": {"N": "3"}});
    aws.put("journal", ENTRY, item(spoiled));
    aws.take_time(SLOW);
    let mended = json!({"entry": {"S": ENTRY}, "kept": {"N": "7"}, "version": {"N": "4"}});
    let (read, ()) = tokio::join!(journal.read::<u64>(ENTRY), meanwhile(&aws, mended));
    assert_eq!(read.unwrap(), Some(Entry { value: 7, version: 4 }));
}

#[tokio::test]
async fn good_news_that_replaces_an_unreadable_entry_is_not_overwritten() {
    let aws = AwsStub::http().unwrap();
    let table = FindingsTable::new(&local_config(aws.endpoint()).unwrap(), FINDINGS, "journal");
    aws.put("journal", ENTRY, item(json!({"entry": {"S": ENTRY}, "at": {"S": "yesterday"}})));
    aws.take_time(SLOW);
    let how = serde_json::to_value(Resolution::Fixed).unwrap();
    let mended = json!({"entry": {"S": ENTRY}, "at": {"S": "2026-03-01T12:00:00Z"}, "event_id": {"S": "e"},
        "resolution": {"S": how}, "title": {"S": "gone"}});
    let (read, ()) = tokio::join!(table.passed(finding_id()), meanwhile(&aws, mended));
    assert_eq!(read.unwrap().unwrap().title, "gone");
}

/// Nobody writes meanwhile: both are made anew.
#[tokio::test]
async fn an_unreadable_entry_is_made_anew() {
    let aws = AwsStub::http().unwrap();
    let config = local_config(aws.endpoint()).unwrap();
    let journal = JournalTable::new(&config, "journal");
    let table = FindingsTable::new(&config, FINDINGS, "journal");
    for spoiled in
        [json!({"kept": {"S": "many"}, "version": {"N": "3"}}), json!({"version": {"S": "x"}}), json!({})]
    {
        aws.put("journal", ENTRY, item(spoiled.clone()));
        assert_eq!(journal.read::<u64>(ENTRY).await.unwrap(), None, "{spoiled}");
        assert!(journal.write(ENTRY, &1_u64, None, Timestamp::default()).await.unwrap());
        assert_eq!(journal.read::<u64>(ENTRY).await.unwrap(), Some(Entry { value: 1, version: 1 }));
        aws.put("journal", ENTRY, item(spoiled));
        assert_eq!(table.passed(finding_id()).await.unwrap().unwrap().at, Timestamp::default());
    }
}

/// A write that meets a transaction on the same item is one that somebody else was faster with.
#[tokio::test]
async fn a_write_that_meets_a_transaction_is_tried_again() {
    let aws = AwsStub::http().unwrap();
    let config = local_config(aws.endpoint()).unwrap();
    let table = FindingsTable::new(&config, FINDINGS, "journal");
    let journal = JournalTable::new(&config, "journal");
    let passed = Passed {
        at: Timestamp::default(),
        event_id: "e".to_owned(),
        resolution: Resolution::Fixed,
        title: "gone".to_owned(),
        borne_out: true,
    };
    let note = Write::Note { finding_id: finding_id(), passed: &passed, was: None };
    aws.take_time(SLOW);
    let late = async {
        tokio::time::sleep(SLOW / 4).await;
        journal.write(ENTRY, &1_u64, None, Timestamp::default()).await
    };
    let (noted, written) = tokio::join!(FindingStore::write(&table, note, Timestamp::default()), late);
    assert_eq!((noted.unwrap(), written.unwrap()), (true, false));
    assert_eq!(aws.units().conflicts, 1);
}
