//! What the rules on Keepwatch itself share.

use crate::kit::prelude::*;

/// Whether a resource of this name belongs to Keepwatch's stack, or to one that is named after it, such as a
/// forwarder's.
pub(super) fn is_ours(cx: &Cx<'_>, name: &str) -> bool {
    let stack = cx.config.stack.as_str();
    !stack.is_empty() && name.strip_prefix(stack).is_some_and(|rest| rest.starts_with('-') && rest.len() > 1)
}

/// What a deployment does only when the address changes, or never: what it would delete so is kept.
pub(super) const RARE: [&str; 4] = ["Subscribe", "DeleteTopic", "DeleteTable", "DeleteQueue"];

/// Whether CloudFormation makes the call, as part of a deployment. Callers cannot claim that.
pub(super) fn deployed(record: &Record<'_>) -> bool {
    record.user_identity.invoked_by.or_empty() == "cloudformation.amazonaws.com"
}

/// Finishes an observation. A deployment is told once, by `self-stack-changed`, and its single calls are low, as is what an
/// AWS service does for itself. But the event does not say whose stack it is, and anybody's may subscribe to our topic:
/// that is mailed. Everybody else is heard, listed as automation or not.
pub(super) fn report_change(record: &Record<'_>, cx: &mut Cx<'_>, seen: Observation) {
    let service = cx.automation() == Some(Automation::Service);
    let seen = if deployed(record) || service {
        let by = if service {
            "an AWS service acting for itself"
        } else {
            "CloudFormation, as part of a deployment"
        };
        let name = record.event_name.or_empty();
        let rare = !service && RARE.contains(&name);
        let severity = seen.severity.min(if rare { Severity::Medium } else { Severity::Low });
        seen.severity(severity).detail("Automation", by)
    } else {
        seen
    };
    let stack = cx.config.stack.clone();
    cx.report(seen.step(
        "If it was not you: which resources differ from the template? (then run `sam deploy` again)",
        "cloudformation detect-stack-drift",
        &[("--stack-name", &stack)],
    ));
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
