//! The EventBridge patterns of rules that look for more than single calls.

use keepwatch_core::about::{About, Origin};
use keepwatch_core::engine::patterns::{EventRule, event_rules};
use keepwatch_core::engine::{Described, On, Rule, RuleMeta};
use keepwatch_core::severity::{Confidence, Severity};
use serde_json::{Value, json};

use crate::registry;

/// A rule of a user's.
struct Own(&'static RuleMeta);

impl Described for Own {
    fn meta(&self) -> &'static RuleMeta {
        self.0
    }
}

impl Rule for Own {}

fn own(on: &[On]) -> &'static dyn Rule {
    let about = About {
        id: "sigma-x",
        title: "X",
        severity: Severity::Low,
        confidence: Confidence::Low,
        catalogue: &["SIGMA"],
        origin: Origin::Event,
        finding: "sigma-x",
        general: false,
        repeat_hours: 24,
        alerts_as_witness: false,
        opt_in: false,
    };
    let meta = RuleMeta { about, on: on.to_vec().leak(), failed_calls: true };
    Box::leak(Box::new(Own(Box::leak(Box::new(meta)))))
}

/// States and details of the rules with such a name.
fn details(rules: &[EventRule], label: &str) -> Vec<(&'static str, Value)> {
    let named = rules.iter().filter(|rule| rule.name.starts_with(label));
    named.map(|rule| (rule.state, rule.pattern["detail"].clone())).collect()
}

const ALL: &str = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";

#[test]
fn calls_of_own_rules_come_even_if_they_only_read() {
    let sts: &[&str] = &["sts.amazonaws.com"];
    let rules = event_rules(&[
        own(&[On::Matching(sts, &["AssumeRoleWithSAML", "GetSessionToken"])]),
        own(&[On::Matching(&["bedrock.amazonaws.com"], &["InvokeModel"])]),
    ]);
    let expected = json!({"eventSource": ["bedrock.amazonaws.com", "sts.amazonaws.com"],
        "eventName": ["AssumeRoleWithSAML", "GetSessionToken", "InvokeModel"]});
    assert_eq!(details(&rules, ""), [(ALL, expected)]);
}

#[test]
fn half_a_name_is_enough_to_be_brought() {
    let rules = event_rules(&[
        own(&[On::Matching(&[], &["CreateUser"])]),
        own(&[On::Matching(&["directconnect.amazonaws.com"], &[])]),
        // Both of these come with the others.
        own(&[On::Matching(&["iam.amazonaws.com"], &["CreateUser"])]),
        own(&[On::Matching(&["directconnect.amazonaws.com"], &["DeleteConnection"])]),
        // This one brings nothing.
        own(&[On::Matching(&[], &[])]),
    ]);
    assert_eq!(details(&rules, "own-names"), [(ALL, json!({"eventName": ["CreateUser"]}))]);
    let service = json!({"eventSource": ["directconnect.amazonaws.com"]});
    assert_eq!(details(&rules, "own-services"), [(ALL, service)]);
    assert_eq!(rules.len(), 2, "{rules:?}");
}

#[test]
fn policies_are_asked_for_by_where_they_stand() {
    let rules = event_rules(&[own(&[On::Policy {
        fields: &["policy", "details.policy"],
        but: &["iam.amazonaws.com"],
    }])]);
    let there = json!([{"exists": true}]);
    let expected = json!({
        "$or": [{"requestParameters": {"details": {"policy": there}}}, {"requestParameters": {"policy": there}}],
        "eventSource": [{"anything-but": ["iam.amazonaws.com"]}],
    });
    assert_eq!(details(&rules, "policies"), [("ENABLED", expected)]);
}

#[test]
fn many_names_fit() {
    let names: Vec<&'static str> = (0..200).map(|i| &*format!("CreateThingNumber{i}").leak()).collect();
    let rules = event_rules(&[own(&[On::Matching(&[], names.leak())])]);
    assert!(rules.len() > 1);
    let brought = |rule: &EventRule| rule.pattern["detail"]["eventName"].as_array().unwrap().len();
    assert_eq!(rules.iter().map(brought).sum::<usize>(), 200);
    assert!(rules.iter().all(|rule| rule.pattern.to_string().len() <= 2_048));
}

/// A call that a built-in rule's pattern brings is not delivered twice, and the built-in patterns stay as they are.
#[test]
fn own_rules_change_nothing_of_what_the_built_in_rules_ask_for() {
    let user = own(&[On::Matching(&["iam.amazonaws.com"], &["CreateUser"])]);
    let both: Vec<_> = registry::RULES.iter().copied().chain([user]).collect();
    let patterns =
        |rules: &[&'static dyn Rule]| serde_json::to_value(event_rules(rules)).unwrap().to_string();
    assert_eq!(patterns(&both), patterns(registry::RULES));
}
