//! The fold: any order, any duplicates, the same finding.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use keepwatch_core::finding::*;
use keepwatch_core::observation::{Observation, Subject, Verdict};
use keepwatch_core::severity::Severity;
use keepwatch_core::state::{Fact, Query, Value};
use keepwatch_rules::testing::*;
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::json;

fn sign_in(id: usize, minute: usize, mfa: &str) -> Observation {
    fired(
        rule("root-console-sign-in"),
        &root_sign_in(
            "ConsoleLogin",
            json!({
                "eventID": format!("e-{id}"), "eventTime": format!("2026-03-01T12:{minute:02}:00Z"),
                "responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {"MFAUsed": mfa},
            }),
        ),
    )
}

/// As it is once the account has said so too.
fn borne_out(observation: Observation) -> Observation {
    Observation { confirm: None, ..observation }
}

fn fold(observations: &[Observation]) -> Finding {
    let mut finding = Finding::open(&observations[0], None, None).unwrap();
    for observation in &observations[1..] {
        finding.apply(observation);
    }
    finding
}

#[test]
fn a_duplicate_changes_nothing() {
    let seen = sign_in(1, 0, "No");
    let mut finding = fold(std::slice::from_ref(&seen));
    let before = finding.clone();
    assert!(!finding.apply(&seen));
    assert_eq!(finding, before);
    assert_eq!(finding.occurrences, 1);
}

#[test]
fn a_repetition_counts_and_mails_again_only_after_the_pause() {
    let mut finding = fold(&[sign_in(1, 0, "No")]);
    finding.alert.state = AlertState::Sent;
    assert!(finding.apply(&sign_in(2, 30, "No")));
    assert_eq!((finding.occurrences, finding.alert.state), (2, AlertState::Sent));
    let later = fired(
        rule("root-console-sign-in"),
        &root_sign_in(
            "ConsoleLogin",
            json!({
                "eventID": "e-3", "eventTime": "2026-03-01T13:00:00Z",
                "responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {"MFAUsed": "No"},
            }),
        ),
    );
    finding.apply(&later);
    assert_eq!(finding.alert.state, AlertState::Pending);
    assert_eq!(finding.alert.reason, Some(AlertReason::Again));
}

#[test]
fn an_alert_for_a_repetition_tells_the_repetition() {
    let at = |id: &str, day: usize, mfa: &str, address: &str| {
        fired(
            rule("root-console-sign-in"),
            &root_sign_in(
                "ConsoleLogin",
                json!({
                    "eventID": id, "eventTime": format!("2026-03-{day:02}T12:00:00Z"), "sourceIPAddress": address,
                    "responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {"MFAUsed": mfa},
                }),
            ),
        )
    };
    let mut finding = fold(&[at("a", 1, "No", "192.0.2.1")]);
    finding.alert.state = AlertState::Sent;
    finding.apply(&at("b", 11, "Yes", "192.0.2.1"));
    assert_eq!((finding.alert.state, finding.alert.reason), (AlertState::Pending, Some(AlertReason::Again)));
    assert_eq!(finding.headline().event.id, "b");
    finding.alert.state = AlertState::Sent;
    finding.apply(&at("c", 12, "Yes", "198.51.100.66"));
    assert_eq!(finding.alert.reason, Some(AlertReason::SomebodyElse));
    assert!(finding.headline().title.contains("198.51.100.66"), "{}", finding.headline().title);
    assert!(finding.title.contains("192.0.2.1"), "the table keeps the worst: {}", finding.title);
}

#[test]
fn what_came_back_is_judged_anew() {
    let listed = |status: &str, kind: &str, uuid: &str, hour: usize| {
        let detail = json!({"check-name": "Exposed Access Keys", "status": status, "uuid": uuid,
            "check-item-detail": {"Access Key ID": "AKIAIOSFODNN7EXAMPLE", "Fraud Type": kind}});
        let text = envelope("aws.trustedadvisor", "Trusted Advisor Check Item Refresh Notification", detail);
        borne_out(
            observe(
                rule("exposed-access-key-trusted-advisor"),
                &text.replace("2026-03-01T12", &format!("2026-03-01T{hour:02}")),
            )
            .remove(0),
        )
    };
    let mut finding = fold(&[listed("ERROR", "Exposed", "a", 12), listed("OK", "Exposed", "b", 13)]);
    assert_eq!((finding.status, finding.severity), (Status::Resolved, Severity::Critical));
    finding.apply(&listed("WARN", "Suspected", "c", 14));
    assert_eq!((finding.status, finding.severity), (Status::New, Severity::High));
}

