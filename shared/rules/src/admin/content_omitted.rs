use super::permission_set::instance_region;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A call that grants succeeded, and its event does not say what it granted. Either the policy is so large that
    /// CloudTrail left its text out (`omitted: true`, over 100 KB): IAM does not count white space, so a policy can be
    /// padded until the log no longer shows it. Or the event lacks the parameters without which the call could not have
    /// succeeded. Keepwatch reads the policy from the account instead; if it cannot, it says so.
    /// ## Why it matters
    /// Nobody needs 100 KB to write a policy of a few thousand characters. Padding has one use: to hide a grant from
    /// whoever reads the log. And a grant that nobody could read is not a grant that nobody made.
    /// ## What to do
    /// Read the policy in the account, take it away unless its author has a good explanation, and treat the caller as
    /// hostile until then.
    /// ## False positives
    /// A generator that writes policies with a great deal of white space. That is worth mending in any case. An event
    /// that lost its parameters on the way, or that AWS writes in a new form.
    ContentOmitted {
        id: "grant-content-omitted",
        title: "The event of a grant does not say what was granted",
        severity: High,
        confidence: High,
        catalogue: ["ADM-15"],
        references: [
            attack(&["T1562.008"]),
            doc(&["CloudTrail user guide: requestParameters are limited to 100 KB"]),
        ],
        on: [
            On::Call("iam.amazonaws.com", &[
                "AttachUserPolicy", "AttachGroupPolicy", "AttachRolePolicy", "PutUserPolicy", "PutGroupPolicy",
                "PutRolePolicy", "CreatePolicy", "CreatePolicyVersion", "SetDefaultPolicyVersion", "CreateRole",
                "UpdateAssumeRolePolicy", "AddUserToGroup", "PutUserPermissionsBoundary", "PutRolePermissionsBoundary",
                "DeleteUserPermissionsBoundary", "DeleteRolePermissionsBoundary", "AddRoleToInstanceProfile",
            ]),
            On::Call("sso.amazonaws.com", &[
                "AttachManagedPolicyToPermissionSet", "AttachCustomerManagedPolicyReferenceToPermissionSet",
                "PutInlinePolicyToPermissionSet", "CreateAccountAssignment",
            ]),
        ],
    }
}

impl Rule for ContentOmitted {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, event) = (caller_name(record), record.event_name.or_empty());
        if !record.request_omitted() {
            if !says_whom_and_what(record) {
                let title =
                    format!("{who} granted something by {event}, and the event does not say whom or what");
                let why =
                    "The call succeeded, so its request named both; the event has no readable parameters.";
                cx.report(finish(unnamed(cx, title).severity(Severity::Medium).because(why), record));
            }
            return Ok(());
        }
        let mut found = Vec::new();
        if event.starts_with("Put") && event.ends_with("Policy") {
            found = inline(cx, record, power::kind_of(event), &who)?;
        } else if let Some(arn) =
            record.response_text(&["policy", "arn"]).or_else(|| record.param(&["policyArn"]))
        {
            let version = record.response_text(&["policyVersion", "versionId"]);
            let power = power::of_fact(
                cx,
                Origin::Managed,
                arn.rsplit('/').next().unwrap_or(arn),
                cx.facts.managed_policy(arn, version)?,
                None,
            );
            let how = format!("{who} wrote it so large that CloudTrail left it out");
            let holder = format!("Whoever holds policy {}", arn.rsplit('/').next().unwrap_or(arn));
            found.push((arn.to_owned(), None, holder, how, power));
        }
        if found.is_empty() {
            let why = "The request was padded beyond CloudTrail's 100 KB, which hides what it grants.";
            let seen = match record.response_text(&["role", "arn"]) {
                Some(role) => {
                    let title =
                        format!("{who} made {role} with a trust policy too large for CloudTrail to show");
                    cx.unknown(role, title)
                }
                None => unnamed(
                    cx,
                    format!(
                        "{who} made a grant that CloudTrail did not record: the text of {event} was too large"
                    ),
                ),
            };
            cx.report(finish(seen.severity(Severity::High).because(why), record));
        }
        for (resource, policy, holder, how, power) in found {
            // Padding is worth a finding whatever it hides: an ordinary grant as well.
            let mut seen = match power::observation(cx, &power, &GrantReport::now(&resource, &holder, &how)) {
                Some(seen) => {
                    let severity = seen.severity.max(Severity::High);
                    seen.severity(severity)
                }
                None => cx
                    .failing(&resource, format!("{holder} got a policy that hides from CloudTrail: {how}"))
                    .severity(Severity::Medium)
                    .because("What the policy grants is ordinary; its size is not."),
            };
            if let Some(policy) = policy {
                seen = seen.aspect(policy);
            }
            cx.report(finish(seen, record));
        }
        Ok(())
    }
}

