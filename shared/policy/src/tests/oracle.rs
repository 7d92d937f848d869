//! The engine beside two others that share no code with it: a small universe in which every request is tried, judged here in a
//! few lines straight from the user guide, and `iam-rs`.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Map, Value, json};

use crate::Document;
use crate::sharing::{Outsider, shares};
use crate::trust::{self, ExposureKind};

const OWN: &str = "111122223333";
const NAMED: &str = "999988887777";
/// In no policy: anybody's accounts. Whoever opens enough of them has one with any four digits in front.
const ANYBODY: [&str; 2] = ["222233334444", "111199998888"];

const PRINCIPALS: [&str; 3] = ["role/app", "role/x", "user/x"];

/// The same cases in every run. A rare disagreement is for whoever looks for one, with other seeds and more cases
/// (`PROPTEST_RNG_SEED`, `PROPTEST_CASES`), and must not fail somebody's change of something else.
pub(super) fn config(cases: u32) -> ProptestConfig {
    let set = ProptestConfig::default();
    let seed = if set.rng_seed == RngSeed::Random { RngSeed::Fixed(20_261_130) } else { set.rng_seed };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { set.cases } else { cases };
    ProptestConfig { cases, rng_seed: seed, ..set }
}

/// Who asks, for what, and what the request carries; keys in lower case.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) principal: String,
    pub(super) action: &'static str,
    pub(super) resource: &'static str,
    pub(super) context: BTreeMap<&'static str, String>,
}

/// Whether a pattern of IAM's fits, the slow and plain way.
fn like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => like(&pattern[1..], text) || (!text.is_empty() && like(pattern, &text[1..])),
        (Some(b'?'), Some(_)) => like(&pattern[1..], &text[1..]),
        (Some(a), Some(b)) => a == b && like(&pattern[1..], &text[1..]),
        _ => false,
    }
}

pub(super) fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().flat_map(list).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

/// Whether the request meets one line of a Condition block.
fn meets(operator: &str, values: &[String], carried: Option<&String>) -> bool {
    if let Some(base) = operator.strip_suffix("IfExists") {
        return carried.is_none() || meets(base, values, carried);
    }
    let any = |fits: &dyn Fn(&str, &str) -> bool| carried.is_some_and(|c| values.iter().any(|v| fits(v, c)));
    let arn = |pattern: &str, text: &str| {
        let (pattern, text): (Vec<_>, Vec<_>) =
            (pattern.splitn(6, ':').collect(), text.splitn(6, ':').collect());
        pattern.len() == text.len()
            && pattern.iter().zip(&text).all(|(p, t)| like(p.as_bytes(), t.as_bytes()))
    };
    let address = |range: &str, address: &str| {
        let range: ipnet_like::Range = ipnet_like::Range::parse(range);
        range.holds(address)
    };
    match operator {
        "Null" => values.iter().any(|v| (v == "true") == carried.is_none()),
        "StringEquals" => any(&|v, c| v == c),
        "StringNotEquals" => !any(&|v, c| v == c),
        "StringLike" => any(&|v, c| like(v.as_bytes(), c.as_bytes())),
        "StringNotLike" => !any(&|v, c| like(v.as_bytes(), c.as_bytes())),
        "ArnLike" | "ArnEquals" => any(&arn),
        "ArnNotLike" | "ArnNotEquals" => !any(&arn),
        "Bool" => any(&|v, c| v == c),
        "IpAddress" => any(&address),
        "NotIpAddress" => !any(&address),
        other => panic!("{other} is not in the universe"),
    }
}

/// IPv4 ranges without a library.
mod ipnet_like {
    pub(super) struct Range(u32, u32);

    fn number(text: &str) -> u32 {
        text.split('.').fold(0, |all, byte| all << 8 | byte.parse::<u32>().unwrap())
    }

    impl Range {
        pub(super) fn parse(text: &str) -> Range {
            let (address, length) = text.split_once('/').unwrap_or((text, "32"));
            let host = 32 - length.parse::<u32>().unwrap();
            Range(number(address), u32::try_from((1_u64 << host) - 1).unwrap())
        }

        pub(super) fn holds(&self, address: &str) -> bool {
            number(address) & !self.1 == self.0 & !self.1
        }
    }
}

fn principal_fits(statement: &Value, request: &Request) -> bool {
    let Some(principal) = statement.get("Principal") else { return true };
    let account = request.principal.split(':').nth(4).unwrap();
    list(principal.get("AWS").unwrap_or(principal)).iter().any(|one| {
        one == "*"
            || *one == request.principal
            || one == account
            || *one == format!("arn:aws:iam::{account}:root")
    })
}

