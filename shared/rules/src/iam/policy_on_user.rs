use super::common::recorded;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A policy was attached to a single user, or an inline policy put on one, instead of on a group. It is
    /// for the weekly mail; what the policy gives is judged by the rules on administrative power. Taking the
    /// policy away settles the finding.
    /// ## Why it matters
    /// Permissions of single users are the ones that nobody remembers when the job changes. The CIS benchmark
    /// wants them on groups only.
    /// ## What to do
    /// Give the permissions to a group, put the user into it, and take the policy from the user. People are
    /// better served by Identity Center.
    /// ## False positives
    /// Users of programs, which have nobody to share a group with: what a stack, a service or what you have
    /// listed as automation gives is only kept on record. Policies that AWS attaches to stop an exposed key
    /// are not reported.
    PolicyOnUser {
        id: "iam-policy-on-user",
        title: "A policy was given to a single user",
        severity: Low,
        confidence: High,
        catalogue: ["IAM-08"],
        references: [cis("3.0", &["1.15"]), cis("5.0", &["1.14"]), security_hub(&["IAM.2"])],
        on: [On::Call("iam.amazonaws.com", &[
            "AttachUserPolicy", "PutUserPolicy", "DetachUserPolicy", "DeleteUserPolicy",
        ])],
        general: true,
    }
}

impl Rule for PolicyOnUser {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(given) = Given::of(record) else { return Ok(()) };
        if power::takes_away(record) {
            cx.report(given.taken(record, cx));
            return Ok(());
        }
        let quarantine = keepwatch_policy::managed::is_quarantine(given.policy);
        if record.by_root() || quarantine {
            return Ok(());
        }
        let (who, user) = (caller_name(record), given.name);
        // What is no ARN has no last part either.
        let short = if given.policy.starts_with("arn:") { given.short() } else { given.policy };
        let title = match given.inline {
            true => format!("{who} put inline policy {short} on user {user}"),
            false => format!("{who} attached policy {short} to user {user}"),
        };
        let seen = cx
            .failing(&given.arn, title)
            .severity(recorded(cx))
            .because("Permissions belong on groups and roles, where somebody looks after them.")
            .aspect(given.policy)
            .detail("Policy", given.policy);
        let seen = match given.inline {
            true => seen.step(
                "Read the policy",
                "iam get-user-policy",
                &[("--user-name", user), ("--policy-name", given.policy)],
            ),
            false => seen.step(
                "Once a group gives it, take it from the user",
                "iam detach-user-policy",
                &[("--user-name", user), ("--policy-arn", given.policy)],
            ),
        };
        cx.report(cx.tempered(seen));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    const READ: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

    fn attach(name: &str, policy: &str) -> String {
        call("iam", name, json!({"requestParameters": {"userName": "bob", "policyArn": policy}}))
    }

    fn put(name: &str) -> String {
        let request = json!({"userName": "bob", "policyName": "logs", "policyDocument": "{}"});
        call("iam", name, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let seen = fires_at(&PolicyOnUser, Severity::Low, &attach("AttachUserPolicy", READ));
        assert_eq!(seen.title, "alice attached policy ReadOnlyAccess to user bob");
        let inline = fires_at(&PolicyOnUser, Severity::Low, &put("PutUserPolicy"));
        assert_ne!(inline.finding_id(), seen.finding_id());
        // Anybody can call themselves a tool, and stays in the digest; CloudFormation's calls cannot be faked.
        let request = json!({"userName": "bob", "policyArn": READ});
        let tool = json!({"userAgent": "HashiCorp Terraform/1.9", "requestParameters": request});
        fires_at(&PolicyOnUser, Severity::Low, &call("iam", "AttachUserPolicy", tool));
        let stack = json!({"userIdentity": {"invokedBy": "cloudformation.amazonaws.com"},
            "requestParameters": request});
        fires_at(&PolicyOnUser, Severity::Informational, &call("iam", "AttachUserPolicy", stack));
    }

    #[test]
    fn taking_it_away_settles_it() {
        for (given, taken) in [
            (attach("AttachUserPolicy", READ), attach("DetachUserPolicy", READ)),
            (put("PutUserPolicy"), put("DeleteUserPolicy")),
        ] {
            let gone = observe(&PolicyOnUser, &taken);
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), fired(&PolicyOnUser, &given).finding_id());
        }
    }

    #[test]
    fn an_admin_rule_speaks_for_it() {
        let admin = attach("AttachUserPolicy", "arn:aws:iam::aws:policy/AdministratorAccess");
        let seen = evaluate_all(&admin);
        let mine = seen.iter().find(|o| o.rule.id == "iam-policy-on-user").map(|o| o.covered_by);
        assert_eq!(mine, Some(Some("admin-managed-policy-attached")));
    }

    #[test]
    fn stays_quiet() {
        let refused =
            json!({"errorCode": "AccessDenied", "requestParameters": {"userName": "bob", "policyArn": READ}});
        quiet(
            &PolicyOnUser,
            &[
                call("iam", "AttachUserPolicy", refused),
                call(
                    "iam",
                    "AttachUserPolicy",
                    json!({"requestParameters": {"userName": "bob", "policyArn": [READ]}}),
                ),
                call("iam", "PutUserPolicy", json!({"requestParameters": null})),
                attach("AttachUserPolicy", "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"),
                root_call(
                    "iam",
                    "AttachUserPolicy",
                    json!({"requestParameters": {"userName": "bob", "policyArn": READ}}),
                ),
                call(
                    "iam",
                    "AttachRolePolicy",
                    json!({"requestParameters": {"roleName": "r", "policyArn": READ}}),
                ),
            ],
        );
    }
}
