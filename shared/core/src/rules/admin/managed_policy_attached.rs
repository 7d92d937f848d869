use super::power::{self, Told};
use crate::event::Record;
use crate::observation::{Observation, Severity};
use crate::policy::{Document, Level, managed, trust};
use crate::rules::{Cx, On, Outcome, Rule, declare_rule};
use crate::state::{Fact, Interrupt, PrincipalKind};

declare_rule! {
    /// ## What it detects
    /// A managed policy that gives administrative power was attached to a user, a group or a role. AWS's own policies
    /// are known by name in every partition; a customer managed policy is read from the account, and so is what the
    /// holder had before, because a grant may be split over several policies.
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
            "CIS AWS v3.0 1.15, 1.16, 4.4", "CIS AWS v5.0 1.14, 1.15, 4.4", "Security Hub IAM.1, IAM.2, IAM.21, CloudWatch.4",
            "ATT&CK T1098.003",
        ],
        on: [On::Call("iam.amazonaws.com", &["AttachUserPolicy", "AttachGroupPolicy", "AttachRolePolicy"])],
    }
}

impl Rule for ManagedPolicyAttached {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (Some((kind, name)), Some(policy)) = (power::grantee(record), record.param(&["policyArn"]))
        else {
            return Ok(()); // Omitted parameters have a rule of their own.
        };
        let grantee = record.iam_arn(kind.as_str(), name);
        let own = power::of_managed(cx, policy, None, Some(&grantee))?;
        let power = power::with_holdings(cx, own, (kind, name), |held| held == policy, Some(&grantee))?;
        let short = policy.rsplit('/').next().unwrap_or(policy);
        let how = format!("{} attached {short} to it", power::who(record));
        let most = if power::by_identity_center(record) { Severity::Low } else { Severity::Critical };
        let holder = power::holder(kind, name);
        let told = Told { resource: &grantee, holder: &holder, how: &how, most };
        let Some(mut seen) = power::observation(cx, &power, &told) else { return Ok(()) };
        seen = seen.aspect(policy).detail("Policy", policy);
        seen = seen.detail(
            "Kind",
            if managed::name_of(policy).is_some() { "AWS managed" } else { "customer managed" },
        );
        if power.level() >= Level::PrivilegeEscalation {
            seen = who_else(cx, seen, kind, name)?;
        }
        let detach = format!("iam detach-{}-policy", kind.as_str());
        let option = format!("--{}-name", kind.as_str());
        seen = seen.step("Take the policy away again", &detach, &[(&option, name), ("--policy-arn", policy)]);
        cx.report(power::stop_caller(seen, record));
        Ok(())
    }
}

/// Who can use the new power: the members of a group, those whom a role trusts.
pub(super) fn who_else(
    cx: &Cx<'_>,
    seen: Observation,
    kind: PrincipalKind,
    name: &str,
) -> Result<Observation, Interrupt> {
    Ok(match kind {
        PrincipalKind::User => seen,
        PrincipalKind::Group => match cx.facts.group_members(name)? {
            Fact::Known(members) if members.is_empty() => seen.detail("Members", "nobody yet"),
            Fact::Known(members) => seen.detail("Members", members.join(", ")),
            _ => seen,
        },
        PrincipalKind::Role => match cx.facts.role(name)? {
            Fact::Known(role) => match Document::parse(&role.trust.text).map(|d| trust::trusted_services(&d))
            {
                Ok(services) if !services.is_empty() => seen.detail("Used by", services.join(", ")),
                _ => seen,
            },
            _ => seen,
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::observation::Verdict;
    use crate::rules::testing::*;
    use crate::state::{Holdings, PolicyText, Query, Value};

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

    #[test]
    fn sees_the_second_half_of_a_split_grant() {
        let half = document(r#"{"Statement":{"Effect":"Allow","Action":"lambda:*","Resource":"*"}}"#);
        let pass = r#"{"Statement":{"Effect":"Allow","Action":"iam:PassRole","Resource":"*"}}"#;
        let holdings = Holdings {
            managed: vec![OWN.to_owned()],
            inline: vec![PolicyText { name: "pass".to_owned(), text: pass.to_owned() }],
            ..Holdings::default()
        };
        let query = Query::Principal { kind: PrincipalKind::Role, name: "bob".to_owned() };
        let held = (query, Fact::Known(Value::Holdings(holdings)));
        let seen = fired_with(&ManagedPolicyAttached, &attach("Role", OWN), &[half, held]);
        assert_eq!(seen.severity, Severity::High);
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
            ],
        );
    }
}
