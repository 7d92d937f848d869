//! The examples in the help of every command do what they show: those that need no account are run to their end, and the others as
//! far as their want of credentials.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(feature = "sigma")]

mod common;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{keepwatch, objects, scratch, stderr, stdout};
use serde_json::json;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");
const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/events.jsonl");

/// The id that an example has where a user's own findings have others.
const EXAMPLE_ID: &str = "41d07be5";

/// The commands that have examples, with those examples.
fn examples() -> Vec<String> {
    let (mut all, mut paths) = (Vec::new(), vec![Vec::<String>::new()]);
    while let Some(path) = paths.pop() {
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let help = stdout(&keepwatch(&arguments));
        let part = |begin: fn(&str) -> bool| {
            let lines = help.lines().skip_while(move |line| !begin(line)).skip(1);
            lines.take_while(|line| !line.trim().is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        for line in part(|line| line == "Commands:") {
            let name = line.strip_prefix("  ").filter(|line| !line.starts_with(' '));
            if let Some(name) = name.and_then(|line| line.split(' ').next()).filter(|name| *name != "help") {
                paths.push([&path[..], &[name.to_owned()]].concat());
            }
        }
        let mut whole = String::new();
        for line in part(|line| line == "Examples:" || line == "Example:") {
            // What stands far behind a command says what it is for.
            let command = line.trim().split("   ").next().unwrap_or_default();
            match command.strip_suffix('\\') {
                Some(begin) => whole.push_str(begin),
                None => all.push(std::mem::take(&mut whole) + command),
            }
        }
    }
    all
}

/// The calls of keepwatch in a line of shell, each with the file that it writes.
fn calls(example: &str) -> Vec<String> {
    let mut quote = None;
    let mut parts = vec![String::new()];
    for c in example.chars() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('|' | '&', None) => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
        .into_iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| part.starts_with("keepwatch "))
        .collect()
}

fn in_shell(line: &str, folder: &Path, input: &str) -> Output {
    let own = Path::new(env!("CARGO_BIN_EXE_keepwatch")).parent().unwrap();
    let path = format!("{}:{}", own.display(), std::env::var("PATH").unwrap());
    let mut child = Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .env_clear()
        .envs([("PATH", path.as_str()), ("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_REGION", "eu-west-1")])
        .env("HOME", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Most of them read nothing, and may be gone.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// All files that examples name.
fn lay_out(folder: &Path) {
    fs::create_dir_all(folder.join("logs")).unwrap();
    fs::create_dir_all(folder.join("my-rules")).unwrap();
    fs::copy(EVENTS, folder.join("events.jsonl")).unwrap();
    fs::copy(EVENTS, folder.join("logs/events.jsonl")).unwrap();
    fs::copy(format!("{FOLDER}/../shared/checks/src/testing/state.json"), folder.join("today.json")).unwrap();
    for rule in fs::read_dir(format!("{FOLDER}/../shared/sigma/tests/rules")).unwrap() {
        let rule = rule.unwrap();
        if rule.file_type().unwrap().is_file() {
            fs::copy(rule.path(), folder.join("my-rules").join(rule.file_name())).unwrap();
        }
    }
    let policy =
        json!({"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}).to_string();
    for name in ["deploy.json", "own.json", "group.json"] {
        fs::write(folder.join(name), &policy).unwrap();
    }
    for name in ["try.yaml", "keepwatch-settings.yaml"] {
        fs::write(folder.join(name), "---\nsetting_id: rule#network-changed\nenabled: false\n").unwrap();
    }
}

/// What the program before the pipe prints.
fn piped_in(example: &str) -> String {
    let principal = json!({"AWS": "arn:aws:iam::444455556666:root"});
    let trust = json!({"Statement": {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}});
    let bucket = json!({"Statement": {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::photos/*"}});
    match example {
        line if line.contains("get-role") => json!({"Role": {"AssumeRolePolicyDocument": trust}}).to_string(),
        line if line.contains("get-bucket-policy") => json!({"Policy": bucket.to_string()}).to_string(),
        _ => String::new(),
    }
}

/// Whether it answers without an account.
fn is_offline(call: &str) -> bool {
    let word = call.split(' ').nth(1).unwrap_or_default();
    let flags = ["--print ", "--print-policy", "--state "];
    match word {
        "rules" | "checks" | "policy" => true,
        "replay" => !call.contains("s3://") && !call.contains("--lookup"),
        _ => flags.iter().any(|flag| format!("{call} ").contains(flag)),
    }
}

#[test]
fn every_example_does_what_it_shows() {
    let folder = scratch("examples");
    lay_out(&folder);
    let found = keepwatch(&["replay", "--format", "ndjson", EVENTS]);
    let id = objects(&found)[0]["finding_id"].as_str().unwrap().to_owned();
    let id = &id[id.len() - 8..];
    let (mut offline, mut all) = (0, 0);
    for example in examples() {
        let own = calls(&example.replace(EXAMPLE_ID, id));
        assert!(!own.is_empty(), "no call of keepwatch: {example}");
        for call in own {
            lay_out(&folder);
            let output = in_shell(&call, &folder, &piped_in(&example));
            let (code, told) = (output.status.code(), stderr(&output));
            all += 1;
            if is_offline(&call) {
                offline += 1;
                // A scan that could not see all of an account ends with 3.
                let fine = if call.contains(" scan ") { [0, 1, 3] } else { [0, 1, 1] };
                assert!(code.is_some_and(|code| fine.contains(&code)), "{call}: {code:?} {told}");
                let says = !stdout(&output).is_empty() || call.contains(" > ");
                assert!(says && !told.contains("credentials"), "{call}: {told}");
            } else {
                assert_eq!(code, Some(3), "{call}: {told}");
                assert!(told.contains("credentials"), "{call}: {told}");
            }
        }
        let jq = Command::new("jq").arg("--version").output().is_ok_and(|output| output.status.success());
        if jq && is_offline(&example) && example.contains("| jq") {
            let output = in_shell(&example, &folder, "");
            assert!(stderr(&output).is_empty(), "{example}: {}", stderr(&output));
            // Of valid rules none is told to be invalid.
            assert_eq!(stdout(&output).is_empty(), example.contains("invalid"), "{example}");
        }
    }
    assert!(offline >= 15 && all >= 50, "{offline} of {all}");
}
