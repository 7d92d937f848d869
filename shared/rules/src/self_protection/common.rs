//! What the rules on Keepwatch itself share.

use keepwatch_policy::{Condition, Document, Effect, Statement};

use crate::kit::prelude::*;

/// Whether a resource of this name belongs to Keepwatch's stack, or to one that is named after it, such as a
/// forwarder's.
pub(super) fn is_ours(cx: &Cx<'_>, name: &str) -> bool {
    let stack = cx.config.stack.as_str();
    !stack.is_empty() && name.strip_prefix(stack).is_some_and(|rest| rest.starts_with('-') && rest.len() > 1)
}

/// The same of an IAM role, whose name "must be unique within the account" and is not "distinguished by case" (IAM user guide,
/// "IAM and AWS STS quotas, name requirements, and character limits"): a call may spell it as it likes.
pub(super) fn is_our_role(cx: &Cx<'_>, name: &str) -> bool {
    let stack = cx.config.stack.len();
    let (Some(start), Some(rest)) = (name.get(..stack), name.get(stack..)) else { return false };
    start.eq_ignore_ascii_case(&cx.config.stack) && is_ours(cx, &format!("{}{rest}", cx.config.stack))
}

/// Whether an IAM name holds this part, whatever its case.
pub(super) fn holds(name: &str, part: &str) -> bool {
    name.to_ascii_lowercase().contains(&part.to_ascii_lowercase())
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
    /// Who has CloudFormation remove the forwarder of a region.
    Remover(&'d str),
}

/// What follows the stack's name in the names of a forwarder's stack and of the role of all forwarders.
pub(super) const FORWARDER: &str = "-forwarder";

/// The same in the name of the stack that has that role.
pub(super) const FORWARDER_ROLE: &str = "-forwarder-role";

/// The stack's own name, of a name or of `arn:…:stack/NAME/ID`.
pub(super) fn name_of_stack(given: &str) -> &str {
    let rest = given.split_once(":stack/").map_or(given, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// Whether a call deploys or changes the role of the forwarders: a stack of its own, which explains nothing else. Whoever makes a
/// stack of that name at home has made no deployment of Keepwatch.
fn is_of_forwarders_role(record: &Record<'_>, cx: &Cx<'_>) -> bool {
    let (request, stack) = (record.request(), cx.config.stack.as_str());
    let of_role = text_at(request, &["roleName"])
        .is_some_and(|name| name.eq_ignore_ascii_case(&format!("{stack}{FORWARDER}")));
    let of_stack = text_at(request, &["stackName"]).and_then(|name| name_of_stack(name).strip_prefix(stack));
    of_role || of_stack == Some(FORWARDER_ROLE)
}

/// The key of the window that counts these deployments, in the region of the event: of the forwarders' role in none, for its stack
/// is in the home stack's region, and AWS tells of IAM in another.
pub(super) fn deployments_by(record: &Record<'_>, cx: &Cx<'_>, deployer: &Deployer<'_>) -> String {
    let (kind, who) = match deployer {
        Deployer::Caller(arn) => ("caller", *arn),
        Deployer::Role(arn) => ("role", *arn),
        Deployer::Anybody => ("anybody", ""),
        Deployer::Remover(arn) => ("remover", *arn),
    };
    let stack = cx.config.stack.as_str();
    if is_of_forwarders_role(record, cx) {
        return format!("{stack}{FORWARDER_ROLE} {kind} {who}");
    }
    format!("{} {stack} {kind} {who}", region(record))
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
