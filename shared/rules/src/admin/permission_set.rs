use keepwatch_policy::{Document, Level};

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An Identity Center permission set was given administrative power: a managed policy, an inline policy, or a
    /// reference to a customer managed policy. Taking it out again settles the finding.
    /// ## Why it matters
    /// A permission set is a role in every account it is assigned to. One call makes administrators of everybody who
    /// already has it, in all those accounts, and no IAM event there tells of it.
    /// ## What to do
    /// Ask the caller. If it was not meant, take the policy out of the permission set, provision it again, and see to
    /// whom and where it is assigned.
    /// ## False positives
    /// The administrators' permission set on the day it is made. Read-only and job-function policies are not reported.
    PermissionSet {
        id: "admin-permission-set",
        title: "A permission set was given administrative power",
        severity: Critical,
        confidence: High,
        catalogue: ["ADM-11", "ADM-14"],
        references: [
            cis("3.0", &["1.16"]),
            cis("5.0", &["1.15"]),
            security_hub(&["IAM.1"]),
            attack(&["T1098.003"]),
        ],
        on: [On::Call("sso.amazonaws.com", &[
            "AttachManagedPolicyToPermissionSet", "PutInlinePolicyToPermissionSet",
            "AttachCustomerManagedPolicyReferenceToPermissionSet", "DetachManagedPolicyFromPermissionSet",
            "DeleteInlinePolicyFromPermissionSet", "DetachCustomerManagedPolicyReferenceFromPermissionSet",
        ])],
    }
}

impl Rule for PermissionSet {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(arn) = record.param(&["permissionSetArn"]) else { return Ok(()) };
        let event = record.event_name.or_empty();
        let reference = record.param(&["customerManagedPolicyReference", "name"]);
        let inlined = event.contains("InlinePolicy").then_some("inline policy");
        let Some(policy) = inlined.or(reference).or_else(|| record.param(&["managedPolicyArn"])) else {
            return Ok(()); // Omitted parameters have a rule of their own.
        };
        let short = policy.rsplit('/').next().unwrap_or(policy);
        if power::takes_away(record) {
            let set = arn.rsplit('/').next().unwrap_or(arn);
            let title = format!("{} took {short} out of permission set {set}", caller_name(record));
            cx.report(cx.passing(arn, title).aspect(policy));
            return Ok(());
        }
        let power = if inlined.is_some() {
            inline(record, cx, arn)?
        } else if reference.is_some() {
            let why = format!(
                "customer managed policy {policy} lives in the accounts that the permission set is assigned to"
            );
            Power::Unknown(why)
        } else {
            power::of_managed(cx, policy, None, None)?
        };
        if power.level() == Level::Ordinary && !matches!(power, Power::Unknown(_)) {
            return Ok(());
        }
        let name = match holdings(record, cx, arn)? {
            Fact::Known(Holdings { name: Some(name), .. }) => name,
            _ => arn.rsplit('/').next().unwrap_or(arn).to_owned(),
        };
        let how = format!("{} added {short}", caller_name(record));
        let holder = format!("Everybody with permission set {name}");
        let grant_report = GrantReport::now(arn, &holder, &how);
        let Some(mut seen) = power::observation(cx, &power, &grant_report) else { return Ok(()) };
        seen = seen.aspect(policy).detail("Permission set", &name).detail("Policy", policy);
        let instance = record.param(&["instanceArn"]).unwrap_or_default();
        let set = [instance_region(record), ("--instance-arn", instance), ("--permission-set-arn", arn)];
        let path = record.param(&["customerManagedPolicyReference", "path"]);
        let mut named = vec![("Name", policy)];
        named.extend(path.map(|path| ("Path", path)));
        let named = shorthand(&named);
        seen = seen.step(
            "In which accounts is it provisioned?",
            "sso-admin list-accounts-for-provisioned-permission-set",
            &set,
        );
        let undo: (&str, &[(&str, &str)]) = match event {
            "AttachManagedPolicyToPermissionSet" => {
                ("sso-admin detach-managed-policy-from-permission-set", &[("--managed-policy-arn", policy)])
            }
            "PutInlinePolicyToPermissionSet" => ("sso-admin delete-inline-policy-from-permission-set", &[]),
            _ => (
                "sso-admin detach-customer-managed-policy-reference-from-permission-set",
                &[("--customer-managed-policy-reference", &named)],
            ),
        };
        seen = seen.step("Take the policy out again", undo.0, &[&set[..], undo.1].concat()).step(
            "Provision what is left",
            "sso-admin provision-permission-set",
            &[&set[..], &[("--target-type", "ALL_PROVISIONED_ACCOUNTS")]].concat(),
        );
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

/// Identity Center lives in one region, and answers in no other.
pub(super) fn instance_region<'r>(record: &'r Record<'_>) -> (&'static str, &'r str) {
    ("--region", record.aws_region.get().unwrap_or("REGION_OF_IDENTITY_CENTER"))
}

