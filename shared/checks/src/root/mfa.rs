use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Root has an MFA device. An account whose root has neither password nor key cannot be signed in to as root, and is left
    /// alone: so are the member accounts that Organizations makes.
    /// ## Why it matters
    /// Root's password alone opens everything, and it can be reset by whoever reads the mailbox of root's address.
    /// ## What to do
    /// Sign in as root and register a passkey or security key under "Security credentials"; register a second one and keep it
    /// apart, so that a lost device locks nobody out.
    /// ## What it costs
    /// Nothing with a passkey or an app; a security key has its price.
    /// ## What may break
    /// Nothing. Root's access keys, if there are any, go on without MFA.
    Mfa {
        id: "root.mfa",
        title: "Root has MFA",
        severity: Critical,
        practices: ["P02"],
        references: [
            cis("3.0", &["1.5"]),
            cis("5.0", &["1.4"]),
            security_hub(&["IAM.9"]),
            config(&["root-account-mfa-enabled"]),
            trusted_advisor(&["7DAFEmoDos"]),
        ],
        asks: [AccountSummary],
        finding: "root-mfa-removed",
    }
}

impl Check for Mfa {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let summary = cx.known(AccountSummary, GLOBAL)?;
        let seen = if !summary.root_password && summary.root_access_keys == 0 {
            cx.not_applicable("Root has neither password nor access key")
        } else if summary.root_mfa {
            cx.passing("Root has MFA")
        } else {
            cx.failing("Root has no MFA").because("its password alone opens the account").step(
                "See what root has",
                "iam get-account-summary",
                &[],
            )
        };
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    fn root(root_password: bool, root_mfa: bool, root_access_keys: u32) -> Judged {
        let summary = facts::iam::AccountSummary {
            root_password,
            root_mfa,
            root_access_keys,
            ..facts::iam::AccountSummary::default()
        };
        judge_one(&Mfa, &account().with(AccountSummary, global(), summary)).verdict
    }

    #[test]
    fn judges_what_root_has() {
        assert_eq!(root(true, true, 0), Judged::Passing);
        assert_eq!(root(true, false, 0), Judged::Failing);
        // A key without a password still is a way in.
        assert_eq!(root(false, false, 1), Judged::Failing);
        assert_eq!(root(false, false, 0), Judged::NotApplicable);
    }

    #[test]
    fn unknown_without_the_summary() {
        let one = judge_one(&Mfa, &refused(account(), AccountSummary, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["iam:GetAccountSummary"]));
    }
}
