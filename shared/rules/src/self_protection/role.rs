use keepwatch_base::wildcard;
use keepwatch_policy::{Condition, Document, Effect, Principal, PrincipalKind, Statement};
use serde_json::Value;

use super::common::{denies, holds, is_our_role};
use super::deployment::{deployed, report_change};
use super::own_policy::is_own_denial;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The role of one of Keepwatch's functions, or its operator's role, was deleted, or what it may do or who may assume it
    /// was changed.
    /// ## Why it matters
    /// Without its permissions Keepwatch cannot judge or tell. With more of them, whoever may change its code
    /// has them as well. These roles alone may write findings: who can assume one can end or plant them.
    /// ## What to do
    /// Deploy the stack again, which sets the role's policies right, and detach what the template does not
    /// name.
    /// ## False positives
    /// Deployments: what CloudFormation changes within an hour after the same principal deployed Keepwatch's stack is low,
    /// and what it sets again closes the finding. A policy that is attached or denies more than the template's, a boundary, a role that Lambda may no
    /// longer assume: no deployment does that, but any stack can. A second stack of the same name in another region: IAM
    /// tells here of its roles, and nothing tells here of its deployments.
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
                "UpdateRole", "CreateRole", "AddRoleToInstanceProfile",
        ])],
        repeat_hours: 1,
    }
}

impl Rule for Role {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let request = record.request();
        let Some(name) = text_at(request, &["roleName"]).filter(|name| is_our_role(cx, name)) else {
            return Ok(());
        };
        let event = record.event_name.or_empty();
        let did = match event {
            "DeleteRole" => "deleted",
            "PutRolePolicy" => "wrote an inline policy of",
            "DeleteRolePolicy" => "deleted an inline policy of",
            "AttachRolePolicy" => "attached a policy to",
            "DetachRolePolicy" => "detached a policy from",
            "UpdateAssumeRolePolicy" => "changed who may assume",
            "UpdateRole" => "changed the settings of",
            // Nobody can make it while it is there.
            "CreateRole" => "made anew, outside a deployment,",
            "AddRoleToInstanceProfile" => "gave to an instance profile",
            _ => "changed the permissions boundary of",
        };
        let policy =
            ["policyName", "policyArn", "permissionsBoundary"].iter().find_map(|p| text_at(request, &[p]));
        // One finding, however the call spells the role.
        let given = record.iam_arn("role", name);
        let own = cx.config.own_arns.iter().find(|arn| arn.eq_ignore_ascii_case(&given));
        let arn = own.cloned().unwrap_or(given);
        let mut aspect = policy.unwrap_or(event);
        let sets = ["Put", "Attach", "UpdateAssume"];
        // A stack that is only named after Keepwatch's may do with its own roles what it likes.
        let ids = ["-DetectRole", "-NotifyRole", "-ScanRole", "-SecurityHubRole", OPERATOR];
        let templates = ids.iter().any(|id| holds(name, id));
        let foreign = if templates { foreign(record, cx, name) } else { None };
        let taken = event.starts_with("Delete");
        // The role of the function for Security Hub comes and goes with its parameter, the operator's and that of scan go when a
        // stack is rolled back to a version without them; the others stay.
        let may_go = ["-ScanRole", "-SecurityHubRole", OPERATOR].iter().any(|id| holds(name, id));
        let never = foreign.is_some() || (taken && templates && !may_go);
        let deployed = !never && deployed(record, cx)?;
        if deployed && event == "CreateRole" {
            let title = format!("A deployment made Keepwatch's role {name}");
            cx.report(cx.passing(arn, title).aspect("DeleteRole"));
            return Ok(());
        }
        if deployed && sets.iter().any(|verb| event.starts_with(verb)) {
            cx.report(cx.passing(&arn, format!("A deployment set Keepwatch's role {name}")).aspect(aspect));
            // What a deployment sets stays on record besides.
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
        let seen = match foreign {
            Some(why) => seen.because(as_sentence(&why)),
            None => seen,
        };
        report_change(record, cx, stop_caller(seen, record), deployed);
        Ok(())
    }
}

/// What a function must be allowed to call, and on which resource of the template.
type Right = (&'static str, &'static str);

