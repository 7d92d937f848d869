//! `coverage.json` lists every operation that decides over permissions, sharing, keys, logging or identity
//! (xtask/src/coverage.rs says how). Each is heard, or nobody hears it for a reason.

use std::collections::{BTreeMap, BTreeSet};

use keepwatch_core::engine::On;
use serde_json::Value;

use crate::exposure::carries_policy;
use crate::registry::RULES;

fn list() -> Value {
    serde_json::from_str(include_str!("coverage.json")).unwrap()
}

fn words(text: &Value) -> impl Iterator<Item = &str> {
    text.as_str().unwrap_or_default().split_whitespace()
}

/// Whether some rule listens to a call. Lambda's older calls carry the date of their interface in CloudTrail.
fn heard(prefix: &str, source: &str, name: &str) -> bool {
    let same =
        |call: &&str| call.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("20"));
    RULES.iter().flat_map(|rule| rule.meta().on).any(|on| match on {
        On::Call(service, calls) | On::Read(service, calls) => *service == source && calls.iter().any(same),
        On::Policy { but, .. } => !but.contains(&source) && carries_policy(prefix, name),
        _ => false,
    })
}

/// That the EventBridge rules bring what a rule listens to is another test's (`every_event_that_a_rule_listens_to_is_brought`).
#[test]
fn every_deciding_operation_is_heard_or_there_is_a_reason() {
    let list = list();
    let reasons: BTreeSet<&str> = list["reasons"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut all = 0;
    for (prefix, service) in list["services"].as_object().unwrap() {
        let own = format!("{prefix}.amazonaws.com");
        let source = service["source"].as_str().unwrap_or(&own);
        let is_heard = |name: &str| heard(prefix, source, service["called"][name].as_str().unwrap_or(name));
        let mut say = |what: &str, names: Vec<&str>| {
            if !names.is_empty() {
                wrong.push(format!("{what} {prefix}: {}", names.join(" ")));
            }
        };
        let silent: BTreeMap<&str, Vec<&str>> = service["not-heard"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(why, names)| (why.as_str(), words(names).collect()))
            .collect();
        used.extend(silent.keys());
        let names: Vec<&str> = words(&service["heard"])
            .chain(words(&service["undecided"]))
            .chain(silent.values().flatten().copied())
            .collect();
        all += names.len();
        let once: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(once.len(), names.len(), "{prefix} has an operation twice");
        say("neither heard nor listed:", words(&service["heard"]).filter(|name| !is_heard(name)).collect());
        say("heard after all:", silent.values().flatten().copied().filter(|name| is_heard(name)).collect());
        let (now, still): (Vec<&str>, Vec<&str>) =
            words(&service["undecided"]).partition(|name| is_heard(name));
        say("undecided, heard:", now);
        say("undecided, not heard:", still);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(used, reasons, "reasons without an operation, or the other way round");
    assert!(all > 1_000, "only {all} operations");
}

#[test]
fn the_list_says_of_which_day_it_is() {
    let reference = list()["reference"].as_str().unwrap().to_owned();
    let day = reference.rsplit(' ').next().unwrap();
    assert!(day.len() == 10 && day.starts_with("20"), "{reference}");
}
