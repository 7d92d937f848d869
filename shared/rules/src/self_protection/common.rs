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

/// What a deployment of Keepwatch's stack has to do with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByDeployment {
    /// It does so at any time.
    Often,
    /// It does so when the address or the key changes. Any other stack can do so too.
    Seldom,
    /// It never does so: there is nothing like it in the template. Whoever has CloudFormation do it means it.
    Never,
}

/// Whether CloudFormation makes the call, as part of a deployment. Callers cannot claim that.
pub(super) fn deployed(record: &Record<'_>) -> bool {
    record.user_identity.invoked_by.or_empty() == "cloudformation.amazonaws.com"
}

/// Finishes an observation. A deployment is told once, by `self-stack-changed`, and its single calls are low, as is what an
/// AWS service does for itself. But the event does not say whose stack it is: what deployments do seldom is mailed, and what
/// they never do is as bad as if no CloudFormation were in between. Everybody else is heard, listed as automation or not.
pub(super) fn report_change(record: &Record<'_>, cx: &mut Cx<'_>, seen: Observation, done: ByDeployment) {
    let lowered = if cx.automation() == Some(Automation::Service) {
        Some((Severity::Low, "an AWS service acting for itself"))
    } else if deployed(record) {
        match done {
            ByDeployment::Often => Some((Severity::Low, "CloudFormation, as part of a deployment")),
            ByDeployment::Seldom => Some((Severity::Medium, "CloudFormation, for whichever stack")),
            ByDeployment::Never => None,
        }
    } else {
        None
    };
    let seen = match lowered {
        Some((most, by)) => {
            let severity = seen.severity.min(most);
            seen.severity(severity).detail("Automation", by)
        }
        None if deployed(record) => {
            seen.detail("CloudFormation", "made the call, but no deployment of Keepwatch does that")
        }
        None => seen,
    };
    let stack = cx.config.stack.clone();
    cx.report(seen.step(
        "If it was not you: which resources differ from the template? (then run `sam deploy` again)",
        "cloudformation detect-stack-drift",
        &[("--stack-name", &stack)],
    ));
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

#[cfg(test)]
pub(super) mod testing {
    use serde_json::{Value, json};

    use crate::testing::call;

    /// The call, made by CloudFormation for alice.
    pub(in crate::self_protection) fn by_stack(service: &str, event: &str, request: Value) -> String {
        let who = json!({"invokedBy": "cloudformation.amazonaws.com"});
        call(service, event, json!({"requestParameters": request, "userIdentity": who}))
    }
}