/// About a grant to nobody knows whom. Each is a finding of its own: a second one must not pass for the first.
fn unnamed(cx: &Cx<'_>, title: String) -> Observation {
    cx.unknown("unnamed-grant", title).aspect(cx.event.occurrence_id()).global()
}

/// Whether the event has what the rule on its call needs in order to say anything; documents are read from the account
/// where they are missing.
fn says_whom_and_what(record: &Record<'_>) -> bool {
    let has = |names: &[&str]| names.iter().all(|name| record.param(&[name]).is_some());
    match record.event_name.or_empty() {
        "AddUserToGroup" => has(&["userName", "groupName"]),
        "CreatePolicy" => has(&["policyName"]) || record.response_text(&["policy", "arn"]).is_some(),
        "CreatePolicyVersion" | "SetDefaultPolicyVersion" => has(&["policyArn"]),
        "CreateRole" | "UpdateAssumeRolePolicy" => has(&["roleName"]),
        "AddRoleToInstanceProfile" => has(&["roleName", "instanceProfileName"]),
        "PutUserPermissionsBoundary" => has(&["userName", "permissionsBoundary"]),
        "PutRolePermissionsBoundary" => has(&["roleName", "permissionsBoundary"]),
        "DeleteUserPermissionsBoundary" => has(&["userName"]),
        "DeleteRolePermissionsBoundary" => has(&["roleName"]),
        "AttachManagedPolicyToPermissionSet" => has(&["permissionSetArn", "managedPolicyArn"]),
        "AttachCustomerManagedPolicyReferenceToPermissionSet" => {
            has(&["permissionSetArn"]) && record.param(&["customerManagedPolicyReference", "name"]).is_some()
        }
        "PutInlinePolicyToPermissionSet" | "CreateAccountAssignment" => has(&["permissionSetArn"]),
        _ => Given::of(record).is_some(),
    }
}

/// The resource, the inline policy's name, the holder, how it came, and what it gives.
type Found = (String, Option<String>, String, String, Power);

/// Whose inline policy it is: the event does not say, the size does.
fn inline(cx: &Cx<'_>, record: &Record<'_>, kind: PrincipalKind, who: &str) -> Result<Vec<Found>, Interrupt> {
    let Fact::Known(held) = cx.facts.oversized_inline_policies(kind)? else { return Ok(Vec::new()) };
    let several = held.len();
    Ok(held
        .into_iter()
        .map(|held| {
            let arn = record.iam_arn(kind.as_str(), &held.principal);
            let name = &held.policy.name;
            let how = match several {
                1 => format!("{who} put inline policy {name}, so large that CloudTrail left it out"),
                _ => format!(
                    "its inline policy {name} is one of {several} so large that {who} may just have put it"
                ),
            };
            let power = power::of_fact(
                cx,
                Origin::Inline,
                &held.policy.name,
                Fact::Known(held.policy.clone()),
                Some(&arn),
            );
            (arn, Some(held.policy.name), power::holder(kind, &held.principal), how, power)
        })
        .collect())
}

