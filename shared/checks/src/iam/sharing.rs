use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Whether people share users, passwords or keys, no API tells: this is advice, and never passes. The nearest thing that can
    /// be read is a user with two active keys for longer than a rotation takes, which two programs or people may be using.
    /// ## Why it matters
    /// What two people can use, none of them has done; and a key that two programs use is never replaced.
    /// ## What to do
    /// Give every person and every program an identity of its own, best a role. Take the second key away.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Whatever uses the key that is taken away: look at its last use first, and deactivate it before you delete it.
    CredentialSharing {
        id: "iam.credential-sharing",
        title: "Everybody has an identity of their own",
        severity: Low,
        practices: ["P10"],
        references: [cis("3.0", &["1.13"]), cis("5.0", &["1.12"])],
        asks: [CredentialReport],
        ages: true,
    }
}

impl Check for CredentialSharing {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let report = cx.known(CredentialReport, GLOBAL)?;
        cx.report(cx.manual("Ask whether anybody shares a user, a password or a key: AWS cannot tell"));
        for user in &report.users {
            let active = user.keys.iter().filter(|key| key.active);
            let ages: Vec<u64> =
                active.map(|key| key.rotated.at().map_or(u64::MAX, |at| days_since(at, cx.now))).collect();
            // Two keys are how a key is replaced: for a few days.
            let Some(youngest) = ages.iter().copied().min().filter(|_| ages.len() > 1) else { continue };
            if youngest <= cx.parameters.grace_days {
                continue;
            }
            cx.about(GLOBAL, &user.arn, |cx| {
                let name = [("--user-name", user.user.as_str())];
                let seen = cx
                    .failing(format!("User {} has two active keys for {youngest} days", user.user))
                    .because("a rotation is over sooner")
                    .step("Which are they?", "iam list-access-keys", &name);
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
    use facts::iam::Credentials;

    #[test]
    fn two_keys_are_a_sign_after_the_rotation() {
        let with = |name: &str, keys| Credentials { keys, ..user(name) };
        let state = report_of(
            None,
            vec![
                with("two", vec![key(1, true, 40, None), key(2, true, 20, None)]),
                with("rotating", vec![key(1, true, 80, None), key(2, true, 3, None)]),
                with("one", vec![key(1, true, 80, None), key(2, false, 70, None)]),
            ],
        );
        assert_eq!(
            judged(&CredentialSharing, &state),
            [("root".to_owned(), Judged::Manual), ("two".to_owned(), Judged::Failing)]
        );
    }

    #[test]
    fn without_the_report_nobody_knows_of_two_keys() {
        let one = judge_one(&CredentialSharing, &refused(account(), CredentialReport, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["iam:GenerateCredentialReport"]));
    }
}