#[test]
fn a_rise_in_severity_mails_again_and_a_fall_does_not() {
    let mut finding = fold(&[sign_in(1, 0, "Yes")]);
    assert_eq!(finding.severity, Severity::High);
    finding.alert.state = AlertState::Sent;
    finding.apply(&sign_in(2, 1, "No"));
    assert_eq!((finding.severity, finding.alert.reason), (Severity::Critical, Some(AlertReason::Worse)));
    finding.alert.state = AlertState::Sent;
    finding.apply(&sign_in(3, 2, "Yes"));
    assert_eq!((finding.severity, finding.alert.state), (Severity::Critical, AlertState::Sent));
}

#[test]
fn three_failures_within_ten_minutes_are_worse_than_one() {
    let failed = |id: usize, minute: usize| {
        fired(
            rule("root-console-sign-in-failed"),
            &root_sign_in(
                "ConsoleLogin",
                json!({
                    "eventID": format!("f-{id}"), "eventTime": format!("2026-03-01T12:{minute:02}:00Z"),
                    "errorMessage": "Failed authentication", "responseElements": {"ConsoleLogin": "Failure"},
                }),
            ),
        )
    };
    assert_eq!(fold(&[failed(1, 0), failed(2, 5)]).severity, Severity::Medium);
    assert_eq!(fold(&[failed(1, 0), failed(2, 5), failed(2, 5), failed(2, 5)]).severity, Severity::Medium);
    assert_eq!(fold(&[failed(1, 0), failed(2, 5), failed(3, 30)]).severity, Severity::Medium);
    assert_eq!(fold(&[failed(3, 10), failed(1, 0), failed(2, 5)]).severity, Severity::High);
}

#[test]
fn good_news_resolves_and_bad_news_reopens() {
    let listed = |status: &str, uuid: &str, hour: usize| {
        let detail = json!({"check-name": "Exposed Access Keys", "status": status, "uuid": uuid,
            "check-item-detail": {"Access Key ID": "AKIAIOSFODNN7EXAMPLE"}});
        let text = envelope("aws.trustedadvisor", "Trusted Advisor Check Item Refresh Notification", detail);
        let text = text.replace("2026-03-01T12", &format!("2026-03-01T{hour:02}"));
        borne_out(observe(rule("exposed-access-key-trusted-advisor"), &text).remove(0))
    };
    let mut finding = fold(&[listed("ERROR", "a", 12)]);
    finding.alert.state = AlertState::Sent;
    finding.apply(&listed("OK", "b", 14));
    assert_eq!(finding.status, Status::Resolved);
    // A late event from before the good news changes nothing of that, and mails nobody.
    finding.apply(&listed("ERROR", "c", 13));
    assert_eq!((finding.status, finding.alert.state), (Status::Resolved, AlertState::Sent));
    finding.apply(&listed("ERROR", "d", 15));
    assert_eq!((finding.status, finding.alert.reason), (Status::New, Some(AlertReason::Reopened)));
    assert!(Finding::open(&listed("OK", "b", 14), None, None).is_none());
}

#[test]
fn the_identity_does_not_run_together() {
    let subject = |account: &str, region: &str| Subject {
        account: account.to_owned(),
        region: region.to_owned(),
        resource: String::new(),
        aspect: None,
    };
    assert_ne!(finding_id("r", &subject("ab", "c")), finding_id("r", &subject("a", "bc")));
}

/// A sign-in with its time in minutes of the day, its severity, and its event id.
fn at(id: usize, minute: usize, mfa: &str) -> Observation {
    fired(
        rule("root-console-sign-in"),
        &root_sign_in(
            "ConsoleLogin",
            json!({
                "eventID": format!("e-{id}"),
                "eventTime": format!("2026-03-01T{:02}:{:02}:00Z", minute / 60 % 24, minute % 60),
                "responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {"MFAUsed": mfa},
            }),
        ),
    )
}

/// The same rule's good news. Root's sign-in has none of its own.
fn gone(id: usize, minute: usize) -> Observation {
    Observation { verdict: Verdict::Passing, ..at(id, minute, "Yes") }
}

