//! What a mail must hold, whatever the event held.

mod canary;
mod fixtures;
mod forwarders;
mod properties;
mod silences;
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
use crate::check::{finding, sender};
use crate::layout::Page;

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
    let alert = Alert::of(&finding, DOCUMENTED, sender(), &RelatedActs::default());
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
        "WHAT TO DO NOW, IN ACCOUNT 111122223333",
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
    let text = Alert::of(&finding(&[health, quarantine]), DOCUMENTED, sender(), &RelatedActs::default()).text;
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
    let alert = Alert::of(&finding(&[seen]), DOCUMENTED, sender(), &RelatedActs::default());
    assert_eq!(alert.subject.len(), 99);
    assert!(alert.subject.ends_with("n... (111122223333)"), "{}", alert.subject);
    let fitted = |title: &str| Alert::new(Severity::High, title, "", Page::new(sender()), json!({})).subject;
    let words = fitted(&"many words ".repeat(20));
    assert!(words.ends_with(" words...") || words.ends_with(" many..."), "it is cut at a word: {words}");
    assert_eq!(fitted("few words"), "[HIGH] few words");
}

#[test]
fn an_item_that_cannot_be_read_is_still_told() {
    let alert = Alert::unreadable(
        &"x\u{202e}".repeat(200),
        "missing field `severity` at http://evil.example",
        sender(),
    );
    assert!((1..=99).contains(&alert.subject.len()) && alert.subject.is_ascii(), "{}", alert.subject);
    assert!(alert.text.contains("missing field") && !alert.text.contains("evil.example"), "{}", alert.text);
}

#[test]
fn the_message_is_one_json_object_with_a_mail_and_its_twin() {
    let alert =
        Alert::of(&finding(&[root_sign_in_without_mfa()]), DOCUMENTED, sender(), &RelatedActs::default());
    let message: Value = serde_json::from_str(&alert.message()).unwrap();
    assert_eq!(message["email"].as_str(), Some(alert.text.as_str()));
    let twin: Value = serde_json::from_str(message["default"].as_str().unwrap()).unwrap();
    assert_eq!((&twin["class_uid"], &twin["severity"]), (&json!(2004), &json!("Critical")));
    assert_eq!(twin["unmapped"]["mail"]["subject"].as_str(), Some(alert.subject.as_str()));
    assert_eq!(twin["unmapped"]["alert_reason"], "new");
}

/// Whoever reads on a telephone sees the first words alone: how bad and what. The account ends every subject.
#[test]
fn every_subject_begins_with_what_happened_and_ends_with_the_account() {
    let of =
        |what: &str| Alert::new(Severity::High, what, "111122223333", Page::new(sender()), json!({})).subject;
    assert_eq!(of("3 dead letters"), "[HIGH] 3 dead letters (111122223333)");
    let long = of(&"many words ".repeat(20));
    assert!(long.len() <= 99 && long.ends_with("... (111122223333)"), "{long}");
    assert!(long.contains(" many...") || long.contains(" words..."), "{long}");
}

#[test]
fn a_stack_is_known_by_its_functions_arn_and_named_in_every_command() {
    let arn = "arn:aws:lambda:eu-west-1:111122223333:function:watch-test-notify";
    let of = Sender::of_function(arn, "-notify");
    let text =
        Alert::of(&finding(&[root_sign_in_without_mfa()]), DOCUMENTED, &of, &RelatedActs::default()).text;
    let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("  keepwatch ")).collect();
    assert!(commands.len() == 2, "{text}");
    for command in commands {
        assert!(command.ends_with(" --stack watch-test --region eu-west-1"), "{command}");
    }
    let without = text.split("THE KEEPWATCH COMMAND\n").nth(1).unwrap();
    assert!(
        without.contains("watch-test-OperatorRole-") && without.contains("watch-test-SettingsTable-"),
        "{text}"
    );
    assert_eq!(Sender::of_function("arn:aws:iam::111122223333:role/x", "-notify"), Sender::none());
    // A replay has no stack, and says nothing of one.
    let text = Alert::of(
        &finding(&[root_sign_in_without_mfa()]),
        DOCUMENTED,
        &Sender::none(),
        &RelatedActs::default(),
    )
    .text;
    assert!(!text.contains("--stack") && text.contains("STACK-SettingsTable-*"), "{text}");
}

/// Of what Keepwatch could not find out, the mail says what would make it sure: the permission, and what to look at.
#[test]
fn what_is_unsure_says_what_would_make_it_sure() {
    use keepwatch_core::observation::Verdict;
    let words = |reason: &str| {
        let mut seen = root_sign_in_without_mfa();
        seen.verdict = Verdict::Unknown;
        seen.reason = reason.to_owned();
        let alert = Alert::of(&finding(&[seen]), DOCUMENTED, sender(), &RelatedActs::default());
        assert_eq!(crate::check::faults(&alert), [""; 0], "{}", alert.text);
        alert.text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let look = "To be sure, run the command below that says \"Does root have access keys or no MFA?";
    let denied = words(
        "The policy could not be read (AccessDenied: User: arn:aws:sts::111122223333:assumed-role/keepwatch-DetectRole-A1/keepwatch-detect \
         is not authorized to perform: iam:GetPolicyVersion on resource: policy x because no identity-based policy allows it).",
    );
    for part in
        ["the role keepwatch-DetectRole-A1 of Keepwatch may not call iam:GetPolicyVersion. Once", look]
    {
        assert!(denied.contains(part), "{part}: {denied}");
    }
    let nameless = words("It is not authorized to perform: iam:GetRole.");
    assert!(nameless.contains("Keepwatch may not call iam:GetRole. Once"), "{nameless}");
    for other in ["The request was padded.", "is not authorized to perform: http://evil.example/x now", ""] {
        let text = words(other);
        assert!(text.contains(look) && !text.contains("What is missing"), "{text}");
    }
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
