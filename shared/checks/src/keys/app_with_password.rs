use super::common::password_idle_days;
use crate::kit::prelude::*;

/// A key that was used within so many days is in use.
const IN_USE_DAYS: u64 = 30;

declare_check! {
    /// ## What it checks
    /// A user whose key is in use and whose password was never used is a program, and programs need no password. Where the
    /// password is so old that `key.password-unused` names it, that is enough.
    /// ## Why it matters
    /// The password of a program's user is often weak, has no MFA, and is known to whoever made it.
    /// ## What to do
    /// Take the password away; if a person needs the console, make a user for that person.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Nothing, where nobody has ever signed in with it.
    AppWithPassword {
        id: "key.app-with-password",
        title: "Programs have no console password",
        severity: Low,
        practices: ["P20"],
        references: [doc(&["IAM user guide: Security best practices in IAM"])],
        asks: [CredentialReport],
        ages: true,
    }
}

impl Check for AppWithPassword {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        for user in &cx.known(CredentialReport, GLOBAL)?.users {
            if user.password != Some(true) {
                continue;
            }
            cx.about(GLOBAL, &user.arn, |cx| {
                let name = &user.user;
                let in_use = user.keys.iter().any(|key| {
                    key.active && key.used.at().is_some_and(|at| days_since(at, cx.now) <= IN_USE_DAYS)
                });
                let young =
                    user.created.at().is_some_and(|at| days_since(at, cx.now) <= cx.parameters.grace_days);
                let old = password_idle_days(user, cx).is_none_or(|days| days > cx.parameters.unused_days);
                let seen = if user.password_used.at().is_some() || !in_use || young {
                    cx.passing(format!("User {name} is no program with a password"))
                } else if old {
                    cx.not_applicable(format!("key.password-unused names the password of {name}"))
                } else {
                    cx.failing(format!("User {name} works by its key and has a password that was never used"))
                        .step("Take the password away", "iam delete-login-profile", &[("--user-name", name)])
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
    use crate::kit::fixtures::{key, report_of, user};
    use crate::testing::*;
    use facts::iam::{Credentials, Moment};

    #[test]
    fn a_program_is_known_by_its_key_and_its_idle_password() {
        let at = |days| Moment::At(days_ago(days));
        let with = |name: &str, password_used, changed, key_used| Credentials {
            password: Some(true),
            password_used,
            password_changed: at(changed),
            keys: vec![key(1, true, 300, key_used)],
            created: at(200),
            ..user(name)
        };
        let mut young = with("young", Moment::Never, 3, Some(1));
        young.created = at(3);
        let state = report_of(
            None,
            vec![
                with("program", Moment::Never, 20, Some(1)),
                with("person", at(1), 20, Some(1)),
                with("idle", Moment::Never, 20, Some(40)),
                with("old", Moment::Never, 200, Some(1)),
                young,
                user("none"),
            ],
        );
        let verdicts: Vec<Judged> =
            judged(&AppWithPassword, &state).into_iter().map(|(_, verdict)| verdict).collect();
        let (passes, other) = (Judged::Passing, Judged::NotApplicable);
        assert_eq!(verdicts, [Judged::Failing, passes, passes, other, passes]);
        let one = judge_one(&AppWithPassword, &refused(account(), CredentialReport, global()));
        assert_eq!(one.verdict, Judged::Unknown);
    }
}
