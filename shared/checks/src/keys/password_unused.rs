use super::common::password_idle_days;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Every console password was used within the last ninety days (the CIS benchmark: 45), or was set since. A password that was
    /// never used counts from the day it was set.
    /// ## Why it matters
    /// A way in that nobody uses is a way in that nobody watches; often its owner has left.
    /// ## What to do
    /// Take the password away. It can be given again in a minute.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// The user cannot sign in to the console until somebody gives a new password. Keys and roles go on.
    PasswordUnused {
        id: "key.password-unused",
        title: "Console passwords are in use",
        severity: Medium,
        practices: ["P19"],
        number: 8,
        references: [
            cis("3.0", &["1.12"]),
            cis("5.0", &["1.11"]),
            security_hub(&["IAM.8", "IAM.22"]),
            config(&["iam-user-unused-credentials-check"]),
        ],
        asks: [CredentialReport],
        ages: true,
    }
}

impl Check for PasswordUnused {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        for user in &cx.known(CredentialReport, GLOBAL)?.users {
            cx.about(GLOBAL, &user.arn, |cx| {
                let (limit, name) = (cx.parameters.unused_days, &user.user);
                let seen = match password_idle_days(user, cx) {
                    _ if user.password != Some(true) => {
                        cx.not_applicable(format!("User {name} has no password"))
                    }
                    Some(days) if days <= limit => cx.passing(format!("User {name}'s password is in use")),
                    days => {
                        let days = days.map_or("for ever".to_owned(), |days| format!("for {days} days"));
                        let title = match user.password_used.at() {
                            Some(_) => format!("User {name}'s password was not used {days}"),
                            None => format!("User {name}'s password was never used"),
                        };
                        cx.failing(title)
                            .because(format!(
                                "nobody has used it {days}, and more than {limit} days are too many"
                            ))
                            .step("Take it away", "iam delete-login-profile", &[("--user-name", name)])
                    }
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
    use facts::iam::{Credentials, Moment};

    #[test]
    fn use_or_else_the_day_it_was_set_decides() {
        let at = |days| Moment::At(days_ago(days));
        let with = |name: &str, password_used, changed| Credentials {
            password: Some(true),
            password_used,
            password_changed: at(changed),
            ..user(name)
        };
        let state = report_of(
            None,
            vec![
                with("used", at(5), 300),
                with("idle", at(91), 300),
                with("never", Moment::NoInformation, 200),
                with("new", Moment::NoInformation, 20),
                user("none"),
            ],
        );
        let verdicts: Vec<Judged> =
            judged(&PasswordUnused, &state).into_iter().map(|(_, verdict)| verdict).collect();
        let (fails, passes) = (Judged::Failing, Judged::Passing);
        assert_eq!(verdicts, [passes, fails, fails, passes, Judged::NotApplicable]);
    }

    #[test]
    fn unknown_without_the_report() {
        let one = judge_one(&PasswordUnused, &refused(account(), CredentialReport, global()));
        assert_eq!(missing(&one), ["iam:GenerateCredentialReport"]);
    }
}
