use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Any change of IAM policies, roles, groups and instance profiles, kept on record and never mailed by
    /// itself: one finding for each user, group, role, policy or profile, with the latest change as its
    /// title and the latest of each caller beside it. Deleting the thing settles its finding.
    /// ## Why it matters
    /// When something has happened, the first question is what was changed, by whom and when. The CIS
    /// benchmark wants every change of IAM policies monitored; the ones that matter are told by rules of
    /// their own.
    /// ## What to do
    /// Nothing by itself. Read it together with the findings of the same hour and the same caller.
    /// ## False positives
    /// Everything that infrastructure code does every day: hence informational. What root does is told by the
    /// rules on root; what service-linked roles are made for, AWS says.
    Changed {
        id: "iam-changed",
        title: "IAM was changed",
        severity: Informational,
        confidence: High,
        catalogue: ["IAM-09", "IAM-10"],
        references: [
            cis("3.0", &["4.4"]),
            cis("5.0", &["4.4"]),
            security_hub(&["CloudWatch.4"]),
            attack(&["T1098"]),
        ],
        on: [On::Call("iam.amazonaws.com", &[
            "AddRoleToInstanceProfile", "AddUserToGroup", "AttachGroupPolicy", "AttachRolePolicy",
            "CreateGroup",
            "CreateInstanceProfile", "CreatePolicy", "CreatePolicyVersion", "CreateRole", "DeleteGroup",
            "DeleteGroupPolicy", "DeleteInstanceProfile", "DeletePolicy", "DeletePolicyVersion", "DeleteRole",
            "DeleteRolePolicy", "DetachGroupPolicy", "DetachRolePolicy", "PutGroupPolicy", "PutRolePolicy",
            "RemoveRoleFromInstanceProfile", "RemoveUserFromGroup", "SetDefaultPolicyVersion",
            "UpdateAssumeRolePolicy",
            "UpdateGroup", "UpdateRole", "UpdateUser",
        ])],
        general: true,
    }
}

/// What a call is about: the parameter that names it, its kind in ARNs and in commands, and the call that
/// shows it.
const THINGS: [(&str, &str, &str, &str); 4] = [
    ("instanceProfileName", "instance-profile", "--instance-profile-name", "iam get-instance-profile"),
    ("groupName", "group", "--group-name", "iam get-group"),
    ("roleName", "role", "--role-name", "iam get-role"),
    ("userName", "user", "--user-name", "iam get-user"),
];

impl Rule for Changed {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if record.by_root() {
            return Ok(());
        }
        let event = record.event_name.or_empty();
        let policy = record.param(&["policyArn"]).or_else(|| record.response_text(&["policy", "arn"]));
        let thing = THINGS.iter().find_map(|(name, kind, option, call)| {
            let name = record.param(&[name])?;
            Some((record.iam_arn(kind, name), format!("{kind} {name}"), *option, name, *call))
        });
        let (arn, named, option, value, call) = match (thing, policy) {
            (Some(thing), _) => thing,
            (None, Some(policy)) => {
                let short =
                    policy.strip_prefix("arn:").and_then(|arn| arn.rsplit('/').next()).unwrap_or(policy);
                (policy.to_owned(), format!("policy {short}"), "--policy-arn", policy, "iam get-policy")
            }
            (None, None) => return Ok(()),
        };
        let title = format!("{} called {event} on {named}", caller_name(record));
        if matches!(event, "DeleteGroup" | "DeleteInstanceProfile" | "DeletePolicy" | "DeleteRole") {
            cx.report(cx.passing(arn, title));
            return Ok(());
        }
        let seen = cx
            .failing(arn, title)
            .witnessed_by(&Actor::of(record).identity())
            .because("A change of IAM, kept for whoever asks later what was done.")
            .detail_if("Policy", policy.or_else(|| record.param(&["policyName"])))
            .step("How does it look now?", call, &[(option, value)]);
        cx.report(cx.tempered(seen));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn event(name: &str, request: Value) -> String {
        call("iam", name, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let put =
            event("PutRolePolicy", json!({"roleName": "app", "policyName": "p", "policyDocument": "{}"}));
        let seen = fires_at(&Changed, Severity::Informational, &put);
        assert_eq!(seen.title, "alice called PutRolePolicy on role app");
        assert_eq!(seen.subject.resource, "arn:aws:iam::111122223333:role/app");
        let policy = "arn:aws:iam::111122223333:policy/team/p";
        let set = event("SetDefaultPolicyVersion", json!({"policyArn": policy, "versionId": "v2"}));
        assert_eq!(fired(&Changed, &set).subject.resource, policy);
        let made = json!({"requestParameters": {"policyName": "p"},
            "responseElements": {"policy": {"arn": policy}}});
        assert_eq!(fired(&Changed, &call("iam", "CreatePolicy", made)).subject.resource, policy);
        let joined =
            fired(&Changed, &event("AddUserToGroup", json!({"userName": "bob", "groupName": "ops"})));
        assert_eq!(joined.title, "alice called AddUserToGroup on group ops");
        let detached = event("DetachRolePolicy", json!({"roleName": "app", "policyArn": policy}));
        assert_eq!(fired(&Changed, &detached).finding_id(), seen.finding_id());
    }

    #[test]
    fn deleting_the_thing_settles_it_and_deleting_its_policy_does_not() {
        let gone = observe(&Changed, &event("DeleteRole", json!({"roleName": "app"})));
        assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
        let inline =
            fired(&Changed, &event("DeleteRolePolicy", json!({"roleName": "app", "policyName": "p"})));
        assert_eq!(inline.finding_id(), gone[0].finding_id());
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &Changed,
            &[
                call(
                    "iam",
                    "CreateRole",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"roleName": "r"}}),
                ),
                event("CreateRole", json!(null)),
                event("CreateRole", json!({"roleName": {"is": "r"}})),
                event("CreateUser", json!({"userName": "bob"})),
                root_call("iam", "CreateRole", json!({"requestParameters": {"roleName": "r"}})),
            ],
        );
    }
}
