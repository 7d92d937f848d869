use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// People and programs from outside sign in by federation: the account has a SAML or OpenID Connect provider, or an Identity
    /// Center instance. Whether MFA is asked for there, no public API tells.
    /// ## Why it matters
    /// What holds for IAM users (MFA, leavers, strong passwords) must hold for federated ones, and is kept in one place then.
    /// ## What to do
    /// Use Identity Center for people and OpenID Connect for pipelines; check there that MFA is required and leavers are removed.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Nothing until IAM users are taken away.
    Federation {
        id: "iam.federation",
        title: "People sign in by federation",
        severity: Informational,
        practices: ["P16"],
        references: [cis("3.0", &["1.21"]), cis("5.0", &["1.20"])],
        asks: [SamlProviders, OidcProviders, IdentityCenter],
    }
}

impl Check for Federation {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let some = |found: Result<&Vec<String>, Stop>| found.map(|all| !all.is_empty());
        let found = any(&[
            some(cx.try_known(SamlProviders, GLOBAL)),
            some(cx.try_known(OidcProviders, GLOBAL)),
            some(cx.try_known(IdentityCenter, GLOBAL)),
        ])?;
        let seen = if found {
            cx.passing("The account has an identity provider")
                .detail("By hand", "whether MFA is required there, AWS does not tell")
        } else {
            cx.informational("The account has no identity provider")
        };
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    #[test]
    fn one_provider_is_enough_whatever_else_is_refused() {
        let none = account()
            .with(SamlProviders, global(), vec![])
            .with(OidcProviders, global(), vec![])
            .with(IdentityCenter, global(), vec![]);
        assert_eq!(judge_one(&Federation, &none).verdict, Judged::Informational);
        let provider = vec!["arn:aws:iam::111122223333:oidc-provider/x".to_owned()];
        let some = refused(none.clone(), SamlProviders, global()).with(OidcProviders, global(), provider);
        assert_eq!(judge_one(&Federation, &some).verdict, Judged::Passing);
        let one = judge_one(&Federation, &refused(none, IdentityCenter, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["sso:ListInstances"]));
    }
}
