use super::common::{ROOT_CALLS, for_itself, in_region};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Root made a login profile without naming an IAM user, that is, for itself: the root user has a console password
    /// again. Deleting that login profile resolves it.
    /// ## Why it matters
    /// An account whose root had no password could not be entered as root. Now it can, by whoever completes the
    /// password reset. AWS documents the call without a user name for `AssumeRoot` sessions only: if another root
    /// session made it, something is odd.
    /// ## What to do
    /// Ask in the management account who brought the password back and why. When the reason is gone, remove it again
    /// there: IAM console, Root access management, or the command below with a session for
    /// `IAMDeleteRootUserCredentials`.
    /// ## False positives
    /// A planned recovery of a member account's root user by the organization's administrators. Passwords that root
    /// sets for IAM users name the user and do not count here.
    LoginProfile {
        id: "root-login-profile-created",
        title: "The root user got a console password",
        severity: High,
        confidence: Medium,
        catalogue: ["ROOT-11"],
        references: [
            cis("3.0", &["1.7"]),
            cis("5.0", &["1.6"]),
            attack(&["T1098"]),
            doc(&["IAM user guide: perform a privileged task on a member account"]),
        ],
        on: [On::Call("iam.amazonaws.com", &["CreateLoginProfile", "DeleteLoginProfile"])],
        repeat_hours: 1,
    }
}

impl Rule for LoginProfile {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if !for_itself(record) {
            return Ok(());
        }
        let account = record.account();
        let assumed = record.user_identity.session_context.assumed_root.is_ignore_case("true");
        let how = if assumed { "An AssumeRoot session" } else { "Root itself" };
        if record.event_name.or_empty() == "DeleteLoginProfile" {
            let title = format!("{how} took the root user of {account} its console password away");
            cx.report(cx.passing(record.root_arn(), title));
            return Ok(());
        }
        let seen = cx
            .failing(record.root_arn(), format!("{how} gave the root user of {account} a console password"))
            .because("The call names no IAM user, so the password is the root user's own.")
            .detail("Made by", how)
            .step("Does root have a password now? (AccountPasswordPresent)", "iam get-account-summary", &[])
            .step(
                "Remove it (with root credentials, such as an AssumeRoot session)",
                "iam delete-login-profile",
                &[],
            )
            .step("What else has root done? (IAM is logged in this region)", ROOT_CALLS, &in_region(record));
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn create(changes: Value) -> String {
        root_call("iam", "CreateLoginProfile", changes)
    }

    #[test]
    fn fires() {
        fires_at(&LoginProfile, Severity::High, &create(json!({"requestParameters": null})));
        let unnamed = json!({"requestParameters": {"passwordResetRequired": false}});
        fires_at(&LoginProfile, Severity::High, &create(unnamed));
        let assumed = json!({"requestParameters": {"userName": ""},
            "userIdentity": {"sessionContext": {"assumedRoot": "true"}}});
        let seen = fires_at(&LoginProfile, Severity::High, &create(assumed));
        assert!(seen.title.starts_with("An AssumeRoot session"), "{}", seen.title);
    }

    #[test]
    fn taking_it_away_resolves_it() {
        let open = fired(&LoginProfile, &create(json!({"requestParameters": null})));
        let assumed = json!({"userIdentity": {"sessionContext": {"assumedRoot": "true"}}});
        let gone = observe(&LoginProfile, &root_call("iam", "DeleteLoginProfile", assumed));
        assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
        assert_eq!(gone[0].finding_id(), open.finding_id());
        let of_bob = json!({"requestParameters": {"userName": "bob"}});
        quiet(&LoginProfile, &[root_call("iam", "DeleteLoginProfile", of_bob)]);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &LoginProfile,
            &[
                create(json!({"requestParameters": {"userName": "bob"}})),
                create(json!({"requestParameters": {"userName": ["bob"]}})),
                create(json!({"errorCode": "EntityAlreadyExists"})),
                create(json!({"userIdentity": {"invokedBy": "cloudformation.amazonaws.com"}})),
                create(json!({"eventType": "AwsServiceEvent"})),
                call("iam", "CreateLoginProfile", json!({"requestParameters": null})),
            ],
        );
    }
}
