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

/// Why no deployment of ours writes this policy on `resource`, an ARN of ours (a role's trust policy names no resource): it
/// denies more than what comes without TLS, or it does not let the service in that `needs` names with an action. `None`
/// where it may be ours.
pub(super) fn foreign_policy(
    record: &Record<'_>,
    cx: &Cx<'_>,
    resource: &str,
    policy: &Value,
    needs: Option<(&str, &str)>,
) -> Option<String> {
    let document = match Document::from_value(policy) {
        Ok(document) => document,
        Err(error) => return Some(error.to_string()),
    };
    if let Some(why) = denies(&document) {
        return Some(why);
    }
    let (service, action) = needs?;
    let lets_in = |statement: &Statement| {
        let named = |one: &Principal| {
            one.value == "*"
                || (one.kind == PrincipalKind::Service && one.value.eq_ignore_ascii_case(service))
        };
        statement.effect == Effect::Allow
            && statement.principals.iter().any(named)
            && statement.actions.iter().any(|p| wildcard::matches_ignore_ascii_case(p, action))
            && (statement.resources.is_empty()
                || statement.resources.iter().any(|p| wildcard::matches(p, resource)))
            && statement.conditions.iter().all(|condition| meets(record, cx, condition))
    };
    let missing = !document.statements.iter().any(lets_in);
    missing.then(|| format!("the policy does not let {service} call {action}"))
}

/// What a policy denies besides calls without TLS.
pub(super) fn denies(document: &Document) -> Option<String> {
    let without_tls = |statement: &Statement| {
        statement.conditions.iter().any(|condition| {
            condition.operator.eq_ignore_ascii_case("Bool")
                && condition.key.eq_ignore_ascii_case("aws:SecureTransport")
                && condition.values == ["false"]
        })
    };
    let denied = document.statements.iter().find(|one| one.effect == Effect::Deny && !without_tls(one));
    denied.map(|statement| match &statement.not_actions {
        Some(_) => "the policy denies all actions but a few".to_owned(),
        None => format!("the policy denies {}", statement.actions.join(", ")),
    })
}

/// Whether our event rules meet the condition, by their ARNs or by the account.
fn meets(record: &Record<'_>, cx: &Cx<'_>, condition: &Condition) -> bool {
    let operator = condition.operator.to_ascii_lowercase();
    let like = ["arnlike", "arnequals", "stringlike", "stringequals"].contains(&operator.as_str());
    let value = match condition.key.to_ascii_lowercase().as_str() {
        "aws:sourcearn" => record.arn("events", &format!("rule/{}-calls-1", cx.config.stack)),
        "aws:sourceaccount" => record.account().to_owned(),
        _ => return false,
    };
    like && condition.values.iter().any(|pattern| wildcard::matches(pattern, &value))
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
