use std::time::Duration;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Somebody gave the root user's e-mail address at the console and was turned away. Three failures within ten
    /// minutes make it a guessing attempt and raise it to high. `threshold` changes the number.
    /// ## Why it matters
    /// Whoever gets as far as the password field knows the account's root e-mail address and is trying to get in where
    /// no policy could stop them.
    /// ## What to do
    /// Ask the people who hold the root password whether they mistyped it. If not, see whether a successful sign-in
    /// followed, check that root has MFA, and change the password if it is used anywhere else.
    /// ## False positives
    /// An owner who mistypes the password: one or two failures and then a success from the same address. The event does
    /// not tell a wrong password from a wrong MFA code in every case; failed MFA challenges have a rule of their own.
    FailedSignIn {
        id: "root-console-sign-in-failed",
        title: "A console sign-in as root failed",
        severity: Medium,
        confidence: Medium,
        catalogue: ["ROOT-03"],
        references: [
            cis("3.0", &["4.6"]),
            cis("5.0", &["4.6"]),
            security_hub(&["CloudWatch.6"]),
            attack(&["T1110"]),
            doc(&["CloudTrail user guide: AWS Management Console sign-in events"]),
        ],
        on: [On::Call("signin.amazonaws.com", &["ConsoleLogin"])],
        failed_calls: true,
    }
}

impl Rule for FailedSignIn {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if !record.by_root() || sign_in_result(record) != Some("Failure") {
            return Ok(());
        }
        let from = record.source_ip_address.get().unwrap_or("an unknown address");
        let seen = cx
            .failing(record.root_arn(), format!("A console sign-in as root failed, from {from}"))
            .because("Somebody knows the root user's e-mail address and did not get past the sign-in page.")
            .detail_if("AWS says", record.error_message.get())
            .detail_if("MFA used", record.additional_text(&["MFAUsed"]))
            .burst(Burst { count: cx.threshold(3), window: Duration::from_secs(600), severity: Severity::High })
            .step(
                "Did one of the sign-ins succeed?",
                "cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=ConsoleLogin",
                &[region_option(record)],
            )
            .step("Has root MFA? (AccountMFAEnabled is 1)", "iam get-account-summary", &[]);
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{self, *};

    fn sign_in(result: serde_json::Value) -> String {
        root_sign_in(
            "ConsoleLogin",
            json!({"errorMessage": "Failed authentication", "responseElements": {"ConsoleLogin": result}}),
        )
    }

    #[test]
    fn fires() {
        let seen = fires_at(&FailedSignIn, Severity::Medium, &sign_in(json!("Failure")));
        assert_eq!(seen.subject.resource, "arn:aws:iam::111122223333:root");
        assert_eq!(seen.burst.map(|burst| (burst.count, burst.severity)), Some((3, Severity::High)));
        // AWS leaves most fields of root's identity out; an error code does not hide the event.
        let sparse = json!({"errorCode": "Failure", "recipientAccountId": null,
            "awsRegion": null, "userIdentity": {"type": "Root", "arn": null, "principalId": null, "accessKeyId": null},
            "responseElements": {"ConsoleLogin": "Failure"}});
        let seen = testing::fired(&FailedSignIn, &call("signin", "ConsoleLogin", sparse));
        assert_eq!(seen.subject.account, ACCOUNT);
    }

    #[test]
    fn stays_quiet() {
        let user =
            json!({"userIdentity": {"type": "IAMUser"}, "responseElements": {"ConsoleLogin": "Failure"}});
        quiet(
            &FailedSignIn,
            &[
                sign_in(json!("Success")),
                sign_in(json!(false)),
                root_sign_in("ConsoleLogin", json!({"responseElements": null})),
                root_sign_in("ConsoleLogin", user),
                root_sign_in("CheckMfa", json!({"responseElements": {"CheckMfa": "Failure"}})),
            ],
        );
    }
}
