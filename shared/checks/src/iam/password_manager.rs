use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Whether people use a password manager and no password twice, no API tells: this is advice, and never passes. The nearest
    /// thing that can be read is whether the password policy forbids the reuse of earlier passwords.
    /// ## Why it matters
    /// A password that is used on two sites is lost with the weaker of them.
    /// ## What to do
    /// Give everybody a password manager, or Identity Center, so that there is one password to remember. Forbid the last 24
    /// passwords in the password policy.
    /// ## What it costs
    /// Nothing for the policy; a password manager has its price.
    /// ## What may break
    /// Nothing.
    PasswordManager {
        id: "iam.password-manager",
        title: "People use a password manager",
        severity: Informational,
        practices: ["P09"],
        references: [
            cis("3.0", &["1.9"]),
            cis("5.0", &["1.8"]),
            security_hub(&["IAM.16"]),
            config(&["iam-password-policy"]),
        ],
        asks: [PasswordPolicy],
    }
}

impl Check for PasswordManager {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let advice = "Ask whether everybody uses a password manager: AWS cannot tell";
        let policy = cx.optional(PasswordPolicy, GLOBAL)?;
        let remembered = policy.and_then(|policy| policy.reuse_prevention).unwrap_or(0);
        let wanted = cx.parameters.password_reuse;
        let seen = if u64::from(remembered) >= wanted {
            cx.manual(advice)
        } else {
            let title =
                format!("The password policy forbids the last {remembered} passwords, and not {wanted}");
            cx.informational(title).detail("By hand", advice)
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
    fn it_is_advice_and_never_passes() {
        let with = |reuse_prevention| {
            let policy = facts::iam::PasswordPolicy { reuse_prevention, ..Default::default() };
            judge_one(&PasswordManager, &account().with(PasswordPolicy, global(), policy)).verdict
        };
        assert_eq!(
            (with(Some(24)), with(Some(5)), with(None)),
            (Judged::Manual, Judged::Informational, Judged::Informational)
        );
        let none = judge_one(&PasswordManager, &absent(account(), PasswordPolicy, global()));
        assert_eq!(none.verdict, Judged::Informational);
        let refused = judge_one(&PasswordManager, &refused(account(), PasswordPolicy, global()));
        assert_eq!(refused.verdict, Judged::Unknown);
    }
}
