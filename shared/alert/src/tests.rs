//! What a mail must hold, whatever the event held.

mod canary;
mod fixtures;
mod forwarders;
mod properties;
mod snapshots;

use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::AlertState;
use keepwatch_core::observation::Observation;
use keepwatch_core::severity::Severity;
use keepwatch_rules::registry::DOCUMENTED;
use keepwatch_rules::testing::*;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::check::finding;

fn root_sign_in_without_mfa() -> Observation {
    fired(
        rule("root-console-sign-in"),
        &root_sign_in(
            "ConsoleLogin",
            json!({
                "responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {"MFAUsed": "No"},
                "userAgent": "Mozilla/5.0 see https://evil.example/kit",
            }),
        ),
    )
}

#[test]
fn a_mail_says_who_what_where_when_why_and_what_to_do() {
    let finding = finding(&[root_sign_in_without_mfa()]);
    assert_eq!((finding.severity, finding.alert.state), (Severity::Critical, AlertState::Pending));
    let alert = Alert::of(&finding, DOCUMENTED);
    assert_eq!(
        alert.subject,
        "[CRITICAL] Root signed in to the console WITHOUT MFA, from 203.0.113.7 (111122223333)"
    );
    let first = alert.text.lines().next().unwrap();
    assert_eq!(first, "Root signed in to the console WITHOUT MFA, from 203.0.113.7.");
    for part in [
        "WHO",
        "By              root",
        "Source IP       203.0.113.7",
        "WHAT AND WHERE",
        "Account         111122223333",
        "WHEN",
        "ConsoleLogin at 2026-03-01T12:00:00Z",
        "WHY IT MATTERS",
        "WHAT TO DO NOW",
        "aws iam get-account-summary",
        "https://console.aws.amazon.com/iam/home",
        "root-console-sign-in-",
        "IF IT IS EXPECTED",
        "ROOT-01",
    ] {
        assert!(alert.text.contains(part), "no {part:?} in\n{}", alert.text);
    }
    assert!(!alert.text.contains("evil.example"), "{}", alert.text);
    assert!(alert.text.contains("https[:]//evil[.]example/kit"), "{}", alert.text);
}

