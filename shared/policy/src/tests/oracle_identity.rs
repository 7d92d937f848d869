//! The engine on identity policies beside a small universe in which every request is tried.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::oracle::{Request, allowed, config, every};
use crate::{Document, Held, Level, analyse};

const OWN: &str = "111122223333";
const OTHER: &str = "999988887777";
const BOB: &str = "arn:aws:iam::111122223333:user/bob";

/// What is asked, on which resources. Names that no policy writes stand for all that a wildcard reaches.
const ASKED: [(&str, &[&str]); 5] = [
    ("iam:AttachUserPolicy", &["user/bob", "user/q~", "user/Q~"]),
    ("iam:PutUserPolicy", &["user/bob", "user/q~", "user/Q~"]),
    ("iam:CreateAccessKey", &["user/bob", "user/q~", "user/Q~"]),
    ("iam:UpdateAssumeRolePolicy", &["role/q~", "role/Q~"]),
    ("iam:PassRole", &["role/q~", "role/Q~"]),
];

/// What has a function run, besides making it.
const RUNS: [&str; 7] = [
    "lambda:InvokeFunction",
    "lambda:InvokeAsync",
    "lambda:CreateEventSourceMapping",
    "lambda:AddPermission",
    "lambda:CreateFunctionUrlConfig",
    "cloudfront:CreateDistribution",
    "cloudfront:UpdateDistribution",
];

fn arn(action: &str, name: &str) -> &'static str {
    let arn = match action.split(':').next() {
        Some("lambda") => format!("arn:aws:lambda:us-east-1:{OWN}:function:{name}"),
        Some("cloudfront") => format!("arn:aws:cloudfront::{OWN}:distribution/{name}"),
        _ => format!("arn:aws:iam::{OWN}:{name}"),
    };
    Box::leak(arn.into_boxed_str())
}

/// What bob's requests can carry.
fn contexts(action: &str) -> Vec<BTreeMap<&'static str, String>> {
    let services: &[Option<&str>] = match action {
        "iam:PassRole" => &[Some("lambda.amazonaws.com"), Some("ec2.amazonaws.com")],
        _ => &[None],
    };
    let policies: &[Option<&str>] = match action {
        "iam:AttachUserPolicy" => &[Some(ADMIN), Some(IAM), Some(READ), Some(TEAM), Some(ANY)],
        _ => &[None],
    };
    let mut all = every(&[
        ("aws:multifactorauthpresent", &[None, Some("true"), Some("false")]),
        ("aws:sourceip", &[Some("240.77.13.1"), Some("203.0.113.9")]),
        ("iam:passedtoservice", services),
        ("iam:policyarn", policies),
        ("aws:requestedregion", &[Some("us-east-1"), Some("eu-west-1")]),
    ]);
    for context in &mut all {
        context.insert("aws:username", "bob".to_owned());
        context.insert("aws:principalaccount", OWN.to_owned());
        context.insert("aws:principalarn", BOB.to_owned());
        context.insert("aws:principaltype", "User".to_owned());
    }
    all
}

/// Policies that can be attached: powerful ones of AWS's, a harmless one, and two of the account's.
const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
const IAM: &str = "arn:aws:iam::aws:policy/IAMFullAccess";
const READ: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const TEAM: &str = "arn:aws:iam::111122223333:policy/team-q~";
const ANY: &str = "arn:aws:iam::111122223333:policy/q~";

const TEAM_PATTERN: &str = "arn:aws:iam::111122223333:policy/team-*";

/// Whether bob can attach a policy that makes an administrator, or one that he can make or rewrite himself.
fn attaches(policy: &Value) -> bool {
    let writes = |arn: &str| {
        let name = arn.splitn(6, ':').nth(5).unwrap();
        ["iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"]
            .into_iter()
            .any(|action| can(policy, action, name, None))
    };
    let attaches = |name: &str, arn: &str| {
        let with = |context: &BTreeMap<&'static str, String>| context["iam:policyarn"] == arn;
        can_with(policy, "iam:AttachUserPolicy", name, with)
    };
    [ADMIN, IAM, TEAM, ANY].into_iter().any(|arn| {
        (arn.contains("::aws:") && arn != READ || writes(arn))
            && (attaches("user/bob", arn)
                || ["user/q~", "user/Q~"].into_iter().all(|name| attaches(name, arn)))
    })
}

