//! What a scan says of the forwarders of other regions, with the rules that a forwarder of this version has.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::time::Duration;

use keepwatch_base::time::Timestamp;
use keepwatch_checks::plan;
use keepwatch_checks::registry::CHECKS;
use keepwatch_core::engine::patterns::{
    event_rules, forwarder_rules, not_brought, own_rules_pattern, recheck_rules,
};
use keepwatch_core::finding::Finding;
use keepwatch_core::posture::changes::calls;
use keepwatch_core::posture::facts::events::{EventRule, Target};
use keepwatch_core::posture::forwarders::{self, Home, Scanned};
use keepwatch_core::posture::{Answer, Judged, Judgement, Place, Refusal, State, ask};
use keepwatch_core::regions::{Forwarder, Forwarders};
use keepwatch_core::severity::Severity;
use keepwatch_rules::registry::RULES;

const HOME: Home<'_> =
    Home { partition: "aws", account: "111122223333", region: "us-east-1", stack: "keepwatch" };
const BUS: &str = "arn:aws:events:us-east-1:111122223333:event-bus/keepwatch-regions";
const THERE: &str = "eu-west-1";

fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
}

/// The version of this tree, as the template has it.
fn version() -> String {
    let template = include_str!("../../../infra/forwarder.yaml");
    template.split("-heartbeat-").nth(1).unwrap()[..16].to_owned()
}

fn target() -> Target {
    Target {
        role: Some("arn:aws:iam::111122223333:role/keepwatch-forwarder".to_owned()),
        dead_letters: Some(format!(
            "arn:aws:sqs:{THERE}:111122223333:keepwatch-forwarder-DeadLetters-A1B2C3"
        )),
        ..Target::plain(BUS)
    }
}

fn rule(name: &str, pattern: Option<String>) -> EventRule {
    EventRule {
        arn: format!("arn:aws:events:{THERE}:111122223333:rule/keepwatch-{name}"),
        name: format!("keepwatch-{name}"),
        enabled: true,
        reads: name.starts_with("reads"),
        targets: pattern.as_ref().map(|_| 1),
        sends: pattern.iter().map(|_| target()).collect(),
        pattern,
    }
}

/// The rules of a forwarder as `make deploy-regions` leaves them.
fn deployed() -> Vec<EventRule> {
    deployed_as(HOME.stack)
}

/// The same with the patterns of a home stack of this name.
fn deployed_as(stack: &str) -> Vec<EventRule> {
    let beside = forwarder_rules(stack);
    let rules = event_rules(RULES, stack);
    let rechecks = recheck_rules(&not_brought(calls(plan::questions(CHECKS)), &rules));
    let listening = rules
        .iter()
        .chain(&rechecks)
        .chain(&beside)
        .map(|one| rule(&one.name, Some(one.pattern.to_string())));
    listening.chain([rule(&format!("heartbeat-{}", version()), None)]).collect()
}

/// An account with a home stack and these other regions.
fn account(regions: &[(&str, Vec<EventRule>)]) -> State {
    let all: Vec<String> =
        regions.iter().map(|(region, _)| (*region).to_owned()).chain([HOME.region.to_owned()]).collect();
    let mut state = State::new(HOME.account, "aws", &all, now());
    state = state.with(ask::EventRules, Place::region(HOME.region), vec![rule("calls-1", None)]);
    for (region, rules) in regions {
        state = state.with(ask::EventRules, Place::region(region), rules.clone());
    }
    state
}

fn heard(regions: &[(&str, u64)]) -> Forwarders {
    let of = |(region, minutes): &(&str, u64)| {
        let at = now().minus(Duration::from_secs(minutes * 60));
        ((*region).to_owned(), Forwarder { version: version(), at })
    };
    Forwarders(regions.iter().map(of).collect::<BTreeMap<_, _>>())
}

fn scanned(state: &State, known: &Forwarders, home: &Home<'_>) -> Scanned {
    forwarders::scanned(state, known, &BTreeMap::new(), home)
}

fn failing(scanned: &Scanned) -> Vec<(&'static str, &str)> {
    let failing = scanned.judgements.iter().filter(|one| one.verdict == Judged::Failing);
    failing.map(|one| (one.check.id, one.subject.region.as_str())).collect()
}

fn said<'s>(scanned: &'s Scanned, check: &str) -> &'s Judgement {
    scanned.judgements.iter().find(|one| one.check.id == check).unwrap()
}

