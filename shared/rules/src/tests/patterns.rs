//! The EventBridge patterns of rules that look for more than single calls.

use keepwatch_core::about::{About, Origin};
use keepwatch_core::engine::patterns::{self, EventRule};
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

fn event_rules(rules: &[&'static dyn Rule]) -> Vec<EventRule> {
    patterns::event_rules(rules, "keepwatch")
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

/// EKS asks who is behind each token, and clusters ask for tokens all day. What says something by its program, its key or
/// its role comes all the same.
#[test]
fn of_the_calls_that_programs_make_all_day_those_come_that_can_mean_something() {
    const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
    const SESSION: &str = "ASIAIOSFODNN7EXAMPLE";
    let rules = event_rules(registry::RULES);
    let comes = |agent: &str, key: &str, role: &str| {
        let issuer = json!({"type": "Role", "userName": role});
        let who =
            json!({"type": "AssumedRole", "accessKeyId": key, "sessionContext": {"sessionIssuer": issuer}});
        let event = json!({
            "source": "aws.sts",
            "detail-type": "AWS API Call via CloudTrail",
            "detail": {"eventSource": "sts.amazonaws.com", "eventName": "GetCallerIdentity", "readOnly": true,
                "userAgent": agent, "userIdentity": who},
        });
        rules.iter().any(|rule| rule.brings(&event))
    };
    for go in ["Go-http-client/1.1", "Go-http-client/2.0"] {
        assert!(!comes(go, SESSION, "eks-node"), "{go}");
        assert!(comes(go, KEY, "eks-node"), "a long-term key may be exposed");
        assert!(
            comes(go, SESSION, "keepwatch-ScanRole-A1B2C3"),
            "a program's name is the caller's own words"
        );
        assert!(!comes(go, SESSION, "keepwatchers"), "{go}");
    }
    for agent in ["TruffleHog", "Go-http-client/1.1 kali", "aws-cli/2.15 Linux/6.1.0-kali9-amd64", ""] {
        assert!(comes(agent, SESSION, "eks-node"), "{agent}");
    }
}
