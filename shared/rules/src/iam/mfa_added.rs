use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An MFA device was registered in an unusual way: outside the console with temporary credentials of a
    /// user (medium), or by somebody for another user (low). Switching the device off settles the finding. A
    /// user who registers a device in the console, as people do, is not reported.
    /// ## Why it matters
    /// A device is the second half of a sign-in. An intruder who holds a session of a user and adds a device
    /// of their own can sign in with MFA from then on, and the account's own rules on MFA let them pass.
    /// ## What to do
    /// Ask the user whether the device is theirs. If not, switch it off, change the password, and look for
    /// the other things that the caller has done.
    /// ## False positives
    /// Users who register devices by command line, and administrators who hand out hardware tokens. The
    /// devices of root have a rule of their own.
    MfaAdded {
        id: "iam-mfa-added",
        title: "An MFA device was registered in an unusual way",
        severity: Medium,
        confidence: Low,
        catalogue: ["IAM-06"],
        references: [cis("3.0", &["1.10"]), cis("5.0", &["1.9"]), attack(&["T1556.006"])],
        on: [On::Call("iam.amazonaws.com", &["EnableMFADevice", "DeactivateMFADevice"])],
    }
}

impl Rule for MfaAdded {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (Some(user), Some(serial)) = (named_user(record), record.param(&["serialNumber"])) else {
            return Ok(());
        };
        let (who, arn) = (caller_name(record), record.iam_arn("user", user));
        if record.event_name.or_empty() == "DeactivateMFADevice" {
            cx.report(cx.passing(arn, format!("{who} switched off MFA device {serial}")).aspect(serial));
            return Ok(());
        }
        let key = record.user_identity.access_key_id.or_empty();
        let in_console = record.from_console.is_ignore_case("true");
        let (severity, how, why) = if calling_user(record) != Some(user) {
            let why = "A device has an owner, who should register it; whoever did can sign in with it.";
            (Severity::Low, "for another user", why)
        } else if key.starts_with("ASIA") && !in_console {
            let why =
                "Somebody with temporary credentials of the user, and not in the console, added a device.";
            (Severity::Medium, "with temporary credentials, outside the console", why)
        } else {
            return Ok(());
        };
        if record.by_root() {
            return Ok(());
        }
        let seen = cx
            .failing(arn, format!("{who} registered an MFA device of user {user} {how}"))
            .severity(severity)
            .because(why)
            .aspect(serial)
            .detail("MFA device", serial)
            .step("Which devices has the user?", "iam list-mfa-devices", &[("--user-name", user)])
            .step(
                "If the device is not the user's, switch it off",
                "iam deactivate-mfa-device",
                &[("--user-name", user), ("--serial-number", serial)],
            );
        cx.report(stop_caller(cx.tempered(seen), record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    const SERIAL: &str = "arn:aws:iam::111122223333:mfa/phone";

    fn on(user: Value, changes: Value) -> String {
        let mut event: Value =
            serde_json::from_str(&call("iam", "EnableMFADevice", changes)).unwrap_or_default();
        event["requestParameters"] = json!({"userName": user, "serialNumber": SERIAL});
        event.to_string()
    }

    #[test]
    fn fires() {
        let seen = fires_at(&MfaAdded, Severity::Medium, &on(json!("alice"), json!({})));
        let how = "with temporary credentials, outside the console";
        assert_eq!(seen.title, format!("alice registered an MFA device of user alice {how}"));
        fires_at(&MfaAdded, Severity::Medium, &on(json!(null), json!({})));
        let in_console = json!({"sessionCredentialFromConsole": "true"});
        fires_at(&MfaAdded, Severity::Low, &on(json!("bob"), in_console));
        let off = json!({"requestParameters": {"userName": "alice", "serialNumber": SERIAL}});
        let off = observe(&MfaAdded, &call("iam", "DeactivateMFADevice", off));
        assert_eq!((off.len(), off[0].verdict), (1, Verdict::Passing));
        assert_eq!(off[0].finding_id(), seen.finding_id());
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &MfaAdded,
            &[
                on(json!("alice"), json!({"sessionCredentialFromConsole": "true"})),
                on(json!("alice"), json!({"sessionCredentialFromConsole": true})),
                on(json!("alice"), json!({"userIdentity": {"accessKeyId": "AKIAIOSFODNN7EXAMPLE"}})),
                on(json!("alice"), json!({"errorCode": "InvalidAuthenticationCodeException"})),
                on(json!("AWS ROOT USER"), json!({})),
                call("iam", "EnableMFADevice", json!({"requestParameters": null})),
                root_call(
                    "iam",
                    "EnableMFADevice",
                    json!({"requestParameters": {"userName": "bob", "serialNumber": SERIAL}}),
                ),
            ],
        );
    }
}
