//! Users' own rules on the command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(feature = "sigma")]

mod common;

use std::fs;
use std::path::Path;

use common::{keepwatch, objects, scratch, stderr, stdout};
use serde_json::Value;

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/events.jsonl");
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/sigma/tests/rules");
const ODD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/sigma/tests/odd");

#[test]
fn check_tells_what_becomes_of_each_rule() {
    let output = keepwatch(&["rules", "check", RULES]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(
        text.contains("sigma-trail-stopped-or-deleted") && text.contains("12 evaluated, 0 not"),
        "{text}"
    );
    // One of them looks at every event and brings none.
    assert!(text.contains("1 of those evaluated"), "{text}");
    let output = keepwatch(&["rules", "check", "--format", "ndjson", RULES]);
    let lines = objects(&output);
    let warned: Vec<&Value> = lines.iter().filter(|line| line["reason"] != "").collect();
    let [warned] = warned.as_slice() else { panic!("{warned:?}") };
    assert_eq!(
        (&warned["rule"], &warned["state"]),
        (&"sigma-attack-tool-by-its-user-agent".into(), &"evaluated".into())
    );
    assert!(warned["reason"].as_str().unwrap().starts_with("warning: it names neither"), "{warned}");

    let output = keepwatch(&["rules", "check", "--format", "ndjson", ODD]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let lines = objects(&output);
    let count = |state: &str| lines.iter().filter(|line| line["state"] == state).count();
    assert_eq!((count("evaluated"), count("not evaluated"), count("invalid")), (4, 7, 11));
    let modifier = lines.iter().find(|line| line["line"] == 17 && line["state"] == "invalid").unwrap();
    assert!(modifier["file"].as_str().unwrap().ends_with("odd/valid.yml"), "{modifier}");
    assert!(modifier["reason"].as_str().unwrap().contains("beginswith"), "{modifier}");
}

/// What counts over time is valid and not evaluated: it must not fail a build.
#[test]
fn check_names_what_counts_and_goes_on() {
    let folder = scratch("sigma-counting");
    let counting = fs::read_to_string(Path::new(ODD).join("aggregation.yml")).unwrap();
    fs::write(folder.join("aggregation.yml"), counting).unwrap();
    let output = keepwatch(&["rules", "check", folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let text = stdout(&output);
    assert!(text.contains("Many Calls Of One Caller") && text.contains("0 evaluated, 2 not"), "{text}");
}

#[test]
fn a_folder_without_rules_says_what_to_do() {
    let empty = scratch("sigma-empty");
    for (folder, hint) in [(empty.to_str().unwrap(), "no files that end in"), (EVENTS, "is not a folder")] {
        for command in [vec!["rules", "check", folder], vec!["replay", "--sigma", folder, EVENTS]] {
            let output = keepwatch(&command);
            assert_eq!(output.status.code(), Some(2));
            assert!(stderr(&output).contains(hint), "{}", stderr(&output));
        }
    }
}

#[test]
fn replay_evaluates_them_beside_the_built_in_rules() {
    let folder = scratch("sigma-replay");
    let rule = "title: Inline Policy\nlogsource:\n  product: aws\n  service: cloudtrail\ndetection:\n  \
                s:\n    eventName: PutUserPolicy\n  condition: s\nlevel: critical\n";
    fs::write(folder.join("inline.yml"), rule).unwrap();
    let play = || {
        keepwatch(&[
            "replay",
            "--detections",
            "--format",
            "ndjson",
            "--sigma",
            folder.to_str().unwrap(),
            EVENTS,
        ])
    };
    let output = play();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines = objects(&output);
    let own: Vec<&Value> = lines.iter().filter(|line| line["rule"] == "sigma-inline-policy").collect();
    assert_eq!(own.len(), 1, "{lines:?}");
    assert_eq!(own[0]["severity"], "CRITICAL");
    assert!(lines.iter().any(|line| line["rule"] == "admin-inline-policy"), "{lines:?}");

    // An invalid file is named, and stops nothing.
    fs::write(folder.join("broken.yml"), "title: [").unwrap();
    let output = play();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(objects(&output).len(), lines.len());
    assert!(stderr(&output).contains("broken.yml:1: invalid"), "{}", stderr(&output));
}

#[test]
fn patterns_bring_their_events() {
    let output = keepwatch(&["rules", "patterns", "--sigma", RULES]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("ModifySnapshotAttribute"), "{}", stdout(&output));
    let told = stderr(&output);
    assert!(told.contains("tool_at_work.yml:1: sees only what other rules bring"), "{told}");
    assert!(told.contains("function_layer.yml:1: brings every call to lambda.amazonaws.com"), "{told}");
    assert_eq!(told.lines().count(), 2, "{told}");
}