/// What the functions cannot do without, by the names of their roles' policies: to take an event and to write a finding, to
/// hear of a finding and to tell it, to find an event and to send it.
const NEEDED: [(&str, &[Right]); 3] = [
    (
        "detect",
        &[
            ("sqs:ReceiveMessage", "-IntakeQueue"),
            ("sqs:DeleteMessage", "-IntakeQueue"),
            ("dynamodb:GetItem", "-FindingsTable"),
            ("dynamodb:PutItem", "-FindingsTable"),
        ],
    ),
    (
        "notify",
        &[
            ("dynamodb:GetRecords", "-FindingsTable"),
            ("dynamodb:Query", "-FindingsTable"),
            ("dynamodb:UpdateItem", "-FindingsTable"),
            ("sns:Publish", "-AlertTopic"),
        ],
    ),
    ("scan", &[("cloudtrail:LookupEvents", ""), ("sqs:SendMessage", "-IntakeQueue")]),
];

/// What the policy does not allow of what is needed.
fn lacks(cx: &Cx<'_>, document: &Document, needed: &[Right]) -> Option<String> {
    let allowed = |(action, id): &Right| {
        let own = format!("{}{id}", cx.config.stack);
        document.statements.iter().any(|one| {
            one.effect == Effect::Allow
                && one.conditions.is_empty()
                && one.actions.iter().any(|p| wildcard::matches_ignore_ascii_case(p, action))
                && one.resources.iter().any(|resource| resource == "*" || resource.contains(&own))
        })
    };
    let (action, id) = needed.iter().find(|right| !allowed(right))?;
    Some(format!(
        "the policy does not allow {action} on {}{id}, without which nothing is told",
        clean(&cx.config.stack, 64)
    ))
}

/// The operator's role, which people assume and no function.
const OPERATOR: &str = "-OperatorRole";

/// The stack's region, which its queues' ARNs tell.
fn own_region<'c>(cx: &'c Cx<'_>) -> &'c str {
    let of_queue = |arn: &&String| arn.contains(":sqs:");
    let queue = cx.config.own_arns.iter().find(of_queue);
    queue.and_then(|arn| Arn::parse(arn)).map_or("", |arn| arn.region)
}

/// Why no deployment of ours makes the change.
fn foreign(record: &Record<'_>, cx: &Cx<'_>, role: &str) -> Option<String> {
    let document = value_at(record.request(), &["policyDocument"]).filter(|document| !document.is_null());
    match record.event_name.or_empty() {
        "PutRolePolicy" => match Document::from_value(document?) {
            Ok(mut document) => {
                let policy = text_at(record.request(), &["policyName"]).unwrap_or_default();
                document.statements.retain(|one| !is_own_denial(cx, policy, one));
                denies(&document).or_else(|| {
                    lacks(cx, &document, NEEDED.iter().find(|(name, _)| name.eq_ignore_ascii_case(policy))?.1)
                })
            }
            Err(error) => Some(error.to_string()),
        },
        "UpdateAssumeRolePolicy" if holds(role, OPERATOR) => {
            let account = record.root_arn();
            // In the stack's region alone, which the call's is not: IAM has one.
            let here = |one: &Condition| {
                one.operator == "StringEquals"
                    && one.key == "aws:RequestedRegion"
                    && one.values == [own_region(cx)]
            };
            let own = |one: &Statement| {
                let trusted = matches!(&one.principals[..], [who] if who.value == account);
                trusted
                    && one.effect == Effect::Allow
                    && one.actions == ["sts:AssumeRole"]
                    && matches!(&one.conditions[..], [one] if here(one))
            };
            match Document::from_value(document?) {
                Ok(document) if matches!(&document.statements[..], [one] if own(one)) => None,
                Ok(_) => Some(
                    "the template lets the account's own callers take the role, and nobody else".to_owned(),
                ),
                Err(error) => Some(error.to_string()),
            }
        }
        "UpdateAssumeRolePolicy" => foreign_trust(document?),
        "AttachRolePolicy" => Some("no policy of the template is attached to a role".to_owned()),
        "PutRolePermissionsBoundary" => Some("no role of the template has a boundary".to_owned()),
        "AddRoleToInstanceProfile" => Some("no role of the template is in an instance profile".to_owned()),
        _ => None,
    }
}