/// Records in order, as `record` does it: good news before any bad news is kept aside, receipts tell old duplicates.
fn life(observations: &[Observation]) -> Option<Finding> {
    let mut finding: Option<Finding> = None;
    let mut passed: Option<Passed> = None;
    let mut receipts = std::collections::BTreeSet::new();
    for observation in observations {
        match (&mut finding, observation.verdict) {
            (None, Verdict::Passing) => passed = passed.max(Some(Passed::of(observation))),
            (None, _) => {
                receipts.insert(observation.event.id.clone());
                finding = Finding::open(observation, passed.clone(), None);
            }
            (Some(finding), Verdict::Passing) => {
                finding.apply(observation);
            }
            (Some(finding), _) => {
                if receipts.insert(observation.event.id.clone()) {
                    finding.apply(observation);
                }
            }
        }
    }
    finding
}

/// CloudTrail has whole seconds. Whoever stops the trail in the second in which somebody starts it, or the other way round, leaves
/// it stopped as far as anybody knows.
#[test]
fn within_one_second_the_bad_news_counts() {
    for order in [[gone(1, 0), at(2, 0, "No")], [at(2, 0, "No"), gone(1, 0)], [gone(3, 0), at(2, 0, "No")]] {
        let finding = life(&order).unwrap();
        assert_eq!((finding.status, finding.status_reason.as_deref()), (Status::New, None));
        assert_eq!((finding.severity, finding.alert.reason), (Severity::Critical, Some(AlertReason::New)));
    }
    for order in [[gone(2, 30), at(3, 30, "Yes")], [at(3, 30, "Yes"), gone(2, 30)]] {
        let mut finding = fold(&[at(1, 0, "No")]);
        finding.alert.state = AlertState::Sent;
        for observation in &order {
            finding.apply(observation);
        }
        assert_eq!((finding.status, finding.severity), (Status::New, Severity::High));
        assert_eq!(finding.status_reason.as_deref(), Some("reopened: it was gone at 2026-03-01T00:30:00Z"));
        assert_eq!(finding.latest().event.id, "e-3");
    }
    let mut finding = fold(&[at(1, 0, "No")]);
    finding.alert.state = AlertState::Sent;
    finding.apply(&gone(2, 30));
    assert_eq!(finding.status, Status::Resolved);
    finding.apply(&at(3, 30, "No"));
    assert_eq!(
        (finding.alert.state, finding.alert.reason),
        (AlertState::Pending, Some(AlertReason::Reopened))
    );
    // The next second closes it, and what comes after that is news.
    finding.alert.state = AlertState::Sent;
    finding.apply(&gone(4, 31));
    assert_eq!(finding.status, Status::Resolved);
    finding.apply(&at(5, 30, "No"));
    assert_eq!((finding.status, finding.alert.state), (Status::Resolved, AlertState::Sent));
}

/// What of a finding must not depend on the order of arrival: all but what was mailed.
fn lasting(finding: Option<Finding>) -> Option<Finding> {
    finding.map(|finding| Finding { alert: AlertLife::default(), ..finding })
}

