use super::common::{ROOT_CALLS, ROOT_CREDENTIALS, in_region};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The root password was changed, or reset through the "forgot password" mail (both high), or such a mail was asked
    /// for (medium: anybody who knows the e-mail address can do that much).
    /// ## Why it matters
    /// A new root password locks the owner out and lets the one who set it in. A completed reset also means that
    /// somebody reads the root mailbox.
    /// ## What to do
    /// Ask the people who hold the root password. If it was none of them: do not use any link in the mail, secure the
    /// root mailbox first, then reset the root password yourself and check root's MFA devices and access keys.
    /// ## False positives
    /// Planned rotation, and member accounts whose root password was never set, where a reset is the usual way in. A
    /// lone request without a completion is often a stranger trying addresses.
    Password {
        id: "root-password-changed",
        title: "The root password was changed or its recovery begun",
        severity: High,
        confidence: High,
        catalogue: ["ROOT-08"],
        references: [
            cis("3.0", &["1.7"]),
            cis("5.0", &["1.6"]),
            attack(&["T1098"]),
            attack(&["T1078.004"]),
            doc(&["CloudTrail user guide: AWS Management Console sign-in events"]),
        ],
        on: [On::Call("signin.amazonaws.com",
            &["PasswordUpdated", "PasswordRecoveryRequested", "PasswordRecoveryCompleted"])],
        repeat_hours: 1,
    }
}

impl Rule for Password {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (severity, what, why) = match record.event_name.or_empty() {
            "PasswordUpdated" => (
                Severity::High,
                "The root password was changed",
                "Only somebody signed in as root can change it.",
            ),
            "PasswordRecoveryCompleted" => (
                Severity::High,
                "The root password was reset by e-mail",
                "Somebody who reads the root mailbox has set a new password.",
            ),
            _ => (
                Severity::Medium,
                "A reset of the root password was asked for",
                "Somebody who knows the root e-mail address had a reset link sent to it.",
            ),
        };
        let from = record.source_ip_address.get().unwrap_or("an unknown address");
        let seen = match sign_in_result(record) {
            _ if !record.by_root() => return Ok(()),
            Some("Success") => cx.failing(record.root_arn(), format!("{what}, from {from}")),
            Some(_) => return Ok(()),
            None => cx.unknown(record.root_arn(), format!("{what} or somebody tried, from {from}")),
        };
        let seen = seen
            .severity(severity)
            .because(why)
            .step("What has root done since?", ROOT_CALLS, &in_region(record))
            .step(ROOT_CREDENTIALS.0, ROOT_CREDENTIALS.1, &[]);
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{self, *};

    fn event(name: &str, result: Value) -> String {
        root_sign_in(name, json!({"responseElements": {name: result}}))
    }

    #[test]
    fn fires() {
        let yes = || json!("Success");
        let asked = fires_at(&Password, Severity::Medium, &event("PasswordRecoveryRequested", yes()));
        let done = fires_at(&Password, Severity::High, &event("PasswordRecoveryCompleted", yes()));
        assert_eq!(asked.finding_id(), done.finding_id());
        let seen = fires_at(&Password, Severity::High, &event("PasswordUpdated", yes()));
        assert_eq!(seen.verdict, Verdict::Failing);
        let untold = root_sign_in("PasswordUpdated", json!({"responseElements": null}));
        assert_eq!(testing::fired(&Password, &untold).verdict, Verdict::Unknown);
    }

    #[test]
    fn stays_quiet() {
        let user =
            json!({"userIdentity": {"type": "IAMUser"}, "responseElements": {"PasswordUpdated": "Success"}});
        let refused =
            json!({"errorCode": "AccessDenied", "responseElements": {"PasswordUpdated": "Success"}});
        quiet(
            &Password,
            &[
                event("PasswordUpdated", json!("Failure")),
                event("PasswordRecoveryRequested", json!("Failure")),
                event("ConsoleLogin", json!("Success")),
                root_sign_in("PasswordUpdated", user),
                root_sign_in("PasswordUpdated", refused),
                root_sign_in("PasswordUpdated", json!({"eventType": "AwsServiceEvent"})),
                root_call("iam", "PasswordUpdated", json!({})),
            ],
        );
    }
}
