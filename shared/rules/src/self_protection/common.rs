//! What the rules on Keepwatch itself share.

use keepwatch_base::wildcard;
use keepwatch_policy::{Condition, Document, Effect, Principal, PrincipalKind, Statement};
use serde_json::Value;

use crate::kit::prelude::*;

/// Whether a resource of this name belongs to Keepwatch's stack, or to one that is named after it, such as a
/// forwarder's.
pub(super) fn is_ours(cx: &Cx<'_>, name: &str) -> bool {
    let stack = cx.config.stack.as_str();
    !stack.is_empty() && name.strip_prefix(stack).is_some_and(|rest| rest.starts_with('-') && rest.len() > 1)
}

/// The rule under whose name deployments of the stack are counted.
pub(super) const DEPLOYMENTS: &str = "self-stack-changed";

/// What deployments of this stack are counted by: who makes them, the role that one names for CloudFormation, or all.
pub(super) enum Deployer<'d> {
    /// Whoever calls CloudFormation, without the session.
    Caller(&'d str),
    /// A role that CloudFormation is told to use.
    Role(&'d str),
    /// Whoever it is.
    Anybody,
}

/// The key of the window that counts these deployments, in the region of the event.
pub(super) fn deployments_by(record: &Record<'_>, cx: &Cx<'_>, deployer: &Deployer<'_>) -> String {
    let (kind, who) = match deployer {
        Deployer::Caller(arn) => ("caller", *arn),
        Deployer::Role(arn) => ("role", *arn),
        Deployer::Anybody => ("anybody", ""),
    };
    format!("{} {} {kind} {who}", region(record), cx.config.stack)
}

/// What a policy on a resource of ours must let in.
pub(super) struct Needed<'n> {
    /// The resource; `None` in a role's trust policy, which names none.
    pub(super) resource: Option<&'n str>,
    /// The service that comes.
    pub(super) service: &'n str,
    /// What it calls.
    pub(super) action: &'n str,
    /// The ARNs that it says it comes for; all of them must be let in.
    pub(super) sources: &'n [String],
}

/// Why no deployment of ours writes this policy on a resource of ours: it denies more than what comes without TLS, or it
/// does not let in what is needed. `None` where it may be ours.
pub(super) fn foreign_policy(
    record: &Record<'_>,
    policy: &Value,
    needed: Option<&Needed<'_>>,
) -> Option<String> {
    let document = match Document::from_value(policy) {
        Ok(document) => document,
        Err(error) => return Some(error.to_string()),
    };
    if let Some(why) = denies(&document) {
        return Some(why);
    }
    let Needed { resource, service, action, sources } = needed?;
    let everybody = |one: &Principal| one.kind == PrincipalKind::Aws && one.value == "*";
    let named = |one: &Principal| {
        everybody(one) || (one.kind == PrincipalKind::Service && one.value.eq_ignore_ascii_case(service))
    };
    let lets_in = |statement: &Statement, source: Option<&str>| {
        statement.effect == Effect::Allow
            && statement.principals.iter().any(named)
            && statement.actions.iter().any(|p| wildcard::matches_ignore_ascii_case(p, action))
            && resource.is_none_or(|arn| statement.resources.iter().any(|p| wildcard::matches(p, arn)))
            && statement
                .conditions
                .iter()
                .all(|condition| source.is_some_and(|from| meets(record, condition, from)))
    };
    let lets_all_in = match sources.is_empty() {
        true => document.statements.iter().any(|one| lets_in(one, None)),
        false => sources.iter().all(|from| document.statements.iter().any(|one| lets_in(one, Some(from)))),
    };
    (!lets_all_in)
        .then(|| format!("the policy does not let {service} call {action} for all that is the stack's"))
}

/// What a policy denies besides calls without TLS.
pub(super) fn denies(document: &Document) -> Option<String> {
    let without_tls = |one: &Statement| one.conditions.iter().any(Condition::is_without_tls);
    let denied = document.statements.iter().find(|one| one.effect == Effect::Deny && !without_tls(one));
    denied.map(|statement| match &statement.not_actions {
        Some(_) => "the policy denies all actions but a few".to_owned(),
        None => format!("the policy denies {}", statement.actions.join(", ")),
    })
}

/// Whether a service that comes for this ARN meets the condition. ARN operators match each part of an ARN by itself.
fn meets(record: &Record<'_>, condition: &Condition, source: &str) -> bool {
    let (operator, account) = (condition.operator.to_ascii_lowercase(), record.account());
    let value = match condition.key.to_ascii_lowercase().as_str() {
        "aws:sourcearn" => source,
        "aws:sourceaccount" => account,
        _ => return false,
    };
    let by_parts = |pattern: &str| {
        let (patterns, parts) = (pattern.splitn(6, ':'), value.splitn(6, ':'));
        patterns.clone().count() == parts.clone().count()
            && patterns.zip(parts).all(|(p, v)| wildcard::matches(p, v))
    };
    condition.values.iter().any(|pattern| match operator.as_str() {
        "arnlike" | "arnequals" => by_parts(pattern),
        "stringlike" => wildcard::matches(pattern, value),
        "stringequals" => pattern == value,
        _ => false,
    })
}