fn observations() -> impl Strategy<Value = Vec<Observation>> {
    let one = (0..1_440_usize, prop_oneof![Just("Yes"), Just("No"), Just("gone")]);
    proptest::collection::vec(one, 1..100).prop_map(|all| {
        let observation = |(id, (minute, kind)): (usize, (usize, &str))| match kind {
            "gone" => gone(id, minute),
            mfa => at(id, minute, mfa),
        };
        all.into_iter().enumerate().map(observation).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Shuffled and with repetitions, good news and bad news give the same finding.
    #[test]
    fn order_and_duplicates_do_not_matter(
        (all, shuffled) in observations().prop_flat_map(|all| {
            let twice: Vec<Observation> = all.iter().chain(&all).cloned().collect();
            (Just(all), Just(twice).prop_shuffle())
        }),
    ) {
        prop_assert_eq!(lasting(life(&shuffled)), lasting(life(&all)));
    }

    /// It is open exactly when the last word was bad, however the words were shuffled.
    #[test]
    fn the_latest_word_by_the_source_s_clock_counts(all in observations()) {
        let bad = all.iter().filter(|o| o.verdict != Verdict::Passing).map(|o| o.event.time).max();
        let good = all.iter().filter(|o| o.verdict == Verdict::Passing).map(|o| o.event.time).max();
        let open = life(&all).map(|finding| finding.status != Status::Resolved);
        prop_assert_eq!(open, bad.map(|bad| Some(bad) >= good));
    }

    /// What nobody has been told of yet is told, whatever came in which order.
    #[test]
    fn a_finding_worth_a_mail_becomes_due(all in observations()) {
        if let Some(finding) = life(&all) {
            prop_assert!(finding.alert.became_due > 0);
            prop_assert_eq!(finding.alert.state, AlertState::Pending);
        }
    }

    /// What is written says the same when it is read, also where two sources of one rule tell of one event.
    #[test]
    fn what_is_written_is_read_again(all in observations(), sources in proptest::collection::vec(0..3_u8, 100)) {
        let told: Vec<Observation> = all.iter().zip(sources).map(|(told, source)| match source {
            0 => told.clone(),
            source => told.clone().witnessed_by(&source.to_string()).detail("Source", source.to_string()),
        }).collect();
        if let Some(finding) = life(&told) {
            let item = serde_json::to_value(&finding).unwrap();
            prop_assert_eq!(serde_json::from_value::<Finding>(item).unwrap(), finding);
        }
    }

    /// Every event counts once.
    #[test]
    fn occurrences_are_exact(all in observations(), again in subsequence((0..100).collect::<Vec<usize>>(), 0..50)) {
        let repeated: Vec<Observation> =
            all.iter().chain(again.iter().filter_map(|i| all.get(*i))).cloned().collect();
        let bad = all.iter().filter(|o| o.verdict != Verdict::Passing).count() as u64;
        prop_assert_eq!(life(&repeated).map_or(0, |finding| finding.occurrences), bad);
    }
}

#[test]
fn an_item_has_nothing_long_twice() {
    let seen = sign_in(1, 0, "No").detail("Granted", "all of it").step(
        "Look",
        "iam get-user",
        &[("--user-name", "bob")],
    );
    let finding = fold(&[seen]);
    let item = serde_json::to_string(&finding).unwrap();
    assert_eq!(finding.strongest[0].details, finding.witnesses["root-console-sign-in"].details);
    assert_eq!(item.matches("all of it").count(), 1);
    assert_eq!(item.matches("get-user").count(), 1);
}

#[test]
fn the_item_says_in_plain_text_why_and_what_to_do_first_and_from_where() {
    let finding = fold(&[sign_in(1, 0, "No")]);
    let witness = finding.strongest();
    let item = serde_json::to_value(&finding).unwrap();
    assert_eq!(item["reason"], json!(witness.reason));
    assert_eq!(
        item["next_step"],
        json!(format!("{}: {}", witness.steps[0].purpose, witness.steps[0].command))
    );
    assert_eq!(item["source_ip"], json!(witness.actor.as_ref().unwrap().source_ip));
}

#[test]
fn a_finding_fits_into_an_item_however_much_it_sees() {
    let long = "\u{1f600}".repeat(1_100);
    let mut finding: Option<Finding> = None;
    for i in 0..80 {
        let mut seen = at(i, i, "Yes").because(&long).witnessed_by(&format!("{i}{long}"));
        seen.subject.resource.clone_from(&long.chars().take(512).collect());
        seen.severity = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low][i * 4 / 80];
        seen.event.id = format!("{i:0200}");
        for _ in 0..40 {
            seen = seen.detail("Granted", &long).step("Look", "iam get-user", &[("--user-name", &long)]);
        }
        match &mut finding {
            None => finding = Finding::open(&seen, None, None),
            Some(finding) => assert!(finding.apply(&seen)),
        }
    }
    let bytes = serde_json::to_string(&finding).unwrap().len();
    assert!(bytes < 390_000, "DynamoDB takes items of 400 KB; this one has {bytes} bytes");
}

/// Root signs in from this address; alone it is told.
fn root_from(id: &str, time: &str, address: &str) -> Observation {
    fired(
        rule("root-console-sign-in"),
        &root_sign_in(
            "ConsoleLogin",
            json!({
                "eventID": id, "eventTime": time, "sourceIPAddress": address,
                "responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {"MFAUsed": "No"},
            }),
        ),
    )
}

/// Somebody makes the same user an administrator by the same policy.
fn granted_by(id: &str, time: &str, who: serde_json::Value) -> Observation {
    let document = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let request = json!({"userName": "bob", "policyName": "extra", "policyDocument": document});
    let changes =
        json!({"eventID": id, "eventTime": time, "requestParameters": request, "userIdentity": who});
    fired(rule("admin-inline-policy"), &call("iam", "PutUserPolicy", changes))
}

fn role(name: &str, session: &str) -> serde_json::Value {
    json!({
        "type": "AssumedRole", "principalId": format!("AROAEXAMPLE:{session}"), "userName": null,
        "arn": format!("arn:aws:sts::111122223333:assumed-role/{name}/{session}"),
    })
}

/// Uses of an exposed key, a second apart, each from the next of these addresses.
fn used_from(addresses: &[String]) -> Vec<Observation> {
    let key = "AKIAIOSFODNN7EXAMPLE";
    let query = Query::ExposedKey { account: "111122223333".to_owned(), access_key_id: key.to_owned() };
    let open = [(query, Fact::Known(Value::Flag(true)))];
    let used = |(second, address): (usize, &String)| {
        let time = format!("2026-03-01T12:{:02}:{:02}Z", second / 60, second % 60);
        let changes = json!({"eventID": format!("e-{second}"), "eventTime": time, "sourceIPAddress": address,
            "userIdentity": {"accessKeyId": key}});
        fired_with(rule("exposed-access-key-in-use"), &call("iam", "CreateUser", changes), &open)
    };
    addresses.iter().enumerate().map(used).collect()
}

/// What does not fit among the witnesses was once new each time it came.
#[test]
fn a_source_that_was_told_is_not_told_again_however_many_there_are() {
    let near = |host: usize| format!("203.0.113.{host}");
    let far = |net: usize| format!("10.{net}.0.1");
    let once = |address: &dyn Fn(usize) -> String| (10..23).map(address).collect::<Vec<String>>();
    for address in [&near as &dyn Fn(usize) -> String, &far] {
        let first = once(address);
        let mails = reasons(&used_from(&first)).into_iter().flatten().count();
        assert!((12..=15).contains(&mails), "{mails}");
        for again in [vec![first[12].clone(); 20], once(address), (30..200).map(address).collect()] {
            let later = reasons(&used_from(&[first.clone(), again].concat()));
            let mails = later[13..].iter().flatten().count();
            assert!(mails <= 3, "{mails} after those of the first: {later:?}");
        }
    }
}

/// The reasons of the alerts that become due, each sent before the next event.
fn reasons(all: &[Observation]) -> Vec<Option<AlertReason>> {
    let mut finding = Finding::open(&all[0], None, None).unwrap();
    let mut reasons = vec![finding.alert.reason];
    for observation in &all[1..] {
        finding.alert.state = AlertState::Sent;
        finding.apply(observation);
        let due = finding.alert.state == AlertState::Pending;
        reasons.push(finding.alert.reason.filter(|_| due));
    }
    reasons
}

#[test]
fn root_from_another_network_is_news_and_from_the_same_is_not() {
    let told = reasons(&[
        root_from("a", "2026-03-01T12:00:00Z", "203.0.113.7"),
        root_from("b", "2026-03-01T12:10:00Z", "203.0.113.7"),
        root_from("c", "2026-03-01T12:20:00Z", "198.51.100.66"),
        root_from("d", "2026-03-01T12:30:00Z", "203.0.113.7"),
    ]);
    assert_eq!(told, [Some(AlertReason::New), None, Some(AlertReason::SomebodyElse), None]);
}

#[test]
fn another_role_is_news_and_another_session_of_it_is_not() {
    let at = |minute: usize| format!("2026-03-01T12:{minute:02}:00Z");
    let told = reasons(&[
        granted_by("a", &at(0), role("deploy", "one")),
        granted_by("b", &at(1), role("deploy", "two")),
        granted_by("c", &at(2), role("intruder", "one")),
        granted_by("d", &at(3), role("AWSReservedSSO_Admin_0123456789abcdef", "alice@example.com")),
        granted_by("e", &at(4), role("AWSReservedSSO_Admin_0123456789abcdef", "mallory@example.com")),
    ]);
    let news = Some(AlertReason::SomebodyElse);
    assert_eq!(told, [Some(AlertReason::New), None, news, news, news]);
}

#[test]
fn no_name_that_a_caller_chooses_is_somebody_else_or_the_same() {
    let at = |minute: usize| format!("2026-03-01T12:{minute:02}:00Z");
    let federated = |name: &str, by: &str| {
        json!({
            "type": "FederatedUser", "principalId": format!("111122223333:{name}"), "userName": null,
            "arn": format!("arn:aws:sts::111122223333:federated-user/{name}"),
            "sessionContext": {"sessionIssuer": {"arn": format!("arn:aws:iam::111122223333:user/{by}"), "userName": by}},
        })
    };
    let told = reasons(&[
        granted_by("a", &at(0), federated("a", "alice")),
        granted_by("b", &at(1), federated("b", "alice")),
        granted_by("c", &at(2), federated("a", "mallory")),
    ]);
    assert_eq!(told, [Some(AlertReason::New), None, Some(AlertReason::SomebodyElse)]);
    // Anna was renamed, and mallory has her name now.
    let anna = |id: &str| {
        json!({"type": "IAMUser", "principalId": id, "userName": "anna",
        "arn": "arn:aws:iam::111122223333:user/anna"})
    };
    let told = reasons(&[
        granted_by("a", &at(0), anna("AIDAEXAMPLEANNA")),
        granted_by("b", &at(1), anna("AIDAEXAMPLEANNA")),
        granted_by("c", &at(2), anna("AIDAEXAMPLEMALLORY")),
    ]);
    assert_eq!(told, [Some(AlertReason::New), None, Some(AlertReason::SomebodyElse)]);
}

#[test]
fn at_most_three_others_a_day_are_mailed() {
    let mut all = vec![granted_by("a", "2026-03-01T12:00:00Z", role("r0", "s"))];
    for i in 1..6 {
        all.push(granted_by(
            &format!("b{i}"),
            &format!("2026-03-01T13:0{i}:00Z"),
            role(&format!("r{i}"), "s"),
        ));
    }
    let mut told = reasons(&all);
    let news = Some(AlertReason::SomebodyElse);
    assert_eq!(told, [Some(AlertReason::New), news, news, news, None, None]);
    // On the next day, whom no mail has told of is news again; a repetition by whom it has is not, within its pause.
    all.push(granted_by("c", "2026-03-02T14:00:00Z", role("r5", "s")));
    told = reasons(&all);
    assert_eq!(told.last(), Some(&news));
}

#[test]
fn somebody_else_is_news_on_a_finding_that_is_taken_on() {
    let first = granted_by("a", "2026-03-01T12:00:00Z", role("deploy", "one"));
    let mut finding = fold(std::slice::from_ref(&first));
    finding.alert.state = AlertState::Sent;
    finding.acknowledge("bob", "it is ours", first.event.time);
    assert_eq!(finding.status, Status::InProgress);
    finding.apply(&granted_by("b", "2026-03-03T12:01:00Z", role("deploy", "two")));
    assert_eq!(finding.alert.state, AlertState::Sent, "the one that was acknowledged stays quiet");
    finding.apply(&granted_by("c", "2026-03-03T12:02:00Z", role("intruder", "one")));
    assert_eq!(finding.alert.reason, Some(AlertReason::SomebodyElse));
}

#[test]
fn a_mail_that_did_not_arrive_is_due_once_more_and_only_if_there_is_something_to_tell() {
    use keepwatch_base::time::Timestamp;
    let now = Timestamp::parse("2026-03-01T12:30:00Z").unwrap();
    let mut finding = fold(&[granted_by("a", "2026-03-01T12:00:00Z", role("deploy", "one"))]);
    assert!(!finding.tell_again(now), "it is due already");
    finding.alert.state = AlertState::Sent;
    (finding.alert.due, finding.alert.due_at) = (None, None);
    let (due, version) = (finding.alert.became_due, finding.version);
    let mut taken_on = finding.clone();
    taken_on.acknowledge("bob", "it is ours", now);
    assert!(!taken_on.tell_again(now), "somebody knows of it");
    let mut over = finding.clone();
    over.resolve(keepwatch_core::observation::Resolution::Fixed, "bob", "done", now);
    assert!(!over.tell_again(now));
    assert!(finding.tell_again(now));
    assert_eq!((finding.alert.state, finding.alert.became_due), (AlertState::Pending, due + 1));
    assert_eq!((finding.version, finding.alert.reason), (version + 1, Some(AlertReason::New)));
    assert!(finding.alert.due_at.is_some(), "a sweep finds it should the stream not bring it");
}

#[test]
fn the_alert_about_somebody_else_tells_him_even_if_his_event_comes_late() {
    let alice = granted_by("a", "2026-03-01T12:00:00Z", role("deploy", "one"));
    let bob = granted_by("b", "2026-03-01T12:02:00Z", role("deploy", "two"));
    let mallory = granted_by("c", "2026-03-01T12:01:00Z", role("intruder", "one"));
    let mut finding = fold(&[alice, bob]);
    finding.alert.state = AlertState::Sent;
    finding.apply(&mallory);
    finding.apply(&granted_by("d", "2026-03-01T12:03:00Z", role("deploy", "three")));
    assert_eq!(finding.alert.reason, Some(AlertReason::SomebodyElse));
    let told = finding.headline().actor.as_ref().and_then(|actor| actor.arn.clone());
    assert_eq!(told.as_deref(), Some("arn:aws:sts::111122223333:assumed-role/intruder/one"));
}

#[test]
fn a_finding_of_an_older_version_knows_whom_its_witnesses_name() {
    let mut finding = fold(&[granted_by("a", "2026-03-01T12:00:00Z", role("deploy", "one"))]);
    finding.alert.state = AlertState::Sent;
    finding.alert.told.clear();
    finding.apply(&granted_by("b", "2026-03-01T12:01:00Z", role("deploy", "two")));
    assert_eq!(finding.alert.state, AlertState::Sent);
    finding.apply(&granted_by("c", "2026-03-01T12:02:00Z", role("intruder", "one")));
    assert_eq!(finding.alert.reason, Some(AlertReason::SomebodyElse));
}

#[test]
fn times_from_the_future_decide_nothing() {
    use keepwatch_base::time::Timestamp;
    let later = Timestamp::parse("2099-01-01T00:00:00Z").unwrap();
    let now = Timestamp::parse("2026-03-01T12:30:00Z").unwrap();
    let clean = fold(&[granted_by("a", "2026-03-01T12:00:00Z", role("deploy", "one"))]);
    let mut planted = clean.clone();
    planted.alert.state = AlertState::Sent;
    planted.alert.occurred_at = Some(later);
    planted.passed = Some(Passed {
        at: later,
        event_id: "x".to_owned(),
        resolution: keepwatch_core::observation::Resolution::Fixed,
        title: "gone".to_owned(),
        borne_out: true,
    });
    planted.acknowledged = Some(Acknowledged { at: later, by: "mallory".to_owned(), note: String::new() });
    for witness in planted.strongest.iter_mut().chain(planted.witnesses.values_mut()) {
        witness.event.time = later;
        witness.title = "nothing to see".to_owned();
    }
    planted.distrust_future(now);
    planted.apply(&granted_by("b", "2026-03-01T12:40:00Z", role("deploy", "one")));
    assert_eq!((planted.status, planted.alert.state), (Status::New, AlertState::Pending));
    assert_ne!(planted.title, "nothing to see");
    let mut untouched = clean.clone();
    untouched.distrust_future(now);
    assert_eq!(untouched, clean);
}

/// A planted time counts as the present and not as the furthest that clocks may differ: good news of minutes later holds, and what
/// comes after it is told.
#[test]
fn a_planted_time_outweighs_no_good_news_that_comes_later() {
    use keepwatch_base::time::Timestamp;
    let at = |time: &str| Timestamp::parse(time).unwrap();
    let (now, soon) = (at("2026-03-01T12:30:00Z"), at("2026-03-01T12:33:00Z"));
    let mut finding = fold(&[granted_by("a", "2026-03-01T12:00:00Z", role("deploy", "one"))]);
    finding.alert.state = AlertState::Sent;
    finding.last_seen = at("2099-01-01T00:00:00Z");
    for witness in finding.strongest.iter_mut().chain(finding.witnesses.values_mut()) {
        witness.event.time = at("2099-01-01T00:00:00Z");
    }
    finding.distrust_future(now);
    assert_eq!((finding.last_seen, finding.latest().event.time), (now, now));
    // What clocks may differ by is left alone.
    finding.last_seen = soon;
    finding.distrust_future(now);
    assert_eq!(finding.last_seen, soon);
    finding.last_seen = now;
    let gone = granted_by("b", "2026-03-01T12:31:00Z", role("deploy", "one"));
    finding.apply(&borne_out(Observation { verdict: Verdict::Passing, ..gone }));
    assert!(!finding.is_open());
    finding.apply(&granted_by("c", "2026-03-01T12:32:00Z", role("deploy", "one")));
    assert_eq!(finding.alert.reason, Some(AlertReason::Reopened));
}

#[test]
fn an_alert_s_life_has_no_way_around_its_claim() {
    use keepwatch_base::time::Timestamp;
    let at = Timestamp::from_millis;
    let claim = |token, now| Step::Claim { token, now: at(now), lease: at(now + 180_000) };
    let mut alert = fold(&[sign_in(1, 0, "No")]).alert;
    assert_eq!(alert.step(Step::MarkSent { token: "a" }), Stepped::Nothing, "nobody has claimed it");
    assert_eq!(alert.step(claim("a", 0)), Stepped::Changed);
    assert_eq!(alert.step(claim("a", 1)), Stepped::Already, "the answer was lost");
    assert_eq!(alert.step(claim("b", 1)), Stepped::Busy);
    assert_eq!(alert.step(Step::MarkSent { token: "b" }), Stepped::Nothing, "not theirs");
    assert_eq!(alert.step(claim("b", 180_001)), Stepped::Changed, "the lease has ended");
    assert_eq!(alert.step(Step::Defer { token: "a", until: at(1) }), Stepped::Nothing, "it was taken over");
    assert_eq!(alert.step(Step::Defer { token: "b", until: at(200_000) }), Stepped::Changed);
    assert_eq!(
        (alert.state, alert.due, alert.due_at),
        (AlertState::Deferred, Some(Due::Alert), Some(200_000))
    );
    assert_eq!(alert.step(claim("c", 200_000)), Stepped::Changed);
    assert_eq!(alert.step(Step::MarkSent { token: "c" }), Stepped::Changed);
    assert_eq!((alert.state, alert.sent, alert.due, alert.due_at), (AlertState::Sent, 1, None, None));
    assert_eq!(alert.step(claim("d", 300_000)), Stepped::Nothing);
    // A claim that somebody planted, until 2099, holds nothing back.
    (alert.state, alert.claim, alert.due_at) =
        (AlertState::Claimed, Some("x".to_owned()), Some(4_070_908_800_000));
    assert_eq!(alert.step(claim("d", 300_000)), Stepped::Changed);
}

#[test]
fn the_words_in_the_table_are_those_of_serde() {
    for reason in [
        AlertReason::New,
        AlertReason::Worse,
        AlertReason::Reopened,
        AlertReason::Again,
        AlertReason::NewWitness,
        AlertReason::SomebodyElse,
        AlertReason::SuppressionEnded,
    ] {
        assert_eq!(json!(reason), json!(reason.as_str()));
        assert_eq!(serde_json::from_value::<AlertReason>(json!(reason.as_str())).unwrap(), reason);
    }
    assert_eq!(
        serde_json::from_value::<AlertReason>(json!("of a later version")).unwrap(),
        AlertReason::Other
    );
    let item = serde_json::to_value(fold(&[sign_in(1, 0, "No")])).unwrap();
    let mut known = AlertLife::ATTRIBUTES.iter().filter(|name| item.get(**name).is_some());
    assert!(known.any(|name| *name == "alert_state"), "the alert's part lies flat in the item: {item}");
    let witness = fold(&[sign_in(1, 0, "No")]).strongest.remove(0);
    let part = serde_json::to_value(AlertLife {
        about: Some(Box::new(witness)),
        waits_until: Some(1),
        reason: Some(AlertReason::New),
        severity: Some(Severity::High),
        occurred_at: Some(keepwatch_base::time::Timestamp::default()),
        told: fold(&[sign_in(1, 0, "No")]).alert.told,
        claim: Some("x".to_owned()),
        claimed_at: Some(keepwatch_base::time::Timestamp::default()),
        due: Some(Due::Alert),
        due_at: Some(1),
        ..AlertLife::default()
    });
    let mut names: Vec<String> = part.unwrap().as_object().unwrap().keys().cloned().collect();
    let mut all = AlertLife::ATTRIBUTES.map(str::to_owned).to_vec();
    names.sort_unstable();
    all.sort_unstable();
    assert_eq!(names, all);
}
