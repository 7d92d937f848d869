//! The compiled `scan` looks at an account that runs in the test, beside the compiled `detect` and `notify`: one finding for event
//! and state, what a refusal and a wrong answer do, and how many mails there are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{CLOCK, SCAN, ago, answer, detect, failures, start, subjects};
use keepwatch_tests::aws_stub::large::{Large, Size};
use keepwatch_tests::aws_stub::{AwsStub, Bucket, GroupRule, Item, NOTIFY, TABLES};
use keepwatch_tests::events::{forged_batch, sqs_batch, user_call};
use keepwatch_tests::function::Function;
use keepwatch_tests::runtime_api::Outcome;
use serde_json::{Value, json};

/// What calls `scan` for somebody who wants a scan now.
const NOW: &str = r#"{"keepwatch": "scan"}"#;

/// An AWS with a bucket that is closed and a security group that lets one port in, and the functions.
struct World {
    aws: AwsStub,
    scan: Function,
    detect: Function,
    notify: Function,
}

impl World {
    fn new() -> World {
        let aws = AwsStub::http().unwrap();
        aws.account(|account| {
            account.buckets.insert("files".to_owned(), Bucket::default());
            account.buckets.insert("other".to_owned(), Bucket::default());
            let ssh = GroupRule { id: "sgr-1".to_owned(), port: 22, range: "0.0.0.0/0".to_owned() };
            account.groups.insert("sg-1".to_owned(), vec![ssh]);
            account.groups.insert("sg-2".to_owned(), Vec::new());
        });
        let scan = start("scan", &aws, &SCAN);
        let detect = detect(&aws);
        let alone = [("MAIL_WINDOW_MINUTES", "0")];
        let notify = start("notify", &aws, &[&TABLES[..3], &NOTIFY[..], &alone].concat());
        World { aws, scan, detect, notify }
    }

    /// A scan on demand; its counts.
    fn scan(&self) -> Value {
        let text = answer(&self.scan, NOW).unwrap_or_else(|reason| panic!("the scan failed: {reason}"));
        let counts: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(counts["finished"], true, "{counts}");
        counts
    }

    /// `scan` takes a message from the delay queue.
    fn recheck(&self, message: &str) {
        taken(&self.scan, message);
    }

    /// The finding of this rule about this resource.
    fn finding(&self, rule: &str, resource: &str) -> Option<Item> {
        let of = |item: &Item| item["rule"]["S"] == rule && item["resource"]["S"] == resource;
        self.aws.items().into_values().find(of)
    }

    fn status(&self, rule: &str, resource: &str) -> String {
        let item =
            self.finding(rule, resource).unwrap_or_else(|| panic!("{rule} has no finding on {resource}"));
        item["status"]["S"].as_str().unwrap().to_owned()
    }

    fn open(&self) -> Vec<String> {
        let open = |item: &Item| item["status"]["S"] == "NEW";
        self.aws.items().into_iter().filter(|(_, item)| open(item)).map(|(id, _)| id).collect()
    }

    /// A sweep; the subjects of all mails so far, but for the reports of the calendar.
    fn mails(&self) -> Vec<String> {
        let _ = answer(&self.notify, CLOCK);
        let subjects = subjects(&self.aws).into_iter();
        subjects.filter(|subject| !subject.contains("Keepwatch ")).collect()
    }
}

fn taken(function: &Function, message: &str) {
    common::taken(function, &[message.to_owned()]);
}

/// The message of a call so many minutes ago.
fn call(minutes: i64, source: &str, name: &str, event_id: &str, request: Value) -> String {
    ago(minutes, &user_call(source, name, event_id, request))
}

const ACL: &str = "exposure-bucket-acl-public";
const FILES: &str = "arn:aws:s3:::files";
const GROUP: &str = "network-security-group-open";
const SG: &str = "arn:aws:ec2:us-east-1:111122223333:security-group/sg-1";

fn opened() -> String {
    call(40, "s3", "PutBucketAcl", "opened", json!({"bucketName": "files", "x-amz-acl": "public-read"}))
}

