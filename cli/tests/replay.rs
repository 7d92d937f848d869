//! What a replay comes to: findings and mails, whatever order the log is in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use common::{command, gzip, stderr, stdout};
use serde_json::{Value, json};

const ACCOUNT: &str = "111122223333";
const ADMIN: &str = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const KEY: &str = "AKIAI44QH8DHBEXAMPLE";

fn keepwatch(arguments: &[&str]) -> Output {
    common::keepwatch(&[&["replay"], arguments].concat())
}

fn scratch(name: &str) -> PathBuf {
    common::scratch(&format!("replay/{name}"))
}

/// A call: its number is its id and, in minutes from midnight, its time.
fn call(number: usize, service: &str, name: &str, who: &str, region: &str, request: Value) -> Value {
    json!({
        "eventVersion": "1.08", "eventID": format!("00000000-0000-0000-0000-{number:012}"),
        "eventTime": format!("2026-03-{:02}T{:02}:{:02}:00Z", 1 + number / 1_440, number / 60 % 24, number % 60),
        "eventType": "AwsApiCall", "eventSource": format!("{service}.amazonaws.com"), "eventName": name,
        "awsRegion": region, "sourceIPAddress": "203.0.113.7", "userAgent": "aws-cli/2.15.30", "readOnly": false,
        "recipientAccountId": ACCOUNT, "requestParameters": request, "responseElements": null,
        "userIdentity": {"type": "IAMUser", "principalId": format!("AIDA{who}"), "userName": who, "accountId": ACCOUNT,
            "arn": format!("arn:aws:iam::{ACCOUNT}:user/{who}"), "accessKeyId": "AKIAIOSFODNN7EXAMPLE"},
    })
}

fn grant(number: usize, user: &str, by: &str) -> Value {
    let request = json!({"userName": user, "policyName": "p", "policyDocument": ADMIN});
    call(number, "iam", "PutUserPolicy", by, "us-east-1", request)
}

fn revoke(number: usize, user: &str, by: &str) -> Value {
    call(number, "iam", "DeleteUserPolicy", by, "us-east-1", json!({"userName": user, "policyName": "p"}))
}

fn root_sign_in(number: usize) -> Value {
    let mut event = call(number, "signin", "ConsoleLogin", "x", "us-east-1", Value::Null);
    event["eventType"] = "AwsConsoleSignIn".into();
    event["responseElements"] = json!({"ConsoleLogin": "Success"});
    event["additionalEventData"] = json!({"MFAUsed": "No"});
    event["userIdentity"] = json!({"type": "Root", "principalId": ACCOUNT, "accountId": ACCOUNT,
        "arn": format!("arn:aws:iam::{ACCOUNT}:root")});
    event
}

/// Somebody is refused, which counts when it happens often.
fn refused(number: usize) -> Value {
    let mut event = call(number, "ec2", "DescribeInstances", "mallory", "eu-west-1", Value::Null);
    event["errorCode"] = "AccessDenied".into();
    event
}

/// AWS tells that a key is exposed.
fn exposure(number: usize) -> Value {
    let time = call(number, "x", "x", "x", "x", Value::Null)["eventTime"].clone();
    json!({
        "version": "0", "id": format!("health-{number}"), "detail-type": "AWS Health Event", "source": "aws.health",
        "account": ACCOUNT, "time": time, "region": "us-east-1", "resources": [KEY],
        "detail": {"eventArn": format!("arn:aws:health:us-east-1::event/RISK/X/{number}"), "service": "RISK",
            "eventTypeCode": "AWS_RISK_CREDENTIALS_EXPOSED", "communicationId": format!("{number}"), "statusCode": "open",
            "page": "1", "totalPages": "1", "affectedEntities": [{"entityValue": KEY}], "eventMetadata": {"userName": "bob"}},
    })
}

fn use_of_key(number: usize) -> Value {
    let mut event = call(number, "ec2", "DescribeVpcs", "bob", "eu-west-1", Value::Null);
    event["userIdentity"]["accessKeyId"] = KEY.into();
    event["readOnly"] = true.into();
    event
}