/// Why no deployment of ours has a function's role trust so: it denies more than what comes without TLS, or does not let
/// Lambda in.
fn foreign_trust(policy: &Value) -> Option<String> {
    let document = match Document::from_value(policy) {
        Ok(document) => document,
        Err(error) => return Some(error.to_string()),
    };
    let lambda = |one: &Principal| match one.kind {
        PrincipalKind::Aws => one.value == "*",
        PrincipalKind::Service => one.value.eq_ignore_ascii_case("lambda.amazonaws.com"),
        _ => false,
    };
    let lets_in = |one: &Statement| {
        one.effect == Effect::Allow
            && one.conditions.is_empty()
            && one.principals.iter().any(lambda)
            && one.names("sts:AssumeRole")
    };
    denies(&document).or_else(|| {
        let lost = !document.statements.iter().any(lets_in);
        lost.then(|| "the policy does not let lambda.amazonaws.com call sts:AssumeRole".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::deployment::testing::*;
    use super::*;
    use crate::testing::*;

    fn iam(event: &str, role: Value) -> String {
        let request =
            json!({"roleName": role, "policyName": "detect", "policyDocument": "{\"Statement\":[]}"});
        call("iam", event, json!({"requestParameters": request}))
    }

    #[test]
    fn the_stack_of_the_forwarders_role_explains_that_role_and_nothing_else() {
        let put = |role: &str| {
            let statement = json!({"Effect": "Allow", "Action": "events:PutEvents", "Resource": "*"});
            let document = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
            let request = json!({"roleName": role, "policyName": "forward", "policyDocument": document});
            by_stack("iam", "PutRolePolicy", request)
        };
        let forwarder = put("keepwatch-forwarder");
        let own = deploying_the_forwarders_role(&Role, &forwarder);
        assert!(own.iter().all(|one| one.severity <= Severity::Low), "{own:?}");
        foreign_at(&Role, Severity::High, &forwarder);
        let scan = put("keepwatch-ScanRole-A1B2C3");
        let other = deploying_the_forwarders_role(&Role, &scan);
        assert!(other.iter().any(|one| one.severity >= Severity::High), "{other:?}");
    }

    #[test]
    fn fires() {
        let ours = json!("keepwatch-DetectRole-A1B2C3");
        for event in [
            "PutRolePolicy",
            "DeleteRolePolicy",
            "DetachRolePolicy",
            "DeleteRole",
            "UpdateAssumeRolePolicy",
            "CreateRole",
            "AddRoleToInstanceProfile",
        ] {
            fires_at(&Role, Severity::High, &iam(event, ours.clone()));
        }
        let seen = fired(&Role, &iam("DeleteRolePolicy", ours));
        assert_eq!(
            seen.title,
            "alice deleted an inline policy of Keepwatch's role keepwatch-DetectRole-A1B2C3"
        );
        assert_eq!(seen.subject.aspect.as_deref(), Some("detect"));
    }

    /// IAM does not tell `KEEPWATCH-detectrole-a1b2c3` from `keepwatch-DetectRole-A1B2C3`.
    #[test]
    fn no_spelling_of_the_name_escapes() {
        for event in ["DeleteRolePolicy", "DeleteRole", "UpdateAssumeRolePolicy"] {
            let as_it_is = fired(&Role, &iam(event, json!("keepwatch-DetectRole-A1B2C3")));
            let spelled = fired(&Role, &iam(event, json!("KEEPWATCH-detectrole-a1b2c3")));
            assert_eq!(spelled.finding_id(), as_it_is.finding_id());
            assert_eq!(spelled.severity, as_it_is.severity);
        }
        // And what no deployment does is not explained by one.
        let attach = json!({"roleName": "keepwatch-detectROLE-A1B2C3", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"});
        deploys_at(&Role, Severity::High, &by_stack("iam", "AttachRolePolicy", attach));
        let emptied = json!({"roleName": "keepwatch-DetectRole-A1B2C3", "policyName": "DETECT",
            "policyDocument": "{\"Statement\":[]}"});
        deploys_at(&Role, Severity::High, &by_stack("iam", "PutRolePolicy", emptied));
        quiet(
            &Role,
            &[iam("DeleteRole", json!("KEEPWATCH")), iam("DeleteRole", json!("keepwatché-DetectRole"))],
        );
    }

    #[test]
    fn a_deployment_is_low() {
        let request = json!({"roleName": "keepwatch-NotifyRole-A1B2C3", "policyName": "notify"});
        let hub = json!({"roleName": "keepwatch-SecurityHubRole-A1B2C3", "policyName": "securityhub"});
        let hub = by_stack("iam", "DeleteRolePolicy", hub);
        deploys_at(&Role, Severity::Low, &hub);
        foreign_at(&Role, Severity::High, &hub);
        let written = by_stack("iam", "PutRolePolicy", request);
        foreign_at(&Role, Severity::High, &written);
        let set = deploying(&Role, &written);
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
            let good = deploying(&Role, &by_stack("iam", good, request.clone()));
            assert_eq!((good[0].verdict, good[0].finding_id()), (Verdict::Passing, bad.finding_id()));
        }
        let role = json!({"roleName": role});
        let gone = fired(&Role, &call("iam", "DeleteRole", json!({"requestParameters": role})));
        let made = deploying(&Role, &by_stack("iam", "CreateRole", role));
        assert_eq!((made[0].verdict, made[0].finding_id()), (Verdict::Passing, gone.finding_id()));
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
            deploys_at(&Role, Severity::High, &by_stack("iam", event, request));
        }
        // A policy of another stack's that has the name of ours takes its place, and its end takes ours away.
        for event in ["DeleteRolePolicy", "DeleteRole"] {
            let gone = json!({"roleName": role, "policyName": "notify"});
            deploys_at(&Role, Severity::High, &by_stack("iam", event, gone));
        }
        let written = |topic: &str, actions: &str| {
            let statements = json!([
                {"Effect": "Allow", "Action": actions,
                    "Resource": ["arn:aws:dynamodb:us-east-1:111122223333:table/keepwatch-FindingsTable-A1B2C3"]},
                {"Effect": "Allow", "Action": "sns:Publish", "Resource": topic}]);
            let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
            let request = json!({"roleName": role, "policyName": "notify", "policyDocument": document});
            by_stack("iam", "PutRolePolicy", request)
        };
        let own = "arn:aws:sns:us-east-1:111122223333:keepwatch-AlertTopic-A1B2C3";
        let seen = deploying(&Role, &written(own, "dynamodb:*"));
        assert_eq!(seen.iter().map(|one| one.severity).max(), Some(Severity::Low));
        for other in
            ["arn:aws:sns:us-east-1:111122223333:shop", "arn:aws:sns:us-east-1:111122223333:keepwatch-no"]
        {
            let less = deploys_at(&Role, Severity::High, &written(other, "dynamodb:*"));
            assert!(less.reason.starts_with("The policy does not allow sns:Publish"), "{}", less.reason);
        }
        deploys_at(&Role, Severity::High, &written(own, "dynamodb:GetItem"));
        let asks = json!({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"});
        let blind = json!({"roleName": "keepwatch-ScanRole-A1B2C3", "policyName": "scan", "policyDocument": policy(asks)});
        let seen = deploys_at(&Role, Severity::High, &by_stack("iam", "PutRolePolicy", blind));
        assert!(
            seen.reason.starts_with("The policy does not allow cloudtrail:LookupEvents"),
            "{}",
            seen.reason
        );
        let ours = json!({"roleName": role, "policyDocument": trust("lambda.amazonaws.com")});
        let seen = deploying(&Role, &by_stack("iam", "UpdateAssumeRolePolicy", ours));
        assert_eq!(seen.iter().map(|one| one.severity).max(), Some(Severity::Low));
    }

    #[test]
    fn the_operators_role_is_for_the_accounts_own_callers() {
        let trust_in = |region: &str, who: Value| {
            let statement = json!({"Effect": "Allow", "Principal": who, "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:RequestedRegion": region}}});
            let document = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
            let request = json!({"roleName": "keepwatch-OperatorRole-A1B2C3", "policyDocument": document});
            by_stack("iam", "UpdateAssumeRolePolicy", request)
        };
        let trust = |who| trust_in("us-east-1", who);
        let own = json!({"AWS": "arn:aws:iam::111122223333:root"});
        // Where it is not heard that somebody takes the role.
        deploys_at(&Role, Severity::High, &trust_in("eu-west-1", own));
        let seen = deploying(&Role, &trust(json!({"AWS": "arn:aws:iam::111122223333:root"})));
        assert_eq!(seen.iter().map(|one| one.severity).max(), Some(Severity::Low));
        for other in [
            json!({"AWS": "arn:aws:iam::444455556666:root"}),
            json!({"AWS": ["arn:aws:iam::111122223333:root", "arn:aws:iam::444455556666:root"]}),
            json!({"AWS": "arn:aws:iam::111122223333:user/mallory"}),
            json!("*"),
        ] {
            deploys_at(&Role, Severity::High, &trust(other));
        }
        // A version without an operator takes the role away.
        let gone = json!({"roleName": "keepwatch-OperatorRole-A1B2C3"});
        deploys_at(&Role, Severity::Low, &by_stack("iam", "DeleteRole", gone.clone()));
        foreign_at(&Role, Severity::High, &by_stack("iam", "DeleteRole", gone));
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
