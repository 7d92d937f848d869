use keepwatch_policy::PolicyName;
use keepwatch_policy::trust::{ExposureKind, exposures};

use crate::kit::power;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Nobody from outside may assume a role without a condition that says who: not everybody, not another account without an
    /// external id, not any repository or tenant of a shared identity provider. The policy engine reads the trust policy, its
    /// conditions and Denies. Roles of AWS's services are left out.
    /// ## Why it matters
    /// A role that trusts everybody is the account's front door. A partner that asks for no external id can be talked into using
    /// another customer's role, and a pipeline role without a condition on `sub` is open to every repository.
    /// ## What to do
    /// Name the account or organization, ask for `sts:ExternalId`, and for OpenID Connect for the repository and branch in `sub`.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// The partner must send the external id first; change the trust policy when both sides are ready.
    CrossAccount {
        id: "role.cross-account",
        title: "Roles say who from outside may assume them",
        severity: Medium,
        practices: ["P26"],
        references: [doc(&["IAM user guide: The confused deputy problem"])],
        asks: [Authorization],
        finding: "role-trust-opened",
    }
}

impl Check for CrossAccount {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let account = cx.account();
        let authorization = cx.known(Authorization, GLOBAL)?;
        for role in authorization.roles.iter().filter(|role| !role.path.starts_with("/aws-service-role/")) {
            cx.about(GLOBAL, &role.arn, |cx| {
                let document = power::read(PolicyName::Inline("trust policy"), &role.trust)?;
                let all = exposures(&document, account, &[]);
                let rank = |kind: ExposureKind| match kind {
                    ExposureKind::Public => Severity::Critical,
                    ExposureKind::Federated => Severity::High,
                    ExposureKind::ExternalAccount => Severity::Medium,
                };
                let open = all.iter().filter(|one| !one.guarded);
                let Some(worst) = open.clone().max_by_key(|one| rank(one.kind)) else {
                    cx.report(cx.passing(format!(
                        "Role {} is open to nobody outside without a condition",
                        role.name
                    )));
                    return Ok(());
                };
                let mut seen = cx
                    .failing(format!("Role {} may be assumed by {}", role.name, worst.who))
                    .severity(rank(worst.kind))
                    .because(&worst.why)
                    .step("Look at the trust policy", "iam get-role", &[("--role-name", &role.name)]);
                for one in open {
                    seen = seen.detail("Opening", &one.why);
                }
                cx.report(seen);
                Ok(())
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::fixtures::authorization_of;
    use crate::testing::*;
    use facts::iam::Role;

    fn verdict(principal: &str, condition: &str, action: &str) -> (Judged, Severity) {
        let condition =
            if condition.is_empty() { String::new() } else { format!(r#", "Condition": {condition}"#) };
        let trust = format!(
            r#"{{"Statement": {{"Effect": "Allow", "Principal": {principal}, "Action": "{action}"{condition}}}}}"#
        );
        let role = Role {
            arn: "arn:aws:iam::111122223333:role/r".to_owned(),
            name: "r".to_owned(),
            path: "/".to_owned(),
            trust,
            ..Role::default()
        };
        let mut authorization = authorization_of(vec![]);
        authorization.roles = vec![role];
        let one = judge_one(&CrossAccount, &account().with(Authorization, global(), authorization));
        (one.verdict, one.severity)
    }

    #[test]
    fn who_may_come_decides() {
        let assume = "sts:AssumeRole";
        assert_eq!(verdict(r#"{"AWS": "*"}"#, "", assume), (Judged::Failing, Severity::Critical));
        assert_eq!(verdict("\"*\"", "", assume).0, Judged::Failing);
        let organization = r#"{"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}}"#;
        assert_eq!(verdict(r#"{"AWS": "*"}"#, organization, assume).0, Judged::Passing);
        for other in ["444455556666", "arn:aws:iam::444455556666:root"] {
            let principal = format!(r#"{{"AWS": ["{other}"]}}"#);
            assert_eq!(verdict(&principal, "", assume), (Judged::Failing, Severity::Medium));
            let external = r#"{"StringEquals": {"sts:ExternalId": "k"}}"#;
            assert_eq!(verdict(&principal, external, assume).0, Judged::Passing);
        }
        assert_eq!(verdict(r#"{"AWS": "111122223333"}"#, "", assume).0, Judged::Passing);
        assert_eq!(verdict(r#"{"Service": "ec2.amazonaws.com"}"#, "", assume).0, Judged::Passing);
    }

    #[test]
    fn a_shared_provider_needs_a_subject() {
        let github =
            r#"{"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"}"#;
        let action = "sts:AssumeRoleWithWebIdentity";
        let audience =
            r#"{"StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}}"#;
        assert_eq!(verdict(github, audience, action).0, Judged::Failing);
        let subject = r#"{"StringEquals": {"token.actions.githubusercontent.com:sub": "repo:o/r:ref:refs/heads/main"}}"#;
        assert_eq!(verdict(github, subject, action).0, Judged::Passing);
    }

    #[test]
    fn unreadable_and_refused_are_unknown() {
        assert_eq!(verdict("broken", "", "sts:AssumeRole").0, Judged::Unknown);
        let one = judge_one(&CrossAccount, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
    }
}