/// Whether bob can have one of his requests for this action on this resource allowed.
fn can(policy: &Value, action: &'static str, name: &str, service: Option<&str>) -> bool {
    can_with(policy, action, name, |context| {
        service.is_none() || context.get("iam:passedtoservice").map(String::as_str) == service
    })
}

fn can_with(
    policy: &Value,
    action: &'static str,
    name: &str,
    with: impl Fn(&BTreeMap<&'static str, String>) -> bool,
) -> bool {
    contexts(action).into_iter().filter(with).any(|context| {
        let request = Request { principal: BOB.to_owned(), action, resource: arn(action, name), context };
        allowed(policy, &request)
    })
}

/// Whether bob can do it on everybody's.
fn can_on_all(policy: &Value, action: &'static str, service: Option<&str>) -> bool {
    let names = ASKED.iter().find(|(one, _)| *one == action).map_or(&["q~"][..], |(_, names)| names);
    names.iter().filter(|name| !name.ends_with("bob")).all(|name| can(policy, action, name, service))
}

/// The ways that are open, in words of this test.
fn truth(policy: &Value) -> Vec<&'static str> {
    let all = |action| can_on_all(policy, action, None);
    let code = all("lambda:CreateFunction") && RUNS.into_iter().any(all);
    let mut ways = Vec::new();
    if attaches(policy) {
        ways.push("attach-user-policy");
    }
    if all("iam:PutUserPolicy") || can(policy, "iam:PutUserPolicy", "user/bob", None) {
        ways.push("put-user-policy");
    }
    if all("iam:CreateAccessKey") {
        ways.push("create-access-key");
    }
    if all("iam:UpdateAssumeRolePolicy") {
        ways.push("update-assume-role-policy");
    }
    if code && can_on_all(policy, "iam:PassRole", Some("lambda.amazonaws.com")) {
        ways.push("passrole-lambda");
    }
    ways
}

fn actions() -> impl Strategy<Value = Vec<String>> {
    let patterns = [
        "*",
        "iam:*",
        "iam:Put*",
        "IAM:putuserpolicy",
        "iam:Create*",
        "iam:AttachUserPolicy",
        "iam:CreatePolicy",
        "iam:CreatePolicyVersion",
        "iam:CreateAccessKey",
        "iam:PassRole",
        "iam:UpdateAssumeRole*",
        "i?m:Pass*",
        "lambda:*",
        "lambda:CreateFunction",
        "lambda:InvokeFunction",
        "s3:*",
        "*:*",
    ];
    let owned = patterns.map(str::to_owned).to_vec();
    prop::collection::vec(prop::sample::select(owned), 1..4)
}

fn resources(effect: &str) -> impl Strategy<Value = Vec<String>> + use<> {
    let iam = |name: &str| format!("arn:aws:iam::{OWN}:{name}");
    let patterns = vec![
        "*".to_owned(),
        "*".to_owned(),
        "arn:aws:iam::*:user/*".to_owned(),
        // TYPES
        if effect == "Deny" { "*".to_owned() } else { "arn:aws:lambda:*:*:function:*".to_owned() },
        "arn:aws:iam::*:role/*".to_owned(),
        iam("user/bob"),
        iam("user/${aws:username}"),
        iam("user/*"),
        iam("role/*"),
        format!("arn:aws:iam::{OTHER}:*"),
        "arn:aws:s3:::b/*".to_owned(),
    ];
    prop::collection::vec(prop::sample::select(patterns), 1..3)
}

