//! The fold: any order, any duplicates, the same finding.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use keepwatch_core::finding::*;
use keepwatch_core::observation::{Observation, Subject, Verdict};
use keepwatch_core::severity::Severity;
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
    finding.alert_state = AlertState::Sent;
    assert!(finding.apply(&sign_in(2, 30, "No")));
    assert_eq!((finding.occurrences, finding.alert_state), (2, AlertState::Sent));
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
    assert_eq!(finding.alert_state, AlertState::Pending);
    assert_eq!(finding.alert_reason.as_deref(), Some("again"));
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
    finding.alert_state = AlertState::Sent;
    finding.apply(&at("b", 11, "Yes", "198.51.100.66"));
    assert_eq!((finding.alert_state, finding.alert_reason.as_deref()), (AlertState::Pending, Some("again")));
    assert!(finding.headline().title.contains("198.51.100.66"), "{}", finding.headline().title);
    assert!(finding.title.contains("192.0.2.1"), "the table keeps the worst: {}", finding.title);
}

#[test]
fn what_came_back_is_judged_anew() {
    let listed = |status: &str, kind: &str, uuid: &str, hour: usize| {
        let detail = json!({"check-name": "Exposed Access Keys", "status": status, "uuid": uuid,
            "check-item-detail": {"Access Key ID": "AKIAIOSFODNN7EXAMPLE", "Fraud Type": kind}});
        let text = envelope("aws.trustedadvisor", "Trusted Advisor Check Item Refresh Notification", detail);
        observe(
            rule("exposed-access-key-trusted-advisor"),
            &text.replace("2026-03-01T12", &format!("2026-03-01T{hour:02}")),
        )
        .remove(0)
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
    finding.alert_state = AlertState::Sent;
    finding.apply(&sign_in(2, 1, "No"));
    assert_eq!((finding.severity, finding.alert_reason.as_deref()), (Severity::Critical, Some("worse")));
    finding.alert_state = AlertState::Sent;
    finding.apply(&sign_in(3, 2, "Yes"));
    assert_eq!((finding.severity, finding.alert_state), (Severity::Critical, AlertState::Sent));
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
        observe(rule("exposed-access-key-trusted-advisor"), &text).remove(0)
    };
    let mut finding = fold(&[listed("ERROR", "a", 12)]);
    finding.alert_state = AlertState::Sent;
    finding.apply(&listed("OK", "b", 14));
    assert_eq!(finding.status, Status::Resolved);
    // A late event from before the good news changes nothing of that, and mails nobody.
    finding.apply(&listed("ERROR", "c", 13));
    assert_eq!((finding.status, finding.alert_state), (Status::Resolved, AlertState::Sent));
    finding.apply(&listed("ERROR", "d", 15));
    assert_eq!((finding.status, finding.alert_reason.as_deref()), (Status::New, Some("reopened")));
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

/// What of a finding must not depend on the order of arrival: all but what was mailed.
fn lasting(finding: Option<Finding>) -> Option<Finding> {
    finding.map(|finding| Finding {
        alert_state: AlertState::None,
        alert_reason: None,
        alerted_severity: None,
        alerted_for: None,
        alerts_due: 0,
        ..finding
    })
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
        prop_assert_eq!(open, bad.map(|bad| Some(bad) > good));
    }

    /// What nobody has been told of yet is told, whatever came in which order.
    #[test]
    fn a_finding_worth_a_mail_becomes_due(all in observations()) {
        if let Some(finding) = life(&all) {
            prop_assert!(finding.alerts_due > 0);
            prop_assert_eq!(finding.alert_state, AlertState::Pending);
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
