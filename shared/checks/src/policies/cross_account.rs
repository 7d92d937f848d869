use keepwatch_policy::Document;
use keepwatch_policy::trust::{Exposure, ExposureKind, exposures, insiders, providers};

use crate::kit::power;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Nobody from outside may assume a role without a condition that says who: not everybody, not another account without an
    /// external id, not any repository or tenant of a shared identity provider. The policy engine reads the trust policy, its
    /// conditions and Denies. Outsiders behind a condition are told and are no failure; accounts that you call trusted are no
    /// outsiders. Roles of AWS's services are left out.
    /// ## Why it matters
    /// A role that trusts everybody is the account's front door. A partner that asks for no external id can be talked into
    /// using another customer's role, and a pipeline role without a condition on `sub` is open to every repository.
    /// ## What to do
    /// Name the account or organization, ask for `sts:ExternalId`, and for OpenID Connect for the repository and branch in
    /// `sub`.
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
        closes: [Closes::Listed("arn:*:iam::*:role/*")],
    }
}

impl Check for CrossAccount {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let authorization = cx.known(Authorization, GLOBAL)?;
        for role in authorization.roles.iter().filter(|role| !role.path.starts_with("/aws-service-role/")) {
            let subject = cx.iam_arn("role", &role.name);
            cx.about(GLOBAL, &subject, |cx| {
                let document = trust_policy(role)?.as_of(cx.now);
                let mut all = exposures(&document, cx.account(), &cx.parameters.trusted_accounts);
                // Whose a named repository or certificate is, no state tells; the event that named it asked. It is no failure
                // here, and no good news to close that finding with.
                let named = |one: &Exposure| {
                    matches!(one.kind, ExposureKind::Named | ExposureKind::Certificates)
                };
                let names_somebody = all.iter().any(named);
                all.retain(|one| !named(one));
                // It decides how bad an opening is, and never whether it is one.
                let admin =
                    power::of_role(authorization, role).is_ok_and(|grant| power::is_administrator(&grant));
                let (guarded, open): (Vec<&Exposure>, Vec<&Exposure>) =
                    all.iter().partition(|one| one.guarded);
                let name = role.name.as_str();
                let what = if admin { "Administrator role" } else { "Role" };
                let seen = if let Some(worst) = open.iter().max_by_key(|one| severity(one, admin)) {
                    cx.failing(format!("{what} {name} may be assumed by {}", worst.who()))
                        .severity(severity(worst, admin))
                        .because(worst.why())
                } else if let Some(first) = guarded.first() {
                    // Whoever opened the role may have chosen the condition too: what an event has told of it stays.
                    cx.informational(format!(
                        "{what} {name} may be assumed by {} on a condition",
                        first.who()
                    ))
                    .because(first.why())
                } else if names_somebody {
                    cx.informational(format!(
                        "{what} {name} may be assumed by identities of a shared provider that its trust policy names"
                    ))
                } else if admin && !told(&document, cx.account()).is_empty() {
                    cx.informational(format!(
                        "{what} {name} may be assumed by those whom its trust policy names"
                    ))
                    .detail("Trusts", told(&document, cx.account()).join(", "))
                } else {
                    cx.passing(format!("{what} {name} is open to nobody outside without a condition"))
                };
                let mut seen =
                    seen.step("Look at the trust policy", "iam get-role", &[("--role-name", name)]);
                for one in open.iter().chain(&guarded) {
                    seen = seen.detail("Opening", one.why());
                }
                cx.report(seen);
                Ok(())
            });
        }
        Ok(())
    }
}

fn trust_policy(role: &facts::iam::Role) -> Result<Document, Stop> {
    Document::parse(&role.trust).map_err(|error| {
        let why = format!("the trust policy of role {} cannot be read: {error}", role.name);
        Stop::Unknown(vec![keepwatch_core::posture::Missing { action: None, why }])
    })
}

fn severity(exposure: &Exposure, admin: bool) -> Severity {
    match exposure.kind {
        _ if admin => Severity::Critical,
        ExposureKind::Public => Severity::Critical,
        ExposureKind::Federated => Severity::High,
        ExposureKind::ExternalAccount | ExposureKind::Named | ExposureKind::Certificates => Severity::Medium,
    }
}

