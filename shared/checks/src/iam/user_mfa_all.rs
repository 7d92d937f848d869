use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Users without a password have an MFA device as well. Such a device protects nothing by itself: only a policy that asks for
    /// MFA makes a difference to a key. So this is a line to know, and no failure. Users with a password are the matter of
    /// `iam.console-mfa`.
    /// ## Why it matters
    /// A key that works only after MFA is of no use to whoever finds it.
    /// ## What to do
    /// For people, ask for MFA in a policy and register a device. For programs use roles; they need neither.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Programs cannot answer an MFA prompt: do not ask it of them.
    UserMfaAll {
        id: "iam.user-mfa-all",
        title: "Users without a password have MFA as well",
        severity: Informational,
        practices: ["P12"],
        references: [security_hub(&["IAM.19"]), config(&["iam-user-mfa-enabled"])],
        asks: [CredentialReport],
    }
}

impl Check for UserMfaAll {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        for user in &cx.known(CredentialReport, GLOBAL)?.users {
            cx.about(GLOBAL, &user.arn, |cx| {
                let seen = match (user.mfa, user.password) {
                    (true, _) => cx.passing(format!("User {} has MFA", user.user)),
                    (false, Some(true)) => cx.not_applicable(format!(
                        "User {} has a password, which iam.console-mfa judges",
                        user.user
                    )),
                    (false, _) => cx.informational(format!("User {} has no MFA and no password", user.user)),
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
    use facts::iam::Credentials;

    #[test]
    fn it_tells_and_never_fails() {
        let person = |name: &str, password, mfa| Credentials { password, mfa, ..user(name) };
        let users = vec![
            person("a", Some(false), false),
            person("b", Some(false), true),
            person("c", Some(true), false),
        ];
        let verdicts: Vec<Judged> =
            judged(&UserMfaAll, &report_of(None, users)).into_iter().map(|(_, verdict)| verdict).collect();
        assert_eq!(verdicts, [Judged::Informational, Judged::Passing, Judged::NotApplicable]);
        let one = judge_one(&UserMfaAll, &refused(account(), CredentialReport, global()));
        assert_eq!(one.verdict, Judged::Unknown);
    }
}
