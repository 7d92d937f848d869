//! The daily call: the compiled `scan` makes it, the compiled `detect` hears it, and nobody else's call stands in for it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::{CLOCK, SCAN, answer, failures, start};
use keepwatch_aws::runtime::now;
use keepwatch_tests::aws_stub::{AwsStub, Item, OWN_ARNS, TABLES};
use keepwatch_tests::events::{forged_batch, sqs_batch, user_call};
use keepwatch_tests::function::Function;
use keepwatch_tests::runtime_api::ACCOUNT;
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::111122223333:role/keepwatch-ScanRole-A1B2C3";

struct World {
    aws: AwsStub,
    scan: Function,
    detect: Function,
}

impl World {
    fn new() -> World {
        let aws = AwsStub::http().unwrap();
        let own = format!("{OWN_ARNS},{ROLE}");
        let named = |name| [("AWS_LAMBDA_FUNCTION_NAME", name)];
        let scan = start("scan", &aws, &[&SCAN[..], &named("keepwatch-scan")].concat());
        let owned = [("STACK_NAME", "keepwatch"), ("OWN_ARNS", own.as_str())];
        let detect = start("detect", &aws, &[&TABLES[..3], &owned, &named("keepwatch-detect")].concat());
        World { aws, scan, detect }
    }

    /// The daily run; the latest trail that it called, and how many calls there were.
    fn run(&self) -> (String, usize) {
        assert_eq!(answer(&self.scan, CLOCK).err(), None);
        let started = self.aws.started();
        (started.last().cloned().unwrap_or_default(), started.len())
    }

    /// Hands `detect` a batch; how many messages it gives back.
    fn batch(&self, batch: &str) -> usize {
        failures(&self.detect, batch).len()
    }

    fn hears(&self, message: &str) {
        assert_eq!(self.batch(&sqs_batch(&[("m", message)])), 0);
    }

    /// What the journal keeps of the calls.
    fn kept(&self) -> Item {
        self.aws.table("journal")["canary"]["kept"]["M"].as_object().unwrap().clone()
    }

    fn misses(&self) -> String {
        self.kept()["misses"]["N"].as_str().unwrap().to_owned()
    }

    /// A day goes by: the call that waits was made so long ago.
    fn next_day(&self) {
        let mut row = self.aws.table("journal")["canary"].clone();
        row["kept"]["M"]["waits"]["M"]["at"]["S"] =
            json!(now().minus(Duration::from_secs(23 * 3_600)).to_string());
        self.aws.put("journal", "canary", row);
    }

    /// The finding's status, severity and whether an alert is due; nothing where there is none.
    fn finding(&self) -> Option<[String; 3]> {
        let text = |item: &Item, name: &str| item[name]["S"].as_str().unwrap().to_owned();
        let items = self.aws.items();
        let found = items.values().find(|item| item["rule"]["S"] == "canary.missed")?;
        Some(["status", "severity", "alert_state"].map(|name| text(found, name)))
    }
}

/// What EventBridge brings of the call.
fn heard(trail: &str, event_id: &str) -> Value {
    let mut message: Value =
        serde_json::from_str(&user_call("cloudtrail", "StartLogging", event_id, json!({"name": trail})))
            .unwrap();
    message["detail"]["errorCode"] = json!("TrailNotFoundException");
    message["detail"]["eventTime"] = json!(now().to_string());
    message["detail"]["userIdentity"] = json!({
        "type": "AssumedRole", "principalId": "AROAEXAMPLE:keepwatch-scan", "accountId": ACCOUNT,
        "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/keepwatch-ScanRole-A1B2C3/keepwatch-scan"),
        "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": ROLE, "accountId": ACCOUNT}},
    });
    message
}