/// Whom the policy names who is no outsider: users and roles of the account, and identities of a provider that a condition
/// limits.
fn told(document: &Document, account: &str) -> Vec<String> {
    let insiders = insiders(document, account).into_iter().map(|one| one.to_string());
    insiders.chain(providers(document).into_iter().map(|one| one.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::fixtures::authorization_of;
    use crate::testing::*;
    use facts::iam::Role;

    fn verdict(principal: &str, condition: &str, action: &str) -> (Judged, Severity) {
        let one = judgement(principal, condition, action, &[]);
        (one.verdict, one.severity)
    }

    fn judgement(principal: &str, condition: &str, action: &str, attached: &[&str]) -> Judgement {
        let condition =
            if condition.is_empty() { String::new() } else { format!(r#", "Condition": {condition}"#) };
        let trust = format!(
            r#"{{"Statement": {{"Effect": "Allow", "Principal": {principal}, "Action": "{action}"{condition}}}}}"#
        );
        let role = Role {
            arn: "arn:aws:iam::111122223333:role/r".to_owned(),
            name: "r".to_owned(),
            path: "/".to_owned(),
            managed: attached.iter().map(|name| format!("arn:aws:iam::aws:policy/{name}")).collect(),
            trust,
            ..Role::default()
        };
        let mut authorization = authorization_of(vec![]);
        authorization.roles = vec![role];
        judge_one(&CrossAccount, &account().with(Authorization, global(), authorization))
    }

    #[test]
    fn who_may_come_decides() {
        let assume = "sts:AssumeRole";
        assert_eq!(verdict(r#"{"AWS": "*"}"#, "", assume), (Judged::Failing, Severity::Critical));
        assert_eq!(verdict("\"*\"", "", assume).0, Judged::Failing);
        let organization = r#"{"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}}"#;
        assert_eq!(verdict(r#"{"AWS": "*"}"#, organization, assume).0, Judged::Informational);
        for other in ["444455556666", "arn:aws:iam::444455556666:root"] {
            let principal = format!(r#"{{"AWS": ["{other}"]}}"#);
            assert_eq!(verdict(&principal, "", assume), (Judged::Failing, Severity::Medium));
            let external = r#"{"StringEquals": {"sts:ExternalId": "k"}}"#;
            assert_eq!(verdict(&principal, external, assume).0, Judged::Informational);
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
        // Whose repository that is, no state tells: nothing that an event has told of it is closed.
        assert_eq!(verdict(github, subject, action).0, Judged::Informational);
    }

    #[test]
    fn what_the_role_can_do_decides_how_bad_it_is() {
        let (assume, admin) = ("sts:AssumeRole", ["AdministratorAccess"]);
        let one = judgement(r#"{"AWS": "444455556666"}"#, "", assume, &admin);
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Critical));
        // Events tell of insiders on such a role: that is no good news to close the finding with.
        let bob = r#"{"AWS": "arn:aws:iam::111122223333:user/bob"}"#;
        assert_eq!(judgement(bob, "", assume, &admin).verdict, Judged::Informational);
        assert_eq!(judgement(bob, "", assume, &["ReadOnlyAccess"]).verdict, Judged::Passing);
        let service = r#"{"Service": "lambda.amazonaws.com"}"#;
        assert_eq!(judgement(service, "", assume, &admin).verdict, Judged::Passing);
    }

    #[test]
    fn trusted_accounts_are_no_outsiders_and_services_roles_no_matter() {
        let trust = r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "sts:AssumeRole"}}"#;
        let role = |path: &str| {
            let mut authorization = authorization_of(vec![]);
            authorization.roles = vec![Role {
                arn: format!("arn:aws:iam::111122223333:role{path}r"),
                name: "r".to_owned(),
                path: path.to_owned(),
                trust: trust.to_owned(),
                ..Role::default()
            }];
            account().with(Authorization, global(), authorization)
        };
        let parameters = crate::parameters::Parameters {
            trusted_accounts: vec!["444455556666".to_owned()],
            ..crate::parameters::Parameters::of(crate::parameters::Profile::Default)
        };
        let one = judgements_with(&CrossAccount, &role("/team/"), &parameters).remove(0);
        assert_eq!(one.verdict, Judged::Passing);
        // The same subject as the event of UpdateAssumeRolePolicy, which knows no path.
        assert_eq!(one.subject.resource, "arn:aws:iam::111122223333:role/r");
        let one = judge_one(&CrossAccount, &role("/aws-service-role/x/"));
        assert_eq!(one.verdict, Judged::NotApplicable);
    }

    #[test]
    fn unreadable_and_refused_are_unknown() {
        assert_eq!(verdict("broken", "", "sts:AssumeRole").0, Judged::Unknown);
        let one = judge_one(&CrossAccount, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
    }
}
