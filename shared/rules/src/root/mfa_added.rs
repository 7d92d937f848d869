use super::common::{ROOT_CALLS, ROOT_USER, for_itself, in_region, is_root_device};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The root user got a new MFA device: an authenticator app, a security key or a passkey. Merely creating a virtual
    /// device for root, which guards nothing until it is registered, is kept as low. Removing the device resolves it.
    /// ## Why it matters
    /// Usually it is the best news of the week. But a thief with a root session registers a device as well, so as to
    /// get in again and to make a later password reset useless to the owner.
    /// ## What to do
    /// Make sure that the device is in your safe and not in somebody else's pocket. If nobody knows it, remove it
    /// (signed in as root, Security credentials page), change the root password and look for other changes by root.
    /// ## False positives
    /// The set-up of a new account and a planned change of device, both of which somebody can confirm in a minute.
    MfaAdded {
        id: "root-mfa-added",
        title: "Root got a new MFA device",
        severity: Medium,
        confidence: Medium,
        catalogue: ["ROOT-07"],
        references: [
            cis("3.0", &["1.5", "1.6"]),
            cis("5.0", &["1.4", "1.5"]),
            security_hub(&["IAM.6", "IAM.9"]),
            attack(&["T1098"]),
            doc(&["CloudTrail user guide: AWS Management Console sign-in events"]),
        ],
        on: [On::Call("iam.amazonaws.com", &[
            "EnableMFADevice", "CreateVirtualMFADevice", "DeactivateMFADevice", "DeleteVirtualMFADevice",
        ])],
        repeat_hours: 1,
    }
}

impl Rule for MfaAdded {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let call = record.event_name.or_empty();
        let enabled = call == "EnableMFADevice";
        let serial = if call == "CreateVirtualMFADevice" {
            record.response_text(&["virtualMFADevice", "serialNumber"])
        } else {
            record.param(&["serialNumber"])
        };
        if ["DeactivateMFADevice", "DeleteVirtualMFADevice"].contains(&call) {
            // Only a device that was reported as root's has a finding here.
            if let Some(serial) = serial {
                let title = format!("MFA device {serial} was removed");
                cx.report(cx.passing(record.root_arn(), title).aspect(serial));
            }
            return Ok(());
        }
        let own = serial.is_some_and(is_root_device)
            || (enabled && (for_itself(record) || record.param(&["userName"]) == Some(ROOT_USER)));
        if !own {
            return Ok(());
        }
        let name = serial.unwrap_or("CloudTrail does not tell which");
        let (severity, title) = if enabled {
            (Severity::Medium, format!("Root got a new MFA device: {name}"))
        } else {
            (Severity::Low, format!("A virtual MFA device for root was created, not yet registered: {name}"))
        };
        let seen = cx
            .failing(record.root_arn(), title)
            .severity(severity)
            .because("Whoever holds this device has, or is about to have, root's second factor.")
            .aspect(serial.unwrap_or("unnamed device"))
            .detail_if("MFA device", serial)
            .step("Signed in as root, in CloudShell: which devices has root?", "iam list-mfa-devices", &[])
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

    const SERIAL: &str = "arn:aws:iam::111122223333:mfa/root-account-mfa-device";

    fn on(request: Value) -> String {
        root_call("iam", "EnableMFADevice", json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        // The shape in CloudTrail's own guide.
        let seen = fires_at(
            &MfaAdded,
            Severity::Medium,
            &on(json!({"userName": "AWS ROOT USER", "serialNumber": SERIAL})),
        );
        assert!(seen.title.contains(SERIAL), "{}", seen.title);
        fires_at(
            &MfaAdded,
            Severity::Medium,
            &on(json!({"serialNumber": "arn:aws:iam::111122223333:mfa/phone"})),
        );
        fires_at(&MfaAdded, Severity::Medium, &on(json!(null)));
        let created = json!({"responseElements": {"virtualMFADevice": {"serialNumber": SERIAL}}});
        let low = fires_at(&MfaAdded, Severity::Low, &root_call("iam", "CreateVirtualMFADevice", created));
        assert_eq!(low.finding_id(), seen.finding_id());
    }

    #[test]
    fn removing_the_device_resolves_it() {
        let phone = json!({"serialNumber": "arn:aws:iam::111122223333:mfa/phone"});
        let open = fired(&MfaAdded, &on(phone.clone()));
        for call in ["DeactivateMFADevice", "DeleteVirtualMFADevice"] {
            let seen = observe(&MfaAdded, &root_call("iam", call, json!({"requestParameters": phone})));
            assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing), "{call}");
            assert_eq!(seen[0].finding_id(), open.finding_id());
        }
    }

    #[test]
    fn stays_quiet() {
        let bob = json!({"responseElements": {"virtualMFADevice": {
            "serialNumber": "arn:aws:iam::111122223333:mfa/bob"}}});
        let refused =
            json!({"errorCode": "InvalidAuthenticationCode", "requestParameters": {"serialNumber": SERIAL}});
        quiet(
            &MfaAdded,
            &[
                on(json!({"userName": "bob", "serialNumber": "arn:aws:iam::111122223333:mfa/bob"})),
                on(json!({"userName": {"is": "AWS ROOT USER"}})),
                root_call("iam", "EnableMFADevice", refused),
                root_call(
                    "iam",
                    "EnableMFADevice",
                    json!({"userIdentity": {"invokedBy": "sso.amazonaws.com"}}),
                ),
                root_call("iam", "EnableMFADevice", json!({"eventType": "AwsServiceEvent"})),
                root_call("iam", "CreateVirtualMFADevice", bob),
                root_call("iam", "CreateVirtualMFADevice", json!({"responseElements": null})),
                call("iam", "EnableMFADevice", json!({"requestParameters": null})),
            ],
        );
    }
}