#[test]
fn a_forwarder_as_it_was_deployed_is_right() {
    let seen = scanned(&account(&[(THERE, deployed())]), &heard(&[(THERE, 5)]), &HOME);
    assert_eq!(failing(&seen), []);
    let all: Vec<(&str, Judged)> = seen.judgements.iter().map(|one| (one.check.id, one.verdict)).collect();
    assert_eq!(
        all,
        [
            ("forwarder.changed", Judged::Passing),
            ("forwarder.outdated", Judged::Passing),
            ("forwarder.missing", Judged::Passing),
            ("forwarder.missing", Judged::Passing),
        ]
    );
    assert!(seen.forgotten.is_empty());
}

#[test]
fn the_patterns_of_a_stack_of_another_name_are_the_same() {
    // Some are words of the patterns too.
    for stack in ["watch", "a", "aws", "http", "Go", "client"] {
        let home = Home { stack, ..HOME };
        let mut rules = deployed_as(stack);
        for one in &mut rules {
            one.name = one.name.replacen("keepwatch", stack, 1);
            for target in &mut one.sends {
                target.arn = target.arn.replace("keepwatch-regions", &format!("{stack}-regions"));
                let role = target.role.as_mut().unwrap();
                *role = role.replace("keepwatch-forwarder", &format!("{stack}-forwarder"));
            }
        }
        let seen = scanned(&account(&[(THERE, rules)]), &heard(&[(THERE, 5)]), &home);
        assert_eq!(failing(&seen), [], "{stack}: {:?}", seen.judgements);
    }
}

