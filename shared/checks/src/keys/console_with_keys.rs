use super::common::{aspect, idle_days, option};
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// A user who signs in at the console has no active key that was never used, a few days after it was made. Such keys are made
    /// along with the user, because a form offered it. Where the key is so old that `key.unused` names it, that is enough.
    /// ## Why it matters
    /// The key lies in a file or a mail, does not expire, and needs no MFA.
    /// ## What to do
    /// Delete the key. People get short-lived keys by `aws sso login` or `aws login`.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Nothing: it was never used.
    ConsoleWithKeys {
        id: "key.console-with-keys",
        title: "People who use the console have no keys that they do not use",
        severity: Low,
        practices: ["P21"],
        references: [cis("3.0", &["1.11"]), cis("5.0", &["1.10"])],
        asks: [CredentialReport, AccessKeys],
        ages: true,
    }
}

impl Check for ConsoleWithKeys {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        for user in &cx.known(CredentialReport, GLOBAL)?.users {
            if user.password != Some(true) || user.password_used.at().is_none() {
                continue;
            }
            cx.about(GLOBAL, &user.arn, |cx| {
                for key in user.keys.iter().filter(|key| key.active) {
                    let aspect = aspect(cx, user, key);
                    cx.part(&aspect, |cx| {
                        let name = &user.user;
                        let days = idle_days(key, cx).unwrap_or(u64::MAX);
                        let seen = if key.used.at().is_some() || days <= cx.parameters.grace_days {
                            cx.passing(format!("A key of {name} is in use or new"))
                        } else if days > cx.parameters.unused_days {
                            cx.not_applicable(format!("key.unused names this key of {name}"))
                        } else {
                            let options =
                                [("--user-name", name.as_str()), ("--access-key-id", option(&aspect))];
                            cx.failing(format!(
                                "User {name} signs in at the console and has a key that was never used"
                            ))
                            .because(format!("it is {days} days old"))
                            .step(
                                "Delete it",
                                "iam delete-access-key",
                                &options,
                            )
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
    use crate::testing::*;
    use facts::iam::{Credentials, Moment};

    #[test]
    fn a_key_that_a_person_never_used() {
        let person = |name: &str, key| Credentials {
            password: Some(true),
            password_used: Moment::At(days_ago(2)),
            keys: vec![key],
            ..user(name)
        };
        let program = Credentials { keys: vec![key(1, true, 60, None)], ..user("program") };
        let state = report_of(
            None,
            vec![
                person("never", key(1, true, 60, None)),
                person("new", key(1, true, 7, None)),
                person("used", key(1, true, 60, Some(1))),
                person("old", key(1, true, 91, None)),
                person("off", key(1, false, 60, None)),
                program,
            ],
        );
        let verdicts: Vec<Judged> =
            judged(&ConsoleWithKeys, &state).into_iter().map(|(_, verdict)| verdict).collect();
        let passes = Judged::Passing;
        assert_eq!(verdicts, [Judged::Failing, passes, passes, Judged::NotApplicable]);
        let one = judge_one(&ConsoleWithKeys, &refused(account(), CredentialReport, global()));
        assert_eq!(one.verdict, Judged::Unknown);
    }
}