fn finish(mut seen: Observation, record: &Record<'_>) -> Observation {
    if record.request_omitted() {
        seen = seen.detail(
            "Original size",
            match record.request().get("originalSize") {
                Some(size) => format!("{} characters", size.to_string().trim_matches('"')),
                None => "more than 100 KB".to_owned(),
            },
        );
    }
    let event = record.event_name.or_empty();
    let kind = match power::kind_of(event) {
        PrincipalKind::User => "User",
        PrincipalKind::Group => "Group",
        PrincipalKind::Role => "Role",
    };
    let (filter, columns) = match event {
        _ if record.event_source.or_empty() == "sso.amazonaws.com" => {
            let instance = record.param(&["instanceArn"]).unwrap_or("ARN_OF_THE_INSTANCE");
            let options = [instance_region(record), ("--instance-arn", instance)];
            let seen =
                seen.step("Look through the permission sets", "sso-admin list-permission-sets", &options);
            return stop_caller(seen, record);
        }
        "AddUserToGroup" => ("User", "UserDetailList[].[UserName,GroupList]".to_owned()),
        "CreateRole" | "UpdateAssumeRolePolicy" => {
            ("Role", "RoleDetailList[].[RoleName,AssumeRolePolicyDocument]".to_owned())
        }
        _ if event.contains("PolicyVersion") || event == "CreatePolicy" => {
            ("LocalManagedPolicy", "Policies[].[Arn,DefaultVersionId,PolicyVersionList]".to_owned())
        }
        _ if event.starts_with("Put") => (kind, format!("{kind}DetailList[].[{kind}Name,{kind}PolicyList]")),
        _ => (kind, format!("{kind}DetailList[].[{kind}Name,AttachedManagedPolicies]")),
    };
    let details = |seen: Observation| {
        seen.step(
            "List what the account holds of this kind",
            "iam get-account-authorization-details",
            &[("--filter", filter), ("--query", &columns)],
        )
    };
    let seen = match filter {
        // The AWS CLI prints policies as JSON, without the blanks that made one long: when it was written tells more.
        "LocalManagedPolicy" => {
            let query = "reverse(sort_by(Policies,&UpdateDate))[:20].[UpdateDate,Arn,DefaultVersionId,AttachmentCount]";
            let options = [("--scope", "Local"), ("--query", query), ("--output", "table")];
            details(seen.step("Which policies were written last?", "iam list-policies", &options))
        }
        _ => details(seen),
    };
    stop_caller(seen, record)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;
    use keepwatch_core::observation::RemediationStep;
    use keepwatch_core::state::{HeldPolicy, PolicyText, Query, Value as StateValue};

    const ADMIN: &str = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

    fn padded(name: &str, response: Value) -> String {
        let request =
            json!({"omitted": true, "reason": "requestParameters too large", "originalSize": 131072});
        call("iam", name, json!({"requestParameters": request, "responseElements": response}))
    }

    #[test]
    fn fires() {
        for name in ["PutUserPolicy", "PutRolePolicy", "CreatePolicy", "UpdateAssumeRolePolicy"] {
            let seen = fired(&ContentOmitted, &padded(name, json!(null)));
            assert_eq!((seen.verdict, seen.severity), (Verdict::Unknown, Severity::High), "{name}");
        }
    }

    #[test]
    fn every_grant_without_its_parameters_is_unknown() {
        let names = |on: &On| match on {
            On::Call(source, names) => names.iter().map(|name| (source.split('.').next(), *name)).collect(),
            _ => Vec::new(),
        };
        let meta = keepwatch_core::engine::Described::meta(&ContentOmitted);
        for (source, name) in meta.on.iter().flat_map(names) {
            let omitted = json!({"omitted": true, "reason": "requestParameters too large"});
            for (request, severity) in [
                (json!(null), Severity::Medium),
                (json!("text"), Severity::Medium),
                (json!({"userName": 7, "roleName": [], "policyArn": ""}), Severity::Medium),
                (omitted, Severity::High),
            ] {
                let seen = evaluate_all(&call(
                    source.unwrap_or_default(),
                    name,
                    json!({"requestParameters": request}),
                ));
                assert_eq!(seen.len(), 1, "{name} {request} gave {seen:?}");
                assert_eq!((seen[0].verdict, seen[0].severity), (Verdict::Unknown, severity), "{name}");
                assert!(seen[0].rule.id == "grant-content-omitted" && !seen[0].reason.is_empty());
                assert!(!seen[0].steps.is_empty());
            }
        }
    }

    #[test]
    fn each_is_a_finding_of_its_own() {
        let other = json!({"eventID": "6b2a5e0c-0000-4000-8000-000000000002", "requestParameters": {"omitted": true}});
        let (first, second) = (padded("PutUserPolicy", json!(null)), call("iam", "PutUserPolicy", other));
        assert_ne!(fired(&ContentOmitted, &first).finding_id(), fired(&ContentOmitted, &second).finding_id());
    }

    #[test]
    fn the_step_looks_where_the_grant_is() {
        for (name, filter) in [
            ("PutGroupPolicy", "--filter Group --query 'GroupDetailList"),
            ("AttachRolePolicy", "--filter Role --query 'RoleDetailList"),
            ("CreatePolicyVersion", "--filter LocalManagedPolicy --query 'Policies"),
            ("UpdateAssumeRolePolicy", "--filter Role --query 'RoleDetailList"),
            ("AddUserToGroup", "--filter User --query 'UserDetailList"),
        ] {
            let steps = fired(&ContentOmitted, &padded(name, json!(null))).steps;
            let details = |step: &&RemediationStep| step.command.contains("authorization-details");
            let command = &steps.iter().find(details).unwrap().command;
            assert!(command.replace('\'', "").contains(&filter.replace('\'', "")), "{command}");
        }
    }

    #[test]
    fn finds_the_policy_in_the_account() {
        let policy = PolicyText { name: "p".to_owned(), text: ADMIN.to_owned() };
        let held = vec![HeldPolicy { principal: "bob".to_owned(), policy: policy.clone() }];
        let query = Query::OversizedInlinePolicies { kind: PrincipalKind::User };
        let answer = (query, Fact::Known(StateValue::HeldPolicies(held)));
        let seen = fired_with(&ContentOmitted, &padded("PutUserPolicy", json!(null)), &[answer]);
        assert_eq!(
            (seen.severity, seen.subject.resource.as_str()),
            (Severity::Critical, "arn:aws:iam::111122223333:user/bob")
        );

        let arn = "arn:aws:iam::111122223333:policy/p";
        let query = Query::ManagedPolicy { arn: arn.to_owned(), version: None };
        let answer = (query, Fact::Known(StateValue::Policy(policy)));
        let event = padded("CreatePolicy", json!({"policy": {"arn": arn}}));
        assert_eq!(fired_with(&ContentOmitted, &event, &[answer]).severity, Severity::Critical);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &ContentOmitted,
            &[
                call(
                    "iam",
                    "PutUserPolicy",
                    json!({"requestParameters": {"userName": "bob", "policyName": "p", "policyDocument": ADMIN}}),
                ),
                call(
                    "iam",
                    "PutUserPolicy",
                    json!({"requestParameters": {"omitted": false, "userName": "bob", "policyName": "p"}}),
                ),
                call(
                    "iam",
                    "CreatePolicy",
                    json!({"responseElements": {"policy": {"arn": "arn:aws:iam::1:policy/p"}}}),
                ),
                call(
                    "iam",
                    "AttachUserPolicy",
                    json!({"errorCode": "AccessDenied", "requestParameters": null}),
                ),
                call(
                    "iam",
                    "PutUserPolicy",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"omitted": true}}),
                ),
            ],
        );
    }
}
