//! Event and state of one problem are one finding: what a rule makes of the event has the identity that the check gives the
//! state which the event leaves behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use keepwatch_base::time::Timestamp;
use keepwatch_checks::parameters::{Parameters, Profile};
use keepwatch_checks::registry::CHECKS;
use keepwatch_checks::run::run;
use keepwatch_core::engine::config::Config;
use keepwatch_core::engine::replay::Player;
use keepwatch_core::event::log::entries;
use keepwatch_core::observation::{Occurrence, Verdict};
use keepwatch_core::posture::facts::audit::{
    ConfigRecorder, ConfigStatus, Trail, TrailSelectors, TrailStatus,
};
use keepwatch_core::posture::facts::iam::{Authorization, ManagedPolicy, Role, User};
use keepwatch_core::posture::{Place, State, ask};
use keepwatch_core::state::PolicyText;
use keepwatch_rules::registry::{CATALOGUE, RULES};
use serde_json::{Value, json};

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";
const TRAIL: &str = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/main";
const STAR: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const OPEN: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T12:00:00Z").unwrap()
}

fn account() -> State {
    State::new(ACCOUNT, "aws", &[REGION.to_owned()], now())
}

/// The findings that a call opens for a rule.
fn told(rule: &str, source: &str, name: &str, request: &Value) -> BTreeSet<String> {
    let record = json!({
        "eventVersion": "1.11",
        "eventID": "6b2a5e0c-0000-4000-8000-000000000001",
        "eventTime": "2026-11-22T11:00:00Z",
        "eventType": "AwsApiCall",
        "eventSource": format!("{source}.amazonaws.com"),
        "eventName": name,
        "awsRegion": REGION,
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "aws-cli/2.15.30",
        "readOnly": false,
        "recipientAccountId": ACCOUNT,
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLEALICE",
            "arn": "arn:aws:iam::111122223333:user/alice",
            "accountId": ACCOUNT,
            "userName": "alice",
        },
        "requestParameters": request,
        "responseElements": null,
    });
    let player = Player::new(RULES, Config::default());
    let mut ids = BTreeSet::new();
    entries(&record.to_string(), &mut |entry| {
        let played = player.play(&entry.expect("it is an event")).expect("it can be read");
        let seen = keepwatch_core::engine::replay::Memory::default().settle(&player, played);
        let failing = |one: &&keepwatch_core::observation::Observation| {
            one.rule.id == rule && one.verdict == Verdict::Failing
        };
        ids.extend(seen.observations.iter().filter(failing).map(|one| one.finding_id()));
    });
    ids
}

/// The findings that a check opens for a state.
fn found(check: &str, state: &State) -> BTreeSet<String> {
    let check = CHECKS.iter().find(|one| one.meta().about.id == check).expect("there is such a check");
    let parameters = Parameters { require_trail_insights: 1, ..Parameters::of(Profile::Default) };
    let scan = Occurrence::new("scan", "scan", now());
    let judgements = run(&[*check], state, &parameters, now());
    let observations = judgements.iter().filter_map(|one| one.observation(&scan));
    observations.filter(|one| one.verdict == Verdict::Failing).map(|one| one.finding_id()).collect()
}

fn same(rule: &str, (source, name, request): (&str, &str, Value), check: &str, state: &State) {
    let told = told(rule, source, name, &request);
    assert_eq!(told.len(), 1, "{name} for {rule}");
    assert_eq!(told, found(check, state), "{name} for {rule}, and {check}");
}

fn trail(logging: bool) -> State {
    let trail = Trail {
        arn: TRAIL.to_owned(),
        name: "main".to_owned(),
        home_region: REGION.to_owned(),
        bucket: None,
        multi_region: true,
        global_events: true,
        organization: false,
        kms_key: None,
        validation: false,
        log_group: None,
    };
    account()
        .with(ask::Trails, Place::region(REGION), vec![trail])
        .with(ask::TrailStatus, Place::of(REGION, TRAIL), TrailStatus { logging, delivery_error: None })
        .with(ask::TrailSelectors, Place::of(REGION, TRAIL), TrailSelectors::default())
        .with(ask::TrailInsights, Place::of(REGION, TRAIL), vec![])
}