/// Three days of everything whose judgement depends on what came before.
fn story() -> Vec<Value> {
    let mut log: Vec<Value> = Vec::new();
    for day in 0..3 {
        let noon = day * 1_440 + 720;
        log.push(grant(noon, &format!("user-{day}"), "alice"));
        log.push(grant(noon + 3, "carol", "alice"));
        log.push(revoke(noon + 200, "carol", "dave"));
        log.push(root_sign_in(noon + 30));
        log.extend((0..70).map(|i| refused(noon + 300 + i % 4 + 10 * usize::from(i > 60))));
        log.push(use_of_key(noon + 400));
    }
    log.push(exposure(1_440 + 900));
    // Each with an id of its own, or they would be copies of one another.
    for (i, event) in log.iter_mut().enumerate() {
        if event["eventID"].is_string() {
            event["eventID"] = format!("{i:08}-0000-0000-0000-000000000000").into();
        }
    }
    log
}

/// Writes the events into files of folders, in this order.
fn write(folder: &Path, events: &[Value], files: usize) {
    let _ = fs::remove_dir_all(folder);
    for (i, some) in events.chunks(events.len().div_ceil(files)).enumerate() {
        let region = folder.join(["us-east-1", "eu-west-1", "ap-south-1"][i % 3]);
        fs::create_dir_all(&region).unwrap();
        let lines: String = some.iter().map(|event| format!("{event}\n")).collect();
        fs::write(region.join(format!("{i:03}.jsonl")), lines).unwrap();
    }
}