#[test]
fn an_exposed_key_tells_all_its_witnesses() {
    let health = fired(
        rule("exposed-access-key"),
        &envelope(
            "aws.health",
            "AWS Health Event",
            json!({
                "eventArn": "arn:aws:health:us-east-1::event/RISK/X/1", "eventTypeCode": "AWS_RISK_CREDENTIALS_EXPOSED",
                "communicationId": "c-1", "affectedEntities": [{"entityValue": "AKIAIOSFODNN7EXAMPLE"}],
                "eventMetadata": {"userName": "bob", "exposedUrl": "https://github.com/example/repo"},
            }),
        ),
    );
    let attach = json!({"requestParameters": {
        "userName": "bob", "policyArn": "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"}});
    let keys = keepwatch_core::state::Query::AccessKeys { user: "bob".to_owned() };
    let one_key = keepwatch_core::state::Value::Names(vec!["AKIAIOSFODNN7EXAMPLE".to_owned()]);
    let answers = [(keys, keepwatch_core::state::Fact::Known(one_key))];
    let quarantine =
        fired_with(rule("exposed-access-key-quarantine"), &call("iam", "AttachUserPolicy", attach), &answers);
    assert_eq!(health.finding_id(), quarantine.finding_id());
    let text = Alert::of(&finding(&[health, quarantine]), DOCUMENTED).text;
    for part in [
        "--access-key-id AKIAIOSFODNN7EXAMPLE --status Inactive",
        "Found at        https[:]//github[.]com/example/repo",
        "Witness",
        "AttachUserPolicy: AWS quarantined",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert_eq!(text.matches("update-access-key").count(), 1, "{text}");
}

#[test]
fn the_subject_fits_and_says_that_it_goes_on() {
    let name = "n".repeat(200);
    let document = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let request = json!({"userName": name, "policyName": "p", "policyDocument": document});
    let seen = fired(
        rule("admin-inline-policy"),
        &call("iam", "PutUserPolicy", json!({"requestParameters": request})),
    );
    let alert = Alert::of(&finding(&[seen]), DOCUMENTED);
    assert_eq!(alert.subject.len(), 99);
    assert!(alert.subject.ends_with("n... (111122223333)"), "{}", alert.subject);
    let fitted = |title: &str| Alert::new(Severity::High, title, "x".to_owned(), json!({})).subject;
    let words = fitted(&"many words ".repeat(20));
    assert!(words.ends_with(" words...") || words.ends_with(" many..."), "it is cut at a word: {words}");
    assert_eq!(fitted("few words"), "[HIGH] few words");
}

#[test]
fn an_item_that_cannot_be_read_is_still_told() {
    let alert =
        Alert::unreadable(&"x\u{202e}".repeat(200), "missing field `severity` at http://evil.example");
    assert!((1..=99).contains(&alert.subject.len()) && alert.subject.is_ascii(), "{}", alert.subject);
    assert!(alert.text.contains("missing field") && !alert.text.contains("evil.example"), "{}", alert.text);
}

#[test]
fn the_message_is_one_json_object_with_a_mail_and_its_twin() {
    let alert = Alert::of(&finding(&[root_sign_in_without_mfa()]), DOCUMENTED);
    let message: Value = serde_json::from_str(&alert.message()).unwrap();
    assert_eq!(message["email"].as_str(), Some(alert.text.as_str()));
    let twin: Value = serde_json::from_str(message["default"].as_str().unwrap()).unwrap();
    assert_eq!((&twin["class_uid"], &twin["severity"]), (&json!(2004), &json!("Critical")));
    assert_eq!(twin["unmapped"]["mail"]["subject"].as_str(), Some(alert.subject.as_str()));
    assert_eq!(twin["unmapped"]["alert_reason"], "new");
}

/// Whoever may call `StartLogging` can ask for as many tests as he likes: they are few, and take no other mail's place.
#[test]
fn a_flood_of_tests_keeps_no_other_mail_back() {
    use crate::in_memory::Pipeline;
    use keepwatch_core::settings::Settings;

    let calendar = crate::report::Calendar { account: "111122223333".to_owned(), hour: 7 };
    let mut pipeline = Pipeline::new(Settings::default(), DOCUMENTED, calendar);
    let start = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
    let mut high = Vec::new();
    for number in 0..240_u64 {
        let now = start.plus(std::time::Duration::from_secs(5 * number));
        let mut changes = json!({"eventTime": now.to_string(), "eventID": format!("test-{number}"),
            "requestParameters": {"name": "keepwatch-test-alert-0123456789abcdef"}});
        let test = failed_call("cloudtrail", "StartLogging", "TrailNotFoundException", changes.clone());
        pipeline.hear(&observe(rule("self-test-alert"), &test), now).unwrap();
        if number % 60 == 30 {
            let who = format!("user-{number}");
            changes["eventID"] = json!(who);
            changes["requestParameters"] =
                json!({"userName": who, "policyArn": "arn:aws:iam::aws:policy/IAMFullAccess"});
            changes["userIdentity"] = json!({"type": "IAMUser", "userName": who, "principalId": who,
                "arn": format!("arn:aws:iam::111122223333:user/{who}")});
            let seen =
                observe(rule("admin-managed-policy-attached"), &call("iam", "AttachUserPolicy", changes));
            assert!(seen.iter().all(|one| one.severity >= Severity::High) && !seen.is_empty(), "{seen:?}");
            pipeline.hear(&seen, now).unwrap();
            high.push((now, who));
        }
    }
    let (_, mails) = pipeline.finish().unwrap();
    for (at, who) in high {
        let told = mails.iter().any(|mail| mail.at == at && mail.subject.contains(&who));
        assert!(
            told,
            "{who} was not told at once: {:?}",
            mails.iter().map(|m| &m.subject).collect::<Vec<_>>()
        );
    }
    let tests = |mail: &&crate::in_memory::Mail| mail.subject.contains("TEST: ");
    let hour = start.plus(std::time::Duration::from_secs(3_600));
    let tests = mails.iter().filter(tests).filter(|mail| mail.at < hour).count();
    assert!((1..=8).contains(&tests), "{tests} tests were mailed in an hour");
    assert!(mails.iter().all(|mail| !mail.subject.contains("more findings")), "no digest was needed");
}
