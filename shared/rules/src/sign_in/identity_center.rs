use serde_json::Value;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// MFA in IAM Identity Center was weakened: the settings that say who is asked for a second factor were
    /// changed (medium; high where the event says that MFA is off, or that people without a device are let
    /// in), or an MFA device of a person was removed (medium). A device that is registered for the same
    /// person settles the latter, and settings that ask everybody every time settle the former. A change of
    /// who may manage devices is low.
    /// ## Why it matters
    /// Identity Center is the door to all accounts of the organization. Intruders have switched its MFA off,
    /// so that the people they made could sign in with a password alone.
    /// ## What to do
    /// Look at the settings (Identity Center console, Settings, Authentication) and put them right. Ask the
    /// person whose device was removed.
    /// ## False positives
    /// A person's new phone, and a planned change of the settings. AWS does not document the fields of these
    /// settings: where they are not understood, the finding says so. Sign-ins by an external identity
    /// provider do not ask Identity Center for MFA.
    IdentityCenter {
        id: "sign-in-identity-center-mfa",
        title: "MFA in IAM Identity Center was weakened",
        severity: Medium,
        confidence: Medium,
        catalogue: ["AUTH-07"],
        references: [
            cis("3.0", &["1.21"]),
            cis("5.0", &["1.20"]),
            attack(&["T1556.006"]),
            doc(&["IAM Identity Center user guide: Configure MFA; Service authorization reference: sso-directory"]),
        ],
        on: [
            On::Call("sso.amazonaws.com", &["UpdateSsoConfiguration", "PutMfaDeviceManagementForDirectory"]),
            On::Call("sso-directory.amazonaws.com", &[
                "DeleteMfaDeviceForUser", "CompleteVirtualMfaDeviceRegistration",
                "CompleteWebAuthnDeviceRegistration",
            ]),
        ],
    }
}

impl Rule for IdentityCenter {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        match record.event_name.or_empty() {
            "UpdateSsoConfiguration" => settings(record, cx),
            "PutMfaDeviceManagementForDirectory" => management(record, cx),
            _ => device(record, cx),
        }
        Ok(())
    }
}

/// Who may register devices: the event does not say whether people may from now on, or may no longer.
fn management(record: &Record<'_>, cx: &mut Cx<'_>) {
    let instance = record.param(&["instanceArn"]).unwrap_or("IAM Identity Center");
    let title = format!("{} changed who may manage MFA devices in IAM Identity Center", caller_name(record));
    let seen = cx
        .unknown(instance, title)
        .global()
        .severity(Severity::Low)
        .aspect("device management")
        .because("Where people may register devices, whoever has a password may register one as well.")
        .detail_if("Directory", record.param(&["directoryId"]))
        .step("Which instance is it?", "sso-admin list-instances", &[("--region", region(record))]);
    cx.report(stop_caller(cx.tempered(seen), record));
}

fn settings(record: &Record<'_>, cx: &mut Cx<'_>) {
    // Session lengths are set by the same call.
    if record.param(&["configurationType"]) != Some("APP_AUTHENTICATION_CONFIGURATION") {
        return;
    }
    let instance = record.param(&["instanceArn"]).unwrap_or("IAM Identity Center");
    let configuration = record.request().get("ssoConfiguration").unwrap_or(&Value::Null);
    let (mode, without) =
        (text_at(configuration, &["mfaMode"]), text_at(configuration, &["noMfaSignInBehavior"]));
    let who = caller_name(record);
    let off = mode.is_some_and(|mode| mode.eq_ignore_ascii_case("DISABLED"));
    let open = without.is_some_and(|without| without.eq_ignore_ascii_case("ALLOWED"));
    let seen = if off || open {
        let what = if off { "switched MFA off" } else { "let people in without an MFA device" };
        cx.failing(instance, format!("{who} {what} in IAM Identity Center"))
            .severity(Severity::High)
            .because("A password alone opens every account that the person is assigned to.")
    } else if mode == Some("ALWAYS_ON") && without.is_some() {
        let title = format!("{who} has IAM Identity Center ask for MFA at every sign-in");
        cx.report(cx.passing(instance, title).global());
        return;
    } else {
        cx.unknown(instance, format!("{who} changed the MFA settings of IAM Identity Center"))
            .severity(Severity::Medium)
            .because("The event does not tell clearly whether everybody is still asked for a second factor.")
    };
    let seen = seen
        .global()
        .detail_if("MFA mode", mode)
        .detail_if("Without a device", without)
        .step(
            "Who changed these settings, and when? (in this region)",
            "cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=UpdateSsoConfiguration",
            &[("--region", region(record))],
        )
        .step("Which instance is it?", "sso-admin list-instances", &[("--region", region(record))]);
    cx.report(stop_caller(cx.tempered(seen), record));
}

