use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Root has no access key. The account summary tells, which is live; the credential report adds the age of the key.
    /// Signing certificates of root are the same kind of secret and are named as well.
    /// ## Why it matters
    /// A key of root may do everything in the account, and no policy takes anything from it. Whoever finds it owns the account.
    /// ## What to do
    /// Sign in as root, look at the key's last use, give whatever uses it a role, deactivate the key, wait a few days, and
    /// delete it. Only root itself can delete it.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Whatever still signs with the key. Its last use, service and region stand in the credential report.
    AccessKey {
        id: "root.access-key",
        title: "Root has no access key",
        severity: Critical,
        practices: ["P01"],
        number: 4,
        references: [
            cis("3.0", &["1.4"]),
            cis("5.0", &["1.3"]),
            security_hub(&["IAM.4"]),
            config(&["iam-root-access-key-check"]),
        ],
        asks: [AccountSummary, CredentialReport],
        finding: "root-access-key",
        closes: [Closes::All("root-access-key")],
    }
}

impl Check for AccessKey {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let summary = cx.known(AccountSummary, GLOBAL)?;
        let certificates = match summary.root_certificates {
            0 => None,
            count => Some(count.to_string()),
        };
        if summary.root_access_keys == 0 {
            let mut seen = cx.passing("Root has no access key");
            if let Some(count) = certificates {
                seen = seen.detail("Signing certificates of root", count);
            }
            cx.report(seen);
            return Ok(());
        }
        let many = if summary.root_access_keys == 1 { "an access key" } else { "access keys" };
        let mut seen = cx
            .failing(format!("Root has {many}"))
            .because("a key of root may do everything, and nothing limits it")
            .step("As root, list its keys", "iam list-access-keys", &[])
            .step("As root, delete the key", "iam delete-access-key", &[("--access-key-id", "ID")]);
        if let Some(count) = certificates {
            seen = seen.detail("Signing certificates of root", count);
        }
        // The report is hours old and adds no more than the age: without it the finding stands.
        let report = cx.try_known(CredentialReport, GLOBAL).ok();
        for key in report.and_then(|report| report.root.as_ref()).into_iter().flat_map(|root| &root.keys) {
            if let Some(rotated) = key.rotated.at() {
                let used = key.used.at().map_or("never used".to_owned(), |at| format!("used {}", at.date()));
                let label = format!("Key {}", key.slot);
                seen = seen.detail(&label, format!("{} days old, {used}", days_since(rotated, cx.now)));
            }
        }
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    fn with_keys(keys: u32) -> keepwatch_core::posture::State {
        let summary =
            facts::iam::AccountSummary { root_access_keys: keys, ..facts::iam::AccountSummary::default() };
        account().with(AccountSummary, global(), summary)
    }

    #[test]
    fn passes_and_fails_by_the_live_summary() {
        assert_eq!(judge_one(&AccessKey, &with_keys(0)).verdict, Judged::Passing);
        let one = judge_one(&AccessKey, &with_keys(1));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Critical));
        assert!(one.subject.resource.ends_with(":root"));
    }

    #[test]
    fn a_refused_report_hides_no_known_key() {
        let state = refused(with_keys(1), CredentialReport, global());
        assert_eq!(judge_one(&AccessKey, &state).verdict, Judged::Failing);
    }

    #[test]
    fn unknown_without_the_summary() {
        let one = judge_one(&AccessKey, &refused(account(), AccountSummary, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["iam:GetAccountSummary"]));
    }
}
