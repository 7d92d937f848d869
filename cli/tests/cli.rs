//! The command line as its users see it: the compiled binary, its output and its exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::{Output, Stdio};

use common::{command, gzip, keepwatch, objects, scratch, stderr, stdout};
use serde_json::Value;

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/events.jsonl");

#[test]
fn replay_tells_each_event_and_rule() {
    let output = keepwatch(&["replay", "--detections", "--format", "ndjson", EVENTS]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let seen: BTreeSet<(String, String, String)> = objects(&output)
        .iter()
        .map(|line| {
            let text =
                |key: &str| line[key].as_str().unwrap_or_else(|| panic!("no {key} in {line}")).to_owned();
            for key in ["event_id", "severity", "resource", "reason"] {
                assert!(!text(key).is_empty(), "{key} of {line}");
            }
            assert!(line["catalogue"].as_array().is_some_and(|codes| !codes.is_empty()), "{line}");
            (text("event_name"), text("rule"), text("verdict"))
        })
        .collect();
    let expected = [
        ("ConsoleLogin", "root-console-sign-in", "failing"),
        ("PutUserPolicy", "admin-inline-policy", "failing"),
        ("PutUserPolicy", "iam-policy-on-user", "failing"),
        ("SetDefaultPolicyVersion", "admin-policy-written", "unknown"),
        ("SetDefaultPolicyVersion", "iam-changed", "failing"),
        ("AWS_RISK_CREDENTIALS_EXPOSED", "exposed-access-key", "failing"),
    ];
    let expected =
        expected.map(|(name, rule, verdict)| (name.to_owned(), rule.to_owned(), verdict.to_owned()));
    assert_eq!(seen, BTreeSet::from(expected));
}

#[test]
fn replay_reads_standard_input_and_prints_a_table() {
    let mut child = command(&["replay", "--detections", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(EVENTS).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = stdout(&output);
    assert!(text.contains("User bob is now a full administrator"), "{text}");
    assert!(text.contains("6 detections in 6 events (5 cloudtrail, 1 health)"), "{text}");
}

/// Deleting a bucket settles what was open about it, and is no news where nothing was.
#[test]
fn the_table_tells_good_news_only_of_what_was_bad() {
    let folder = scratch("news");
    let mut delete: Value =
        serde_json::from_str(fs::read_to_string(EVENTS).unwrap().lines().nth(2).unwrap()).unwrap();
    delete["eventSource"] = "s3.amazonaws.com".into();
    delete["eventName"] = "DeleteBucket".into();
    delete["requestParameters"] = serde_json::json!({"bucketName": "pictures"});
    delete["errorCode"] = Value::Null;
    let mut open = delete.clone();
    delete["eventID"] = "00000004-0000-4000-8000-000000000000".into();
    delete["eventTime"] = "2026-03-01T12:09:00Z".into();
    open["eventName"] = "DeleteBucketPublicAccessBlock".into();
    let table = |events: &[&Value]| {
        let file = folder.join("events.jsonl");
        fs::write(&file, events.iter().map(|event| format!("{event}\n")).collect::<String>()).unwrap();
        stdout(&keepwatch(&["replay", "--detections", file.to_str().unwrap()]))
    };
    assert!(!table(&[&delete]).contains("FIXED"), "{}", table(&[&delete]));
    assert!(table(&[&open, &delete]).contains("FIXED"), "{}", table(&[&open, &delete]));
}

#[test]
fn replay_knows_the_stack_and_the_automation_that_it_is_told() {
    let folder = scratch("stack");
    let lines = fs::read_to_string(EVENTS).unwrap();
    let mut disable: Value = serde_json::from_str(lines.lines().nth(2).unwrap()).unwrap();
    disable["eventSource"] = "events.amazonaws.com".into();
    disable["eventName"] = "DisableRule".into();
    disable["requestParameters"] = serde_json::json!({"name": "keepwatch-calls-1"});
    disable["errorCode"] = Value::Null;
    let mut share = disable.clone();
    share["eventSource"] = "ec2.amazonaws.com".into();
    share["eventName"] = "ModifyImageAttribute".into();
    let grantee = serde_json::json!({"add": {"items": [{"userId": "999988887777"}]}});
    share["requestParameters"] = serde_json::json!({"imageId": "ami-1", "launchPermission": grantee});
    let file = folder.join("events.jsonl");
    fs::write(&file, format!("{disable}\n{share}\n")).unwrap();
    let severities = |options: &[&str]| {
        let replay = ["replay", "--detections", "--format", "ndjson", file.to_str().unwrap()];
        let output = keepwatch(&[&replay, options].concat());
        let severity = |rule: &str| {
            let found = objects(&output).into_iter().find(|seen| seen["rule"] == rule);
            found.map(|seen| seen["severity"].as_str().unwrap_or_default().to_owned())
        };
        (severity("self-event-rule-changed"), severity("exposure-image-shared"))
    };
    let (critical, medium, low) = (Some("CRITICAL".into()), Some("MEDIUM".into()), Some("LOW".into()));
    assert_eq!(severities(&[]), (critical.clone(), medium.clone()));
    assert_eq!(severities(&["--stack", "watch"]), (None, medium));
    assert_eq!(severities(&["--automation", "arn:*"]), (critical, low));
}

#[test]
fn a_line_that_is_no_event_is_named_and_loses_nothing() {
    let file = scratch("broken").join("broken.jsonl");
    let good = fs::read_to_string(EVENTS).unwrap();
    let first = good.lines().next().unwrap();
    fs::write(&file, [b"{broken\n", b"\xff\xfe\n".as_slice(), b"[1]\n\n", first.as_bytes()].concat())
        .unwrap();
    let output = keepwatch(&["replay", "--detections", "--format", "ndjson", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(objects(&output).len(), 1);
    for line in ["broken.jsonl:1: ", "broken.jsonl:2: ", "broken.jsonl:3: "] {
        assert!(stderr(&output).contains(line), "{}", stderr(&output));
    }
}

#[test]
fn files_of_cloudtrail_are_unpacked_and_what_nobody_reads_is_named() {
    let file = scratch("wrapped").join("wrapped.jsonl");
    let record = fs::read_to_string(EVENTS).unwrap().lines().next().unwrap().to_owned();
    let lookup = serde_json::json!({"CloudTrailEvent": record}).to_string();
    let lines = [format!("{{\"Records\":[{record},{record}]}}"), lookup, "{\"event\":1}".to_owned()];
    fs::write(&file, lines.join("\r\n")).unwrap();
    let output = keepwatch(&["replay", "--detections", "--format", "ndjson", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(objects(&output).len(), 3);
    assert!(
        stderr(&output).contains("wrapped.jsonl:3: this is not an event: neither a CloudTrail record"),
        "{}",
        stderr(&output)
    );
}

/// CloudTrail's own files lie in folders, compressed; digests beside them hold no events.
#[test]
fn folders_of_compressed_files_are_told_in_the_order_of_time() {
    let folder = scratch("folder");
    let line = |i: usize| fs::read_to_string(EVENTS).unwrap().lines().nth(i).unwrap().to_owned();
    let (later, digests) = (folder.join("2026/03/02"), folder.join("CloudTrail-Digest"));
    for folder in [&later, &digests] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(later.join("b.json.gz"), gzip(format!("{{\"Records\":[{}]}}", line(0)).as_bytes())).unwrap();
    fs::write(folder.join("2026/03/01.json.gz"), gzip(format!("{{\"Records\":[{}]}}", line(1)).as_bytes()))
        .unwrap();
    fs::write(digests.join("digest.json.gz"), gzip(br#"{"awsAccountId":"111122223333"}"#)).unwrap();
    fs::write(folder.join("readme.txt"), "no log").unwrap();
    let output = keepwatch(&["replay", "--detections", "--format", "ndjson", folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let single = |i: usize| {
        let file = folder.join("single.jsonl");
        fs::write(&file, line(i)).unwrap();
        objects(&keepwatch(&["replay", "--detections", "--format", "ndjson", file.to_str().unwrap()]))
    };
    let expected: Vec<Value> = [single(0), single(1)].concat();
    assert!(!expected.is_empty());
    assert_eq!(objects(&output), expected);
    let empty = scratch("empty");
    let output = keepwatch(&["replay", empty.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("has no files that end in .json"), "{}", stderr(&output));
}

#[test]
fn a_compressed_file_that_breaks_off_is_named_and_read_as_far_as_it_goes() {
    let folder = scratch("gzip");
    let text = fs::read_to_string(EVENTS).unwrap();
    let whole = folder.join("whole.jsonl.gz");
    fs::write(&whole, gzip(text.repeat(50).as_bytes())).unwrap();
    let all =
        objects(&keepwatch(&["replay", "--detections", "--format", "ndjson", whole.to_str().unwrap()])).len();
    let packed = fs::read(&whole).unwrap();
    let broken = folder.join("broken.jsonl.gz");
    fs::write(&broken, &packed[..packed.len() - 12]).unwrap();
    let output = keepwatch(&["replay", "--detections", "--format", "ndjson", broken.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("broken.jsonl.gz:1: it cannot be unpacked to its end"),
        "{}",
        stderr(&output)
    );
    let some = objects(&output).len();
    assert!(some > 0 && some <= all, "{some} of {all}");
}

#[test]
fn a_document_may_span_lines_and_a_first_line_may_be_cut_off() {
    let folder = scratch("documents");
    let text = fs::read_to_string(EVENTS).unwrap();
    let replay = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        keepwatch(&["replay", "--detections", "--format", "ndjson", file.to_str().unwrap()])
    };
    let lines = replay("lines.jsonl", &text);
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let pretty = serde_json::to_string_pretty(&records).unwrap();
    let document = replay("pretty.json", &pretty);
    assert_eq!(document.status.code(), Some(0), "{}", stderr(&document));
    assert_eq!(objects(&document).len(), objects(&lines).len());
    let cut = replay("cut.jsonl", &format!("{{\"eventVersion\":\"1.\n{text}"));
    assert_eq!(cut.status.code(), Some(1));
    assert!(stderr(&cut).contains("cut.jsonl:1: this is not an event"), "{}", stderr(&cut));
    assert_eq!(objects(&cut).len(), objects(&lines).len());
}

/// A log larger than one part of it, so that all threads have work, tells the same in the same order.
#[test]
fn many_threads_tell_what_one_tells() {
    let folder = scratch("many");
    let text = fs::read_to_string(EVENTS).unwrap();
    let times = (12 << 20) / text.len() + 1;
    fs::write(folder.join("many.jsonl"), text.repeat(times)).unwrap();
    let one = objects(&keepwatch(&["replay", "--detections", "--format", "ndjson", EVENTS]));
    let many = keepwatch(&[
        "replay",
        "--detections",
        "--format",
        "ndjson",
        folder.join("many.jsonl").to_str().unwrap(),
    ]);
    let many = objects(&many);
    assert_eq!(many.len(), one.len() * times);
    let kept = |seen: &Value| one.contains(seen);
    assert!(many.iter().all(kept));
    let times = |seen: &Value| seen["event_time"].as_str().map(str::to_owned);
    assert!(many.iter().map(times).is_sorted());
}

/// A key that one event shows to be exposed is known to the events after it.
#[test]
fn an_exposed_key_is_recognised_at_work() {
    let file = scratch("exposed").join("events.jsonl");
    let text = fs::read_to_string(EVENTS).unwrap();
    let health = text.lines().last().unwrap();
    let mut call: Value = serde_json::from_str(text.lines().nth(3).unwrap()).unwrap();
    call["userIdentity"]["accessKeyId"] = "AKIAI44QH8DHBEXAMPLE".into();
    let before = call.to_string();
    call["eventTime"] = "2026-03-01T12:30:00Z".into();
    fs::write(&file, format!("{health}\n{before}\n{call}\n")).unwrap();
    let rules: Vec<Value> =
        objects(&keepwatch(&["replay", "--detections", "--format", "ndjson", file.to_str().unwrap()]));
    let rules: Vec<&str> = rules.iter().filter_map(|line| line["rule"].as_str()).collect();
    assert_eq!(rules, ["exposed-access-key", "exposed-access-key-in-use"]);
}

#[test]
fn a_missing_file_says_what_to_do() {
    let output = keepwatch(&["replay", "no-such-file.jsonl"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("no-such-file.jsonl is not there; name files of JSON, folders, s3://"),
        "{}",
        stderr(&output)
    );
    let nothing = keepwatch(&["replay"]);
    assert_eq!(nothing.status.code(), Some(2));
    for word in ["--lookup DIR", "s3://BUCKET/PREFIX", "folders"] {
        assert!(stderr(&nothing).contains(word), "{}", stderr(&nothing));
    }
}

#[test]
fn trusted_accounts_are_trusted() {
    let file = scratch("trusted").join("trust.jsonl");
    let line = fs::read_to_string(EVENTS).unwrap().lines().nth(2).unwrap().to_owned();
    let mut event: Value = serde_json::from_str(&line).unwrap();
    let document =
        r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"sts:AssumeRole"}]}"#;
    event["eventName"] = "UpdateAssumeRolePolicy".into();
    event["requestParameters"] = serde_json::json!({"roleName": "r", "policyDocument": document});
    fs::write(&file, event.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let of_trust = |output: &Output| -> Vec<Value> {
        let all = objects(output);
        all.iter()
            .filter(|line| line["rule"] == "role-trust-opened")
            .map(|line| line["verdict"].clone())
            .collect()
    };
    assert_eq!(of_trust(&keepwatch(&["replay", "--detections", "--format", "ndjson", file])), ["failing"]);
    let trusted = keepwatch(&[
        "replay",
        "--detections",
        "--format",
        "ndjson",
        "--trusted-account",
        "111111111111,444455556666",
        file,
    ]);
    assert_eq!(of_trust(&trusted), ["passing"]);
}

#[test]
fn rules_are_listed_and_shown() {
    let all = objects(&keepwatch(&["rules", "list", "--format", "ndjson"]));
    assert!(all.len() > 30);
    for rule in &all {
        for key in ["id", "title", "severity", "confidence"] {
            assert!(rule[key].as_str().is_some_and(|text| !text.is_empty()), "{key} of {rule}");
        }
        for key in ["catalogue", "references", "event_names"] {
            assert!(rule[key].as_array().is_some_and(|list| !list.is_empty()), "{key} of {rule}");
        }
    }
    let table = stdout(&keepwatch(&["rules", "list"]));
    assert!(table.contains("root-console-sign-in") && table.contains("ROOT-01, ROOT-02"), "{table}");
    let page = stdout(&keepwatch(&["rules", "show", "root-console-sign-in"]));
    assert!(
        page.contains("## Why it matters") && page.contains("CRITICAL") || page.contains("HIGH"),
        "{page}"
    );
    let one = objects(&keepwatch(&["rules", "show", "root-console-sign-in", "--format", "ndjson"]));
    assert_eq!(one.len(), 1);
    let unknown = keepwatch(&["rules", "show", "no-such-rule"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("`keepwatch rules list` shows all of them"), "{}", stderr(&unknown));
}

/// Whatever id a mail or a finding shows: each command describes it, or says which one does.
#[test]
fn ids_in_mails_are_described() {
    let told = |arguments: &[&str]| {
        let output = keepwatch(arguments);
        (output.status.code(), stdout(&output), stderr(&output))
    };
    for id in ["forwarder.silent", "forwarder.silent-3f9a2c41d07be5a8", "canary.missed", "scan.coverage"] {
        let (code, page, _) = told(&["checks", "show", id]);
        assert!(code == Some(0) && page.contains("## What to do"), "{id}: {page}");
        let (code, _, error) = told(&["rules", "show", id]);
        let id = id.strip_suffix("-3f9a2c41d07be5a8").unwrap_or(id);
        assert!(code == Some(2) && error.contains(&format!("keepwatch checks show {id}`")), "{error}");
        let machine = objects(&keepwatch(&["checks", "show", id, "--format", "ndjson"]));
        assert_eq!(machine[0]["id"], id);
    }
    let (code, page, _) = told(&["rules", "show", "root-console-sign-in-3f9a2c41d07be5a8"]);
    assert!(code == Some(0) && page.contains("`root-console-sign-in`"), "{page}");
    let (code, pages, _) = told(&["rules", "show", "adm-14"]);
    let both = ["`admin-inline-policy`", "`admin-managed-policy-attached`"];
    assert!(code == Some(0) && both.iter().all(|id| pages.contains(id)), "{pages}");
    let (code, _, error) = told(&["checks", "show", "root-console-sign-in"]);
    assert!(code == Some(2) && error.contains("keepwatch rules show root-console-sign-in`"), "{error}");
    let (_, _, error) = told(&["rules", "show", "root.mfa"]);
    assert!(error.contains("keepwatch checks show root.mfa`"), "{error}");
}

/// Runs `policy explain` with this text on standard input.
fn explain(arguments: &[&str], text: &str) -> Output {
    let mut child = command(&["policy", "explain"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // One that refuses its arguments reads nothing.
    let _ = child.stdin.take().expect("it has standard input").write_all(text.as_bytes());
    child.wait_with_output().expect("the binary ends")
}

#[test]
fn the_policies_of_one_holder_are_explained_together() {
    let folder = scratch("explain");
    let write = |name: &str, statement: &str| {
        let path = folder.join(name);
        fs::write(&path, format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)).unwrap();
        path.display().to_string()
    };
    let make = write("make.json", r#"{"Effect":"Allow","Action":"iam:CreateRole","Resource":"*"}"#);
    let fill = write(
        "fill.json",
        r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"},
            {"Sid":"Fill","Effect":"Allow","Action":"iam:PutRolePolicy","Resource":"arn:aws:iam::*:role/app-*"}"#,
    );
    let alone = keepwatch(&["policy", "explain", &make]);
    assert_eq!(alone.status.code(), Some(0));
    assert!(stdout(&alone).starts_with("ordinary: the holder has no power"), "{}", stdout(&alone));
    let both = stdout(&keepwatch(&["policy", "explain", &make, &fill]));
    for part in
        ["privilege-escalation: the holder can make itself administrator", "iam:CreateRole", "2 \"Fill\""]
    {
        assert!(both.contains(part), "{part}: {both}");
    }
    let machine = keepwatch(&["policy", "explain", "--format", "ndjson", &make, &fill]);
    let [verdict] = objects(&machine).try_into().expect("one holder, one line");
    assert_eq!((&verdict["type"], &verdict["level"]), (&"identity".into(), &"privilege-escalation".into()));
    let reason = &verdict["reasons"][0];
    assert_eq!(reason["gives"]["path"], "create-role", "{verdict}");
    assert_eq!(reason["statements"][1]["policy"], 1, "{verdict}");
    assert_eq!(reason["statements"][1]["statement"]["sid"], "Fill", "{verdict}");
    assert_eq!(verdict["policies"][1]["name"], "fill", "{verdict}");

    let bucket = write(
        "bucket.json",
        r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}"#,
    );
    let mixed = keepwatch(&["policy", "explain", &make, &bucket]);
    assert_eq!(mixed.status.code(), Some(2));
    assert!(stderr(&mixed).contains("bucket.json like one of type resource"), "{}", stderr(&mixed));
    let open = keepwatch(&["policy", "explain", "--account", "111122223333", &bucket]);
    assert!(stdout(&open).contains("anybody on the internet\tread its objects"), "{}", stdout(&open));
}

#[test]
fn a_trust_policy_is_explained_as_the_aws_cli_prints_it() {
    let role = r#"{"Role": {"RoleName": "deploy", "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "999988887777", "Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}}}"#;
    let told = explain(&["--account", "111122223333", "-"], role);
    assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
    for part in ["1 opening for outsiders", "outside account 999988887777\tyes", "ec2.amazonaws.com"] {
        assert!(stdout(&told).contains(part), "{part}: {}", stdout(&told));
    }
    // Whoever is of the account is no outsider.
    let own = objects(&explain(&["--account", "999988887777", "--format", "ndjson", "-"], role));
    assert_eq!((&own[0]["type"], own[0]["openings"].as_array().map(Vec::len)), (&"trust".into(), Some(0)));
    assert!(stdout(&explain(&["-"], role)).contains("no --account is given"));
}

#[test]
fn a_date_that_is_past_lets_nothing_through() {
    for (operator, date, level) in [
        ("DateLessThan", "2020-01-01T00:00:00Z", "ordinary"),
        ("DateGreaterThan", "2020-01-01T00:00:00Z", "full-admin"),
        // The year 10000, which no text of ISO 8601 has.
        ("DateLessThan", "253402300800", "full-admin"),
        ("DateGreaterThan", "253402300800", "full-admin"),
    ] {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*",
                "Condition":{{"{operator}":{{"aws:CurrentTime":"{date}"}}}}}}}}"#
        );
        let told = objects(&explain(&["--format", "ndjson", "-"], &policy));
        assert_eq!(told[0]["level"], level, "{operator} {date}");
    }
}

#[test]
fn what_cannot_be_explained_is_told_and_ends_with_two() {
    for (arguments, text, hint) in [
        (vec!["-"], "{", "standard input: the policy document is not JSON"),
        (vec!["-"], r#"{"Statement":[]}"#, "it has no statement"),
        (vec!["no-such-file.json"], "", "cannot read no-such-file.json"),
        (vec!["--account", "prod", "-"], "", "an account is twelve digits"),
        (vec!["--holder", "bob", "-"], "", "write the ARN of a user, role or group"),
        (
            vec!["--type", "resource", "-"],
            r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}"#,
            "say --service s3",
        ),
        (vec![], "", "FILE"),
    ] {
        let refused = explain(&arguments, text);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&refused).contains(hint), "{hint}: {}", stderr(&refused));
    }
}

/// What goes into a pipe is cut at tabs by other programs: nothing is padded, and each row is one line.
#[test]
fn a_pipe_gets_rows_with_tabs_and_nothing_is_padded() {
    let text = stdout(&keepwatch(&["replay", "--all", EVENTS]));
    let header = "SEVERITY\tSTATE\tFIRST (UTC)\tTIMES\tMAILS\tID\tWHAT";
    let mut rows = text.lines().skip_while(|line| *line != header);
    assert_eq!(rows.next(), Some(header), "{text}");
    let rows: Vec<&str> = rows.take_while(|line| !line.is_empty()).collect();
    assert!(rows.len() >= 4, "{text}");
    for row in rows {
        assert_eq!(row.split('\t').count(), 7, "{row}");
    }
    assert!(!text.contains("  "), "{text}");
}

/// The findings of a log in the form of code-scanning pages, by the writer that all commands share.
#[test]
fn a_replay_knows_every_format_of_the_other_commands() {
    let sarif: Value =
        serde_json::from_str(&stdout(&keepwatch(&["replay", "--format", "sarif", EVENTS]))).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let findings = stdout(&keepwatch(&["replay", "--format", "ndjson", EVENTS])).lines().count();
    assert_eq!(results.len(), findings);
    assert!(results.iter().any(|one| one["ruleId"] == "root-console-sign-in" && one["level"] == "error"));
}

#[test]
fn what_is_nearly_right_is_proposed() {
    let id = {
        let text = stdout(&keepwatch(&["replay", "--format", "csv", EVENTS]));
        let id = text.lines().nth(1).unwrap().rsplit(',').next().unwrap().to_owned();
        id[id.len() - 8..].to_owned()
    };
    let wrong = format!("{}{}", &id[..7], if id.ends_with('0') { '1' } else { '0' });
    for (arguments, hint) in [
        (&["replay", "--finding", wrong.as_str(), EVENTS][..], format!("(did you mean {id}?)")),
        (
            &["replay", "--rule", "root-consol-sign-in", EVENTS],
            "(did you mean root-console-sign-in?)".to_owned(),
        ),
        (
            &["replay", "--on", "access-key-new-adress", EVENTS],
            "(did you mean access-key-new-address?)".to_owned(),
        ),
        (
            &["findings", "list", "--rule", "root-consol-sign-in"],
            "(did you mean root-console-sign-in?)".to_owned(),
        ),
        (&["rules", "show", "root-consol-sign-in"], "(did you mean root-console-sign-in?)".to_owned()),
        (&["checks", "show", "root.mfaa"], "(did you mean root.mfa?)".to_owned()),
        (&["scan", "--check", "root.mfaa"], "(did you mean root.mfa?)".to_owned()),
        (
            &[
                "suppress",
                "add",
                "--rule",
                "network-chnged",
                "--resource",
                "x",
                "--owner",
                "me",
                "--reason",
                "r",
                "--days",
                "1",
            ],
            "(did you mean network-changed?)".to_owned(),
        ),
        (&["docter"], "'doctor'".to_owned()),
    ] {
        let output = keepwatch(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(&hint), "{arguments:?}: {}", stderr(&output));
    }
}
