use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Root's password and keys were not used lately. The last of all uses counts. The finding resolves by itself when root has
    /// rested for long enough.
    /// ## Why it matters
    /// Everyday work as root means that root's credentials are at hand, and that a mistake or a thief is stopped by nothing.
    /// ## What to do
    /// Ask who it was and what for. Closing an account and changing the support plan need root; hardly anything else does. For
    /// the rest make an administrator of your own.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Nothing.
    Usage {
        id: "root.usage",
        title: "Root is not used for everyday work",
        severity: High,
        practices: ["P04"],
        references: [cis("3.0", &["1.7"]), cis("5.0", &["1.6"]), security_hub(&["IAM.20"])],
        asks: [CredentialReport],
    }
}

impl Check for Usage {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let report = cx.known(CredentialReport, GLOBAL)?;
        let Some(root) = &report.root else {
            let why = "the credential report has no row of root".to_owned();
            return Err(Stop::Unknown(vec![keepwatch_core::posture::Missing { action: None, why }]));
        };
        let password = root.password_used.at().map(|at| (at, "its password".to_owned()));
        let keys =
            root.keys.iter().filter_map(|key| Some((key.used.at()?, format!("access key {}", key.slot))));
        let Some((last, by)) = password.into_iter().chain(keys).max_by_key(|(at, _)| *at) else {
            cx.report(cx.passing("Root was never used, as far as AWS tells"));
            return Ok(());
        };
        let days = days_since(last, cx.now);
        let seen = if days < cx.parameters.root_quiet_days {
            cx.failing(format!("Root was used on {} by {by}", last.date()))
                .because(format!("that is less than {} days ago", cx.parameters.root_quiet_days))
        } else {
            cx.passing(format!("Root was last used {days} days ago"))
        };
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::fixtures::{key, report_of, root};
    use crate::testing::*;
    use facts::iam::Moment;

    fn verdict(password: Moment, key_used: Moment) -> Judged {
        let mut root = root();
        root.password_used = password;
        root.keys = vec![key(1, true, 700, None)];
        root.keys[0].used = key_used;
        judge_one(&Usage, &report_of(Some(root), vec![])).verdict
    }

    #[test]
    fn the_last_of_all_uses_counts() {
        let at = |days| Moment::At(days_ago(days));
        assert_eq!(verdict(at(2), Moment::Never), Judged::Failing);
        // An old use of the password hides no new one of the key.
        assert_eq!(verdict(at(100), at(2)), Judged::Failing);
        assert_eq!(verdict(Moment::NoInformation, at(2)), Judged::Failing);
        assert_eq!(verdict(at(7), at(30)), Judged::Passing);
        assert_eq!(verdict(Moment::NoInformation, Moment::Never), Judged::Passing);
    }

    #[test]
    fn unknown_without_report_or_row() {
        let one = judge_one(&Usage, &refused(account(), CredentialReport, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["iam:GenerateCredentialReport"]));
        assert_eq!(judge_one(&Usage, &report_of(None, vec![])).verdict, Judged::Unknown);
    }
}
