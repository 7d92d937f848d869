//! `keepwatch scan` as its users see it: formats, exit codes, and what it says where it cannot scan.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::process::Output;

use common::{command, folder, objects, scratch, stdout};
use serde_json::Value;

/// A recorded account.
const STATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/checks/src/testing/state.json");

/// Of this machine's own settings nothing is seen.
fn keepwatch(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    command(arguments)
        .env_clear()
        .env("HOME", folder("home"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(env.iter().copied())
        .output()
        .expect("the binary runs")
}

fn scan(arguments: &[&str]) -> Output {
    keepwatch(&[&["scan", "--state", STATE], arguments].concat(), &[])
}

/// What it says where it ends with this code.
fn told(output: &Output, code: i32) -> String {
    assert_eq!(stdout(output), "", "nothing half done is printed");
    common::told(code, output)
}

#[test]
fn every_format_tells_the_same() {
    let all = objects(&scan(&["--format", "ndjson", "--all"]));
    assert!(all.len() > 200, "{}", all.len());
    for line in &all {
        let practices = line["practice"].as_array().expect("it is a list");
        // The one check that no practice asks for.
        assert_eq!(practices.is_empty(), line["check"] == "security-hub.enabled", "{line}");
        let needed = ["check", "account", "resource", "region", "verdict", "severity", "title"];
        assert!(needed.iter().all(|name| line[name].is_string()), "{line}");
        assert_eq!(
            line["verdict"] == "unknown",
            line["unknown_because"] != Value::Array(Vec::new()),
            "{line}"
        );
    }
    let json: Value = serde_json::from_str(&stdout(&scan(&["--format", "json", "--all"]))).unwrap();
    assert_eq!(json.as_array(), Some(&all));
    let csv = stdout(&scan(&["--format", "csv", "--all"]));
    assert_eq!(csv::Reader::from_reader(csv.as_bytes()).records().count(), all.len());
    let sarif: Value = serde_json::from_str(&stdout(&scan(&["--format", "sarif", "--all"]))).unwrap();
    assert_eq!(sarif["runs"][0]["results"].as_array().map(Vec::len), Some(all.len()));
    // What is to know, or for a person to look at, is no finding.
    let findings =
        all.iter().filter(|line| line["verdict"] != "informational" && line["verdict"] != "manual");
    let findings = findings.count();
    let ocsf = objects(&scan(&["--format", "ocsf", "--all"]));
    assert!(ocsf.iter().all(|one| one["class_uid"] == 2003), "a compliance finding");
    let asff = objects(&scan(&["--format", "asff", "--all"]));
    assert!(asff.iter().all(|one| one["SchemaVersion"] == "2018-10-08"), "{:?}", asff.first());
    assert_eq!((ocsf.len(), asff.len()), (findings, findings));
}

/// The worst comes first, many that are alike are one line, and the end says what to do.
#[test]
fn people_see_the_worst_first_and_no_long_lists_of_the_same() {
    let table = stdout(&scan(&[]));
    let rows: Vec<&str> = table.lines().map(str::trim_start).collect();
    assert!(rows[0].starts_with("SEVERITY") && rows[1].starts_with("CRITICAL"), "{table}");
    let versioning = || rows.iter().filter(|row| row.starts_with("LOW") && row.contains("s3.versioning"));
    // Five, the line that says how many more there are, and the one of the summary.
    assert_eq!(versioning().count(), 7, "{table}");
    assert!(versioning().any(|row| row.contains("and 4 more")), "{table}");
    assert!(table.contains("all of one kind: keepwatch scan --check CHECK"), "{table}");
    assert!(
        table.contains("what to do, and what that costs and may break: keepwatch checks show"),
        "{table}"
    );
    assert!(!table.contains("arn:aws:s3:::"), "{table}");
    let all = stdout(&scan(&["--check", "s3.versioning"]));
    assert!(!all.contains("all of one kind"), "{all}");
}

/// What is only worth knowing is counted, and listed for whoever asks; machines get all of it.
#[test]
fn what_is_informational_is_listed_when_somebody_asks() {
    let ids: Vec<String> = stdout(&scan(&["--format", "ndjson"]))
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["verdict"] == "informational" || line["severity"] == "INFORMATIONAL")
        .map(|line| line["check"].as_str().unwrap().to_owned())
        .collect();
    let id = ids.first().expect("the recorded account has something to know");
    let table = stdout(&scan(&[]));
    assert!(table.contains(" INFORMATIONAL (--all lists them)"), "{table}");
    assert!(
        !table.lines().any(|line| line.starts_with("informational\t") || line.starts_with("INFORMATIONAL\t")),
        "{table}"
    );
    for asked in [&["--all"][..], &["--min-severity", "informational"], &["--check", id]] {
        let table = stdout(&scan(asked));
        assert!(table.to_lowercase().contains(&format!("informational\t{id}\t")), "{asked:?}: {table}");
        assert!(!table.contains("left out"), "{table}");
    }
}

#[test]
fn the_exit_code_tells_what_was_found() {
    let code = |arguments: &[&str]| scan(arguments).status.code();
    assert_eq!(code(&["--check", "P02"]), Some(1), "root has no MFA");
    assert_eq!(code(&["--check", "P69"]), Some(0), "the account is in an organization");
    assert_eq!(code(&["--check", "P28", "--fail-on", "high"]), Some(0), "nothing worse than low");
    assert_eq!(code(&["--check", "P02", "--fail-on", "high"]), Some(1));
    // As if AWS had refused to tell.
    let mut state: Value = serde_json::from_str(&fs::read_to_string(STATE).unwrap()).unwrap();
    let refused =
        serde_json::json!({"refused": [{"action": "iam:GetAccountSummary", "why": "no policy allows it"}]});
    state["answers"]["AccountSummary"] = serde_json::json!([[{"region": "global"}, refused]]);
    let path = scratch("refused").join("state.json");
    fs::write(&path, state.to_string()).unwrap();
    let output = keepwatch(&["scan", "--state", path.to_str().unwrap(), "--check", "P02,P69"], &[]);
    assert_eq!(output.status.code(), Some(3), "whatever else was found, it is not the whole");
    let table = stdout(&output);
    assert!(table.contains("not allowed: iam:GetAccountSummary, so 1 verdict is UNSURE"), "{table}");
    assert!(table.contains("keepwatch scan --print-policy"), "{table}");
}

#[test]
fn wrong_use_says_what_is_right() {
    for (arguments, hint) in [
        (&["--check", "P99"][..], "`keepwatch checks list`"),
        (&["--service", "s4"], "as IAM names them"),
        (&["--set", "key-age-days"], "NAME=VALUE"),
        (&["--set", "key-age-days=soon"], "soon is no number"),
        (&["--set", "key-age=1"], "key-age-days"),
        (&["--trusted-account", "acme"], "twelve digits"),
        (&["--resource", "arn:aws:s3:::nobody"], "no resource matches"),
    ] {
        let text = told(&scan(arguments), 2);
        assert!(text.contains(hint), "{arguments:?}: {text}");
    }
    let folder = scratch("states");
    for (name, content, hint) in [
        ("broken.json", "{\"keepwatch_state\": 1, ", "this is no saved state"),
        ("other.json", "{\"findings\": []}", "this is no saved state"),
        ("future.json", "{\"keepwatch_state\": 99}", "scan again"),
    ] {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        let text = told(&keepwatch(&["scan", "--state", path.to_str().unwrap()], &[]), 2);
        assert!(text.contains(hint) && text.contains(name), "{text}");
    }
    let text = told(&keepwatch(&["scan", "--state", "/nowhere/state.json"], &[]), 2);
    assert!(text.contains("cannot read /nowhere/state.json"), "{text}");
}

#[test]
fn without_region_credentials_or_aws_it_says_what_to_do() {
    const KEYS: [(&str, &str); 2] =
        [("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "x")];
    let text = told(&keepwatch(&["scan"], &KEYS), 2);
    assert!(text.contains("AWS_REGION or --region"), "{text}");
    let text = told(&keepwatch(&["scan", "--region", "eu-west-1"], &[]), 3);
    assert!(text.contains("aws sso login"), "{text}");
    let text = told(&keepwatch(&["scan", "--region", "eu-west-1", "--profile", "nobody"], &[]), 3);
    assert!(text.contains("profile nobody in ~/.aws"), "{text}");
    let nowhere = ["scan", "--region", "eu-west-1", "--save-state", "/nowhere/state.json"];
    let text = told(&keepwatch(&nowhere, &KEYS), 2);
    assert!(text.contains("cannot write /nowhere/state.json"), "{text}");
    let text = told(&keepwatch(&["scan", "--region", "frankfurt"], &KEYS), 2);
    assert!(text.contains("frankfurt is no region"), "{text}");
    // Nobody listens there.
    let nobody = [KEYS[0], KEYS[1], ("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:9")];
    let text = told(&keepwatch(&["scan"], &nobody), 3);
    assert!(text.contains("AWS in eu-west-1 cannot be asked") && text.contains("AWS_ENDPOINT_URL"), "{text}");
}

#[test]
fn the_policy_is_what_the_checks_ask() {
    let policy = stdout(&keepwatch(&["scan", "--check", "P40", "--print-policy"], &[]));
    let policy: Value = serde_json::from_str(&policy).unwrap();
    let actions = policy["Statement"][0]["Action"].as_array().unwrap();
    assert!(actions.iter().any(|action| action == "s3:GetBucketAcl"), "{actions:?}");
    assert!(
        !actions.iter().any(|action| action.as_str().is_some_and(|text| text.starts_with("iam:"))),
        "{actions:?}"
    );
}
