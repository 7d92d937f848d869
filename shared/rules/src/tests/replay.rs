//! Logs, replayed through all rules.

use keepwatch_core::engine::Config;
use keepwatch_core::engine::replay::{Memory, Player};
use keepwatch_core::event::log::entries;
use serde_json::json;

use crate::registry::RULES;
use crate::testing::{call, envelope, switched_on};

/// Rules that fired, event by event. All events are played before the first is settled, as threads may do.
fn replay(log: &[String]) -> Vec<Vec<&'static str>> {
    replay_with(Config::default(), log)
}

fn replay_with(config: Config, log: &[String]) -> Vec<Vec<&'static str>> {
    let player = Player::new(RULES, config);
    let mut played = Vec::new();
    for text in log {
        entries(text, &mut |entry| played.push(player.play(&entry.unwrap()).unwrap()));
    }
    let mut memory = Memory::default();
    let settle = |played| {
        let seen = memory.settle(&player, played).observations;
        seen.iter().map(|seen| seen.rule.id).collect()
    };
    played.into_iter().map(settle).collect()
}

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

fn exposed(time: &str) -> String {
    let detail = json!({"eventTypeCode": "AWS_RISK_CREDENTIALS_EXPOSED", "service": "RISK",
        "eventTypeCategory": "issue", "startTime": time, "affectedEntities": [{"entityValue": KEY}]});
    envelope("aws.health", "AWS Health Event", detail)
}

fn used(time: &str) -> String {
    call("sts", "GetCallerIdentity", json!({"userIdentity": {"accessKeyId": KEY}, "eventTime": time}))
}

#[test]
fn a_key_is_known_to_be_exposed_from_then_on() {
    let (leak, before, after) = (
        exposed("Sun, 01 Mar 2026 12:00:00 GMT"),
        used("2026-03-01T11:59:59Z"),
        used("2026-03-01T12:00:01Z"),
    );
    let at_work = |seen: &Vec<&str>| seen.contains(&"exposed-access-key-in-use");
    let seen = replay(&[after.clone(), leak, before, after]);
    assert_eq!(seen.iter().map(at_work).collect::<Vec<_>>(), [false, false, false, true]);
}

#[test]
fn events_are_counted_once_and_in_order() {
    let refused = |i: usize| {
        call("ec2", "RunInstances", json!({"errorCode": "AccessDenied", "eventID": format!("e{i}")}))
    };
    let mut log: Vec<String> = (0..24).map(refused).collect();
    log.extend((0..24).map(refused));
    let burst = |seen: &Vec<&str>| seen.contains(&"iam-access-denied-burst");
    assert_eq!(replay(&log).iter().filter(|seen| burst(seen)).count(), 0, "duplicates count once");
    log.push(refused(24));
    assert!(replay(&log).last().is_some_and(burst));
}

#[test]
fn first_sights_are_remembered_if_the_rule_is_switched_on() {
    let id = "access-key-new-address";
    let from = |day: usize, address: &str| {
        call(
            "iam",
            "CreateUser",
            json!({"userIdentity": {"accessKeyId": KEY}, "sourceIPAddress": address,
            "eventTime": format!("2026-03-{day:02}T12:00:00Z")}),
        )
    };
    let new = from(3, "198.51.100.9");
    let log = [from(1, "203.0.113.7"), new.clone(), new, from(4, "198.51.100.9"), from(5, "203.0.113.7")];
    let reports = |seen: Vec<Vec<&str>>| seen.iter().map(|ids| ids.contains(&id)).collect::<Vec<_>>();
    let config = || {
        let rule = RULES.iter().find(|rule| rule.about().id == id).unwrap();
        Config { overrides: switched_on(*rule), ..Config::default() }
    };
    assert_eq!(reports(replay_with(config(), &log)), [false, true, true, false, false]);
    assert_eq!(reports(replay(&log)), [false; 5]);
}

#[test]
fn what_no_rule_hears_is_quiet_and_what_is_no_event_is_said() {
    let player = Player::new(RULES, Config::default());
    let play = |text: &str| {
        let mut all = Vec::new();
        entries(text, &mut |entry| all.push(entry.and_then(|entry| player.play(&entry))));
        all
    };
    let quiet = play(&call("kms", "Decrypt", json!({"readOnly": true})));
    assert!(quiet[0].as_ref().unwrap().is_quiet());
    let reason = play("{\"event\":1}")[0].as_ref().unwrap_err().to_string();
    assert!(reason.contains("neither a CloudTrail record"), "{reason}");
}