#[test]
fn trails() {
    let call = |name, request| ("cloudtrail", name, request);
    same("audit-trail-stopped", call("StopLogging", json!({"name": "main"})), "trail.logging", &trail(false));
    let no_key = json!({"name": "main", "kmsKeyId": ""});
    same("audit-trail-weakened", call("UpdateTrail", no_key), "trail.kms", &trail(true));
    let unsigned = json!({"name": "main", "enableLogFileValidation": false});
    same("audit-trail-weakened", call("UpdateTrail", unsigned), "trail.validation", &trail(true));
    let insights = json!({"trailName": "main", "insightSelectors": []});
    same("audit-trail-selectors-cut", call("PutInsightSelectors", insights), "trail.insights", &trail(true));
}

#[test]
fn config_and_guardduty() {
    let there = || Place::region(REGION);
    let none = account()
        .with(ask::ConfigRecorders, there(), vec![])
        .with(ask::ConfigStatus, there(), vec![])
        .with(ask::ConfigChannels, there(), vec![])
        .with(ask::Detectors, there(), vec![]);
    let recorder = ConfigRecorder {
        name: "default".to_owned(),
        arn: None,
        internal: false,
        all_supported: true,
        global_types: true,
    };
    let status = ConfigStatus { name: "default".to_owned(), recording: false, last_status: None };
    let stopped = none.clone().with(ask::ConfigRecorders, there(), vec![recorder]).with(
        ask::ConfigStatus,
        there(),
        vec![status],
    );
    let named = || json!({"configurationRecorderName": "default"});
    let stop = ("config", "StopConfigurationRecorder", named());
    same("audit-config-stopped", stop, "config.enabled", &stopped);
    let delete = ("config", "DeleteConfigurationRecorder", named());
    same("audit-config-stopped", delete, "config.enabled", &none);
    let delete = ("guardduty", "DeleteDetector", json!({"detectorId": "d1"}));
    same("audit-guardduty-disabled", delete, "guardduty.enabled", &none);
}

#[test]
fn policies_and_roles() {
    let call = |name, request| ("iam", name, request);
    // Events know no path.
    let user = |inline: Vec<PolicyText>, managed: Vec<String>| User {
        arn: "arn:aws:iam::111122223333:user/team/bob".to_owned(),
        name: "bob".to_owned(),
        inline,
        managed,
        ..User::default()
    };
    let of = |authorization| account().with(ask::Authorization, Place::global(), authorization);
    let star = PolicyText { name: "all".to_owned(), text: STAR.to_owned() };
    let bob = of(Authorization { users: vec![user(vec![star], vec![])], ..Authorization::default() });
    let put = || json!({"userName": "bob", "policyName": "all", "policyDocument": STAR});
    same("admin-inline-policy", call("PutUserPolicy", put()), "policy.admin-star-inline", &bob);
    same("iam-policy-on-user", call("PutUserPolicy", put()), "policy.on-user", &bob);
    let read = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let reader = user(vec![], vec![read.to_owned()]);
    let reader = of(Authorization { users: vec![reader], ..Authorization::default() });
    let attach = json!({"userName": "bob", "policyArn": read});
    same("iam-policy-on-user", call("AttachUserPolicy", attach), "policy.on-user", &reader);

    let arn = "arn:aws:iam::111122223333:policy/team/all";
    let policy = ManagedPolicy {
        arn: arn.to_owned(),
        name: "all".to_owned(),
        attachments: 1,
        document: STAR.to_owned(),
    };
    let written = of(Authorization { policies: vec![policy], ..Authorization::default() });
    let write = json!({"policyArn": arn, "policyDocument": STAR, "setAsDefault": true});
    same("admin-policy-written", call("CreatePolicyVersion", write), "policy.admin-star", &written);

    let role = Role {
        arn: "arn:aws:iam::111122223333:role/team/door".to_owned(),
        name: "door".to_owned(),
        path: "/team/".to_owned(),
        trust: OPEN.to_owned(),
        ..Role::default()
    };
    let open = of(Authorization { roles: vec![role], ..Authorization::default() });
    let trust = json!({"roleName": "door", "policyDocument": OPEN});
    same("role-trust-opened", call("UpdateAssumeRolePolicy", trust), "role.cross-account", &open);
}

/// A check that adds to a finding names a rule that there is.
#[test]
fn checks_join_rules_that_there_are() {
    for check in CHECKS {
        let about = &check.meta().about;
        if about.finding != about.id {
            assert!(CATALOGUE.find(about.finding).is_some(), "{} joins {}", about.id, about.finding);
        }
    }
}
