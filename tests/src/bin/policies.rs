//! Judges policies for the template's tests, which are Python: what two engines say of requests, and what the rules on
//! Keepwatch's own policies say of events.
//!
//! Reads one JSON document from standard input and writes one to standard output:
//!
//! * `requests`: each with the `policies` that are asked together, the `principal` as in a policy, its `action`, its
//!   `resource` and its `context`. The answer is `Allow`, `Deny` or `NotApplicable`, twice: once by the evaluation below, of
//!   documents that `keepwatch-policy` has read, and once by `iam-rs`, which shares no code with it.
//! * `events`: each with the `event` and the `own_arns` that `detect` is told. The answer is a list of severity,
//!   verdict and reason.

use std::io::{stdin, stdout};

use anyhow::{Context as _, bail, ensure};
use keepwatch_base::time::Timestamp;
use keepwatch_base::wildcard;
use keepwatch_core::engine::Config;
use keepwatch_core::engine::dispatch::Index;
use keepwatch_core::event::Event;
use keepwatch_core::state::Fact;
use keepwatch_policy::{Condition, Document, Effect, Principal, PrincipalKind, Statement};
use keepwatch_rules::registry::RULES;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    requests: Vec<Request>,
    #[serde(default)]
    events: Vec<Delivered>,
}

#[derive(Deserialize)]
struct Request {
    policies: Vec<Value>,
    principal: Map<String, Value>,
    action: String,
    resource: String,
    context: Map<String, Value>,
}

#[derive(Deserialize)]
struct Delivered {
    event: Value,
    own_arns: Vec<String>,
}

#[derive(Serialize)]
struct Answered {
    /// Ours and that of `iam-rs`.
    requests: Vec<[String; 2]>,
    events: Vec<Vec<[String; 3]>>,
}

fn main() -> anyhow::Result<()> {
    let asked: Asked = serde_json::from_reader(stdin()).context("standard input")?;
    let requests = asked.requests.iter().map(|one| Ok([ours(one)?, theirs(one)?]));
    let answered = Answered {
        requests: requests.collect::<anyhow::Result<_>>()?,
        events: asked.events.iter().map(seen).collect::<anyhow::Result<_>>()?,
    };
    serde_json::to_writer(stdout(), &answered).context("standard output")
}

/// The rules that know the template's policies.
const KNOWING: [&str; 3] = ["self-role-changed", "self-storage-changed", "self-topic-changed"];

/// What those rules see in the event, when the account's state cannot be read.
fn seen(told: &Delivered) -> anyhow::Result<Vec<[String; 3]>> {
    let config =
        Config { stack: "keepwatch".to_owned(), own_arns: told.own_arns.clone(), ..Config::default() };
    let text = told.event.to_string();
    let event = Event::parse(&text)?;
    let refused = |_: &_| Fact::Unavailable("AccessDenied".to_owned());
    let seen = Index::new(RULES).evaluate_answering(&event, &config, Timestamp::from_millis(0), refused);
    ensure!(seen.errors.is_empty(), "{:?}", seen.errors);
    let knowing = seen.observations.iter().filter(|one| KNOWING.contains(&one.rule.id));
    Ok(knowing
        .map(|one| [one.severity.as_str().to_owned(), format!("{:?}", one.verdict), one.reason.clone()])
        .collect())
}

fn ours(request: &Request) -> anyhow::Result<String> {
    let mut effects = Vec::new();
    for policy in &request.policies {
        for statement in Document::from_value(policy)?.statements {
            if applies(&statement, request)? {
                effects.push(statement.effect);
            }
        }
    }
    let verdict = match () {
        () if effects.contains(&Effect::Deny) => "Deny",
        () if effects.contains(&Effect::Allow) => "Allow",
        () => "NotApplicable",
    };
    Ok(verdict.to_owned())
}

/// Knows the parts of IAM's language that the template's policies have; any other is an error and no verdict.
fn applies(statement: &Statement, request: &Request) -> anyhow::Result<bool> {
    ensure!(statement.not_principals.is_none() && statement.not_resources.is_none(), "{statement:?}");
    let is_caller = |one: &Principal| {
        let member = if one.kind == PrincipalKind::Service { "Service" } else { "AWS" };
        let everybody = one.kind == PrincipalKind::Aws && one.value == "*";
        everybody || request.principal.get(member).is_some_and(|caller| *caller == *one.value)
    };
    // A policy of an identity names no principal.
    let principal = statement.principals.is_empty() || statement.principals.iter().any(is_caller);
    let resource = statement.resources.iter().any(|pattern| wildcard::matches(pattern, &request.resource));
    let mut fits = principal && resource && statement.names(&request.action);
    for condition in &statement.conditions {
        fits &= holds(condition, &request.context)?;
    }
    Ok(fits)
}

/// A key that the request lacks meets a negated condition and no other (IAM user guide, "Condition operators").
fn holds(condition: &Condition, context: &Map<String, Value>) -> anyhow::Result<bool> {
    let given = context.iter().find(|(key, _)| key.eq_ignore_ascii_case(&condition.key));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let given: Option<Vec<String>> = given.map(|(_, value)| match value {
        Value::Array(several) => several.iter().map(text).collect(),
        one => vec![text(one)],
    });
    let listed = |fits: fn(&str, &str) -> bool| {
        let mut values = given.iter().flatten();
        values.any(|value| condition.values.iter().any(|pattern| fits(pattern, value)))
    };
    match condition.operator.as_str() {
        "ArnEquals" | "ArnLike" | "StringLike" => Ok(listed(wildcard::matches)),
        "ArnNotEquals" | "ArnNotLike" => Ok(!listed(wildcard::matches)),
        "ForAnyValue:StringLike" => Ok(listed(wildcard::matches)),
        "Null" => Ok(condition.values == [given.is_none().to_string()]),
        "Bool" | "StringEquals" => Ok(listed(|pattern, value| pattern == value)),
        other => bail!("the operator {other} is not known here"),
    }
}

fn theirs(request: &Request) -> anyhow::Result<String> {
    let policies = request.policies.iter().map(|policy| iam_rs::IAMPolicy::from_json(&policy.to_string()));
    let policies = policies.collect::<Result<Vec<_>, _>>()?;
    let asked = iam_rs::IAMRequest::new_with_context(
        serde_json::from_value(Value::Object(request.principal.clone()))?,
        request.action.clone(),
        iam_rs::Arn::parse(&request.resource)?,
        serde_json::from_value(Value::Object(request.context.clone()))?,
    );
    let decision =
        iam_rs::evaluate_policies(&policies, &asked).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(decision.to_string())
}
