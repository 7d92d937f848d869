use super::common::{aspect, option};
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Every active access key was made within the last ninety days. Keys that are switched off do not count. The credential
    /// report tells the ages; the ids of old keys are looked up, so that a finding is about this key and no other.
    /// ## Why it matters
    /// Keys end up in logs, laptops and images. The older a key is, the more places have it, and the longer a leak works.
    /// ## What to do
    /// Best replace the key by a role, which needs no rotation. Otherwise make a second key, move the program to it, switch the
    /// old one off, look whether anything fails, and delete it.
    /// ## What it costs
    /// Nothing but the work.
    /// ## What may break
    /// Whatever else uses the key: its last use, region and service stand in the credential report.
    Rotation {
        id: "key.rotation",
        title: "Access keys are replaced regularly",
        severity: Medium,
        practices: ["P17"],
        number: 3,
        references: [
            cis("3.0", &["1.14"]),
            cis("5.0", &["1.13"]),
            security_hub(&["IAM.3"]),
            config(&["access-keys-rotated"]),
            trusted_advisor(&["DqdJqYeRm5"]),
        ],
        asks: [CredentialReport, AccessKeys],
        ages: true,
    }
}

impl Check for Rotation {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        for user in &cx.known(CredentialReport, GLOBAL)?.users {
            cx.about(GLOBAL, &user.arn, |cx| {
                for key in &user.keys {
                    let aspect = aspect(cx, user, key);
                    cx.part(&aspect, |cx| {
                        let limit = cx.parameters.key_age_days;
                        let name = &user.user;
                        let days = key.rotated.at().map(|at| days_since(at, cx.now));
                        let seen = match days {
                            _ if !key.active => cx.not_applicable(format!("A key of {name} is switched off")),
                            Some(days) if days <= limit => {
                                cx.passing(format!("A key of {name} is {days} days old"))
                            }
                            days => {
                                let age = days
                                    .map_or("of unknown age".to_owned(), |days| format!("{days} days old"));
                                let user = ("--user-name", name.as_str());
                                let id = ("--access-key-id", option(&aspect));
                                cx.failing(format!("A key of {name} is {age}"))
                                    .because(format!("more than {limit} days"))
                                    .step("What was it used for?", "iam get-access-key-last-used", &[id])
                                    .step("Make a new one", "iam create-access-key", &[user])
                                    .step(
                                        "Switch the old one off once the new one works",
                                        "iam update-access-key",
                                        &[user, id, ("--status", "Inactive")],
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
    use crate::testing::*;
    use facts::iam::{AccessKey, Credentials};
    use keepwatch_core::posture::{Place, State};

    fn state() -> State {
        let with = |name: &str, keys| Credentials { keys, ..user(name) };
        report_of(
            None,
            vec![
                with("young", vec![key(1, true, 90, Some(1))]),
                with("old", vec![key(1, true, 91, Some(1)), key(2, true, 10, None)]),
                with("off", vec![key(1, false, 400, None)]),
                user("none"),
            ],
        )
    }

    #[test]
    fn each_active_key_is_judged_by_its_age() {
        let found = |name: &str, active| AccessKey { id: name.to_owned(), active, created: None };
        let listed = vec![found("AKIAIOSFODNN7EXAMPLE", true), found("AKIAI44QH8DHBEXAMPLE", true)];
        let state = state().with(AccessKeys, Place::of("global", "old"), listed);
        assert_eq!(
            judged(&Rotation, &state),
            [
                ("young#young/AccessKey1".to_owned(), Judged::Passing),
                ("old#AKIAIOSFODNN7EXAMPLE".to_owned(), Judged::Failing),
                ("old#AKIAI44QH8DHBEXAMPLE".to_owned(), Judged::Passing),
                ("off#off/AccessKey1".to_owned(), Judged::NotApplicable),
            ]
        );
    }

    #[test]
    fn a_refused_listing_hides_no_old_key() {
        let state = refused(state(), AccessKeys, Place::of("global", "old"));
        assert!(judged(&Rotation, &state).contains(&("old#old/AccessKey1".to_owned(), Judged::Failing)));
    }

    #[test]
    fn unknown_without_the_report() {
        let one = judge_one(&Rotation, &refused(account(), CredentialReport, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["iam:GenerateCredentialReport"]));
    }
}
