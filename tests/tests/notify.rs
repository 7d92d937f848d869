//! The compiled `notify`, driven by a Runtime API and an AWS that run in the test: from findings that are due to mails, by the
//! stream and by the sweep of each minute.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{
    DAY, attribute, detect, failures, names_what_is_missing, notify, now, pending, subjects, sweep,
};
use keepwatch_base::time::Timestamp;
use keepwatch_tests::aws_stub::{ALERTS, AwsStub, Form, NOTIFY, OPERATIONS, TABLES};
use keepwatch_tests::events::{root_sign_in, sqs_batch, sqs_redelivery, stream_batch, user_call};
use keepwatch_tests::runtime_api::ACCOUNT;
use serde_json::{Value, json};

#[test]
fn a_missing_setting_is_named() {
    for missing in [
        "FINDINGS_TABLE",
        "ALERT_TOPIC_ARN",
        "OPS_TOPIC_ARN",
        "RECHECK_QUEUE_URL",
        "DEAD_LETTER_QUEUE_URL",
        "INVOCATION_DEAD_LETTER_QUEUE_URL",
        "MAIL_DEAD_LETTER_QUEUE_URL",
        "REPORT_HOUR",
        "MAIL_WINDOW_MINUTES",
    ] {
        names_what_is_missing("notify", &[&TABLES[..], &NOTIFY[..]].concat(), missing);
    }
}

fn set(aws: &AwsStub, id: &str, attributes: Value) {
    aws.change(id, attributes.as_object().unwrap().clone());
}

/// The subjects of the mails about findings; reports and announcements left out.
fn alerts(aws: &AwsStub) -> Vec<String> {
    subjects(aws)
        .into_iter()
        .filter(|subject| subject.starts_with("[CRITICAL] ") && subject.ends_with(" (111122223333)"))
        .collect()
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
        let time = Timestamp::from_millis(now() + days * 86_400_000);
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
    row["expires_at"] = json!({"S": Timestamp::from_millis(now() - 1).to_string()});
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
