//! The deployed scan's own calls raise no alarm, and a thief's with its credentials do: no rule goes by the role's name alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use keepwatch_checks::plan::deployed_actions;
use keepwatch_checks::registry::CHECKS;
use keepwatch_core::engine::config::Config;
use keepwatch_core::engine::replay::{Memory, Player};
use keepwatch_core::event::log::entries;
use keepwatch_core::observation::Observation;
use keepwatch_rules::registry::RULES;
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::111122223333:role/keepwatch-ScanRole-A1B2C3";

/// Calls whose name is another than that of the action which allows them.
const NAMES: [(&str, &str); 5] = [
    ("s3:ListAllMyBuckets", "ListBuckets"),
    ("s3:GetEncryptionConfiguration", "GetBucketEncryption"),
    ("s3:GetAccountPublicAccessBlock", "GetAccountPublicAccessBlock"),
    ("lambda:ListFunctions", "ListFunctions20150331"),
    ("budgets:ViewBudget", "DescribeBudgets"),
];

/// Calls of the scan's session within a minute.
fn by_the_scan(calls: &[(&str, String)], error: Option<&str>) -> Vec<Observation> {
    let record = |(number, (service, name)): (usize, &(&str, String))| -> Value {
        json!({
            "eventVersion": "1.11", "eventID": format!("e-{number}"),
            "eventTime": format!("2026-03-01T12:00:{:02}Z", number % 60),
            "eventType": "AwsApiCall", "eventSource": format!("{service}.amazonaws.com"), "eventName": name,
            "awsRegion": "us-east-1", "sourceIPAddress": "203.0.113.7", "userAgent": "aws-sdk-rust/1.3",
            "readOnly": !name.starts_with("Generate"), "recipientAccountId": "111122223333", "errorCode": error,
            "userIdentity": {"type": "AssumedRole", "principalId": "AROAEXAMPLE:keepwatch-scan",
                "arn": "arn:aws:sts::111122223333:assumed-role/keepwatch-ScanRole-A1B2C3/keepwatch-scan",
                "accountId": "111122223333", "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
                "sessionContext": {"sessionIssuer": {"type": "Role", "arn": ROLE, "userName": "keepwatch-ScanRole-A1B2C3"}}},
            "requestParameters": null, "responseElements": null,
        })
    };
    let records: Vec<Value> = calls.iter().enumerate().map(record).collect();
    let config =
        Config { stack: "keepwatch".to_owned(), own_arns: vec![ROLE.to_owned()], ..Config::default() };
    let player = Player::new(RULES, config);
    let mut memory = Memory::default();
    let mut seen = Vec::new();
    entries(&json!({"Records": records}).to_string(), &mut |entry| {
        let played = player.play(&entry.expect("it is an event")).expect("it can be read");
        seen.extend(memory.settle(&player, played).observations);
    });
    seen
}

fn own_calls() -> Vec<(&'static str, String)> {
    let call = |action: &'static str| {
        let (service, name) = action.split_once(':').unwrap();
        let other = NAMES.iter().find(|(known, _)| *known == action);
        let service = if service == "cloudwatch" { "monitoring" } else { service };
        (service, other.map_or(name, |(_, name)| name).to_owned())
    };
    let mut calls: Vec<_> = deployed_actions(CHECKS).into_iter().map(call).collect();
    calls.push(("cloudtrail", "LookupEvents".to_owned()));
    calls
}

#[test]
fn a_scan_raises_nothing_and_neither_does_one_that_is_refused_everything() {
    let calls = own_calls();
    assert!(calls.len() > 60, "{}", calls.len());
    for error in [None, Some("AccessDenied")] {
        let seen: Vec<String> =
            by_the_scan(&calls, error).iter().map(|one| format!("{}: {}", one.rule.id, one.title)).collect();
        // In an account EventBridge brings no read-only call that was refused; a replay of log files has them all.
        let told: Vec<&String> = seen
            .iter()
            .filter(|one| error.is_none() || !one.starts_with("iam-access-denied-burst"))
            .collect();
        assert!(told.is_empty(), "{told:?}");
    }
}

#[test]
fn a_thief_with_its_credentials_is_heard() {
    for (service, name) in [("sts", "GetCallerIdentity"), ("iam", "ListUsers"), ("iam", "ListRoles")] {
        let seen = by_the_scan(&[(service, name.to_owned())], None);
        assert!(seen.iter().any(|one| one.rule.id == "self-role-used-elsewhere"), "{name}");
    }
}