#[test]
fn whatever_makes_a_rule_deaf_is_told_with_its_name() {
    let with = |change: &dyn Fn(&mut Vec<EventRule>)| {
        let mut rules = deployed();
        change(&mut rules);
        scanned(&account(&[(THERE, rules)]), &heard(&[(THERE, 5)]), &HOME)
    };
    fn find<'r>(rules: &'r mut [EventRule], name: &str) -> &'r mut EventRule {
        rules.iter_mut().find(|rule| rule.name == format!("keepwatch-{name}")).unwrap()
    }
    let beat = format!("heartbeat-{}", version());
    type Change<'c> = &'c dyn Fn(&mut Vec<EventRule>);
    let cases: [(Change<'_>, &str); 13] = [
        (&|rules| find(rules, "calls-2").enabled = false, "keepwatch-calls-2 is disabled"),
        (&|rules| rules.retain(|rule| rule.name != "keepwatch-guard"), "keepwatch-guard is not there"),
        (
            &|rules| find(rules, "findings").pattern = Some(r#"{"source": ["x"]}"#.to_owned()),
            "keepwatch-findings has another pattern",
        ),
        (&|rules| find(rules, "reads").reads = false, "keepwatch-reads does not hear read-only calls"),
        (
            &|rules| find(rules, "all-calls").sends[0].arn = BUS.replace("keepwatch-", "shop-"),
            "keepwatch-all-calls does not send to the home stack",
        ),
        (
            &|rules| {
                let constant = ("Input".to_owned(), "{}".to_owned());
                find(rules, "guard").sends[0].instead.extend([constant]);
            },
            "keepwatch-guard sends something else than the events",
        ),
        (
            &|rules| find(rules, "guard").sends[0].role = Some("arn:aws:iam::111122223333:role/x".to_owned()),
            "keepwatch-guard sends with another role",
        ),
        (&|rules| find(rules, "guard").sends[0].dead_letters = None, "to another queue, or to none"),
        (
            &|rules| {
                let queue = target().dead_letters.map(|arn| arn.replace("111122223333", "999988887777"));
                find(rules, "guard").sends[0].dead_letters = queue;
            },
            "to another queue, or to none",
        ),
        (&|rules| find(rules, "guard").sends[0].max_age = 60, "tries for a shorter time to send"),
        (&|rules| find(rules, "guard").sends[0].retries = 0, "tries for a shorter time to send"),
        (&|rules| find(rules, &beat).enabled = false, "is disabled"),
        (&|rules| rules.retain(|rule| !rule.name.contains("heartbeat")), "is not there"),
    ];
    for (change, told) in cases {
        let seen = with(change);
        assert_eq!(failing(&seen), [("forwarder.changed", THERE)], "{told}");
        let one = said(&seen, "forwarder.changed");
        assert_eq!(one.severity, Severity::High);
        assert!(one.title.ends_with(told), "{}", one.title);
        assert!(one.steps.iter().any(|step| step.command == "make deploy-regions REGIONS=eu-west-1"));
    }
    // Two of them are one finding.
    let seen = with(&|rules| rules.iter_mut().take(2).for_each(|rule| rule.enabled = false));
    assert_eq!(failing(&seen), [("forwarder.changed", THERE)]);
    assert!(said(&seen, "forwarder.changed").title.ends_with("2 rules are wrong"));
    // Somebody else's rules are nobody's business, whatever they are called.
    let seen = with(&|rules| {
        let mut other = rule("of-a-shop", Some("{}".to_owned()));
        other.enabled = false;
        rules.push(other);
    });
    assert_eq!(failing(&seen), []);
}

#[test]
fn the_rule_for_own_rules_is_expected_where_home_has_one() {
    let own = rule("own-rules", Some(own_rules_pattern().to_string()));
    let of = |home: &[EventRule], there: &[EventRule]| {
        let rules = deployed().into_iter().chain(there.iter().cloned()).collect();
        let state =
            account(&[(THERE, rules)]).with(ask::EventRules, Place::region(HOME.region), home.to_vec());
        let seen = scanned(&state, &heard(&[(THERE, 5)]), &HOME);
        failing(&seen).len()
    };
    let off = EventRule { enabled: false, ..own.clone() };
    let own = [own];
    assert_eq!(of(&[], &[]), 0);
    assert_eq!(of(&own, &own), 0);
    assert_eq!(of(&own, &[]), 1);
    assert_eq!(of(&own, &[off]), 1);
}

#[test]
fn another_version_is_told_as_that_and_not_rule_by_rule() {
    let mut rules = deployed();
    let last = rules.last_mut().unwrap();
    last.name = "keepwatch-heartbeat-0123456789abcdef".to_owned();
    rules.retain(|rule| rule.name != "keepwatch-guard");
    rules[0].pattern = Some(r#"{"source": ["aws.iam"]}"#.to_owned());
    let older =
        |rules: &[EventRule]| scanned(&account(&[(THERE, rules.to_vec())]), &heard(&[(THERE, 5)]), &HOME);
    let seen = older(&rules);
    assert_eq!(failing(&seen), [("forwarder.outdated", THERE)]);
    assert_eq!(said(&seen, "forwarder.outdated").severity, Severity::Medium);
    // A disabled rule is disabled in any version.
    rules[1].enabled = false;
    assert_eq!(failing(&older(&rules)).len(), 2);
}

#[test]
fn a_stack_without_forwarders_is_told_once() {
    let regions: Vec<(&str, Vec<EventRule>)> =
        ["eu-west-1", "eu-west-2", "af-south-1", "sa-east-1"].map(|region| (region, vec![])).into();
    let seen = scanned(&account(&regions), &Forwarders::default(), &HOME);
    assert_eq!(failing(&seen), [("forwarder.missing", "global")]);
    let one = seen.judgements.iter().find(|one| one.verdict == Judged::Failing).unwrap();
    assert_eq!((one.severity, one.title.as_str()), (Severity::Low, "4 enabled regions have no forwarder"));
    assert_eq!(one.details[0].1, "eu-west-1, eu-west-2, af-south-1, sa-east-1");
    // Nor does an account that uses no other region hear of it at all.
    let alone = scanned(&account(&[]), &Forwarders::default(), &HOME);
    assert_eq!(failing(&alone), []);
}

#[test]
fn a_region_that_is_added_is_told_by_itself_where_others_have_a_forwarder() {
    let known = heard(&[(THERE, 5)]);
    let all = |without: &[&'static str]| {
        let regions: Vec<_> =
            without.iter().map(|region| (*region, vec![])).chain([(THERE, deployed())]).collect();
        scanned(&account(&regions), &known, &HOME)
    };
    let seen = all(&["af-south-1"]);
    assert_eq!(failing(&seen), [("forwarder.missing", "af-south-1")]);
    let one = said(&seen, "forwarder.missing");
    assert_eq!(
        (one.severity, one.title.as_str()),
        (Severity::Medium, "Region af-south-1 is enabled, and nothing listens there")
    );
    assert_eq!(failing(&all(&["af-south-1", "eu-west-2", "sa-east-1"])).len(), 3);
    // Whoever watches one region and no other is told once, and what was told one by one is over.
    let seen = all(&["af-south-1", "eu-west-2", "eu-west-3", "sa-east-1"]);
    assert_eq!(failing(&seen), [("forwarder.missing", "global")]);
    let over = |one: &&Judgement| one.check.id == "forwarder.missing" && one.verdict == Judged::NotApplicable;
    assert_eq!(seen.judgements.iter().filter(over).count(), 4);
    // With its forwarder it is right.
    let mut other = deployed();
    for queue in other.iter_mut().flat_map(|rule| &mut rule.sends).filter_map(|to| to.dead_letters.as_mut()) {
        *queue = queue.replace(THERE, "af-south-1");
    }
    let seen = scanned(&account(&[(THERE, deployed()), ("af-south-1", other)]), &known, &HOME);
    let passing = |one: &&Judgement| one.check.id == "forwarder.missing" && one.verdict == Judged::Passing;
    assert_eq!((failing(&seen).len(), seen.judgements.iter().filter(passing).count()), (0, 3));
}

#[test]
fn what_could_not_be_read_is_neither_good_nor_bad() {
    let mut state = account(&[(THERE, deployed()), ("af-south-1", vec![])]);
    state = state.with(ask::EventRules, Place::region(HOME.region), vec![]);
    let refusal = Refusal { action: "events:ListRules".to_owned(), why: "no".to_owned() };
    for region in [THERE, "af-south-1"] {
        state.put(ask::EventRules, Place::region(region), Answer::Refused(vec![refusal.clone()]));
    }
    let seen = scanned(&state, &heard(&[(THERE, 5)]), &HOME);
    assert_eq!(seen.judgements.len(), 0, "{:?}", seen.judgements);
}

#[test]
fn a_forwarder_that_was_removed() {
    let gone = |minutes: u64| {
        let state = account(&[(THERE, vec![])]);
        scanned(&state, &heard(&[(THERE, minutes)]), &HOME)
    };
    // Its heartbeat is not missed yet.
    let seen = gone(20);
    assert_eq!(failing(&seen), [("forwarder.changed", THERE)]);
    // The sweep has told of its silence.
    assert_eq!(failing(&gone(90)), []);
    assert!(gone(90).judgements.iter().all(|one| one.check.id == "forwarder.missing"));
    // After a month it is one of the regions that nobody listens in.
    let seen = gone(31 * 24 * 60);
    assert_eq!(failing(&seen), [("forwarder.missing", "global")]);
    assert_eq!(seen.forgotten, [THERE]);
    let closed: Vec<&str> = seen
        .judgements
        .iter()
        .filter(|one| one.verdict == Judged::NotApplicable && one.subject.region == THERE)
        .map(|one| one.check.id)
        .collect();
    assert_eq!(closed, ["forwarder.changed", "forwarder.outdated", "forwarder.silent", "forwarder.missing"]);
    // A silent one whose rules are there stays silent for as long as it is.
    let seen = scanned(&account(&[(THERE, deployed())]), &heard(&[(THERE, 31 * 24 * 60)]), &HOME);
    assert!(seen.forgotten.is_empty());
}

#[test]
fn a_forwarder_that_was_told_to_be_taken_away_is_one_that_is_not_there() {
    let told = |minutes: u64| {
        let mut seen = keepwatch_rules::testing::observe(
            keepwatch_rules::testing::rule("self-stack-changed"),
            &keepwatch_rules::testing::call(
                "cloudformation",
                "DeleteStack",
                serde_json::json!({"requestParameters": {"stackName": "keepwatch-forwarder"}, "awsRegion": THERE}),
            ),
        );
        let mut seen = seen.swap_remove(0);
        seen.event.time = now().minus(Duration::from_secs(minutes * 60));
        let finding = Finding::open(&seen, None, None).unwrap();
        BTreeMap::from([(finding.finding_id.clone(), finding)])
    };
    let gone = |told: &BTreeMap<String, Finding>, rules: Vec<EventRule>| {
        forwarders::scanned(&account(&[(THERE, rules)]), &heard(&[(THERE, 25)]), told, &HOME)
    };
    let seen = gone(&told(30), vec![]);
    assert_eq!(failing(&seen), [("forwarder.missing", "global")]);
    assert_eq!(seen.forgotten, [THERE]);
    let closed = |one: &&Judgement| one.verdict == Judged::NotApplicable && one.subject.region == THERE;
    assert_eq!(seen.judgements.iter().filter(closed).count(), 4);
    // It was heard long after that call, so that something else has befallen it.
    assert_eq!(failing(&gone(&told(60), vec![])), [("forwarder.changed", THERE)]);
    // Its rules are there: a call alone takes nothing away.
    let seen = gone(&told(30), deployed());
    assert!(seen.forgotten.is_empty() && failing(&seen).is_empty());
}

#[test]
fn a_region_that_was_switched_off_is_forgotten() {
    let seen = scanned(&account(&[]), &heard(&[("af-south-1", 90)]), &HOME);
    assert_eq!((failing(&seen), seen.forgotten.as_slice()), (vec![], &["af-south-1".to_owned()][..]));
}

#[test]
fn the_home_stack_is_read_from_a_functions_arn() {
    let of = |arn| Home::of_function(arn, "-scan");
    assert_eq!(of("arn:aws:lambda:us-east-1:111122223333:function:keepwatch-scan"), Some(HOME));
    assert_eq!(of("arn:aws:lambda:us-east-1:111122223333:function:keepwatch-scan:live"), Some(HOME));
    assert_eq!(of("arn:aws:lambda:us-east-1:111122223333:function:keepwatch"), None);
    assert_eq!(of("arn:aws:lambda:us-east-1:111122223333:function:-scan"), None);
    assert_eq!(of("keepwatch-scan"), None);
}
