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

/// The key of the window that counts these deployments, in the region of the event.
pub(super) fn deployments_by(record: &Record<'_>, cx: &Cx<'_>, deployer: &Deployer<'_>) -> String {
    let (kind, who) = match deployer {
        Deployer::Caller(arn) => ("caller", *arn),
        Deployer::Role(arn) => ("role", *arn),
        Deployer::Anybody => ("anybody", ""),
    };
    format!("{} {} {kind} {who}", region(record), cx.config.stack)
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
