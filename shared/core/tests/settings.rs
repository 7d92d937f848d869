//! Rows that silence, rows that do not, and what their authors are told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use keepwatch_base::time::Timestamp;
use keepwatch_core::observation::Subject;
use keepwatch_core::settings::{Lists, Settings};
use keepwatch_core::severity::Severity;
use keepwatch_rules::registry::CATALOGUE;
use serde_json::{Value, json};

fn row() -> Value {
    json!({
        "setting_id": "suppression#ci", "rule": "admin-inline-policy", "resource": "arn:aws:iam::111122223333:user/ci-*",
        "owner": "bob", "reason": "the pipeline makes users",
        "created_at": "2026-03-01T00:00:00Z", "expires_at": "2026-03-20T00:00:00Z",
    })
}

fn with(changes: Value) -> Settings {
    let mut row = row();
    row["rule"] = json!("admin-*-policy*");
    for (name, value) in changes.as_object().unwrap() {
        row[name] = value.clone();
    }
    Settings::read([&row], CATALOGUE)
}

fn subject(resource: &str, aspect: Option<&str>) -> Subject {
    Subject {
        account: "111122223333".to_owned(),
        region: "global".to_owned(),
        resource: resource.to_owned(),
        aspect: aspect.map(str::to_owned),
    }
}

fn at(day: usize) -> Timestamp {
    Timestamp::parse(&format!("2026-03-{day:02}T12:00:00Z")).unwrap()
}

#[test]
fn a_suppression_covers_its_rule_its_subjects_and_its_days() {
    let settings = with(json!({}));
    let rule = "admin-inline-policy";
    assert_eq!(settings.invalid, []);
    let bob = subject("arn:aws:iam::111122223333:user/ci-1", None);
    let silence = settings.silence(rule, &bob, &[], at(2)).unwrap();
    assert_eq!((silence.suppression.as_str(), silence.owner.as_str()), ("ci", "bob"));
    assert!(settings.silence("root-api-call", &bob, &[], at(2)).is_none());
    assert!(
        settings.silence(rule, &subject("arn:aws:iam::111122223333:user/alice", None), &[], at(2)).is_none()
    );
    assert!(settings.silence(rule, &bob, &[], at(21)).is_none(), "it has ended");
    let elsewhere = Subject { account: "444455556666".to_owned(), ..bob.clone() };
    assert!(settings.silence(rule, &elsewhere, &[], at(2)).is_some());
    let here_only = with(json!({"account": "111122223333"}));
    assert!(here_only.silence(rule, &elsewhere, &[], at(2)).is_none());
    let too_early = with(json!({"created_at": "2026-03-10T00:00:00Z"}));
    assert!(too_early.silence(rule, &bob, &[], at(2)).is_none());
}

#[test]
fn a_suppression_may_name_the_aspect() {
    let settings = with(json!({"resource": "arn:aws:iam::111122223333:user/bob read-*"}));
    let rule = "admin-inline-policy";
    let bob = "arn:aws:iam::111122223333:user/bob";
    assert!(settings.silence(rule, &subject(bob, Some("read-reports")), &[], at(2)).is_some());
    assert!(settings.silence(rule, &subject(bob, Some("write")), &[], at(2)).is_none());
    assert!(settings.silence(rule, &subject(bob, None), &[], at(2)).is_none());
}

#[test]
fn a_suppression_may_name_who_acts_and_then_silences_nobody_else() {
    let rule = "admin-inline-policy";
    let bob = subject("arn:aws:iam::111122223333:user/ci-1", None);
    let settings = with(json!({"actor": "arn:aws:sts::111122223333:assumed-role/ci-*"}));
    assert_eq!(settings.invalid, []);
    let by = |actors: &[&str]| {
        let actors: Vec<String> = actors.iter().map(|actor| (*actor).to_owned()).collect();
        settings.silence(rule, &bob, &actors, at(2))
    };
    let pipeline = "arn:aws:sts::111122223333:assumed-role/ci-deploy";
    let silence = by(&[pipeline]).unwrap();
    assert!(silence.names(Some(pipeline)) && !silence.names(Some("arn:aws:iam::111122223333:user/mallory")));
    assert!(!silence.names(None), "AWS itself is nobody of them");
    assert!(silence.to_string().contains("for arn:aws:sts::111122223333:assumed-role/ci-*"), "{silence}");
    assert!(by(&[]).is_none());
    assert!(by(&[pipeline, "arn:aws:iam::111122223333:user/mallory"]).is_none());
    assert!(with(json!({"actor": 7})).suppressions.is_empty());
    assert_eq!(settings.suppressions[0].row()["actor"], "arn:aws:sts::111122223333:assumed-role/ci-*");
}

