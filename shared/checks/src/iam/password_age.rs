use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// The password policy makes passwords expire, and no user's password is older than that. The CIS benchmark no longer asks
    /// for it, and the profile `cis` does not either.
    /// ## Why it matters
    /// A password that leaked years ago still works. With MFA for everybody this matters little, and forced changes have a price
    /// of their own: people write passwords down.
    /// ## What to do
    /// Set an age in the password policy, or decide against it and set `password-max-age-days=0`.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Users whose password has expired must set a new one; with "prevent expired users from signing in" an administrator must.
    PasswordAge {
        id: "iam.password-age",
        title: "Passwords are changed regularly",
        severity: Low,
        practices: ["P08"],
        references: [security_hub(&["IAM.17"]), config(&["iam-password-policy"])],
        asks: [PasswordPolicy, CredentialReport],
        ages: true,
    }
}

impl Check for PasswordAge {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let most = cx.parameters.password_max_age_days;
        if most == 0 {
            cx.report(cx.not_applicable("No age of passwords is asked for"));
            return Ok(());
        }
        cx.about(GLOBAL, &cx.root_arn(), |cx| of_policy(cx, most));
        cx.part("passwords in use", |cx| of_users(cx, most));
        Ok(())
    }
}

/// What the policy asks for.
fn of_policy(cx: &mut Cx<'_>, most: u64) -> Outcome {
    let age = cx.optional(PasswordPolicy, GLOBAL)?.and_then(|policy| policy.max_age_days);
    let days = most.to_string();
    let seen = match age {
        Some(age) if u64::from(age) <= most => cx.passing(format!("Passwords expire after {age} days")),
        Some(age) => cx
            .failing(format!("Passwords expire after {age} days only"))
            .because(format!("{most} days are the most")),
        None => cx.failing("Passwords never expire"),
    };
    let seen = match seen.verdict {
        Judged::Failing => seen.step(
            "Set an age; the other parts of the policy must be given again",
            "iam update-account-password-policy",
            &[("--max-password-age", days.as_str())],
        ),
        _ => seen,
    };
    cx.report(seen);
    Ok(())
}

/// How old the passwords are: a line to know, whatever the policy says.
fn of_users(cx: &mut Cx<'_>, most: u64) -> Outcome {
    let report = cx.known(CredentialReport, GLOBAL)?;
    for user in report.users.iter().filter(|user| user.password == Some(true)) {
        let Some(days) = user.password_changed.at().map(|at| days_since(at, cx.now)) else { continue };
        if days > most {
            cx.about(GLOBAL, &user.arn, |cx| {
                cx.report(cx.informational(format!("User {}'s password is {days} days old", user.user)));
                Ok(())
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::fixtures::{report_of, user};
    use crate::parameters::{Parameters, Profile};
    use crate::testing::*;
    use facts::iam::{Credentials, Moment};
    use keepwatch_core::posture::State;

    fn policy(max_age_days: Option<u32>) -> State {
        let policy = facts::iam::PasswordPolicy { max_age_days, ..facts::iam::PasswordPolicy::default() };
        report_of(None, Vec::new()).with(PasswordPolicy, global(), policy)
    }

    #[test]
    fn the_policy_is_judged() {
        assert_eq!(judge_one(&PasswordAge, &policy(Some(90))).verdict, Judged::Passing);
        assert_eq!(judge_one(&PasswordAge, &policy(Some(180))).verdict, Judged::Failing);
        assert_eq!(judge_one(&PasswordAge, &policy(None)).verdict, Judged::Failing);
        assert_eq!(
            judge_one(&PasswordAge, &absent(policy(None), PasswordPolicy, global())).verdict,
            Judged::Failing
        );
        let one = judge_one(&PasswordAge, &refused(policy(None), PasswordPolicy, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["iam:GetAccountPasswordPolicy"]));
        let cis = judgements_with(&PasswordAge, &policy(None), &Parameters::of(Profile::Cis));
        assert_eq!(cis[0].verdict, Judged::NotApplicable);
    }

    #[test]
    fn policy_and_passwords_are_known_apart() {
        let state = refused(policy(None), CredentialReport, global());
        let verdicts: Vec<_> = judgements(&PasswordAge, &state)
            .into_iter()
            .map(|one| (one.subject.aspect, one.verdict))
            .collect();
        let in_use = Some("passwords in use".to_owned());
        assert_eq!(verdicts, [(None, Judged::Failing), (in_use, Judged::Unknown)]);
    }

    #[test]
    fn old_passwords_are_named() {
        let aged = |name: &str, days| Credentials {
            password: Some(true),
            password_changed: Moment::At(days_ago(days)),
            ..user(name)
        };
        let policy = facts::iam::PasswordPolicy { max_age_days: Some(90), ..Default::default() };
        let state =
            report_of(None, vec![aged("old", 100), aged("new", 10)]).with(PasswordPolicy, global(), policy);
        assert_eq!(
            judged(&PasswordAge, &state),
            [("root".to_owned(), Judged::Passing), ("old".to_owned(), Judged::Informational)]
        );
    }
}
