//! The fold: any order, any duplicates, the same finding.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::json;

use super::*;
use crate::rules::keys::trusted_advisor::ExposedKeyListed;
use crate::rules::root::console_sign_in::ConsoleSignIn;
use crate::rules::root::failed_sign_in::FailedSignIn;
use crate::rules::testing::*;

fn sign_in(id: usize, minute: usize, mfa: &str) -> Observation {
    fired(
        &ConsoleSignIn,
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
    let mut finding = Finding::open(&observations[0]).unwrap();
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
        &ConsoleSignIn,
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
            &ConsoleSignIn,
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
        observe(&ExposedKeyListed, &text.replace("2026-03-01T12", &format!("2026-03-01T{hour:02}"))).remove(0)
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
            &FailedSignIn,
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
        observe(&ExposedKeyListed, &text).remove(0)
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
    assert!(Finding::open(&listed("OK", "b", 14)).is_none());
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

proptest! {
    /// Shuffled and with repetitions, the same observations give the same finding. Which of them is mailed depends on
    /// what had arrived by then, so the alert's own fields are left out.
    #[test]
    fn order_and_duplicates_do_not_matter(
        order in Just((0..12).collect::<Vec<usize>>()).prop_shuffle(),
        again in subsequence((0..12).collect::<Vec<usize>>(), 0..12),
    ) {
        let all: Vec<Observation> =
            (0..12).map(|i| sign_in(i, (i * 7) % 60, if i % 3 == 0 { "No" } else { "Yes" })).collect();
        let shuffled: Vec<Observation> = order.iter().chain(&again).map(|i| all[*i].clone()).collect();
        let without_alert = |mut finding: Finding| {
            finding.alert_state = AlertState::None;
            finding.alert_reason = None;
            finding.alerted_severity = None;
            finding.alerted_for = None;
            finding
        };
        prop_assert_eq!(without_alert(fold(&shuffled)), without_alert(fold(&all)));
    }
}