#[test]
fn whoever_confirms_first_is_welcomed_once_with_what_scan_has_looked_up() {
    let world = World::new();
    let sweep = || {
        let _ = answer(&world.notify, CLOCK);
        let mails = world.aws.published().into_iter();
        mails
            .filter(|mail| mail["Subject"].contains("Keepwatch watches this account"))
            .map(|mail| mail["Message"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(sweep(), [""; 0], "scan is asked first");
    let asked = world.aws.take_messages();
    assert_eq!(asked, [r#"{"keepwatch": "first look"}"#]);
    taken(&world.scan, &asked[0]);
    let welcomes = sweep();
    let [welcome] = &welcomes[..] else { panic!("{welcomes:?}") };
    for part in
        ["Regions heard", "us-east-1", "keepwatch doctor", "keepwatch test-alert", "ann@example[.]com"]
    {
        assert!(welcome.contains(part), "no {part:?} in\n{welcome}");
    }
    // Neither again nor asked for again, though the letter's own mark is forgotten after some months.
    world.aws.put("journal", "letter#welcome", Item::new());
    assert_eq!(sweep().len(), 1);
    assert!(world.aws.take_messages().is_empty());
}

#[test]
fn a_bucket_opened_by_an_event_is_one_finding_that_the_scan_confirms_and_a_recheck_closes() {
    let world = World::new();
    world.scan();
    taken(&world.detect, &opened());
    world.aws.account(|account| account.buckets.get_mut("files").unwrap().public = true);
    assert_eq!(world.scan()["told"]["confirmed"], 1);
    let item = world.finding(ACL, FILES).unwrap();
    assert_eq!((item["who"]["S"].as_str(), item["occurrences"]["N"].as_str()), (Some("alice"), Some("2")));
    assert!(item["witnesses"]["M"].as_object().unwrap().contains_key("s3.public-acl"), "{item:?}");
    // Somebody closes it by a call that no rule takes for its end.
    world.aws.account(|account| account.buckets.get_mut("files").unwrap().public = false);
    let closed = call(2, "s3", "PutBucketOwnershipControls", "closed", json!({"bucketName": "files"}));
    world.recheck(&closed);
    assert_eq!(world.status(ACL, FILES), "RESOLVED");
    let reason = world.finding(ACL, FILES).unwrap()["status_reason"]["S"].to_string();
    assert!(reason.contains("PutBucketOwnershipControls") && reason.contains("alice"), "{reason}");
}

#[test]
fn a_recheck_opens_what_a_change_left_open_and_names_who_did_it() {
    let world = World::new();
    world.scan();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::files/*"}]});
    world.aws.account(|account| account.buckets.get_mut("files").unwrap().policy = Some(policy.to_string()));
    // What is dated ahead is nobody's call: it may not name bob, nor be looked at before the real one.
    let bucket = || json!({"bucketName": "files"});
    let ahead = call(-60 * 24, "s3", "PutBucketPolicy", "forged", bucket()).replace("alice", "bob");
    world.recheck(&ahead);
    assert!(world.finding("exposure-bucket-policy-open", FILES).is_none());
    // Nor is what no queue has handed out, which whoever may invoke the function can make up.
    let forged = call(2, "s3", "PutBucketPolicy", "forged", bucket()).replace("alice", "bob");
    for (event, why) in [(forged.as_str(), "a call"), (r#"{"keepwatch": "go on"}"#, "a cut run")] {
        assert_eq!(failures(&world.scan, &forged_batch("m", event)), ["m"], "{why}");
    }
    assert!(world.finding("exposure-bucket-policy-open", FILES).is_none());
    world.recheck(&call(2, "s3", "PutBucketPolicy", "written", bucket()));
    let item = world.finding("exposure-bucket-policy-open", FILES).unwrap();
    assert_eq!((item["status"]["S"].as_str(), item["who"]["S"].as_str()), (Some("NEW"), Some("alice")));
    // What changed no answer, and what no function understands, is nothing and an error.
    world.recheck(&call(2, "s3", "PutBucketTagging", "tagged", json!({"bucketName": "files"})));
    assert_eq!(failures(&world.scan, &sqs_batch(&[("m", "{")])), ["m"]);
}

#[test]
fn a_group_rule_that_is_removed_outside_is_resolved_by_the_next_scan() {
    let world = World::new();
    world.scan();
    assert_eq!(world.status(GROUP, SG), "NEW");
    world.aws.account(|account| account.groups.get_mut("sg-1").unwrap().clear());
    assert_eq!(world.scan()["told"]["gone"], 1);
    let item = world.finding(GROUP, SG).unwrap();
    assert_eq!(item["status"]["S"], "RESOLVED");
    assert!(item["status_reason"]["S"].as_str().unwrap().starts_with("deleted: sgr-1"), "{item:?}");
    // And when it is back it is heard.
    let again = GroupRule { id: "sgr-1".to_owned(), port: 22, range: "0.0.0.0/0".to_owned() };
    world.aws.account(|account| account.groups.get_mut("sg-1").unwrap().push(again));
    // Not at once: AWS's answers need not have caught up with the good news.
    world.scan();
    assert_eq!(world.status(GROUP, SG), "RESOLVED");
}

#[test]
fn a_refused_permission_is_coverage_and_no_good_news() {
    let world = World::new();
    let before = world.scan();
    let open = world.open();
    for operation in ["DescribeSecurityGroupRules", "GetBucketAcl"] {
        world.aws.account(|account| account.refused.extend([operation.to_owned()]));
    }
    world.aws.account(|account| account.groups.get_mut("sg-1").unwrap().clear());
    let counts = world.scan();
    assert_eq!(world.open(), open, "nothing is closed and nothing opened a finding of its own");
    assert!(counts["unknown"].as_u64() > before["unknown"].as_u64(), "{counts}");
    let item = world.finding("scan.coverage", "arn:aws:iam::111122223333:root").unwrap();
    let coverage = json!(item["strongest"]["L"]).to_string();
    for action in ["ec2:DescribeSecurityGroupRules", "s3:GetBucketAcl"] {
        assert!(counts["refused"].as_array().unwrap().contains(&json!(action)), "{counts}");
        assert!(coverage.contains(&format!("\\\"{action}\\\"")), "the policy that grants it: {coverage}");
    }
}

#[test]
fn the_first_scan_is_one_mail_and_a_second_one_is_none() {
    let world = World::new();
    let counts = world.scan();
    assert_eq!(counts["first"], true);
    assert!(counts["told"]["opened"].as_u64() >= Some(2), "{counts}");
    let mails = world.mails();
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert!(mails[0].contains("first scan"), "{mails:?}");
    let (items, writes) = (world.aws.items(), world.aws.calls("TransactWriteItems"));
    let again = world.scan();
    assert_eq!((again["told"].to_string().as_str(), &again["first"]), ("{}", &json!(false)));
    assert_eq!((world.aws.items(), world.aws.calls("TransactWriteItems")), (items, writes));
    assert_eq!(world.mails(), mails);
    // Something new is a mail of its own.
    world.aws.account(|account| account.buckets.get_mut("other").unwrap().public = true);
    assert_eq!(world.scan()["told"]["opened"], 1);
    let new = |item: &&Item| item["alert_state"]["S"] == "PENDING" && item["alert_reason"]["S"] == "new";
    let items = world.aws.items();
    let new: Vec<&str> =
        items.values().filter(new).filter_map(|item| item["resource"]["S"].as_str()).collect();
    assert_eq!(new, ["arn:aws:s3:::other"]);
}

/// A scan on demand, each of whose invocations has its time over as soon as it begins: how many there were. `each` sees the open
/// findings after each of them.
fn cut_scan(world: &World, mut each: impl FnMut(&World)) -> usize {
    // What notify asks of scan is another matter.
    world.aws.take_messages();
    let reply = world.scan.invoke_hurried(NOW, Duration::ZERO).expect("the function did not answer");
    let Outcome::Response(text) = reply.outcome else { panic!("the scan failed: {:?}", reply.outcome) };
    let counts: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&counts["finished"], &counts["checks"]), (&json!(false), &json!(0)), "{counts}");
    let mut invocations = 1;
    while let [message] = &world.aws.take_messages()[..] {
        each(world);
        assert!(invocations < 1_000, "the run does not come to its end");
        let batch = sqs_batch(&[("m", message)]);
        let reply = world.scan.invoke_hurried(&batch, Duration::ZERO).expect("the function did not answer");
        assert_eq!(reply.outcome, Outcome::Response(r#"{"batchItemFailures":[]}"#.to_owned()));
        invocations += 1;
    }
    invocations
}

#[test]
fn a_run_without_time_goes_on_where_it_stopped_and_comes_to_the_same() {
    let whole = World::new();
    whole.aws.account(|account| account.buckets.get_mut("files").unwrap().public = true);
    whole.scan();
    let cut = World::new();
    cut.aws.account(|account| account.buckets.get_mut("files").unwrap().public = true);
    let mut known = 0;
    let invocations = cut_scan(&cut, |world| {
        let open = world.open().len();
        assert!(open >= known, "what an invocation did not look at is not closed");
        known = open;
    });
    // One before the first theme, and one for each.
    assert!(invocations > 10, "{invocations}");
    assert_eq!(cut.open(), whole.open());
    assert_eq!((cut.mails().len(), whole.mails().len()), (1, 1), "it is one first scan");
    // A message that comes again finds no run to go on with.
    let (items, counted) = (cut.aws.items(), cut.aws.table("journal")["scans"].clone());
    cut.recheck(r#"{"keepwatch": "go on"}"#);
    assert_eq!((cut.aws.items(), &cut.aws.table("journal")["scans"]), (items, &counted));

    // The next run, cut as well, closes what is right now and nothing else, whatever it has not looked at yet.
    let open = cut.open();
    cut.aws.account(|account| account.groups.get_mut("sg-1").unwrap().clear());
    let closed = |world: &World| -> Vec<String> {
        let still = world.open();
        open.iter().filter(|id| !still.contains(id)).cloned().collect()
    };
    cut_scan(&cut, |world| assert!(closed(world).len() <= 1, "{:?}", closed(world)));
    assert_eq!((cut.status(GROUP, SG).as_str(), closed(&cut).len()), ("RESOLVED", 1));
}

/// `make bench-scan-function` measures accounts that are larger. What is bounded here takes 45 MiB; whoever kept all answers, or
/// worked on all of them at once, would take several times as much.
#[test]
#[cfg(target_os = "linux")]
fn a_scan_keeps_of_its_answers_what_the_checks_read() {
    let world = World::new();
    let size = Size { users: 200, buckets: 100, in_region: 40 };
    let account = Arc::new(Large::new(size, Duration::ZERO, None));
    world.aws.look_at(Arc::clone(&account));
    let counts = world.scan();
    assert_eq!((&counts["regions"], &counts["unknown"]), (&json!(17), &json!(0)), "{counts}");
    assert!(counts["failing"]["HIGH"].as_u64() > Some(20), "{counts}");
    let peak = world.scan.memory("VmHWM").unwrap();
    assert!(peak < 100.0, "{peak:.0} MiB");
    // All of it was asked: each region, and more of the busy ones.
    let asked = account.take_asked();
    assert!(asked.regions.len() == 17 && asked.regions["us-east-1"] > 100, "{:?}", asked.regions);
    assert_eq!(world.scan()["told"], json!({}), "the second scan sees the same");
}

#[test]
fn a_region_and_lists_that_are_empty_all_at_once_close_nothing() {
    let world = World::new();
    world.aws.account(|account| account.buckets.get_mut("files").unwrap().public = true);
    world.scan();
    let open = world.open();
    assert!(open.len() > 2, "{open:?}");
    world.aws.account(|account| account.empty = true);
    for _ in 0..2 {
        let counts = world.scan();
        assert_eq!(
            (counts["told"]["gone"].as_u64(), counts["told"]["fixed"].as_u64()),
            (None, None),
            "{counts}"
        );
        assert_eq!(world.open(), open);
    }
    // It was a wrong answer: nothing is new.
    world.aws.account(|account| account.empty = false);
    assert_eq!(world.scan()["told"]["opened"].as_u64(), None);
}

#[test]
fn what_only_a_scan_sees_names_who_did_it_if_the_event_history_knows() {
    let world = World::new();
    world.scan();
    let message = opened();
    world.aws.remember(&serde_json::from_str::<Value>(&message).unwrap()["detail"]);
    world.aws.account(|account| account.buckets.get_mut("files").unwrap().public = true);
    world.scan();
    let item = world.finding(ACL, FILES).unwrap();
    assert_eq!(item["who"]["S"], "alice");
}
