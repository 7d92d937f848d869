use keepwatch_policy::Document;

use super::common::{ByDeployment, denies, deployed, foreign_policy, is_ours, report_change};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The role of one of Keepwatch's functions was deleted, or what it may do or who may assume it was
    /// changed.
    /// ## Why it matters
    /// Without its permissions Keepwatch cannot judge or tell. With more of them, whoever may change its code
    /// has them as well.
    /// ## What to do
    /// Deploy the stack again, which sets the role's policies right, and detach what the template does not
    /// name.
    /// ## False positives
    /// Deployments: what CloudFormation takes away is low, and what it sets again closes the finding. A policy that denies
    /// or is attached, a boundary, a role that Lambda may no longer assume: no deployment does that, but any stack can.
    Role {
        id: "self-role-changed",
        title: "The role of one of Keepwatch's functions was tampered with",
        severity: High,
        confidence: High,
        catalogue: ["SELF-05"],
        references: [attack(&["T1562.001"]), attack(&["T1098"])],
        on: [On::Call("iam.amazonaws.com", &[
            "PutRolePolicy", "DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy", "DeleteRole",
            "UpdateAssumeRolePolicy", "PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary",
                "UpdateRole",
        ])],
        repeat_hours: 1,
    }
}

impl Rule for Role {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let request = record.request();
        let Some(name) = text_at(request, &["roleName"]).filter(|name| is_ours(cx, name)) else {
            return Ok(());
        };
        let did = match record.event_name.or_empty() {
            "DeleteRole" => "deleted",
            "PutRolePolicy" => "wrote an inline policy of",
            "DeleteRolePolicy" => "deleted an inline policy of",
            "AttachRolePolicy" => "attached a policy to",
            "DetachRolePolicy" => "detached a policy from",
            "UpdateAssumeRolePolicy" => "changed who may assume",
            "UpdateRole" => "changed the settings of",
            _ => "changed the permissions boundary of",
        };
        let policy =
            ["policyName", "policyArn", "permissionsBoundary"].iter().find_map(|p| text_at(request, &[p]));
        let arn = record.iam_arn("role", name);
        let mut aspect = policy.unwrap_or(record.event_name.or_empty());
        let sets = ["Put", "Attach", "UpdateAssume"];
        let foreign = foreign(record, cx);
        if deployed(record)
            && foreign.is_none()
            && sets.iter().any(|verb| record.event_name.or_empty().starts_with(verb))
        {
            cx.report(cx.passing(&arn, format!("A deployment set Keepwatch's role {name}")).aspect(aspect));
            // Any stack can have CloudFormation set it: it stays on record besides.
            aspect = "deployment";
        }
        let document = value_at(request, &["policyDocument"]).and_then(|document| document.as_str());
        let seen = cx
            .failing(arn, format!("{} {did} Keepwatch's role {name}", caller_name(record)))
            .aspect(aspect)
            .because("What Keepwatch may read and send is in this role.")
            .detail_if("Policy", policy)
            .detail_if("Document", document)
            .step("Which policies has it now?", "iam list-attached-role-policies", &[("--role-name", name)])
            .step("And which inline policies?", "iam list-role-policies", &[("--role-name", name)]);
        let (seen, done) = match foreign {
            Some(why) => (seen.because(as_sentence(&why)), ByDeployment::Never),
            None => (seen, ByDeployment::Often),
        };
        report_change(record, cx, stop_caller(seen, record), done);
        Ok(())
    }
}