#[test]
fn a_call_a_day_comes_back_and_raises_nothing() {
    let world = World::new();
    let (trail, calls) = world.run();
    assert_eq!(calls, 1);
    let number = trail.strip_prefix("keepwatch-canary-").unwrap();
    assert_eq!(number.len(), 32);
    let findings = |world: &World| world.aws.items().into_keys().collect::<Vec<_>>();
    let before = findings(&world);
    // Lambda tries a run again.
    assert_eq!(world.run().1, 1);
    world.hears(&heard(&trail, "returned").to_string());
    assert_eq!(findings(&world), before);
    assert!(world.aws.table("journal").contains_key(&format!("canary#{number}")));
    world.next_day();
    let (next, calls) = world.run();
    assert!(calls == 2 && next != trail, "{next}");
    assert_eq!((world.misses().as_str(), world.finding()), ("0", None));
    assert!(world.kept()["last"]["M"]["at"]["S"].is_string());
}

#[test]
fn two_misses_in_a_row_are_a_finding_until_a_call_comes_back() {
    let world = World::new();
    world.run();
    world.next_day();
    world.run();
    assert_eq!((world.misses().as_str(), world.finding()), ("1", None));
    world.next_day();
    let (trail, _) = world.run();
    let open = ["NEW", "HIGH", "PENDING"].map(str::to_owned);
    assert_eq!((world.misses().as_str(), world.finding()), ("2", Some(open.clone())));
    // Another day is no other finding, and no further alert.
    world.hears(&heard(&trail, "returned").to_string());
    world.next_day();
    world.run();
    assert_eq!(world.finding().unwrap()[0], "RESOLVED");
    assert_eq!(world.misses(), "0");
    assert_eq!(world.aws.items().values().filter(|item| item["rule"]["S"] == "canary.missed").count(), 1);
}

#[test]
fn nobody_elses_call_and_no_replay_stands_in_for_it() {
    let world = World::new();
    let (old, _) = world.run();
    world.hears(&heard(&old, "first").to_string());
    for day in 0..2 {
        world.next_day();
        let (trail, _) = world.run();
        // The same event again, an event of its own about the call of another day, a name that nobody has called.
        world.hears(&heard(&old, "first").to_string());
        world.hears(&heard(&old, &format!("old-{day}")).to_string());
        world.hears(
            &heard("keepwatch-canary-00000000000000000000000000000000", &format!("zero-{day}")).to_string(),
        );
        // The name that waits, as everybody who may read the event history knows it: by another caller, another account, with
        // another answer.
        for (number, (field, value)) in [
            ("/detail/userIdentity/sessionContext/sessionIssuer/arn", "arn:aws:iam::111122223333:role/admin"),
            ("/detail/recipientAccountId", "999988887777"),
            ("/detail/errorCode", "AccessDenied"),
        ]
        .into_iter()
        .enumerate()
        {
            let mut other = heard(&trail, &format!("other-{day}-{number}"));
            *other.pointer_mut(field).unwrap() = json!(value);
            world.hears(&other.to_string());
        }
        // Whoever may invoke detect hands it what no queue has held.
        let forged = heard(&trail, &format!("forged-{day}")).to_string();
        assert!(answer(&world.detect, &forged_batch("m", &forged)).is_err());
    }
    world.next_day();
    world.run();
    assert_eq!(world.misses(), "2");
    assert_eq!(world.finding().unwrap()[0], "NEW");
}

#[test]
fn a_call_that_aws_refuses_is_a_miss_with_its_answer() {
    let world = World::new();
    world.aws.refuse_start(true);
    for _ in 0..3 {
        world.run();
        world.next_day();
    }
    let items = world.aws.items();
    let found = items.values().find(|item| item["rule"]["S"] == "canary.missed").unwrap();
    let text = serde_json::to_string(found).unwrap();
    assert!(
        text.contains("AWS does not take the call") && text.contains("cloudtrail:StartLogging"),
        "{text}"
    );
    assert!(world.aws.started().is_empty());
}

#[test]
fn a_return_that_cannot_be_noted_is_given_back_to_the_queue() {
    let world = World::new();
    let (trail, _) = world.run();
    let message = heard(&trail, "returned").to_string();
    world.aws.fail("PutItem");
    assert_eq!(world.batch(&sqs_batch(&[("m", &message)])), 1);
    world.aws.heal("PutItem");
    world.hears(&message);
    world.next_day();
    world.run();
    assert_eq!(world.misses(), "0");
    assert!(world.kept()["last"]["M"].is_object());
}
