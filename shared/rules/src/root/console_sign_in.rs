use super::common::ROOT_CREDENTIALS;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Somebody signed in to the AWS console as the account's root user. Without a second factor it is critical.
    /// ## Why it matters
    /// Root can do everything in the account, close it included, and no policy limits it. A thief with the root
    /// password owns the account; an owner who uses root for daily work makes the thief's sign-in look normal.
    /// ## What to do
    /// Ask the people who hold the root password whether it was one of them. If nobody says yes: reset the root
    /// password and e-mail password from a clean machine, look at the root user's MFA devices and access keys, and open
    /// a case with AWS Support.
    /// ## False positives
    /// The few tasks that only root can do (account closure, some billing and support changes). Sign-ins that AWS
    /// services make for root do not exist; a failed sign-in is a rule of its own.
    ConsoleSignIn {
        id: "root-console-sign-in",
        title: "Root signed in to the console",
        severity: High,
        confidence: High,
        catalogue: ["ROOT-01", "ROOT-02"],
        references: [
            cis("3.0", &["1.5", "1.6", "1.7", "4.2", "4.3"]),
            cis("5.0", &["1.4", "1.5", "1.6", "4.2", "4.3"]),
            security_hub(&["CloudWatch.1", "IAM.6", "IAM.9", "IAM.20"]),
            attack(&["T1078.004"]),
        ],
        on: [On::Call("signin.amazonaws.com", &["ConsoleLogin"])],
        repeat_hours: 1,
    }
}

impl Rule for ConsoleSignIn {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if !record.by_root() || record.response_text(&["ConsoleLogin"]) != Some("Success") {
            return Ok(());
        }
        // AWS writes "Yes", "YES" and "No"; a field that is missing is no proof of a second factor.
        let mfa = record.additional_text(&["MFAUsed"]);
        let (severity, how) = match mfa {
            Some(used) if used.eq_ignore_ascii_case("yes") => (Severity::High, "with MFA"),
            Some(_) => (Severity::Critical, "WITHOUT MFA"),
            None => (Severity::Critical, "and AWS does not say that MFA was used"),
        };
        let from = record.source_ip_address.get().unwrap_or("an unknown address");
        let seen = cx
            .failing(record.root_arn(), format!("Root signed in to the console {how}, from {from}"))
            .severity(severity)
            .because("The root user of this account has just opened a console session.")
            .detail_if("MFA used", mfa)
            .detail_if("MFA device", record.additional_text(&["MFAIdentifier"]))
            .step("What has root done since? (us-east-1 holds root's console sign-ins)",
                "cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=Username,AttributeValue=root",
                &[])
            .step(ROOT_CREDENTIALS.0, ROOT_CREDENTIALS.1, &[]);
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn sign_in(result: &str, mfa: serde_json::Value) -> String {
        root_sign_in(
            "ConsoleLogin",
            json!({
                "responseElements": {"ConsoleLogin": result}, "additionalEventData": {"MFAUsed": mfa},
            }),
        )
    }

    #[test]
    fn fires() {
        fires_at(&ConsoleSignIn, Severity::Critical, &sign_in("Success", json!("No")));
        fires_at(&ConsoleSignIn, Severity::Critical, &sign_in("Success", json!(null)));
        fires_at(&ConsoleSignIn, Severity::High, &sign_in("Success", json!("Yes")));
        fires_at(&ConsoleSignIn, Severity::High, &sign_in("Success", json!("YES")));
    }

    #[test]
    fn stays_quiet() {
        let user =
            json!({"userIdentity": {"type": "IAMUser"}, "responseElements": {"ConsoleLogin": "Success"}});
        quiet(
            &ConsoleSignIn,
            &[
                sign_in("Failure", json!("No")),
                root_sign_in("ConsoleLogin", json!({"responseElements": null})),
                root_sign_in("ConsoleLogin", user),
            ],
        );
    }
}