/// Why no deployment of ours makes the change.
fn foreign(record: &Record<'_>, cx: &Cx<'_>) -> Option<String> {
    let document = value_at(record.request(), &["policyDocument"]).filter(|document| !document.is_null());
    match record.event_name.or_empty() {
        "PutRolePolicy" => match Document::from_value(document?) {
            Ok(document) => denies(&document),
            Err(error) => Some(error.to_string()),
        },
        "UpdateAssumeRolePolicy" => {
            foreign_policy(record, cx, "", document?, Some(("lambda.amazonaws.com", "sts:AssumeRole")))
        }
        "AttachRolePolicy" => Some("no policy of the template is attached to a role".to_owned()),
        "PutRolePermissionsBoundary" => Some("no role of the template has a boundary".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::common::testing::by_stack;
    use super::*;
    use crate::testing::*;

    fn iam(event: &str, role: Value) -> String {
        let request =
            json!({"roleName": role, "policyName": "detect", "policyDocument": "{\"Statement\":[]}"});
        call("iam", event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let ours = json!("keepwatch-DetectRole-A1B2C3");
        for event in
            ["PutRolePolicy", "DeleteRolePolicy", "DetachRolePolicy", "DeleteRole", "UpdateAssumeRolePolicy"]
        {
            fires_at(&Role, Severity::High, &iam(event, ours.clone()));
        }
        let seen = fired(&Role, &iam("DeleteRolePolicy", ours));
        assert_eq!(
            seen.title,
            "alice deleted an inline policy of Keepwatch's role keepwatch-DetectRole-A1B2C3"
        );
        assert_eq!(seen.subject.aspect.as_deref(), Some("detect"));
    }

    #[test]
    fn a_deployment_is_low() {
        let request = json!({"roleName": "keepwatch-NotifyRole-A1B2C3", "policyName": "notify"});
        fires_at(&Role, Severity::Low, &by_stack("iam", "DeleteRolePolicy", request.clone()));
        let set = observe(&Role, &by_stack("iam", "PutRolePolicy", request));
        assert_eq!(set.iter().map(|o| o.verdict).collect::<Vec<_>>(), [Verdict::Passing, Verdict::Failing]);
        assert_eq!(set[1].severity, Severity::Low);
    }

    #[test]
    fn what_a_deployment_sets_again_closes_the_finding() {
        let role = "keepwatch-DetectRole-A1B2C3";
        let request = json!({"roleName": role, "policyName": "detect"});
        for (bad, good) in [
            ("DeleteRolePolicy", "PutRolePolicy"),
            ("PutRolePolicy", "PutRolePolicy"),
            ("UpdateAssumeRolePolicy", "UpdateAssumeRolePolicy"),
        ] {
            let bad = fired(&Role, &iam(bad, json!(role)));
            let good = observe(&Role, &by_stack("iam", good, request.clone()));
            assert_eq!((good[0].verdict, good[0].finding_id()), (Verdict::Passing, bad.finding_id()));
        }
    }

    #[test]
    fn what_no_deployment_does_is_never_explained_by_one() {
        let role = "keepwatch-NotifyRole-A1B2C3";
        let policy =
            |statement: Value| json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        let denied = policy(json!({"Effect": "Deny", "Action": "*", "Resource": "*"}));
        let trust = |service: &str| {
            policy(json!({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}))
        };
        for (event, request) in [
            ("PutRolePolicy", json!({"roleName": role, "policyName": "x", "policyDocument": denied})),
            (
                "AttachRolePolicy",
                json!({"roleName": role, "policyArn": "arn:aws:iam::aws:policy/AWSDenyAll"}),
            ),
            ("PutRolePermissionsBoundary", json!({"roleName": role, "permissionsBoundary": "x"})),
            (
                "UpdateAssumeRolePolicy",
                json!({"roleName": role, "policyDocument": trust("ec2.amazonaws.com")}),
            ),
        ] {
            // And none of it is good news.
            fires_at(&Role, Severity::High, &by_stack("iam", event, request));
        }
        let ours = json!({"roleName": role, "policyDocument": trust("lambda.amazonaws.com")});
        let seen = observe(&Role, &by_stack("iam", "UpdateAssumeRolePolicy", ours));
        assert_eq!(seen.iter().map(|one| one.severity).max(), Some(Severity::Low));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &Role,
            &[
                iam("PutRolePolicy", json!("deploy")),
                iam("PutRolePolicy", json!("keepwatch")),
                iam("PutRolePolicy", json!(["keepwatch-DetectRole-A1B2C3"])),
                call(
                    "iam",
                    "DeleteRole",
                    json!({"errorCode": "DeleteConflict",
                        "requestParameters": {"roleName": "keepwatch-DetectRole-A"}}),
                ),
                call("iam", "DeleteRole", json!({"requestParameters": null})),
            ],
        );
    }
}