#[test]
fn a_row_that_cannot_be_used_says_what_to_do_and_silences_nothing() {
    for (changes, hint) in [
        (json!({"rule": "admin-polcy"}), "keepwatch rules list"),
        (json!({"rule": ""}), "`rule` is missing"),
        (json!({"owner": null}), "`owner` is missing"),
        (json!({"reason": "  "}), "`reason` is missing"),
        (json!({"expires_at": "next week"}), "write it like 2026-03-31T00:00:00Z"),
        (json!({"expires_at": null}), "`expires_at` is missing"),
        (json!({"expires_at": "2026-02-01T00:00:00Z"}), "not after"),
        (json!({"expires_at": "2028-03-01T00:00:00Z"}), "may last 366 days"),
        (json!({"account": "prod"}), "twelve digits"),
        (json!({"account": 111_122_223_333_u64}), "twelve digits"),
        (json!({"rulle": "x"}), "there is no attribute `rulle`"),
        (json!({"setting_id": "suppression#a b"}), "letters, digits"),
        (json!({"setting_id": "supression#a"}), "must be suppression#NAME, rule#ID or list#NAME"),
        (json!({"setting_id": 7}), "must be suppression#NAME, rule#ID or list#NAME"),
    ] {
        let settings = with(changes.clone());
        assert_eq!(settings.suppressions, [], "{changes}");
        assert!(settings.invalid[0].reason.contains(hint), "{changes}: {}", settings.invalid[0].reason);
    }
}

#[test]
fn core_rules_cannot_be_silenced_for_long() {
    for rule in ["root-console-sign-in", "exposed-access-key", "*", "root-*"] {
        let settings = with(json!({"rule": rule, "expires_at": "2026-04-01T00:00:00Z"}));
        assert!(settings.invalid[0].reason.contains("may last 30 days because it covers"), "{rule}");
        let settings = with(json!({"rule": rule, "expires_at": "2026-03-31T00:00:00Z"}));
        assert_eq!(settings.invalid, [], "{rule}");
    }
}

#[test]
fn a_suppression_survives_being_written() {
    let settings = with(json!({"account": "111122223333"}));
    let again = Settings::read([&settings.suppressions[0].row()], CATALOGUE);
    assert_eq!(again, settings);
}

#[test]
fn the_fingerprint_follows_what_is_silenced_now() {
    let settings = with(json!({}));
    assert_eq!(settings.fingerprint(at(2)), settings.fingerprint(at(3)));
    assert_ne!(settings.fingerprint(at(2)), settings.fingerprint(at(25)), "it has ended");
    assert_ne!(settings.fingerprint(at(2)), with(json!({"owner": "eve"})).fingerprint(at(2)));
}

#[test]
fn rules_are_tuned_and_lists_are_read() {
    let rows = [
        json!({"setting_id": "rule#admin-inline-policy", "severity": "LOW", "note": "the pipeline does this"}),
        json!({"setting_id": "rule#root-console-sign-in-failed", "threshold": 5.0}),
        json!({"setting_id": "list#trusted-accounts", "values": ["444455556666"]}),
        json!({"setting_id": "list#trusted-identities", "values": ["repo:octo-org/*"]}),
        json!({"setting_id": "list#automation", "values": ["arn:aws:iam::*:role/ci-*"]}),
    ];
    let settings = Settings::read(&rows, CATALOGUE);
    assert_eq!(settings.invalid, []);
    assert_eq!(settings.lists.trusted_identities, ["repo:octo-org/*"]);
    assert_eq!(settings.overrides["admin-inline-policy"].severity, Some(Severity::Low));
    assert_eq!(settings.overrides["root-console-sign-in-failed"].threshold, Some(5));
    assert_eq!(settings.lists.trusted_accounts, ["444455556666"]);
    assert_eq!(settings.lists.automation, ["arn:aws:iam::*:role/ci-*"]);
}

