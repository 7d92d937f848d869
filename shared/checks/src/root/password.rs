use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Nothing but the age of root's password, and that only where AWS tells it, which it mostly does not. How strong it is, no
    /// API says; so this never passes.
    /// ## Why it matters
    /// The account's password policy does not apply to root. Whoever guesses or finds its password stands before MFA alone.
    /// ## What to do
    /// Change it to a long random one from a password manager; change it again when whoever knew it leaves. Keep the mailbox of
    /// root's address as safe as the password, for it can be reset from there.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Nothing.
    Password {
        id: "root.password",
        title: "Root has a strong password of its own",
        severity: Informational,
        practices: ["P05"],
        references: [doc(&["IAM user guide: Change the password for the AWS account root user"])],
        asks: [AccountSummary, CredentialReport],
    }
}

impl Check for Password {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let summary = cx.try_known(AccountSummary, GLOBAL);
        if summary.is_ok_and(|summary| !summary.root_password) {
            cx.report(cx.not_applicable("Root has no password"));
            return Ok(());
        }
        let report = cx.try_known(CredentialReport, GLOBAL).ok();
        let changed =
            report.and_then(|report| report.root.as_ref()).and_then(|root| root.password_changed.at());
        let seen = match changed.map(|at| days_since(at, cx.now)) {
            Some(days) if days > cx.parameters.root_password_days => {
                cx.informational(format!("Root's password is {days} days old"))
            }
            _ => cx
                .manual("Look at root's password: AWS tells nobody how strong and how old it is")
                .because("the account's password policy does not apply to root"),
        };
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::fixtures::{report_of, root};
    use crate::testing::*;
    use facts::iam::Moment;

    #[test]
    fn it_never_passes() {
        let mut row = root();
        for (changed, verdict) in [
            (Moment::NotSupported, Judged::Manual),
            (Moment::At(days_ago(10)), Judged::Manual),
            (Moment::At(days_ago(400)), Judged::Informational),
        ] {
            row.password_changed = changed;
            assert_eq!(judge_one(&Password, &report_of(Some(row.clone()), vec![])).verdict, verdict);
        }
        assert_eq!(judge_one(&Password, &account()).verdict, Judged::Manual);
    }

    #[test]
    fn it_is_no_matter_where_there_is_none() {
        let summary = facts::iam::AccountSummary::default();
        let state = account().with(AccountSummary, global(), summary);
        assert_eq!(judge_one(&Password, &state).verdict, Judged::NotApplicable);
    }
}
