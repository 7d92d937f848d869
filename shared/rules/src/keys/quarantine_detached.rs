use super::common::quarantined;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// AWS's quarantine policy was taken off a user, a role or a group. Attaching it again resolves that.
    /// ## Why it matters
    /// AWS asks not to remove it before the support case is closed. Whoever removes it while the key still works, be it
    /// the thief or a colleague in a hurry, gives the stolen key its full power back.
    /// ## What to do
    /// Make sure that the exposed key is stopped or deleted. If it is not, stop it now and attach the policy again.
    /// ## False positives
    /// The end of a handled incident: the key is gone, AWS has closed the case, the policy is taken off.
    QuarantineDetached {
        id: "quarantine-policy-detached",
        title: "AWS's quarantine policy was taken off",
        severity: High,
        confidence: High,
        catalogue: ["KEY-07"],
        references: [attack(&["T1562"])],
        on: [On::Call("iam.amazonaws.com", &[
            "DetachUserPolicy", "DetachRolePolicy", "DetachGroupPolicy", "AttachUserPolicy", "AttachRolePolicy",
            "AttachGroupPolicy", "DeleteUserPolicy", "DeleteRolePolicy", "DeleteGroupPolicy", "PutUserPolicy",
            "PutRolePolicy", "PutGroupPolicy",
        ])],
    }
}

impl Rule for QuarantineDetached {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some((kind, name, policy)) = quarantined(record) else { return Ok(()) };
        let short = policy.rsplit('/').next().unwrap_or(policy);
        let event = record.event_name.or_empty();
        if event.starts_with("Attach") || event.starts_with("Put") {
            let title = format!("{} put AWS's quarantine on {} {name}", caller_name(record), kind.as_str());
            cx.report(cx.passing(record.iam_arn(kind.as_str(), name), title));
            return Ok(());
        }
        let title = format!("{} took AWS's quarantine off {} {name}", caller_name(record), kind.as_str());
        let mut seen = cx
            .failing(record.iam_arn(kind.as_str(), name), title)
            .because(format!("{short} limits what a stolen key can do; it is detached now."))
            .detail("Quarantine", short);
        if kind.as_str() == "user" {
            seen = seen.step(
                "Is the exposed key stopped? Every key should be Inactive or gone",
                "iam list-access-keys",
                &[("--user-name", name)],
            );
        }
        let option = format!("--{}-name", kind.as_str());
        // The inline form is AWS's own no more; what it denied, this policy of AWS's denies as well.
        let deny = deny_all(record);
        let policy = if policy.starts_with("arn:") { policy } else { &deny };
        seen = seen.step(
            "Put the quarantine back",
            &format!("iam attach-{}-policy", kind.as_str()),
            &[(&option, name), ("--policy-arn", policy)],
        );
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn detach(policy: &str, error: serde_json::Value) -> String {
        let request = json!({"userName": "bob", "policyArn": policy});
        call("iam", "DetachUserPolicy", json!({"errorCode": error, "requestParameters": request}))
    }

    #[test]
    fn fires() {
        for version in ["", "V2", "V3", "V4"] {
            let policy = format!("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantine{version}");
            fires_at(&QuarantineDetached, Severity::High, &detach(&policy, json!(null)));
        }
    }

    #[test]
    fn putting_it_back_resolves_it() {
        let policy = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3";
        let off = fired(&QuarantineDetached, &detach(policy, json!(null)));
        let attach = |policy: &str| {
            call(
                "iam",
                "AttachUserPolicy",
                json!({"requestParameters": {"userName": "bob", "policyArn": policy}}),
            )
        };
        let back = observe(&QuarantineDetached, &attach(policy));
        assert_eq!((back.len(), back[0].verdict), (1, Verdict::Passing));
        assert_eq!(back[0].finding_id(), off.finding_id());
        quiet(&QuarantineDetached, &[attach("arn:aws:iam::aws:policy/ReadOnlyAccess")]);
    }

    #[test]
    fn stays_quiet() {
        let quarantine = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3";
        quiet(
            &QuarantineDetached,
            &[
                detach("arn:aws:iam::aws:policy/ReadOnlyAccess", json!(null)),
                detach(quarantine, json!("AccessDenied")),
                call("iam", "DetachUserPolicy", json!({"requestParameters": null})),
            ],
        );
    }
}