fn device(record: &Record<'_>, cx: &mut Cx<'_>) {
    let Some(user) = record.param(&["userId"]) else { return };
    let (who, arn) = (caller_name(record), format!("arn:{}:identitystore:::user/{user}", record.partition()));
    if record.event_name.or_empty() != "DeleteMfaDeviceForUser" {
        cx.report(cx.passing(arn, format!("{who} registered an MFA device of {user}")).global());
        return;
    }
    let mut seen = cx
        .failing(arn, format!("{who} removed an MFA device of Identity Center user {user}"))
        .global()
        .because("Unless the person has another device, the next sign-in asks for less, or for a new device.")
        .detail_if("Device", record.param(&["deviceId"]));
    let region = region(record);
    seen = match record.param(&["identityStoreId"]) {
        Some(store) => seen.step(
            "Who is it?",
            "identitystore describe-user",
            &[("--region", region), ("--identity-store-id", store), ("--user-id", user)],
        ),
        None => seen.step("Which identity store is it?", "sso-admin list-instances", &[("--region", region)]),
    };
    cx.report(stop_caller(cx.tempered(seen), record));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    const USER: &str = "01cb45c0-c071-70a1-0a3a-e417bf7fd8ff";

    fn update(kind: &str, configuration: Value) -> String {
        call(
            "sso",
            "UpdateSsoConfiguration",
            json!({"requestParameters": {
            "configurationType": kind, "ssoConfiguration": configuration,
            "instanceArn": "arn:aws:sso:::instance/ssoins-1111111111111111"}}),
        )
    }

    fn mfa(configuration: Value) -> String {
        update("APP_AUTHENTICATION_CONFIGURATION", configuration)
    }

    fn device(name: &str) -> String {
        let request = json!({"identityStoreId": "d-1111111111", "userId": USER, "deviceId": "x"});
        call("sso-directory", name, json!({"requestParameters": request}))
    }

    #[test]
    fn fires_for_settings() {
        let seen = fires_at(&IdentityCenter, Severity::High, &mfa(json!({"mfaMode": "DISABLED"})));
        // Identity Center lives in one region; elsewhere the commands would find nothing.
        assert!(
            seen.steps.iter().all(|step| step.command.contains("--region us-east-1")),
            "{:?}",
            seen.steps
        );
        assert_eq!(seen.title, "alice switched MFA off in IAM Identity Center");
        let open = json!({"mfaMode": "ALWAYS_ON", "noMfaSignInBehavior": "ALLOWED"});
        fires_at(&IdentityCenter, Severity::High, &mfa(open));
        for odd in [
            json!(null),
            json!({"mfaMode": "CONTEXT_AWARE"}),
            json!({"mfaMode": true}),
            json!("x"),
            json!({"mfaMode": "ALWAYS_ON"}),
        ] {
            let seen = fires_at(&IdentityCenter, Severity::Medium, &mfa(odd));
            assert_eq!(seen.verdict, Verdict::Unknown);
        }
    }

    #[test]
    fn who_may_manage_devices_is_low() {
        let request = json!({"directoryId": "d-1111111111",
            "instanceArn": "arn:aws:sso:::instance/ssoins-1111111111111111"});
        let put = json!({"requestParameters": request});
        let seen =
            fires_at(&IdentityCenter, Severity::Low, &call("sso", "PutMfaDeviceManagementForDirectory", put));
        assert_eq!(seen.verdict, Verdict::Unknown);
    }

    #[test]
    fn strict_settings_and_a_new_device_settle_it() {
        let strict =
            observe(&IdentityCenter, &mfa(json!({"mfaMode": "ALWAYS_ON", "noMfaSignInBehavior": "BLOCKED"})));
        assert_eq!((strict.len(), strict[0].verdict), (1, Verdict::Passing));
        let off = fired(&IdentityCenter, &mfa(json!({"mfaMode": "DISABLED"})));
        assert_eq!(strict[0].finding_id(), off.finding_id());
        let removed = fires_at(&IdentityCenter, Severity::Medium, &device("DeleteMfaDeviceForUser"));
        for name in ["CompleteVirtualMfaDeviceRegistration", "CompleteWebAuthnDeviceRegistration"] {
            let seen = observe(&IdentityCenter, &device(name));
            assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing));
            assert_eq!(seen[0].finding_id(), removed.finding_id());
        }
    }

    #[test]
    fn stays_quiet() {
        let session = json!({"sessionConfiguration": {"maxAuthenticationAge": "PT8H"}});
        quiet(
            &IdentityCenter,
            &[
                update("SESSION", session),
                call("sso", "UpdateSsoConfiguration", json!({"requestParameters": null})),
                call("sso-directory", "DeleteMfaDeviceForUser", json!({"errorCode": "AccessDenied"})),
                call("sso-directory", "DeleteMfaDeviceForUser", json!({"requestParameters": {"userId": {}}})),
                call("sso-directory", "CreateUser", json!({"requestParameters": {"userId": USER}})),
            ],
        );
    }

    #[test]
    fn settings_are_told_without_an_instance() {
        let management = asked("sso", "PutMfaDeviceManagementForDirectory", json!({"directoryId": "d-1"}));
        fires_at(&IdentityCenter, Severity::Low, &management);
        let off = json!({"configurationType": "APP_AUTHENTICATION_CONFIGURATION", "ssoConfiguration": {"mfaMode": "DISABLED"}});
        fires_at(&IdentityCenter, Severity::High, &asked("sso", "UpdateSsoConfiguration", off));
    }
}