fn applies(statement: &Value, request: &Request) -> bool {
    let fits =
        |patterns: &Value, text: &str| list(patterns).iter().any(|p| like(p.as_bytes(), text.as_bytes()));
    // The names of actions do not mind case.
    let names = |patterns: &Value| {
        let action = request.action.to_lowercase();
        list(patterns).iter().any(|p| like(p.to_lowercase().as_bytes(), action.as_bytes()))
    };
    let actions = match statement.get("NotAction") {
        Some(spared) => !names(spared),
        None => names(&statement["Action"]),
    };
    let resources = match statement.get("NotResource") {
        Some(spared) => !fits(spared, request.resource),
        None => statement.get("Resource").is_none_or(|all| fits(all, request.resource)),
    };
    let conditions = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
    let mut lines = conditions.flat_map(|(operator, keys)| {
        keys.as_object()
            .unwrap()
            .iter()
            .map(move |(key, values)| (operator, key.to_ascii_lowercase(), list(values)))
    });
    principal_fits(statement, request)
        && actions
        && resources
        && lines.all(|(operator, key, values)| meets(operator, &values, request.context.get(key.as_str())))
}

pub(super) fn allowed(policy: &Value, request: &Request) -> bool {
    let statements = || policy["Statement"].as_array().unwrap().iter().filter(|one| applies(one, request));
    statements().any(|one| one["Effect"] == "Allow") && !statements().any(|one| one["Effect"] == "Deny")
}

/// What `iam-rs` says of the same request; `None` where it does not read the policy. It takes an account's number for that
/// principal alone, and not for those of the account.
fn theirs(policy: &Value, request: &Request) -> Option<bool> {
    if policy["Statement"][0]["Principal"] != "*" {
        return None;
    }
    let policy = iam_rs::IAMPolicy::from_json(&policy.to_string()).ok()?;
    let spelt =
        ["aws:PrincipalOrgID", "aws:PrincipalAccount", "aws:PrincipalArn", "aws:SourceVpce", "aws:SourceIp"];
    let spelt = spelt.into_iter().chain(["aws:PrincipalTag/team", "aws:SecureTransport"]);
    let context: Map<String, Value> = spelt
        .filter_map(|key| Some((key.to_owned(), request.context.get(key.to_ascii_lowercase().as_str())?)))
        .map(|(key, value)| {
            (key, value.parse::<bool>().map_or_else(|_| Value::from(value.as_str()), Value::from))
        })
        .collect();
    let asked = iam_rs::IAMRequest::new_with_context(
        serde_json::from_value(json!({"AWS": request.principal})).ok()?,
        request.action.to_owned(),
        iam_rs::Arn::parse(request.resource).ok()?,
        serde_json::from_value(Value::Object(context)).ok()?,
    );
    iam_rs::evaluate_policies(&[policy], &asked).ok().map(|decision| decision.to_string() == "Allow")
}