/// What the permission set holds, as Identity Center tells it in its own region.
pub(super) fn holdings(record: &Record<'_>, cx: &Cx<'_>, arn: &str) -> Result<Fact<Holdings>, Interrupt> {
    let instance = record.param(&["instanceArn"]).unwrap_or_default();
    cx.facts.permission_set(instance, arn, record.aws_region.or_empty())
}

/// The inline policy, from the event or, where AWS has hidden or omitted it, from the permission set.
fn inline(record: &Record<'_>, cx: &Cx<'_>, arn: &str) -> Result<Power, Interrupt> {
    if let Some(document) = record.request().get("inlinePolicy")
        && Document::from_value(document).is_ok()
    {
        return Ok(power::of_value(cx, Origin::Inline, "of the permission set", document, None));
    }
    Ok(match holdings(record, cx, arn)? {
        Fact::Known(holdings) => power::of_holdings(cx, &holdings, None)?,
        Fact::Missing => Power::Unknown("the permission set was gone when Keepwatch looked".to_owned()),
        Fact::Unavailable(why) => Power::Unknown(format!("the permission set could not be read ({why})")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn event(name: &str, changes: Value) -> String {
        let mut request = json!({
            "instanceArn": "arn:aws:sso:::instance/ssoins-1111",
            "permissionSetArn": "arn:aws:sso:::permissionSet/ssoins-1111/ps-2222",
        });
        if let (Some(request), Value::Object(changes)) = (request.as_object_mut(), changes) {
            request.extend(changes);
        }
        call("sso", name, json!({"requestParameters": request}))
    }

    fn attach(policy: &str) -> String {
        event("AttachManagedPolicyToPermissionSet", json!({"managedPolicyArn": policy}))
    }

    fn put(document: &str) -> String {
        event("PutInlinePolicyToPermissionSet", json!({"inlinePolicy": document}))
    }

    #[test]
    fn fires() {
        fires_at(&PermissionSet, Severity::Critical, &attach("arn:aws:iam::aws:policy/AdministratorAccess"));
        fires_at(
            &PermissionSet,
            Severity::Critical,
            &attach("arn:aws-cn:iam::aws:policy/AdministratorAccess"),
        );
        let admin = r#"{"Statement":[{"Effect":"Allow","Action":"?*","Resource":"*"}]}"#;
        fires_at(&PermissionSet, Severity::Critical, &put(admin));
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        let reference = json!({"customerManagedPolicyReference": {"name": "deploy", "path": "/"}});
        let attached = event("AttachCustomerManagedPolicyReferenceToPermissionSet", reference);
        assert_eq!(fired(&PermissionSet, &attached).verdict, Verdict::Unknown);
        assert_eq!(fired(&PermissionSet, &put("HIDDEN_DUE_TO_SECURITY_REASONS")).verdict, Verdict::Unknown);
    }

    #[test]
    fn commands_name_region_and_path() {
        let reference = json!({"customerManagedPolicyReference": {"name": "deploy", "path": "/team/"}});
        let seen =
            fired(&PermissionSet, &event("AttachCustomerManagedPolicyReferenceToPermissionSet", reference));
        for step in &seen.steps {
            assert!(step.command.contains(" --region us-east-1 "), "{}", step.command);
        }
        assert!(seen.steps[1].command.ends_with("Name=deploy,Path=/team/"), "{}", seen.steps[1].command);
    }

    #[test]
    fn taking_it_out_settles_it() {
        let admin = json!({"managedPolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"});
        let reference = json!({"customerManagedPolicyReference": {"name": "deploy", "path": "/"}});
        let all = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
        for (give, take, given) in [
            ("AttachManagedPolicyToPermissionSet", "DetachManagedPolicyFromPermissionSet", admin),
            (
                "AttachCustomerManagedPolicyReferenceToPermissionSet",
                "DetachCustomerManagedPolicyReferenceFromPermissionSet",
                reference,
            ),
            (
                "PutInlinePolicyToPermissionSet",
                "DeleteInlinePolicyFromPermissionSet",
                json!({"inlinePolicy": all}),
            ),
        ] {
            let gone = observe(&PermissionSet, &event(take, given.clone()));
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing), "{take}");
            assert_eq!(gone[0].finding_id(), fired(&PermissionSet, &event(give, given)).finding_id());
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &PermissionSet,
            &[
                attach("arn:aws:iam::aws:policy/ReadOnlyAccess"),
                attach("arn:aws:iam::aws:policy/job-function/Billing"),
                put(r#"{"Statement":[{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}]}"#),
                call(
                    "sso",
                    "AttachManagedPolicyToPermissionSet",
                    json!({"errorCode": "AccessDenied", "requestParameters": null}),
                ),
            ],
        );
    }
}
