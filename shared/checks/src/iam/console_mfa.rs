use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Every IAM user with a console password has an MFA device. The credential report tells, which AWS makes anew every four
    /// hours at most: the age of the report stands beside the verdict.
    /// ## Why it matters
    /// Passwords are phished, reused and leaked. With MFA a stolen password is worth little.
    /// ## What to do
    /// Have the user register a passkey or an authenticator app under "Security credentials". Whoever does not answer within
    /// days loses the password until then.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Programs that sign in to the console with a password, which there should be none of.
    ConsoleMfa {
        id: "iam.console-mfa",
        title: "Users with a console password have MFA",
        severity: High,
        practices: ["P11"],
        number: 5,
        references: [
            cis("3.0", &["1.10"]),
            cis("5.0", &["1.9"]),
            security_hub(&["IAM.5"]),
            config(&["mfa-enabled-for-iam-console-access"]),
        ],
        asks: [CredentialReport],
        closes: [Closes::Same("iam-mfa-removed")],
    }
}

impl Check for ConsoleMfa {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        for user in &cx.known(CredentialReport, GLOBAL)?.users {
            cx.about(GLOBAL, &user.arn, |cx| {
                let seen = if user.password != Some(true) {
                    cx.not_applicable(format!("User {} has no password", user.user))
                } else if user.mfa {
                    cx.passing(format!("User {} has MFA", user.user))
                } else {
                    cx.failing(format!("User {} has a password and no MFA", user.user))
                        .because("the password alone lets its holder in")
                        .step("Which devices?", "iam list-mfa-devices", &[("--user-name", &user.user)])
                        .step(
                            "Take the password away until there is one",
                            "iam delete-login-profile",
                            &[("--user-name", &user.user)],
                        )
                };
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
    use crate::kit::fixtures::{report_of, user};
    use crate::testing::*;

    #[test]
    fn each_user_is_judged_by_itself() {
        let person = |name: &str, password, mfa| facts::iam::Credentials { password, mfa, ..user(name) };
        let state = report_of(
            None,
            vec![
                person("with", Some(true), true),
                person("without", Some(true), false),
                person("machine", Some(false), false),
                person("ci+deploy=x,y.z@corp", Some(true), false),
            ],
        );
        assert_eq!(
            judged(&ConsoleMfa, &state),
            [
                ("with".to_owned(), Judged::Passing),
                ("without".to_owned(), Judged::Failing),
                ("machine".to_owned(), Judged::NotApplicable),
                ("ci+deploy=x,y.z@corp".to_owned(), Judged::Failing),
            ]
        );
    }

    #[test]
    fn unknown_without_the_report() {
        let one = judge_one(&ConsoleMfa, &refused(account(), CredentialReport, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["iam:GenerateCredentialReport"]));
    }

    #[test]
    fn an_account_without_users_is_not_applicable() {
        assert_eq!(judge_one(&ConsoleMfa, &report_of(None, vec![])).verdict, Judged::NotApplicable);
    }
}
