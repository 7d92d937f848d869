use keepwatch_core::observation::Verdict;
use keepwatch_policy::managed;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A managed policy that gives administrative power was attached to a user, a group or a role. AWS's own policies
    /// are known by name in every partition; a customer managed policy is read from the account, and so is what the
    /// holder had before, because a grant may be split over several policies. Detaching the policy settles the finding.
    /// ## Why it matters
    /// Attaching a policy is the shortest way to keep an account after stealing one key, and it looks like everyday
    /// administration unless somebody reads what the policy says.
    /// ## What to do
    /// Ask the caller. If the grant was not meant, detach the policy, stop the caller's credentials, and look at what
    /// both have done since.
    /// ## False positives
    /// Setting up an administrator on purpose. Permission sets that Identity Center provisions are reported once, on the
    /// permission set, and here only as LOW. AdministratorAccess-Amplify and other names that merely begin alike are
    /// judged by what they say.
    ManagedPolicyAttached {
        id: "admin-managed-policy-attached",
        title: "A managed policy with administrative power was attached",
        severity: Critical,
        confidence: High,
        catalogue: ["ADM-01", "ADM-02", "ADM-03", "ADM-04", "ADM-14"],
        references: [
            cis("3.0", &["1.15", "1.16", "4.4"]),
            cis("5.0", &["1.14", "1.15", "4.4"]),
            security_hub(&["IAM.1", "IAM.2", "IAM.21", "CloudWatch.4"]),
            attack(&["T1098.003"]),
        ],
        on: [On::Call("iam.amazonaws.com", &[
            "AttachUserPolicy", "AttachGroupPolicy", "AttachRolePolicy",
            "DetachUserPolicy", "DetachGroupPolicy", "DetachRolePolicy",
        ])],
    }
}

impl Rule for ManagedPolicyAttached {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(given) = Given::of(record) else { return Ok(()) };
        if power::takes_away(record) {
            cx.report(given.taken(record, cx));
            return Ok(());
        }
        let did = format!("attached {}", given.short());
        let Some(seen) = given.observation(record, cx, &did)? else { return Ok(()) };
        let owner = if managed::name_of(given.policy).is_some() { "AWS managed" } else { "customer managed" };
        let kind = given.kind.as_str();
        let seen = seen.detail("Policy", given.policy).detail("Kind", owner).step(
            "Remove the policy",
            &format!("iam detach-{kind}-policy"),
            &[(&format!("--{kind}-name"), given.name), ("--policy-arn", given.policy)],
        );
        // What AWS's own allow is in its documentation, and Keepwatch has said so.
        let seen = match owner {
            "AWS managed" if seen.verdict != Verdict::Unknown => seen,
            _ => read_policy(seen, "Read what the policy allows", given.policy),
        };
        cx.report(done_by_holder(stop_caller(seen, record), record, kind, given.name));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;
    use keepwatch_core::state::{Fact, Holdings, PolicyText, PrincipalKind, Query, Value};

    const OWN: &str = "arn:aws:iam::111122223333:policy/deploy";

    fn attach(to: &str, policy: &str) -> String {
        let parameter = format!("{}Name", to.to_lowercase());
        call(
            "iam",
            &format!("Attach{to}Policy"),
            json!({"requestParameters": {parameter: "bob", "policyArn": policy}}),
        )
    }

    fn document(text: &str) -> (Query, Fact<Value>) {
        let policy = PolicyText { name: "deploy".to_owned(), text: text.to_owned() };
        (Query::ManagedPolicy { arn: OWN.to_owned(), version: None }, Fact::Known(Value::Policy(policy)))
    }

    #[test]
    fn fires() {
        for to in ["User", "Group", "Role"] {
            for partition in ["aws", "aws-cn", "aws-us-gov"] {
                let policy = format!("arn:{partition}:iam::aws:policy/AdministratorAccess");
                fires_at(&ManagedPolicyAttached, Severity::Critical, &attach(to, &policy));
            }
        }
        fires_at(
            &ManagedPolicyAttached,
            Severity::High,
            &attach("User", "arn:aws:iam::aws:policy/IAMFullAccess"),
        );
    }

