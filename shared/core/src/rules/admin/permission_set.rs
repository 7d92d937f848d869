use super::power::{self, Named, Power, Told};
use crate::event::Record;
use crate::observation::Severity;
use crate::policy::{Document, Level};
use crate::rules::{Cx, On, Outcome, Rule, declare_rule};
use crate::state::{Fact, Holdings, Interrupt};

declare_rule! {
    /// ## What it detects
    /// An Identity Center permission set was given administrative power: a managed policy, an inline policy, or a
    /// reference to a customer managed policy.
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
        references: ["CIS AWS v3.0 1.16", "CIS AWS v5.0 1.15", "Security Hub IAM.1", "ATT&CK T1098.003"],
        on: [On::Call("sso.amazonaws.com", &[
            "AttachManagedPolicyToPermissionSet", "PutInlinePolicyToPermissionSet",
            "AttachCustomerManagedPolicyReferenceToPermissionSet",
        ])],
    }
}

impl Rule for PermissionSet {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(arn) = record.param(&["permissionSetArn"]) else { return Ok(()) };
        let event = record.event_name.or_empty();
        let reference = record.param(&["customerManagedPolicyReference", "name"]);
        let (power, policy) = if event == "AttachManagedPolicyToPermissionSet" {
            let Some(policy) = record.param(&["managedPolicyArn"]) else { return Ok(()) };
            (power::of_managed(cx, policy, None, None)?, policy)
        } else if event == "PutInlinePolicyToPermissionSet" {
            (inline(record, cx, arn)?, "inline policy")
        } else {
            let Some(name) = reference else { return Ok(()) };
            let why = format!(
                "customer managed policy {name} lives in the accounts that the permission set is assigned to"
            );
            (Power::Unknown(why), name)
        };
        if power.level() == Level::Ordinary && !matches!(power, Power::Unknown(_)) {
            return Ok(());
        }
        let name = match holdings(record, cx, arn)? {
            Fact::Known(Holdings { name: Some(name), .. }) => name,
            _ => arn.rsplit('/').next().unwrap_or(arn).to_owned(),
        };
        let short = policy.rsplit('/').next().unwrap_or(policy);
        let how = format!("{} put {short} into it", power::who(record));
        let holder = format!("Everybody with permission set {name}");
        let told = Told { resource: arn, holder: &holder, how: &how, most: Severity::Critical };
        let Some(mut seen) = power::observation(cx, &power, &told) else { return Ok(()) };
        seen = seen.aspect(policy).detail("Permission set", &name).detail("Policy", policy);
        let instance = record.param(&["instanceArn"]).unwrap_or_default();
        let set = [("--instance-arn", instance), ("--permission-set-arn", arn)];
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
                &[("--customer-managed-policy-reference", &format!("Name={policy}"))],
            ),
        };
        seen = seen.step("Take the policy out again", undo.0, &[&set[..], undo.1].concat()).step(
            "Provision what is left",
            "sso-admin provision-permission-set",
            &[&set[..], &[("--target-type", "ALL_PROVISIONED_ACCOUNTS")]].concat(),
        );
        cx.report(power::stop_caller(seen, record));
        Ok(())
    }
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
        return Ok(power::of_value(Named::Inline("of the permission set"), document, None));
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
    use crate::observation::Verdict;
    use crate::rules::testing::*;

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