/// Every combination of one value a key.
pub(super) fn every(keys: &[(&'static str, &[Option<&str>])]) -> Vec<BTreeMap<&'static str, String>> {
    let mut all = vec![BTreeMap::new()];
    for (key, values) in keys {
        let longer = |context: &BTreeMap<&'static str, String>| {
            let context = context.clone();
            values.iter().map(move |value| {
                let mut context = context.clone();
                if let Some(value) = value {
                    context.insert(key, (*value).to_owned());
                }
                context
            })
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// The requests of one account. What it can bring along of its own, or also what belongs to somebody that policies name.
fn requests(account: &str, names: &[&str], all: bool) -> Vec<Request> {
    let either =
        |own: &[Option<&'static str>], named: &[Option<&'static str>]| -> Vec<Option<&'static str>> {
            own.iter().chain(if all { named } else { &[] }).copied().collect()
        };
    let contexts = every(&[
        (
            "aws:principalorgid",
            &either(&[None, Some("o-stranger999")], &[Some("o-abcd123456"), Some("o-wxyz987654")]),
        ),
        ("aws:sourceip", &either(&[Some("240.77.13.1")], &[Some("203.0.113.9"), Some("10.0.0.9")])),
        ("aws:sourcevpce", &either(&[None, Some("vpce-stranger9")], &[Some("vpce-0a1b2c3d4e")])),
        ("aws:principaltag/team", &either(&[None], &[Some("data"), Some("ops"), Some("web")])),
        ("aws:securetransport", &[Some("true"), Some("false")]),
    ]);
    let mut requests = Vec::new();
    for name in names {
        for context in &contexts {
            let principal = format!("arn:aws:iam::{account}:{name}");
            let mut context = context.clone();
            context.insert("aws:principalaccount", account.to_owned());
            context.insert("aws:principalarn", principal.clone());
            requests.push(Request {
                principal,
                action: "s3:GetObject",
                resource: "arn:aws:s3:::b/a",
                context,
            });
        }
    }
    requests
}

/// Conditions of the universe.
fn condition() -> impl Strategy<Value = Value> {
    let organization = ["o-abcd123456", "o-*", "*", "o-wxyz987654"];
    let account = [OWN, NAMED, "1111*", "*"];
    let arn = [
        format!("arn:aws:iam::{OWN}:role/app"),
        format!("arn:aws:iam::{NAMED}:role/app"),
        format!("arn:aws:iam::{NAMED}:role/*"),
        "arn:aws:iam::*:role/app".to_owned(),
        "arn:aws:iam::*:role/*".to_owned(),
    ];
    let text = |key: &'static str, values: Vec<String>| {
        let operators = vec![
            "StringEquals",
            "StringNotEquals",
            "StringLike",
            "StringNotLike",
            "StringEqualsIfExists",
            "StringLikeIfExists",
            "StringNotEqualsIfExists",
        ];
        (prop::sample::select(operators), prop::collection::vec(prop::sample::select(values), 1..3))
            .prop_map(move |(operator, values)| json!({operator: {key: values}}))
    };
    let strings = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<String>>();
    prop_oneof![
        text("aws:PrincipalOrgID", strings(&organization)),
        text("aws:PrincipalAccount", strings(&account)),
        text("aws:SourceVpce", strings(&["vpce-0a1b2c3d4e", "vpce-*"])),
        text("aws:PrincipalTag/team", strings(&["data", "o*"])),
        (prop::sample::select(vec!["ArnLike", "ArnNotLike"]), prop::sample::select(arn.to_vec()))
            .prop_map(|(operator, value)| json!({operator: {"aws:PrincipalArn": value}})),
        (
            prop::sample::select(vec!["IpAddress", "NotIpAddress"]),
            prop::sample::select(vec!["203.0.113.0/24", "10.0.0.0/8"])
        )
            .prop_map(|(operator, value)| json!({operator: {"aws:SourceIp": value}})),
        prop::sample::select(vec!["true", "false"]).prop_map(|v| json!({"Bool": {"aws:SecureTransport": v}})),
        (
            prop::sample::select(vec!["true", "false"]),
            prop::sample::select(vec!["aws:SourceVpce", "aws:PrincipalOrgID"])
        )
            .prop_map(|(v, key)| json!({"Null": {key: v}})),
    ]
}

/// Conditions of one block; of two on one operator the later stays.
fn conditions(most: usize) -> impl Strategy<Value = Value> {
    prop::collection::vec(condition(), 0..=most).prop_map(|all| {
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

/// An Allow for everybody or somebody, and up to two Denies for everybody.
fn resource_policy(action: &'static str) -> impl Strategy<Value = Value> {
    let principal = prop_oneof![
        4 => Just(json!("*")),
        1 => Just(json!({"AWS": NAMED})),
        1 => Just(json!({"AWS": format!("arn:aws:iam::{NAMED}:role/app")})),
        1 => Just(json!({"AWS": OWN})),
    ];
    (principal, conditions(3), prop::collection::vec(conditions(3), 0..3)).prop_map(move |(principal, allow, denies)| {
        let mut statements = vec![json!({"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*", "Condition": allow})];
        statements.extend(denies.into_iter().map(
            |deny| json!({"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*", "Condition": deny}),
        ));
        json!({"Version": "2012-10-17", "Statement": statements})
    })
}

/// Who gets in, as the whole universe says: anybody, anybody who has what is somebody's, the named account, nobody.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum In {
    Nobody,
    Named,
    Guarded,
    Anybody,
}

fn truth(policy: &Value, action: &'static str, names: &[&str]) -> In {
    let tries = |account: &str, all: bool| {
        requests(account, names, all).into_iter().any(|mut request| {
            request.action = action;
            allowed(policy, &request)
        })
    };
    match () {
        () if ANYBODY.iter().any(|account| tries(account, false)) => In::Anybody,
        () if ANYBODY.iter().any(|account| tries(account, true)) => In::Guarded,
        () if tries(NAMED, true) => In::Named,
        () => In::Nobody,
    }
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn shares_are_what_trying_every_request_shows(policy in resource_policy("s3:GetObject")) {
        let document = Document::from_value(&policy).unwrap();
        let found = shares(&document, "s3-like", OWN, &[]);
        let told = found.iter().map(|share| match (&share.who, share.guard) {
            (Outsider::Everyone, None) => In::Anybody,
            (Outsider::Everyone, Some(_)) => In::Guarded,
            _ => In::Named,
        }).max().unwrap_or(In::Nobody);
        prop_assert_eq!(told, truth(&policy, "s3:GetObject", &PRINCIPALS), "{} {:?}", policy, found);
    }

    #[test]
    fn exposures_are_what_trying_every_request_shows(policy in resource_policy("sts:AssumeRole")) {
        let document = Document::from_value(&policy).unwrap();
        let found = trust::exposures(&document, OWN, &[]);
        let told = found.iter().map(|one| match one.kind {
            ExposureKind::Public => In::Anybody,
            _ => In::Named,
        }).max().unwrap_or(In::Nobody);
        // Of a trust policy that lets anybody in who has something, no guard is told but an organization's.
        let truth = match truth(&policy, "sts:AssumeRole", &PRINCIPALS) {
            In::Guarded => In::Anybody,
            other => other,
        };
        prop_assert_eq!(told, truth, "{} {:?}", policy, found);
    }

    /// The judge of this universe is itself judged: `iam-rs` says the same of each request.
    #[test]
    fn iam_rs_judges_requests_alike(policy in resource_policy("s3:GetObject"), pick in any::<prop::sample::Index>()) {
        let all = requests(NAMED, &PRINCIPALS, true);
        let request = &all[pick.index(all.len())];
        if let Some(theirs) = theirs(&policy, request) {
            prop_assert_eq!(allowed(&policy, request), theirs, "{} {:?}", policy, request);
        }
    }
}