    #[test]
    fn reads_a_customer_policy() {
        let admin = document(r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#);
        let seen = fired_with(&ManagedPolicyAttached, &attach("Role", OWN), &[admin]);
        assert_eq!((seen.severity, seen.verdict), (Severity::Critical, Verdict::Failing));
        let unread = fired(&ManagedPolicyAttached, &attach("Role", OWN));
        assert_eq!((unread.severity, unread.verdict), (Severity::Medium, Verdict::Unknown));
        let harmless = document(r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}"#);
        assert!(observe_with(&ManagedPolicyAttached, &attach("Role", OWN), &[harmless]).is_empty());
    }

    fn held(managed: &[&str], inline: &[(&str, &str)]) -> (Query, Fact<Value>) {
        let inline = inline
            .iter()
            .map(|(name, text)| PolicyText { name: (*name).to_owned(), text: (*text).to_owned() });
        let managed = managed.iter().map(|arn| (*arn).to_owned()).collect();
        let holdings = Holdings { managed, inline: inline.collect(), ..Holdings::default() };
        let query = Query::Principal { kind: PrincipalKind::Role, name: "bob".to_owned() };
        (query, Fact::Known(Value::Holdings(holdings)))
    }

    #[test]
    fn sees_the_second_half_of_a_split_grant() {
        let half = || document(r#"{"Statement":{"Effect":"Allow","Action":"lambda:*","Resource":"*"}}"#);
        let pass = [("pass", r#"{"Statement":{"Effect":"Allow","Action":"iam:PassRole","Resource":"*"}}"#)];
        // IAM's listing may show the new policy, or not yet.
        for listing in [held(&[OWN], &pass), held(&[], &pass)] {
            let seen = fired_with(&ManagedPolicyAttached, &attach("Role", OWN), &[half(), listing]);
            assert_eq!(seen.severity, Severity::High);
        }
    }

    #[test]
    fn sees_the_half_that_is_a_policy_of_aws() {
        const EC2: &str = "arn:aws:iam::aws:policy/AmazonEC2FullAccess";
        let published = r#"{"Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*"}}"#;
        let query = Query::ManagedPolicy { arn: EC2.to_owned(), version: None };
        let policy = PolicyText { name: "AmazonEC2FullAccess".to_owned(), text: published.to_owned() };
        let aws = (query, Fact::Known(Value::Policy(policy)));
        let pass = document(r#"{"Statement":{"Effect":"Allow","Action":"iam:PassRole","Resource":"*"}}"#);
        let seen = fired_with(&ManagedPolicyAttached, &attach("Role", OWN), &[pass, held(&[EC2], &[]), aws]);
        assert_eq!(seen.severity, Severity::High);
        assert!(seen.title.starts_with("Role bob can now make itself administrator: "), "{}", seen.title);
    }

    #[test]
    fn says_that_other_policies_were_not_read() {
        let admin = attach("User", "arn:aws:iam::aws:policy/IAMFullAccess");
        let unread = |seen: &keepwatch_core::observation::Observation| {
            seen.details.iter().any(|(label, _)| label == "Other policies")
        };
        assert!(unread(&fired(&ManagedPolicyAttached, &admin)));
        let half = document(r#"{"Statement":{"Effect":"Allow","Action":"lambda:*","Resource":"*"}}"#);
        assert!(!unread(&fired_with(&ManagedPolicyAttached, &attach("Role", OWN), &[half, held(&[], &[])])));
    }

    #[test]
    fn detaching_settles_it() {
        let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
        for to in ["User", "Group", "Role"] {
            let parameter = format!("{}Name", to.to_lowercase());
            let request = json!({"requestParameters": {parameter: "bob", "policyArn": admin}});
            let gone = observe(&ManagedPolicyAttached, &call("iam", &format!("Detach{to}Policy"), request));
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), fired(&ManagedPolicyAttached, &attach(to, admin)).finding_id());
            let title = format!("alice detached AdministratorAccess from {} bob", to.to_lowercase());
            assert_eq!(gone[0].title, title);
        }
    }

    #[test]
    fn provisioning_by_identity_center_is_low() {
        let event = call(
            "iam",
            "AttachRolePolicy",
            json!({
                "requestParameters": {"roleName": "AWSReservedSSO_Admin_1", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
                "userIdentity": {"type": "AssumedRole", "sessionContext": {"sessionIssuer": {
                    "arn": "arn:aws:iam::111122223333:role/aws-service-role/sso.amazonaws.com/AWSServiceRoleForSSO"}}},
            }),
        );
        fires_at(&ManagedPolicyAttached, Severity::Low, &event);
    }

    #[test]
    fn stays_quiet() {
        let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
        quiet(
            &ManagedPolicyAttached,
            &[
                attach("User", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
                attach("Role", "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"),
                attach("User", "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"),
                call(
                    "iam",
                    "AttachUserPolicy",
                    json!({"errorCode": "AccessDenied", "requestParameters": null}),
                ),
                call(
                    "iam",
                    "AttachUserPolicy",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"userName": "bob", "policyArn": admin}}),
                ),
                call(
                    "iam",
                    "AttachUserPolicy",
                    json!({"requestParameters": {"userName": 7, "policyArn": [admin]}}),
                ),
                call(
                    "iam",
                    "DetachUserPolicy",
                    json!({"errorCode": "NoSuchEntity", "requestParameters": {"userName": "bob", "policyArn": admin}}),
                ),
                call("iam", "DetachUserPolicy", json!({"requestParameters": null})),
            ],
        );
    }
}
