use super::common::{ROOT_CALLS, ROOT_USER, for_itself, in_region, is_root_device};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An MFA device of the root user was deactivated (critical), or root's virtual device was deleted (high: a device
    /// in use must be deactivated first, so that a deletion alone is often an unfinished registration). Registering a
    /// device for root again resolves it; the new device has a finding of its own.
    /// ## Why it matters
    /// Without MFA the password, or the mailbox that can reset it, is all that stands between a thief and the account.
    /// Taking the owner's device away is also how a thief keeps the owner out.
    /// ## What to do
    /// Ask who changed it. If it was planned, register the new device now. If not, treat root as taken: reset the
    /// password, register a device of your own, remove devices that nobody knows, and open a case with AWS Support.
    /// ## False positives
    /// A change of phone or security key, where a registration follows within minutes. Root may have up to eight
    /// devices, so that root may still be protected by another one: `iam get-account-summary` tells.
    MfaRemoved {
        id: "root-mfa-removed",
        title: "An MFA device of root was removed",
        severity: Critical,
        confidence: High,
        catalogue: ["ROOT-06"],
        references: [
            cis("3.0", &["1.5", "1.6"]),
            cis("5.0", &["1.4", "1.5"]),
            security_hub(&["IAM.6", "IAM.9"]),
            attack(&["T1556.006"]),
            doc(&["CloudTrail user guide: AWS Management Console sign-in events"]),
        ],
        on: [On::Call("iam.amazonaws.com", &["DeactivateMFADevice", "DeleteVirtualMFADevice", "EnableMFADevice"])],
        repeat_hours: 1,
    }
}

impl Rule for MfaRemoved {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let serial = record.param(&["serialNumber"]).unwrap_or_default();
        let name = record.event_name.or_empty();
        let deactivated = name == "DeactivateMFADevice";
        // A deletion names no user: root may be tidying up a device that was somebody else's.
        let own = is_root_device(serial)
            || record.param(&["userName"]) == Some(ROOT_USER)
            || (name != "DeleteVirtualMFADevice" && for_itself(record));
        if !own {
            return Ok(());
        }
        let who = caller_name(record);
        if name == "EnableMFADevice" {
            cx.report(cx.passing(record.root_arn(), format!("{who} registered an MFA device for root")));
            return Ok(());
        }
        let (severity, title, why) = if deactivated {
            (
                Severity::Critical,
                format!("An MFA device of root was switched off by {who}"),
                "Unless root has another device, its password alone now opens the account.",
            )
        } else {
            (
                Severity::High,
                format!("A virtual MFA device of root was deleted by {who}"),
                "A device of root is gone; if it was in use, it was switched off just before.",
            )
        };
        let seen = cx
            .failing(record.root_arn(), title)
            .severity(severity)
            .because(why)
            .detail_if("MFA device", Some(serial).filter(|serial| !serial.is_empty()))
            .step("Has root any MFA left? (AccountMFAEnabled is 1)", "iam get-account-summary", &[])
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

    fn request(request: Value) -> Value {
        json!({"requestParameters": request})
    }

    fn off(parameters: Value) -> String {
        root_call("iam", "DeactivateMFADevice", request(parameters))
    }

    #[test]
    fn fires() {
        let phone = "arn:aws:iam::111122223333:mfa/phone";
        let named = off(json!({"userName": "AWS ROOT USER", "serialNumber": phone}));
        fires_at(&MfaRemoved, Severity::Critical, &named);
        let seen = fires_at(&MfaRemoved, Severity::Critical, &off(json!({"serialNumber": phone})));
        assert!(seen.title.contains("by root"), "{}", seen.title);
        fires_at(&MfaRemoved, Severity::Critical, &off(json!(null)));
        let other = call("iam", "DeactivateMFADevice", request(json!({"serialNumber": SERIAL})));
        fires_at(&MfaRemoved, Severity::Critical, &other);
        let china = "arn:aws-cn:iam::111122223333:mfa/root-account-mfa-device";
        let deleted = root_call("iam", "DeleteVirtualMFADevice", request(json!({"serialNumber": china})));
        fires_at(&MfaRemoved, Severity::High, &deleted);
        let key = json!({"userName": "AWS ROOT USER",
            "serialNumber": "arn:aws:iam::111122223333:u2f/root-account/k-1"});
        fires_at(&MfaRemoved, Severity::Critical, &off(key));
    }

    #[test]
    fn a_new_device_settles_it() {
        let open = fires_at(&MfaRemoved, Severity::Critical, &off(json!({"serialNumber": SERIAL})));
        for parameters in [json!({"userName": "AWS ROOT USER", "serialNumber": SERIAL}), json!(null)] {
            let on = root_call("iam", "EnableMFADevice", request(parameters));
            let gone = observe(&MfaRemoved, &on);
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing), "{on}");
            assert_eq!(gone[0].finding_id(), open.finding_id());
        }
        let refused =
            json!({"errorCode": "InvalidAuthenticationCode", "requestParameters": {"serialNumber": SERIAL}});
        let bobs = request(json!({"userName": "bob", "serialNumber": "arn:aws:iam::111122223333:mfa/bob"}));
        quiet(
            &MfaRemoved,
            &[
                root_call("iam", "EnableMFADevice", refused),
                root_call("iam", "EnableMFADevice", bobs),
                call("iam", "EnableMFADevice", json!({"requestParameters": null})),
            ],
        );
    }

    #[test]
    fn stays_quiet() {
        let bobs = json!({"userName": "bob", "serialNumber": "arn:aws:iam::111122223333:mfa/bob"});
        let none = |changes: Value| root_call("iam", "DeactivateMFADevice", changes);
        quiet(
            &MfaRemoved,
            &[
                off(bobs.clone()),
                off(json!({"userName": ["AWS ROOT USER"], "serialNumber": {}})),
                call("iam", "DeactivateMFADevice", request(bobs)),
                call("iam", "DeactivateMFADevice", json!({"requestParameters": null})),
                none(json!({"errorCode": "AccessDenied", "requestParameters": {"serialNumber": SERIAL}})),
                none(json!({"userIdentity": {"invokedBy": "sso.amazonaws.com"}})),
                none(json!({"eventType": "AwsServiceEvent"})),
                root_call(
                    "iam",
                    "DeleteVirtualMFADevice",
                    request(json!({"serialNumber": "arn:aws:iam::111122223333:mfa/bob"})),
                ),
                root_call("iam", "DeleteVirtualMFADevice", json!({"requestParameters": null})),
            ],
        );
    }
}