fn condition() -> impl Strategy<Value = Value> {
    let one = |operators: &[&str], key: &'static str, values: &[&str]| {
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<String>>();
        (prop::sample::select(owned(operators)), prop::sample::select(owned(values)))
            .prop_map(move |(operator, value)| json!({operator: {key: value}}))
    };
    let strings = ["StringEquals", "StringNotEquals", "StringLike", "StringEqualsIfExists", "StringNotLike"];
    prop_oneof![
        one(&["Bool", "BoolIfExists"], "aws:MultiFactorAuthPresent", &["true", "false"]),
        one(&["IpAddress", "NotIpAddress"], "aws:SourceIp", &["203.0.113.0/24"]),
        one(&strings, "aws:PrincipalAccount", &[OWN, OTHER]),
        one(&strings, "aws:username", &["bob", "alice", "b*"]),
        one(&["ArnLike", "ArnNotLike"], "aws:PrincipalArn", &[BOB, "arn:aws:iam::*:role/*"]),
        one(&strings, "iam:PassedToService", &["lambda.amazonaws.com", "ec2.amazonaws.com"]),
        one(&strings, "aws:RequestedRegion", &["us-east-1"]),
        one(
            &strings,
            "iam:PolicyARN",
            &[ADMIN, READ, "arn:aws:iam::aws:policy/*", "arn:aws:iam::*:policy/team-*"]
        ),
        one(&["ArnEquals", "ArnNotEquals", "ArnLikeIfExists"], "iam:PolicyARN", &[ADMIN, TEAM_PATTERN]),
        one(&["Null"], "aws:MultiFactorAuthPresent", &["true", "false"]),
        one(&["Null"], "iam:PassedToService", &["true", "false"]),
    ]
}

/// The lines of one block; of two on one operator and key the later stays.
fn block() -> impl Strategy<Value = Value> {
    let few = prop_oneof![3 => 0..1_usize, 2 => 1..2_usize, 1 => 2..3_usize];
    few.prop_flat_map(|count| prop::collection::vec(condition(), count)).prop_map(|all| {
        let mut block = Map::new();
        for one in all {
            for (operator, keys) in one.as_object().unwrap() {
                let entry = block.entry(operator.clone()).or_insert_with(|| json!({}));
                entry.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
            }
        }
        Value::Object(block)
    })
}

fn statement(effect: &'static str) -> impl Strategy<Value = Value> {
    (actions(), prop::bool::weighted(0.15), resources(effect), prop::bool::weighted(0.1), block()).prop_map(
        move |(actions, not_actions, resources, not_resources, block)| {
            let of_functions = resources.iter().any(|one| one.contains(":function:"));
            let not_resources = not_resources && !of_functions;
            json!({
                "Effect": effect,
                (if not_actions { "NotAction" } else { "Action" }): actions,
                (if not_resources { "NotResource" } else { "Resource" }): resources,
                "Condition": block,
            })
        },
    )
}

/// One Deny at most has conditions: two that leave nothing together are not looked for, which shows too much power.
fn policy() -> impl Strategy<Value = Value> {
    let some = |effect, least, most| prop::collection::vec(statement(effect), least..=most);
    (some("Allow", 1, 3), some("Deny", 0, 2)).prop_map(
        |(allows, denies)| json!({"Version": "2012-10-17", "Statement": ([allows, denies].concat())}),
    )
}

/// As the judge of this universe reads it, which knows no policy variables.
fn plain(policy: &Value) -> Value {
    serde_json::from_str(&policy.to_string().replace("${aws:username}", "bob")).unwrap()
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn ways_are_what_trying_every_request_shows(policy in policy()) {
        let document = Document::from_value(&policy).unwrap();
        let grant = analyse(&[Held::inline("p", &document)], Some(BOB));
        let truth = truth(&plain(&policy));
        if grant.level == Level::FullAdmin {
            // It is told of no single way, and of a dozen ways some may be denied.
            return Ok(());
        }
        let told: Vec<&str> = WAYS.into_iter().filter(|way| grant.paths.contains(way)).collect();
        prop_assert_eq!(told, truth, "{} {:?}", policy, grant.paths);
    }
}

/// The ways of this universe.
const WAYS: [&str; 5] = [
    "attach-user-policy",
    "put-user-policy",
    "create-access-key",
    "update-assume-role-policy",
    "passrole-lambda",
];
