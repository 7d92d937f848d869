use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// The account's password policy asks for upper case, lower case, digits, symbols and a least length. An account without a
    /// policy has IAM's own, which asks for less. It holds for IAM users: not for root, and not for Identity Center. Where no
    /// user has a password it is worth a line only.
    /// ## Why it matters
    /// Short passwords are guessed, and nothing but the policy keeps people from choosing them.
    /// ## What to do
    /// Set the policy. It is asked when a password is next changed: expire the old ones, or have them changed.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Scripts that set passwords for users and do not meet the policy.
    PasswordStrength {
        id: "iam.password-policy",
        title: "The password policy asks for strong passwords",
        severity: Medium,
        practices: ["P07"],
        number: 7,
        references: [
            cis("3.0", &["1.8"]),
            cis("5.0", &["1.7"]),
            security_hub(&["IAM.7", "IAM.11", "IAM.12", "IAM.13", "IAM.14", "IAM.15"]),
            config(&["iam-password-policy"]),
            trusted_advisor(&["Yw2K9puPzl"]),
        ],
        asks: [PasswordPolicy, CredentialReport],
        finding: "iam-password-policy-weak",
    }
}

impl Check for PasswordStrength {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let least = u32::try_from(cx.parameters.password_length).unwrap_or(u32::MAX);
        let policy = cx.optional(PasswordPolicy, GLOBAL)?;
        let mut lacking: Vec<String> = Vec::new();
        match policy {
            None => lacking.push("there is no password policy".to_owned()),
            Some(policy) => {
                let classes = [
                    (policy.uppercase, "upper case"),
                    (policy.lowercase, "lower case"),
                    (policy.numbers, "digits"),
                    (policy.symbols, "symbols"),
                ];
                lacking.extend(classes.iter().filter(|(on, _)| !on).map(|(_, name)| format!("no {name}")));
                if policy.length < least {
                    lacking.push(format!("length {} and not {least}", policy.length));
                }
            }
        }
        if lacking.is_empty() {
            cx.report(cx.passing("The password policy asks for strong passwords"));
            return Ok(());
        }
        // Without the report nobody knows that there is no password, and the failure stands.
        let report = cx.try_known(CredentialReport, GLOBAL).ok();
        let nobody = report.is_some_and(|report| report.users.iter().all(|user| user.password != Some(true)));
        let title = format!("The password policy is weak: {}", lacking.join(", "));
        let seen = if nobody {
            cx.informational(title).because("no user has a password")
        } else {
            let length = least.max(8).to_string();
            cx.failing(title).step(
                "Set a strong one",
                "iam update-account-password-policy",
                &[
                    ("--minimum-password-length", length.as_str()),
                    ("--require-symbols", ""),
                    ("--require-numbers", ""),
                    ("--require-uppercase-characters", ""),
                    ("--require-lowercase-characters", ""),
                ],
            )
        };
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::fixtures::{report_of, user};
    use crate::parameters::{Parameters, Profile};
    use crate::testing::*;
    use facts::iam::Credentials;
    use keepwatch_core::posture::State;

    fn state(policy: facts::iam::PasswordPolicy) -> State {
        let person = Credentials { password: Some(true), ..user("person") };
        report_of(None, vec![person]).with(PasswordPolicy, global(), policy)
    }

    fn strong(length: u32) -> facts::iam::PasswordPolicy {
        facts::iam::PasswordPolicy {
            length,
            symbols: true,
            numbers: true,
            uppercase: true,
            lowercase: true,
            ..facts::iam::PasswordPolicy::default()
        }
    }

    #[test]
    fn each_part_is_asked_for_and_the_profile_sets_the_length() {
        assert_eq!(judge_one(&PasswordStrength, &state(strong(8))).verdict, Judged::Passing);
        let short = judge_one(&PasswordStrength, &state(strong(7)));
        assert!(short.title.contains("length 7 and not 8"), "{}", short.title);
        let weak = facts::iam::PasswordPolicy { symbols: false, numbers: false, ..strong(8) };
        let one = judge_one(&PasswordStrength, &state(weak));
        assert!(one.title.ends_with("no digits, no symbols"), "{}", one.title);
        let cis = judgements_with(&PasswordStrength, &state(strong(8)), &Parameters::of(Profile::Cis));
        assert_eq!(cis[0].verdict, Judged::Failing);
    }

    #[test]
    fn no_policy_fails_and_is_a_line_only_where_nobody_has_a_password() {
        let person = Credentials { password: Some(true), ..user("person") };
        let with = absent(report_of(None, vec![person]), PasswordPolicy, global());
        assert_eq!(judge_one(&PasswordStrength, &with).verdict, Judged::Failing);
        let without = absent(report_of(None, vec![user("machine")]), PasswordPolicy, global());
        assert_eq!(judge_one(&PasswordStrength, &without).verdict, Judged::Informational);
        let refused_report = refused(absent(account(), PasswordPolicy, global()), CredentialReport, global());
        assert_eq!(judge_one(&PasswordStrength, &refused_report).verdict, Judged::Failing);
    }

    #[test]
    fn unknown_where_the_policy_is_refused() {
        let one = judge_one(&PasswordStrength, &refused(account(), PasswordPolicy, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["iam:GetAccountPasswordPolicy"]));
    }
}
