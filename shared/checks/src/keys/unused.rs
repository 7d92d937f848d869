use super::common::{aspect, idle_days, option};
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Every active access key was used within the last ninety days (the CIS benchmark: 45), or is younger than that. A key that
    /// was never used counts from the day it was made. A key that is switched off is a line to know: delete it.
    /// ## Why it matters
    /// Nobody notices when a key that nobody uses is used.
    /// ## What to do
    /// Switch it off, wait some weeks, delete it.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// What runs once a quarter or a year. Switching off can be undone, deleting cannot.
    Unused {
        id: "key.unused",
        title: "Access keys are in use",
        severity: Medium,
        practices: ["P18"],
        number: 8,
        references: [
            cis("3.0", &["1.12"]),
            cis("5.0", &["1.11"]),
            security_hub(&["IAM.8", "IAM.22"]),
            config(&["iam-user-unused-credentials-check"]),
        ],
        asks: [CredentialReport, AccessKeys],
        ages: true,
    }
}

impl Check for Unused {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        for user in &cx.known(CredentialReport, GLOBAL)?.users {
            cx.about(GLOBAL, &user.arn, |cx| {
                for key in &user.keys {
                    let aspect = aspect(cx, user, key);
                    cx.part(&aspect, |cx| {
                        let (limit, name) = (cx.parameters.unused_days, &user.user);
                        let options = [("--user-name", name.as_str()), ("--access-key-id", option(&aspect))];
                        let seen = match idle_days(key, cx) {
                            _ if !key.active => cx
                                .informational(format!("A key of {name} is switched off"))
                                .step("Delete it", "iam delete-access-key", &options),
                            Some(days) if days <= limit => match key.used.at() {
                                Some(_) => cx.passing(format!("A key of {name} was used {days} days ago")),
                                None => {
                                    cx.passing(format!("A key of {name} is {days} days old and not used yet"))
                                }
                            },
                            days => {
                                let (title, days) = match (key.used.at(), days) {
                                    (Some(_), Some(days)) => {
                                        (format!("A key of {name} was last used {days} days ago"), days)
                                    }
                                    (_, days) => {
                                        (format!("A key of {name} was never used"), days.unwrap_or(limit))
                                    }
                                };
                                cx.failing(title)
                                    .because(format!("{days} days are more than {limit}"))
                                    .step(
                                        "What was it used for?",
                                        "iam get-access-key-last-used",
                                        &options[1..],
                                    )
                                    .step(
                                        "Switch it off",
                                        "iam update-access-key",
                                        &[options[0], options[1], ("--status", "Inactive")],
                                    )
                            }
                        };
                        cx.report(seen);
                        Ok(())
                    });
                }
                Ok(())
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::fixtures::{key, report_of, user};
    use crate::parameters::{Parameters, Profile};
    use crate::testing::*;
    use facts::iam::Credentials;

    #[test]
    fn use_or_else_age_decides() {
        let with = |name: &str, key| Credentials { keys: vec![key], ..user(name) };
        let state = report_of(
            None,
            vec![
                with("used", key(1, true, 400, Some(1))),
                with("idle", key(1, true, 400, Some(91))),
                with("never", key(1, true, 120, None)),
                with("new", key(1, true, 60, None)),
                with("off", key(1, false, 400, Some(300))),
            ],
        );
        let verdicts: Vec<Judged> = judged(&Unused, &state).into_iter().map(|(_, verdict)| verdict).collect();
        let (fails, passes) = (Judged::Failing, Judged::Passing);
        assert_eq!(verdicts, [passes, fails, fails, passes, Judged::Informational]);
        let cis = judgements_with(&Unused, &state, &Parameters::of(Profile::Cis));
        assert_eq!(cis[3].verdict, Judged::Failing, "60 days are more than 45");
    }

    #[test]
    fn unknown_without_the_report() {
        let one = judge_one(&Unused, &refused(account(), CredentialReport, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["iam:GenerateCredentialReport"]));
    }
}
