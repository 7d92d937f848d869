//! What the rules on Keepwatch itself share.

use keepwatch_policy::{Condition, Document, Effect, Statement};

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

/// What follows the stack's name in the name of the stack that has the forwarders' role, and in that of the role.
const FORWARDER_ROLE: [&str; 2] = ["-forwarder-role", "-forwarder"];

/// Whether this is the name of the stack that has the forwarders' role.
pub(super) fn is_forwarder_role_stack(cx: &Cx<'_>, name: &str) -> bool {
    is_ours(cx, name) && name.strip_prefix(cx.config.stack.as_str()) == Some(FORWARDER_ROLE[0])
}

/// The part of Keepwatch that a call deploys or changes: the role of the forwarders is a stack of its own, which explains
/// nothing else. Whoever makes a stack of that name at home has made no deployment of Keepwatch.
fn part(record: &Record<'_>, cx: &Cx<'_>) -> String {
    let request = record.request();
    let stack = text_at(request, &["stackName"]).map(|name| {
        let rest = name.split_once(":stack/").map_or(name, |(_, rest)| rest);
        rest.split('/').next().unwrap_or(rest)
    });
    let role = text_at(request, &["roleName"])
        .is_some_and(|name| name.strip_prefix(cx.config.stack.as_str()) == Some(FORWARDER_ROLE[1]));
    let own = role || stack.is_some_and(|name| is_forwarder_role_stack(cx, name));
    if own { format!("{}{}", cx.config.stack, FORWARDER_ROLE[0]) } else { cx.config.stack.clone() }
}

/// The key of the window that counts these deployments, in the region of the event.
pub(super) fn deployments_by(record: &Record<'_>, cx: &Cx<'_>, deployer: &Deployer<'_>) -> String {
    let (kind, who) = match deployer {
        Deployer::Caller(arn) => ("caller", *arn),
        Deployer::Role(arn) => ("role", *arn),
        Deployer::Anybody => ("anybody", ""),
    };
    format!("{} {} {kind} {who}", region(record), part(record, cx))
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