fn whole(folder: &Path) -> Value {
    let output = keepwatch(&["--format", "json", folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

#[test]
fn any_order_of_events_and_files_tells_the_same() {
    let folder = scratch("shuffled");
    let mut events = story();
    write(&folder, &events, 1);
    let in_order = whole(&folder);
    let findings = in_order["findings"].as_array().unwrap();
    assert!(findings.len() >= 7, "{findings:#?}");
    assert!(in_order["mails"]["alerts"].as_u64() > Some(5), "{}", in_order["mails"]);
    let exposed = findings.iter().find(|one| one["rule"] == "exposed-access-key").unwrap();
    let in_use = |name: &String| name.starts_with("exposed-access-key-in-use");
    assert!(exposed["witnesses"].as_object().unwrap().keys().any(in_use), "{exposed:#}");
    assert_eq!(exposed["occurrences"], 3, "only what was done after it was exposed: {exposed:#}");
    for seed in 0..10 {
        let mut rng = fastrand::Rng::with_seed(seed);
        rng.shuffle(&mut events);
        write(&folder, &events, rng.usize(1..12));
        assert_eq!(whole(&folder), in_order, "seed {seed}");
    }
}

/// What can be read only once is judged the same: the uses of keys are kept then.
#[test]
fn a_pipe_tells_what_files_tell() {
    let folder = scratch("pipe");
    let events = story();
    write(&folder, &events, 1);
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    let mut child = command(&["replay", "--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::spawn(move || std::io::Write::write_all(&mut stdin, lines.as_bytes()).unwrap());
    let piped: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(piped, whole(&folder));
}

/// A lot of noise, and six incidents in it.
#[test]
fn six_incidents_in_a_noisy_log_are_in_the_first_twenty_lines() {
    let folder = scratch("noisy");
    let mut log: Vec<Value> = Vec::new();
    for i in 0..4_000 {
        log.push(call(i, "s3", "PutObject", "ci", "eu-west-1", json!({"bucketName": "b"})));
        if i % 5 == 0 {
            let request = json!({"groupId": format!("sg-{i:08x}"), "ipPermissions": {"items": []}});
            log.push(call(i, "ec2", "AuthorizeSecurityGroupIngress", "ci", "eu-west-1", request));
        }
        if i % 7 == 0 {
            log.push(call(i, "iam", "CreateRole", "ci", "us-east-1", json!({"roleName": format!("r-{i}")})));
        }
    }
    log.push(root_sign_in(100));
    log.push(grant(700, "bob", "alice"));
    log.push(exposure(1_000));
    log.push(use_of_key(1_100));
    log.push(call(1_500, "cloudtrail", "StopLogging", "mallory", "us-east-1", json!({"name": "main"})));
    log.push(call(2_000, "guardduty", "DeleteDetector", "mallory", "us-east-1", json!({"detectorId": "d1"})));
    let public = json!({"bucketName": "photos", "bucketPolicy": {"Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/*"}]}});
    log.push(call(2_500, "s3", "PutBucketPolicy", "dave", "eu-west-1", public));
    for (i, event) in log.iter_mut().enumerate() {
        event["eventID"] = format!("{i:08}-0000-0000-0000-000000000000").into();
    }
    write(&folder, &log, 3);
    let output = keepwatch(&[folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let first: String = text.lines().take(20).collect::<Vec<_>>().join("\n");
    for incident in ["Root signed in", "User bob is now a full administrator", KEY, "main", "d1", "photos"] {
        assert!(first.contains(incident), "{incident}: {text}");
    }
    assert!(text.lines().count() <= 32, "{text}");
    assert!(text.lines().all(|line| line == line.trim_end()), "nothing is padded: {text}");
}

#[test]
fn a_finding_is_shown_with_what_else_the_same_hand_did() {
    let story = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/stories/demo.jsonl");
    let mail = stdout(&keepwatch(&[story, "--finding", "admin-inline-policy"]));
    let related = mail.split("RELATED, WITHIN 24 HOURS\n").nth(1).unwrap();
    let related = related.split("\nWHO\n").next().unwrap();
    assert!(related.contains("Root signed in to the console WITHOUT MFA"), "{mail}");
    assert!(related.contains("    by the same address, 9 minutes earlier\n"), "{mail}");
}

#[test]
fn a_finding_is_shown_as_its_mail_and_the_formats_hold_them_all() {
    let folder = scratch("formats");
    write(&folder, &story(), 2);
    let path = folder.to_str().unwrap();
    let findings = |arguments: &[&str]| -> Vec<Value> {
        let output = keepwatch(&[&["--format", "ndjson", path], arguments].concat());
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = findings(&[]);
    let carol = all.iter().find(|one| one["resource"].as_str().unwrap().ends_with("user/carol")).unwrap();
    assert_eq!(carol["status"], "RESOLVED");
    let id = carol["finding_id"].as_str().unwrap();
    let mail = stdout(&keepwatch(&[path, "--finding", &id[id.len() - 8..]]));
    assert!(mail.starts_with("Subject: [") && mail.lines().nth(1) == Some(""), "{mail}");
    assert!(mail.contains("WHAT TO DO NOW") && mail.contains("carol"), "{mail}");
    let nobody = keepwatch(&[path, "--finding", "zzz"]);
    assert_eq!(nobody.status.code(), Some(2));
    assert!(stderr(&nobody).contains("--all lists all of them"), "{}", stderr(&nobody));

    let csv = stdout(&keepwatch(&[path, "--format", "csv"]));
    assert_eq!(csv.lines().count(), all.len() + 1, "{csv}");
    assert!(csv.contains(",FIXED,") && csv.contains(",PROBLEM,"), "{csv}");
    let critical = findings(&["--min-severity", "critical"]);
    assert!(!critical.is_empty() && critical.len() < all.len());
    assert!(critical.iter().all(|one| one["severity"] == "CRITICAL"));
    assert!(
        findings(&["--rule", "root-*"]).iter().all(|one| one["rule"].as_str().unwrap().starts_with("root-"))
    );
    assert_eq!(findings(&["--since", "2026-03-04"]).len(), 0);
    assert_eq!(findings(&["--account", "444455556666"]).len(), 0);
    let first_day = findings(&["--until", "2026-03-02"]);
    assert!(!first_day.is_empty() && first_day.len() < all.len());
    assert!(findings(&["--region", "eu-west-1"]).iter().all(|one| one["rule"] != "admin-inline-policy"));

    assert_eq!(keepwatch(&[path, "--fail-on", "critical"]).status.code(), Some(1));
    assert_eq!(
        keepwatch(&[path, "--fail-on", "critical", "--rule", "iam-access-denied-burst"]).status.code(),
        Some(0)
    );
    assert_eq!(keepwatch(&[path, "--rule", "rot-*"]).status.code(), Some(2));
    assert_eq!(keepwatch(&[path, "--detections", "--format", "csv"]).status.code(), Some(2));
}

/// What is suppressed is kept and mailed to nobody.
#[test]
fn settings_silence_and_tune() {
    let folder = scratch("settings");
    write(&folder, &story(), 1);
    let path = folder.to_str().unwrap();
    let rows = [
        json!({"setting_id": "suppression#carol", "rule": "admin-inline-policy", "resource": "*", "owner": "ann",
            "reason": "a test", "created_at": "2026-03-01T00:00:00Z", "expires_at": "2026-03-20T00:00:00Z"}),
        json!({"setting_id": "rule#iam-access-denied-burst", "enabled": false}),
    ];
    let file = folder.join("settings.txt");
    fs::write(&file, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
    let told = |arguments: &[&str]| -> Value {
        let output = keepwatch(&[&["--format", "json", path], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_str(&stdout(&output)).unwrap()
    };
    let (loud, quiet) = (told(&[]), told(&["--settings", file.to_str().unwrap()]));
    assert!(
        quiet["mails"]["alerts"].as_u64() < loud["mails"]["alerts"].as_u64(),
        "{} {}",
        quiet["mails"],
        loud["mails"]
    );
    assert!(loud["rules"].get("iam-access-denied-burst").is_some(), "{}", loud["rules"]);
    assert!(quiet["rules"].get("iam-access-denied-burst").is_none(), "{}", quiet["rules"]);
    let silent =
        quiet["findings"].as_array().unwrap().iter().filter(|one| one["status"] == "SUPPRESSED").count();
    assert!(silent >= 3, "{silent}");
    fs::write(&file, r#"{"setting_id": "rule#no-such-rule", "enabled": false}"#).unwrap();
    let odd = keepwatch(&[path, "--settings", file.to_str().unwrap()]);
    assert_eq!(odd.status.code(), Some(2));
    assert!(stderr(&odd).contains("rule#no-such-rule"), "{}", stderr(&odd));
    fs::write(&file, "# Keepwatch\n\nIt keeps watch.\n").unwrap();
    let odd = keepwatch(&[path, "--settings", file.to_str().unwrap()]);
    assert_eq!(odd.status.code(), Some(2));
    assert!(
        stderr(&odd).contains("`keepwatch settings export > FILE`")
            && stderr(&odd).contains("settings.txt:3: "),
        "{}",
        stderr(&odd)
    );
    // One that holds at another time silences nothing, which is said.
    fs::write(&file, rows[0].to_string().replace("2026-03-", "2025-03-")).unwrap();
    let late = keepwatch(&[path, "--settings", file.to_str().unwrap()]);
    assert_eq!(late.status.code(), Some(0));
    assert!(stderr(&late).contains("suppression#carol: it silences nothing here"), "{}", stderr(&late));
}

/// How many events of root's sign-in are found in a file of this name and content, with the exit code and the errors.
fn found(name: &str, content: &[u8]) -> (usize, Option<i32>, String) {
    let file = scratch(&format!("shape-{name}")).join(name);
    fs::write(&file, content).unwrap();
    let output = keepwatch(&["--detections", "--format", "ndjson", file.to_str().unwrap()]);
    let text = stdout(&output);
    let found = text.lines().filter(|line| line.contains("root-console-sign-in")).count();
    (found, output.status.code(), stderr(&output))
}

#[test]
fn what_people_have_lying_around_is_read() {
    let record = root_sign_in(1);
    let text = record.to_string();
    let lower = json!({
        "eventversion": "1.08", "useridentity": {"type": "Root", "accountid": ACCOUNT, "arn": format!("arn:aws:iam::{ACCOUNT}:root")},
        "eventtime": "2026-03-01T00:01:00Z", "eventsource": "signin.amazonaws.com", "eventname": "ConsoleLogin",
        "awsregion": "us-east-1", "sourceipaddress": "203.0.113.7", "eventid": "1", "eventtype": "AwsConsoleSignIn",
        "recipientaccountid": ACCOUNT, "additionaleventdata": "{\"MFAUsed\":\"No\"}",
        "responseelements": "{\"ConsoleLogin\":\"Success\"}",
    });
    let mut csv = csv::Writer::from_writer(Vec::new());
    let names: Vec<&String> = lower.as_object().unwrap().keys().collect();
    csv.write_record(&names).unwrap();
    let cell = |name: &&String| match (name.as_str(), &lower[name.as_str()]) {
        ("useridentity", _) => {
            format!("{{type=Root, principalid=null, arn=arn:aws:iam::{ACCOUNT}:root, accountid={ACCOUNT}}}")
        }
        (_, value) => value.as_str().unwrap().to_owned(),
    };
    csv.write_record(names.iter().map(cell)).unwrap();
    let athena = csv.into_inner().unwrap();
    let lake = format!("eventJson\n\"{}\"\n", text.replace('"', "\"\""));
    for (name, content) in [
        ("records.json", json!({"Records": [record]}).to_string()),
        ("lookup.json", json!({"Events": [{"EventId": "1", "CloudTrailEvent": text}]}).to_string()),
        ("query-events.json", json!([{"EventId": "1", "CloudTrailEvent": text}]).to_string()),
        ("query-texts.json", serde_json::to_string_pretty(&json!([text])).unwrap()),
        ("query-text.txt", format!("{text}\n")),
        ("lake-rows.json", json!({"QueryStatus": "FINISHED", "QueryResultRows": [[{"eventJson": text}]]}).to_string()),
        ("lake.csv", lake.clone()),
        ("athena.json", lower.to_string()),
        ("athena.csv", String::from_utf8(athena).unwrap()),
        ("envelope.json", json!({"detail-type": "AWS Console Sign In via CloudTrail", "source": "aws.signin", "detail": record}).to_string()),
    ] {
        assert_eq!(found(name, content.as_bytes()), (1, Some(0), String::new()), "{name}: {content}");
        let packed = format!("{name}.gz");
        assert_eq!(found(&packed, &gzip(content.as_bytes())), (1, Some(0), String::new()), "{packed}");
    }
    let twice = format!("{text}\t{}\n", root_sign_in(2));
    assert_eq!(found("output-text.txt", twice.as_bytes()), (2, Some(0), String::new()));
}

#[test]
fn what_cannot_be_read_is_one_line() {
    for (name, content, hint) in [
        ("a.parquet", b"PAR1\x15\x04\x15\n".as_slice(), "Apache Parquet: query it in Athena"),
        ("a.zip", b"PK\x03\x04\n\n\n", "unpack it with unzip"),
        (
            "flow.log",
            b"2 111122223333 eni-0a 10.0.0.1 10.0.0.2 1 2 6 1 1 1 1 ACCEPT OK\n2 x\n",
            "VPC flow log",
        ),
        ("page.html", b"<html>\n<body>\n</body>\n", "XML or a web page"),
    ] {
        let (events, code, told) = found(name, content);
        assert_eq!((events, code, told.lines().count()), (0, Some(1), 1), "{told}");
        assert!(told.contains(hint), "{told}");
    }
    for (name, content) in
        [("empty.json", b"".as_slice()), ("blank.json", b"\n \n"), ("empty.json.gz", &gzip(b""))]
    {
        let (_, code, told) = found(name, content);
        assert_eq!(code, Some(1), "{told}");
        assert!(
            told.ends_with(&format!("{name}: this file is empty\n")) && told.lines().count() == 1,
            "{told}"
        );
    }
    let (_, code, told) = found("none.json", b"{\"Records\":[]}");
    assert_eq!(code, Some(0), "{told}");
    assert!(told.starts_with("there is no event in ") && told.ends_with("none.json\n"), "{told}");
}

/// Each file of another kind is one line, which says what it is and what to do.
#[test]
fn a_file_that_is_no_log_is_one_line() {
    let wrapped = |i: usize| format!("{}\n", json!({"id": i, "source": "x", "event": root_sign_in(i)}));
    let wrapped: String = (0..60).map(wrapped).collect();
    let readme = "# Keepwatch\n\nIt keeps watch.\n".repeat(40);
    let binary: Vec<u8> = (0..8_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (name, content, hint) in [
        ("README.md", readme.as_bytes(), ": this is text, and no log of CloudTrail. Expected: "),
        ("Cargo.lock", b"version = 4\n\n[[package]]\nname = \"a\"\n", ": this is text"),
        ("ls", &binary, ": this is no text"),
        ("wrapped.jsonl", wrapped.as_bytes(), "jq -c '.event'"),
        ("state.json", b"{\n  \"a\": 1\n}\n", ": this is JSON without an event"),
    ] {
        for (name, content) in [(name.to_owned(), content.to_vec()), (format!("{name}.gz"), gzip(content))] {
            let (events, code, told) = found(&name, &content);
            assert_eq!((events, code, told.lines().count()), (0, Some(1), 1), "{name}: {told}");
            assert!(told.contains(hint) && told.contains(&format!("{name}: ")), "{told}");
        }
    }
    // As many are named as fit on a screen, and the rest is counted.
    let folder = scratch("no-logs");
    for i in 0..30 {
        fs::write(folder.join(format!("{i}.json")), "{}").unwrap();
    }
    let output = keepwatch(&[folder.to_str().unwrap()]);
    assert_eq!(stderr(&output).lines().count(), 21, "{}", stderr(&output));
    assert!(stdout(&output).contains("30 lines or files that are no events"), "{}", stdout(&output));
}

/// What is broken in a log is named by its line in the file.
#[test]
fn a_bad_line_of_a_log_has_its_own_number() {
    let good = root_sign_in(1).to_string();
    let mut lines = vec![good.clone(); 3];
    lines.extend(std::iter::repeat_n("{\"eventVersion\": 1,, }".to_owned(), 30));
    lines.push(good.clone());
    let (events, code, told) = found("bad-lines.jsonl", lines.join("\n").as_bytes());
    assert_eq!((events, code, told.lines().count()), (4, Some(1), 21), "{told}");
    let first = told.lines().next().unwrap();
    assert!(
        first.ends_with("bad-lines.jsonl:4: this is not an event: key must be a string, at column 20"),
        "{first}"
    );
    assert!(!told.contains("at line 1"), "{told}");
    let pretty = format!("{{\"Records\": [\n{good},\n{good},\n{{\"a\" 1}}\n]}}\n");
    let (events, _, told) = found("pretty.json", pretty.as_bytes());
    assert_eq!(events, 2, "{told}");
    assert!(told.contains("pretty.json:4: this is not an event"), "{told}");
}

/// A clock that is wrong is told, and is not the period of the log.
#[test]
fn a_wrong_clock_is_told() {
    let folder = scratch("clocks");
    let mut events = vec![
        root_sign_in(1),
        grant(5, "bob", "alice"),
        grant(9, "carol", "alice"),
        grant(10, "dan", "alice"),
    ];
    events[0]["eventTime"] = "1900-01-01T00:00:00Z".into();
    events[3]["eventTime"] = "2999-01-01T00:00:00Z".into();
    write(&folder, &events, 1);
    let text = stdout(&keepwatch(&[folder.to_str().unwrap()]));
    assert!(text.starts_with("4 events, 2026-03-01 00:05 to 2026-03-01 00:09 UTC (4 minutes)"), "{text}");
    assert!(text.contains("2 events are dated before 2006 or in the future"), "{text}");
    let json = whole(&folder);
    assert_eq!(json["wrong_clock"], 2);
    assert!(json["mails"]["reports"].as_u64() < Some(20), "{}", json["mails"]);
    let times = |one: &Value| one["first_seen"].as_str().unwrap().starts_with("2026-03-01");
    assert!(json["findings"].as_array().unwrap().iter().all(times), "{}", json["findings"]);
}

/// The line for a noisy rule names the one who makes it noisy, so that nobody silences everybody.
#[test]
fn the_line_for_what_one_does_names_the_one() {
    let by_role = |number: usize, role: &str| {
        let mut event = grant(number, &format!("user-{number}"), "x");
        event["userIdentity"] = json!({"type": "AssumedRole", "principalId": format!("AROAX:s{number}"), "accountId": ACCOUNT,
            "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/s{number}"),
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": format!("arn:aws:iam::{ACCOUNT}:role/ops/{role}"), "userName": role}}});
        event
    };
    let folder = scratch("one-role");
    let file = folder.join("try.yaml");
    let told = |events: &[Value], arguments: &[&str]| {
        write(&folder.join("logs"), events, 1);
        let logs = folder.join("logs");
        let output = keepwatch(&[&[logs.to_str().unwrap()], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    let mut events: Vec<Value> = (0..19).map(|i| by_role(i * 60, "ci-deploy")).collect();
    let text = told(&events, &[]);
    // What its sessions did is the role's, and one session is named.
    let count = events.len();
    assert!(text.contains(&format!("Most active: ci-deploy ({}).", 2 * count)), "{text}");
    let one = told(&events[..1], &[]);
    assert!(one.contains("Most active: ci-deploy/s0 (2)."), "{one}");
    assert!(one.contains("--finding ID"), "{one}");
    let nothing = told(&[use_of_key(0)], &[]);
    assert!(!nothing.contains("--finding") && !nothing.contains("below MEDIUM"), "{nothing}");
    let actor = format!("--actor arn:aws:sts::{ACCOUNT}:assumed-role/ci-deploy");
    assert!(text.contains(&format!("--resource RESOURCE {actor} --owner NAME")), "{text}");
    events.extend((19..23).map(|i| by_role(i * 60, "other")));
    assert!(!told(&events, &[]).contains("--actor"), "of nine in ten no more is true");

    // From there to a rehearsal, whichever of the role's ARNs is written.
    for form in [
        "iam::111122223333:role/ops/ci-deploy",
        "sts::111122223333:assumed-role/ci-deploy",
        "sts::111122223333:assumed-role/ci-deploy/s1",
    ] {
        let actor = format!("arn:aws:{form}");
        let add = [
            "suppress",
            "add",
            "--rule",
            "admin-inline-policy",
            "--resource",
            "*",
            "--actor",
            &actor,
            "--owner",
            "ann",
            "--reason",
            "a test",
            "--days",
            "30",
            "--print",
        ];
        let output = common::keepwatch(&add);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        fs::write(&file, stdout(&output)).unwrap();
        let silent = told(&events, &["--settings", file.to_str().unwrap(), "--format", "json"]);
        let silent: Value = serde_json::from_str(&silent).unwrap();
        let findings = silent["findings"].as_array().unwrap();
        let count = |status: &str| {
            let of_rule = findings.iter().filter(|one| one["rule"] == "admin-inline-policy");
            of_rule.filter(|one| one["status"] == status).count()
        };
        assert_eq!((count("SUPPRESSED"), count("NEW")), (19, 4), "{form}");
    }
    let low = told(
        &events,
        &["--automation", &format!("arn:aws:sts::{ACCOUNT}:assumed-role/ci-deploy"), "--format", "json"],
    );
    let low: Value = serde_json::from_str(&low).unwrap();
    let low =
        low["findings"].as_array().unwrap().iter().filter(|one| one["severity"] == "INFORMATIONAL").count();
    assert_eq!(low, 19);
}

/// Names are looked at before anything is fetched, and who has no credentials is told so.
#[test]
fn a_bucket_needs_credentials_and_a_name() {
    let told = |arguments: &[&str]| {
        let mut command = command(&["replay"]);
        command.args(arguments).env_clear().env("AWS_EC2_METADATA_DISABLED", "true");
        let output = command.env("AWS_REGION", "us-east-1").output().expect("the binary runs");
        (output.status.code(), stderr(&output))
    };
    let (code, said) = told(&["s3://my-trail/AWSLogs/"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("no AWS credentials") && said.contains("--profile"), "{said}");
    let (code, said) = told(&["s3:///AWSLogs"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("s3://BUCKET/PREFIX"), "{said}");
    let (code, said) = told(&["s3://my-trail/AWSLogs/", "no-such-file"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no-such-file is not there"), "{said}");
}

/// A line of many megabytes, bytes that are no text, and a file of many small gzip members.
#[test]
fn odd_files_are_read_in_parts() {
    let filler = call(5, "s3", "PutObject", "ci", "eu-west-1", json!({"key": "x".repeat(4_000)})).to_string();
    let mut line = String::from("{\"Records\":[");
    for _ in 0..8_000 {
        line.push_str(&filler);
        line.push(',');
    }
    line.push_str(&format!("{}]}}", root_sign_in(1)));
    assert_eq!(found("long.json", line.as_bytes()), (1, Some(0), String::new()));
    assert_eq!(found("long.json.gz", &gzip(line.as_bytes())), (1, Some(0), String::new()));
    let (events, code, told) = found("broken.json", &line.as_bytes()[..line.len() - 3]);
    assert_eq!((events, code), (0, Some(1)), "{told}");

    let mut bytes = root_sign_in(1).to_string().replace("aws-cli/2.15.30", "agent \u{1}").into_bytes();
    let at = bytes.windows(6).position(|some| some == b"agent ").unwrap();
    bytes[at + 6] = 0xff;
    let (events, _, told) = found("bytes.jsonl", &bytes);
    assert_eq!(events, 1, "{told}");

    let members: Vec<u8> =
        (0..20_000).flat_map(|_| gzip(b"")).chain(gzip(root_sign_in(1).to_string().as_bytes())).collect();
    assert_eq!(found("members.json.gz", &members), (1, Some(0), String::new()));
}

/// Digests lie beside an organization's logs, and say nothing of what happened.
#[test]
fn an_organization_s_tree_is_read_and_its_digests_are_counted() {
    let folder = scratch("organization");
    for (account, day) in [("111122223333", 1), ("444455556666", 2)] {
        let of = |kind: &str| folder.join(format!("AWSLogs/o-abc123/{account}/{kind}/us-east-1/2026/03/01"));
        for kind in ["CloudTrail", "CloudTrail-Digest"] {
            fs::create_dir_all(of(kind)).unwrap();
        }
        let mut record = root_sign_in(day);
        record["recipientAccountId"] = account.into();
        fs::write(
            of("CloudTrail").join("a.json.gz"),
            gzip(json!({"Records": [record]}).to_string().as_bytes()),
        )
        .unwrap();
        fs::write(of("CloudTrail-Digest").join("d.json.gz"), gzip(b"{}")).unwrap();
    }
    let output = keepwatch(&[folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.starts_with("2 events, 2026-03-01 00:01 to 2026-03-01 00:02 UTC (1 minute), accounts 111122223333, 444455556666, region us-east-1."), "{text}");
    assert!(text.contains("2 digest files passed over"), "{text}");
    let one = whole_of(&folder, &["--account", "444455556666"]);
    assert_eq!(one["findings"].as_array().unwrap().len(), 1);
}

fn whole_of(folder: &Path, arguments: &[&str]) -> Value {
    let output = keepwatch(&[&["--format", "json", folder.to_str().unwrap()], arguments].concat());
    serde_json::from_str(&stdout(&output)).unwrap()
}

/// `keepwatch replay ... | head -1` ends without a word.
#[test]
fn a_closed_pipe_is_no_error() {
    let folder = scratch("head");
    write(&folder, &(0..5_000).map(root_sign_in).collect::<Vec<_>>(), 1);
    let mut child = command(&["replay", "--detections", "--format", "ndjson", folder.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
}

/// CloudTrail's files end without a newline, and `zcat *.gz` puts one behind the other; so do gzip members in one file.
#[test]
fn files_one_behind_the_other_are_all_read() {
    let folder = scratch("behind");
    let stop = call(20, "cloudtrail", "StopLogging", "mallory", "us-east-1", json!({"name": "main"}));
    let file = |event: Value| json!({"Records": [event]}).to_string();
    let (first, second) = (file(grant(10, "bob", "alice")), file(stop));
    let padded = {
        let many: Vec<Value> = (0..16_000)
            .map(|i| call(100 + i % 1_000, "s3", "PutObject", "ci", "eu-west-1", json!({"bucketName": "b"})))
            .collect();
        json!({"Records": many}).to_string()
    };
    assert!(padded.len() > 8 << 20);
    for (name, text) in [
        ("both.json", format!("{first}{second}")),
        ("pretty.json", format!("{first}{:#}", serde_json::from_str::<Value>(&second).unwrap())),
        ("long.json", format!("{padded}{first}{padded}{second}\n")),
        ("first.json", format!("{first}{padded}{second}")),
    ] {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        assert_both_are_told(&path);
    }
    let mut packed = Vec::new();
    for text in [&first, &second] {
        let mut encoder = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
        encoder.finish().unwrap();
    }
    let path = folder.join("members.json.gz");
    fs::write(&path, packed).unwrap();
    assert_both_are_told(&path);
    let path = folder.join("garbage.json");
    fs::write(&path, format!("{first} and more")).unwrap();
    let output = keepwatch(&[path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("something stands behind the event: and more"), "{}", stderr(&output));
}

fn assert_both_are_told(path: &Path) {
    let told = whole(path);
    let mut rules: Vec<&str> =
        told["findings"].as_array().unwrap().iter().filter_map(|one| one["rule"].as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    assert!(
        rules.len() >= 2 && rules.iter().any(|rule| rule.contains("trail")),
        "{}: {rules:?}",
        path.display()
    );
}

#[test]
fn an_event_without_a_time_counts_as_of_its_neighbour_or_of_its_file() {
    let folder = scratch("untimed");
    let untimed = |time: Value| {
        let mut event = grant(700, "bob", "alice");
        event["eventTime"] = time;
        event
    };
    let neighbour = call(30, "s3", "PutObject", "ci", "eu-west-1", json!({"bucketName": "b"}));
    let at = neighbour["eventTime"].as_str().unwrap().to_owned();
    let modified = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_772_366_400);
    let of_file = "2026-03-01T12:00:00Z".to_owned();
    for time in [json!(1_772_366_400), json!("2026-03-01 12:00:00"), Value::Null] {
        for (events, expected) in [
            (vec![neighbour.clone(), untimed(time.clone())], &at),
            (vec![untimed(time.clone()), neighbour.clone()], &at),
            (vec![untimed(time.clone())], &of_file),
        ] {
            let path = folder.join("log.json");
            fs::write(&path, json!({"Records": events}).to_string()).unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
            let told = whole(&path);
            assert_eq!(told["without_time"], 1, "{time}");
            for finding in told["findings"].as_array().unwrap() {
                assert_eq!(finding["first_seen"], json!(expected), "{time}: {finding:#}");
            }
            let path = path.to_str().unwrap();
            let people = stdout(&keepwatch(&[path]));
            assert!(people.contains("1 event without a time"), "{people}");
            let lines = stdout(&keepwatch(&["--detections", "--format", "ndjson", path]));
            assert!(lines.contains(expected) && !lines.contains("1970-"), "{lines}");
        }
    }
}