/// Each list takes what names somebody, and refuses what is everybody's.
#[test]
fn a_list_takes_no_pattern_that_is_everybodys() {
    let read = |list: &str, value: &str| {
        let row = json!({"setting_id": format!("list#{list}"), "values": [value]});
        Settings::read([&row], CATALOGUE)
    };
    for (list, value) in [
        ("automation", "arn:aws:iam::*:role/ci-*"),
        ("automation", "arn:*:role/ci-*"),
        ("automation", "arn:aws:iam::111122223333:role/*"),
        ("automation", "arn:aws:iam::111122223333:user/x"),
        ("automation", "arn:aws:iam::*:role/team/*"),
        ("automation", "arn:aws:iam::111122223333:root"),
        ("trusted-identities", "repo:octo-org/*"),
        ("trusted-identities", "repo:o/*"),
        ("trusted-identities", "repository_owner:octo-org"),
        ("trusted-identities", "aud:us-east-1:00000000-1111-2222-3333-444455556666"),
        ("trusted-identities", "project_path:octo-group/*"),
        ("trusted-identities", "organization:octo:*"),
        ("trusted-identities", "1234567890"),
    ] {
        assert_eq!(read(list, value).invalid, [], "{list} {value}");
    }
    for (list, value) in [
        ("automation", "arn:*"),
        ("automation", "arn:**"),
        ("automation", "arn:a*"),
        ("automation", "arn:aws:*"),
        ("automation", "arn:?*"),
        ("automation", "arn:aws:iam::*"),
        ("automation", "arn:aws:iam::*:role/*"),
        ("automation", "arn:aws:iam::*:role/?*"),
        ("automation", "arn:aws:iam::*:*/*"),
        ("automation", "arn:aws:iam::111122223333:*"),
        ("automation", "arn:aws:iam::111122223333:*/*"),
        ("automation", "arn:aws:iam::*:role/"),
        ("automation", "arn:*\u{200b}"),
        ("trusted-identities", "repository_owner:*"),
        ("trusted-identities", "project_path:*"),
        ("trusted-identities", "repository_owner:?*"),
        ("trusted-identities", "job_workflow_ref:*"),
        ("trusted-identities", "organization:*"),
    ] {
        let settings = read(list, value);
        assert_eq!(settings.invalid.len(), 1, "{list} {value}");
        assert_eq!(settings.lists, Lists::default(), "{list} {value}");
    }
    // What was looked at is what is used.
    assert_eq!(read("trusted-accounts", "4444\u{200b}55556666").lists.trusted_accounts, ["444455556666"]);
}

#[test]
fn tuning_that_cannot_be_used_says_why() {
    for (row, hint) in [
        (json!({"setting_id": "rule#admin-inline-polcy"}), "no rule is called"),
        (
            json!({"setting_id": "list#trusted-identities", "values": ["*"]}),
            "no identity as a trust policy writes it",
        ),
        (
            json!({"setting_id": "list#trusted-identities", "values": ["repo:*"]}),
            "no identity as a trust policy writes it",
        ),
        (json!({"setting_id": "rule#admin-inline-policy", "enabled": "no"}), "true or false"),
        (json!({"setting_id": "rule#admin-inline-policy", "severity": "SEVERE"}), "INFORMATIONAL, LOW"),
        (json!({"setting_id": "rule#admin-inline-policy", "threshold": 0}), "from 1 to"),
        (json!({"setting_id": "rule#admin-inline-policy", "enable": false}), "no attribute `enable`"),
        (json!({"setting_id": "rule#root-console-sign-in", "enabled": false}), "suppress it for a time"),
        (json!({"setting_id": "rule#exposed-access-key", "severity": "LOW"}), "suppress it for a time"),
        (json!({"setting_id": "list#trusted-accounts", "values": ["prod"]}), "twelve digits"),
        (json!({"setting_id": "list#automation", "values": ["*"]}), "no ARN"),
        (json!({"setting_id": "list#automation", "values": "arn:x"}), "list of texts"),
        (json!({"setting_id": "list#automations", "values": []}), "there are trusted-accounts"),
        (
            json!({"setting_id": "list#break-glass", "values": ["arn:aws:iam::*:role/x"]}),
            "tune reset list#break-glass",
        ),
    ] {
        let settings = Settings::read([&row], CATALOGUE);
        assert!(settings.invalid[0].reason.contains(hint), "{row}: {}", settings.invalid[0].reason);
        assert_eq!(settings.overrides.len(), 0);
        assert_eq!(settings.lists, Lists::default());
    }
}
