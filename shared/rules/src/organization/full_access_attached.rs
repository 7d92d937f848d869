use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// AWS's own organization policy FullAWSAccess was attached to an account, to an organizational unit, or to the root
    /// of the organization. Its removal closes the finding. What takes a forbidding policy away is told by
    /// `admin-guardrail-removed`.
    /// ## Why it matters
    /// Where an organization allows services one by one, this policy allows all of them again, and the list beside it
    /// means nothing any more.
    /// ## What to do
    /// Look at what else is attached to the target. If there is a list of allowed services, detach FullAWSAccess again.
    /// ## False positives
    /// Organizations that forbid instead of allow have this policy everywhere, and repairing a target where it was
    /// missing is right. Moving from one way to the other looks the same.
    FullAccessAttached {
        id: "organization-full-access-attached",
        title: "FullAWSAccess was attached in the organization",
        severity: Medium,
        confidence: Low,
        catalogue: ["ORG-02"],
        references: [
            cis("3.0", &["4.15"]),
            cis("5.0", &["4.15"]),
            attack(&["T1484"]),
            doc(&["AWS Organizations user guide: SCP evaluation"]),
        ],
        on: [On::Call("organizations.amazonaws.com", &["AttachPolicy", "DetachPolicy"])],
    }
}

impl Rule for FullAccessAttached {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (Some(policy @ "p-FullAWSAccess"), Some(target)) =
            (record.param(&["policyId"]), record.param(&["targetId"]))
        else {
            return Ok(());
        };
        let who = caller_name(record);
        if record.event_name.or_empty() == "DetachPolicy" {
            cx.report(cx.passing(target, format!("{who} detached {policy} from {target}")).global());
            return Ok(());
        }
        let options = [("--policy-id", policy), ("--target-id", target)];
        let seen = cx
            .failing(target, format!("{who} attached {policy} to {target} of the organization"))
            .global()
            .severity(if target.starts_with("r-") { Severity::High } else { Severity::Medium })
            .because("If the target's other policies list what is allowed, everything is allowed there now.")
            .detail("Target", target)
            .step(
                "What else is attached there?",
                "organizations list-policies-for-target",
                &[("--target-id", target), ("--filter", "SERVICE_CONTROL_POLICY")],
            )
            .step(
                "Detach it again, if a list of allowed services remains",
                "organizations detach-policy",
                &options,
            );
        let seen = cx.tempered(stop_caller(seen, record));
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn policy(event: &str, policy: &str, target: &str) -> String {
        call("organizations", event, json!({"requestParameters": {"policyId": policy, "targetId": target}}))
    }

    #[test]
    fn fires() {
        let unit = policy("AttachPolicy", "p-FullAWSAccess", "ou-a1b2-c3d4");
        let seen = fires_at(&FullAccessAttached, Severity::Medium, &unit);
        assert_eq!(seen.title, "alice attached p-FullAWSAccess to ou-a1b2-c3d4 of the organization");
        fires_at(&FullAccessAttached, Severity::High, &policy("AttachPolicy", "p-FullAWSAccess", "r-a1b2"));
    }

    #[test]
    fn automation_is_tempered() {
        let tower = json!({
            "requestParameters": {"policyId": "p-FullAWSAccess", "targetId": "444455556666"},
            "userIdentity": {"type": "AWSService", "invokedBy": "controltower.amazonaws.com"},
        });
        fires_at(&FullAccessAttached, Severity::Low, &call("organizations", "AttachPolicy", tower));
    }

    #[test]
    fn detaching_closes_it() {
        let attached = fired(&FullAccessAttached, &policy("AttachPolicy", "p-FullAWSAccess", "r-a1b2"));
        let gone = observe(&FullAccessAttached, &policy("DetachPolicy", "p-FullAWSAccess", "r-a1b2"));
        assert_eq!(gone.len(), 1);
        assert_eq!((gone[0].verdict, &gone[0].subject), (Verdict::Passing, &attached.subject));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &FullAccessAttached,
            &[
                policy("AttachPolicy", "p-0abc1234", "r-a1b2"),
                policy("DetachPolicy", "p-0abc1234", "r-a1b2"),
                call("organizations", "AttachPolicy", json!({})),
                call(
                    "organizations",
                    "AttachPolicy",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"policyId": "p-FullAWSAccess", "targetId": "r-a1b2"}}),
                ),
            ],
        );
    }
}
