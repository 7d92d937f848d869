use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An inline policy that gives administrative power was put on a user, a group or a role. The document is read the
    /// way IAM reads it: wildcards anywhere, NotAction, split statements, any encoding; together with what the holder
    /// had before. Deleting the policy settles the finding.
    /// ## Why it matters
    /// An inline policy has no name in any list of managed policies and no ARN to search for. It is where a careful
    /// intruder hides a new administrator.
    /// ## What to do
    /// Ask the caller. If the grant was not meant, delete the inline policy, stop the caller's credentials, and look at
    /// what both have done since.
    /// ## False positives
    /// Bootstrap stacks and break-glass roles that are administrators by design. Self-service policies limited to
    /// `${aws:username}`, and PassRole limited to named roles, are not reported.
    InlinePolicy {
        id: "admin-inline-policy",
        title: "An inline policy with administrative power was put",
        severity: Critical,
        confidence: High,
        catalogue: ["ADM-05", "ADM-14"],
        references: [
            cis("3.0", &["1.15", "1.16"]),
            cis("5.0", &["1.14", "1.15"]),
            security_hub(&["IAM.1", "IAM.2", "IAM.21"]),
            attack(&["T1098.003"]),
        ],
        on: [On::Call("iam.amazonaws.com", &[
            "PutUserPolicy", "PutGroupPolicy", "PutRolePolicy",
            "DeleteUserPolicy", "DeleteGroupPolicy", "DeleteRolePolicy",
        ])],
    }
}

impl Rule for InlinePolicy {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(given) = Given::of(record) else { return Ok(()) };
        if power::takes_away(record) {
            cx.report(given.taken(record, cx));
            return Ok(());
        }
        let did = format!("put inline policy {}", given.policy);
        let Some(seen) = given.observation(record, cx, &did)? else { return Ok(()) };
        let kind = given.kind.as_str();
        let option = format!("--{kind}-name");
        let options = [(option.as_str(), given.name), ("--policy-name", given.policy)];
        let seen = seen
            .detail("Inline policy", given.policy)
            .step("Read the policy as it stands", &format!("iam get-{kind}-policy"), &options)
            .step("Remove it", &format!("iam delete-{kind}-policy"), &options);
        cx.report(done_by_holder(stop_caller(seen, record), record, kind, given.name));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;
    use keepwatch_core::state::{Fact, Holdings, PolicyText, PrincipalKind, Query, Value as Answered};

    fn put(on: &str, document: Value) -> String {
        let parameter = format!("{}Name", on.to_lowercase());
        let request = json!({parameter: "bob", "policyName": "p", "policyDocument": document});
        call("iam", &format!("Put{on}Policy"), json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let split = json!({"Statement": [
            {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
            {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"},
        ]});
        for on in ["User", "Group", "Role"] {
            fires_at(&InlinePolicy, Severity::Critical, &put(on, json!(split.to_string())));
            fires_at(&InlinePolicy, Severity::Critical, &put(on, split.clone()));
        }
        let passrole =
            r#"{"Statement":{"Effect":"Allow","Action":["iam:PassRole","lambda:*"],"Resource":"*"}}"#;
        let seen = fires_at(&InlinePolicy, Severity::High, &put("User", json!(passrole)));
        assert!(seen.reason.contains("PassRole"), "{}", seen.reason);
    }

    /// bob holds AmazonEC2FullAccess, and AWS tells what that says.
    fn account() -> [(Query, Fact<Answered>); 2] {
        let arn = "arn:aws:iam::aws:policy/AmazonEC2FullAccess".to_owned();
        let text = r#"{"Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*"}}"#.to_owned();
        let holdings = Holdings { managed: vec![arn.clone()], ..Holdings::default() };
        let bob = Query::Principal { kind: PrincipalKind::User, name: "bob".to_owned() };
        let policy = PolicyText { name: "AmazonEC2FullAccess".to_owned(), text };
        [
            (bob, Fact::Known(Answered::Holdings(holdings))),
            (Query::ManagedPolicy { arn, version: None }, Fact::Known(Answered::Policy(policy))),
        ]
    }

    #[test]
    fn counts_what_the_holder_has_already() {
        let pass = json!({"Statement": {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}});
        for document in [json!(pass.to_string()), pass] {
            let seen = fired_with(&InlinePolicy, &put("User", document), &account());
            assert_eq!(seen.severity, Severity::High);
            assert!(seen.title.starts_with("User bob can now make itself administrator: "), "{}", seen.title);
        }
        let read = r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}"#;
        assert!(observe_with(&InlinePolicy, &put("User", json!(read)), &account()).is_empty());
    }

    #[test]
    fn deleting_settles_it() {
        let admin = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
        for on in ["User", "Group", "Role"] {
            let parameter = format!("{}Name", on.to_lowercase());
            let request = json!({"requestParameters": {parameter: "bob", "policyName": "p"}});
            let gone = observe(&InlinePolicy, &call("iam", &format!("Delete{on}Policy"), request));
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), fired(&InlinePolicy, &put(on, admin.clone())).finding_id());
            assert_eq!(gone[0].title, format!("alice deleted inline policy p of {} bob", on.to_lowercase()));
        }
    }

    #[test]
    fn says_so_when_the_document_is_not_there() {
        let seen = fired(&InlinePolicy, &put("User", json!(null)));
        assert_eq!((seen.verdict, seen.severity), (Verdict::Unknown, Severity::Medium));
        assert_eq!(fired(&InlinePolicy, &put("User", json!("{broken"))).verdict, Verdict::Unknown);
    }

    #[test]
    fn stays_quiet() {
        let read =
            r#"{"Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}"#;
        let deny = r#"{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
        quiet(
            &InlinePolicy,
            &[
                put("User", json!(read)),
                put("Role", json!(deny)),
                call("iam", "PutUserPolicy", json!({"errorCode": "AccessDenied", "requestParameters": null})),
                call("iam", "PutUserPolicy", json!({"requestParameters": "text"})),
                call("iam", "PutUserPolicy", json!({"requestParameters": {"omitted": true}})),
            ],
        );
    }
}
