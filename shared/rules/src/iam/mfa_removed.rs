use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An MFA device of an IAM user was switched off. Switching on a device of the same user settles the
    /// finding, and so does deleting the user. Deleting a virtual device is not told again: a device in use
    /// must be switched off first.
    /// ## Why it matters
    /// Without the second factor a stolen password is enough. Whoever has taken over a session takes the
    /// device away first, so as to sign in at leisure and to keep the owner out.
    /// ## What to do
    /// Ask the user. If a new phone is being set up, the new device follows within minutes and closes this
    /// finding. If not, change the password, and look at what the caller has done besides.
    /// ## False positives
    /// A change of phone, and the removal of a user, for which AWS wants the device switched off first. A
    /// user may have eight devices, and the event does not say whether another is left. The devices of root
    /// have a rule of their own.
    MfaRemoved {
        id: "iam-mfa-removed",
        title: "An MFA device of a user was switched off",
        severity: Medium,
        confidence: High,
        catalogue: ["IAM-05"],
        references: [
            cis("3.0", &["1.10"]),
            cis("5.0", &["1.9"]),
            security_hub(&["IAM.5", "IAM.19"]),
            attack(&["T1556.006"]),
        ],
        on: [On::Call("iam.amazonaws.com", &["DeactivateMFADevice", "EnableMFADevice", "DeleteUser"])],
    }
}

impl Rule for MfaRemoved {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(user) = named_user(record) else { return Ok(()) };
        let (who, arn) = (caller_name(record), record.iam_arn("user", user));
        match record.event_name.or_empty() {
            "EnableMFADevice" => {
                cx.report(cx.passing(arn, format!("{who} switched on an MFA device of user {user}")));
                return Ok(());
            }
            "DeleteUser" => {
                cx.report(cx.passing(arn, format!("{who} deleted user {user}")));
                return Ok(());
            }
            _ => {}
        }
        let serial = record.param(&["serialNumber"]);
        // Without a name only the device tells that it is root's.
        let of_root = serial.is_some_and(|serial| {
            serial.ends_with(":mfa/root-account-mfa-device") || serial.contains(":u2f/root-account/")
        });
        if record.by_root() || of_root {
            return Ok(());
        }
        let whose = if calling_user(record) == Some(user) {
            "their own".to_owned()
        } else {
            format!("user {user}'s")
        };
        let option = [("--user-name", user)];
        let seen = cx
            .failing(arn, format!("{who} switched off {whose} MFA device"))
            .because("Unless the user has another device, the password alone now opens the console.")
            .detail("User", user)
            .detail_if("MFA device", serial)
            .step("Has the user another device?", "iam list-mfa-devices", &option)
            .step(
                "If not, and nobody is setting up a new one: take the password away",
                "iam delete-login-profile",
                &option,
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

    const SERIAL: &str = "arn:aws:iam::111122223333:mfa/bob-phone";

    fn event(name: &str, request: Value) -> String {
        call("iam", name, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let off = event("DeactivateMFADevice", json!({"userName": "bob", "serialNumber": SERIAL}));
        let seen = fires_at(&MfaRemoved, Severity::Medium, &off);
        assert_eq!(seen.title, "alice switched off user bob's MFA device");
        let own = fires_at(
            &MfaRemoved,
            Severity::Medium,
            &event("DeactivateMFADevice", json!({"serialNumber": SERIAL})),
        );
        assert_eq!(own.title, "alice switched off their own MFA device");
        // Some records name the caller in the ARN alone.
        let by_arn =
            json!({"userIdentity": {"userName": null}, "requestParameters": {"serialNumber": SERIAL}});
        let seen = fires_at(&MfaRemoved, Severity::Medium, &call("iam", "DeactivateMFADevice", by_arn));
        assert_eq!(seen.finding_id(), own.finding_id());
        fires_at(&MfaRemoved, Severity::Medium, &event("DeactivateMFADevice", json!({"userName": "bob"})));
    }

    #[test]
    fn a_new_device_settles_it() {
        let off = event("DeactivateMFADevice", json!({"userName": "bob", "serialNumber": SERIAL}));
        let new = json!({"userName": "bob", "serialNumber": "arn:aws:iam::111122223333:mfa/new-phone"});
        let by_root = root_call("iam", "EnableMFADevice", json!({"requestParameters": new}));
        for on in [event("EnableMFADevice", new), by_root, event("DeleteUser", json!({"userName": "bob"}))] {
            let seen = observe(&MfaRemoved, &on);
            assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing));
            assert_eq!(seen[0].finding_id(), fired(&MfaRemoved, &off).finding_id());
        }
    }

    #[test]
    fn stays_quiet() {
        let root_device = "arn:aws:iam::111122223333:mfa/root-account-mfa-device";
        let request = json!({"userName": "bob", "serialNumber": SERIAL});
        quiet(
            &MfaRemoved,
            &[
                call(
                    "iam",
                    "DeactivateMFADevice",
                    json!({"errorCode": "AccessDenied", "requestParameters": request}),
                ),
                event(
                    "DeactivateMFADevice",
                    json!({"userName": "AWS ROOT USER", "serialNumber": root_device}),
                ),
                event("DeactivateMFADevice", json!({"serialNumber": root_device})),
                event("DeactivateMFADevice", json!({"userName": {"is": "bob"}})),
                event("DeleteVirtualMFADevice", json!({"serialNumber": SERIAL})),
                root_call(
                    "iam",
                    "DeactivateMFADevice",
                    json!({"requestParameters": {"serialNumber": root_device}}),
                ),
                root_call("iam", "DeactivateMFADevice", json!({"requestParameters": request})),
                root_call(
                    "iam",
                    "EnableMFADevice",
                    json!({"requestParameters": {"serialNumber": root_device}}),
                ),
                call(
                    "iam",
                    "DeactivateMFADevice",
                    json!({"userIdentity": {"type": "AssumedRole", "userName": null}}),
                ),
            ],
        );
    }
}
