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
        if !cx.known(AccountSummary, GLOBAL)?.root_password {
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
                .informational("Look at root's password: AWS tells nobody how strong and how old it is")
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

    fn with_password(root_password: bool) -> facts::iam::AccountSummary {
        facts::iam::AccountSummary { root_password, ..facts::iam::AccountSummary::default() }
    }

    #[test]
    fn it_never_passes() {
        let mut row = root();
        for (changed, title) in [
            (Moment::NotSupported, "Look at"),
            (Moment::At(days_ago(10)), "Look at"),
            (Moment::At(days_ago(400)), "Root's password is 400 days old"),
        ] {
            row.password_changed = changed;
            let state =
                report_of(Some(row.clone()), vec![]).with(AccountSummary, global(), with_password(true));
            let one = judge_one(&Password, &state);
            assert_eq!(one.verdict, Judged::Informational);
            assert!(one.title.starts_with(title), "{}", one.title);
        }
    }

    #[test]
    fn it_is_no_matter_where_there_is_none_and_unknown_where_refused() {
        let state = account().with(AccountSummary, global(), with_password(false));
        assert_eq!(judge_one(&Password, &state).verdict, Judged::NotApplicable);
        let one = judge_one(&Password, &refused(account(), AccountSummary, global()));
        assert_eq!(missing(&one), ["iam:GetAccountSummary"]);
    }
}
