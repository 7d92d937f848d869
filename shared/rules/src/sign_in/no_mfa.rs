use super::common::{from, user, what_since, with_mfa};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An IAM user signed in to the console without MFA. A later sign-in of the same user with MFA settles
    /// the finding, as do a device that is registered for the user, the loss of the password and the end of
    /// the user. Where AWS does not say whether MFA was used, that is told.
    /// ## Why it matters
    /// A password alone is guessed, phished or found in an old leak. With a second factor none of these is
    /// enough.
    /// ## What to do
    /// Ask the user whether it was them. Have them register a device today, or take the password away if
    /// nobody needs it.
    /// ## False positives
    /// Sign-ins by SAML or Identity Center always say "No", because the second factor is asked for elsewhere:
    /// they are left out. Root has a rule of its own.
    NoMfa {
        id: "sign-in-without-mfa",
        title: "A user signed in to the console without MFA",
        severity: Medium,
        confidence: High,
        catalogue: ["AUTH-01"],
        references: [
            cis("3.0", &["1.10", "4.2"]),
            cis("5.0", &["1.9", "4.2"]),
            security_hub(&["IAM.5", "CloudWatch.3"]),
            attack(&["T1078.004"]),
            doc(&["CloudTrail user guide: AWS Management Console sign-in events"]),
        ],
        on: [
            On::Call("signin.amazonaws.com", &["ConsoleLogin"]),
            On::Call("iam.amazonaws.com", &["EnableMFADevice", "DeleteLoginProfile", "DeleteUser"]),
        ],
    }
}

impl Rule for NoMfa {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if record.event_name.or_empty() != "ConsoleLogin" {
            let Some(user) = named_user(record) else { return Ok(()) };
            let did = match record.event_name.or_empty() {
                "EnableMFADevice" => "registered an MFA device of",
                "DeleteLoginProfile" => "took the console password away from",
                _ => "deleted",
            };
            let title = format!("{} {did} user {user}", caller_name(record));
            cx.report(cx.passing(record.iam_arn("user", user), title));
            return Ok(());
        }
        let federated = record.additional_text(&["SamlProviderArn"]).is_some();
        let Some(user) = user(record).filter(|_| sign_in_result(record) == Some("Success") && !federated)
        else {
            return Ok(());
        };
        let (arn, from) = (record.iam_arn("user", user), from(record));
        let seen = match with_mfa(record) {
            Some(true) => {
                cx.report(cx.passing(arn, format!("User {user} signed in to the console with MFA")));
                return Ok(());
            }
            Some(false) => cx
                .failing(arn, format!("User {user} signed in to the console without MFA, from {from}"))
                .because("Whoever knows this password needs nothing else to be this user."),
            None => cx
                .unknown(
                    arn,
                    format!(
                        "User {user} signed in to the console, whether with MFA AWS does not say, from {from}"
                    ),
                )
                .because("The event lacks the field that tells whether MFA was used."),
        };
        let option = [("--user-name", user)];
        let seen = what_since(seen.severity(Severity::Medium), record)
            .step("Has the user a device at all?", "iam list-mfa-devices", &option)
            .step("If nobody needs the password, take it away", "iam delete-login-profile", &option);
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::common::events::sign_in;
    use super::*;
    use crate::testing::*;

    #[test]
    fn fires() {
        let seen = fires_at(&NoMfa, Severity::Medium, &sign_in("Success", json!({})));
        assert_eq!(seen.title, "User alice signed in to the console without MFA, from 203.0.113.7");
        assert_eq!((seen.verdict, seen.subject.region.as_str()), (Verdict::Failing, "global"));
        fires_at(
            &NoMfa,
            Severity::Medium,
            &sign_in("Success", json!({"additionalEventData": {"MFAUsed": "NO"}})),
        );
        let untold =
            fires_at(&NoMfa, Severity::Medium, &sign_in("Success", json!({"additionalEventData": null})));
        assert_eq!(untold.verdict, Verdict::Unknown);
    }

    #[test]
    fn mfa_settles_it() {
        let id = fired(&NoMfa, &sign_in("Success", json!({}))).finding_id();
        let alice = json!({"requestParameters": {"userName": "alice"}});
        let mut events: Vec<String> = ["Yes", "YES"]
            .map(|used| sign_in("Success", json!({"additionalEventData": {"MFAUsed": used}})))
            .into();
        events.extend(
            ["EnableMFADevice", "DeleteLoginProfile", "DeleteUser"]
                .map(|name| call("iam", name, alice.clone())),
        );
        events.push(root_call("iam", "EnableMFADevice", alice));
        for event in events {
            let seen = observe(&NoMfa, &event);
            assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing), "{event}");
            assert_eq!(seen[0].finding_id(), id);
        }
    }

    #[test]
    fn stays_quiet() {
        let saml =
            json!({"additionalEventData": {"SamlProviderArn": "arn:aws:iam::111122223333:saml-provider/x"}});
        quiet(
            &NoMfa,
            &[
                sign_in("Failure", json!({})),
                sign_in("Success", json!({"errorCode": "Failure"})),
                sign_in("Success", json!({"responseElements": null})),
                sign_in("Success", json!({"responseElements": {"ConsoleLogin": true}})),
                sign_in("Success", json!({"userIdentity": {"type": "AssumedRole"}})),
                sign_in("Success", json!({"userIdentity": {"type": "FederatedUser"}})),
                sign_in("Success", json!({"userIdentity": {"type": "Root"}})),
                sign_in("Success", json!({"userIdentity": {"userName": null}})),
                sign_in("Success", saml),
                root_call("iam", "EnableMFADevice", json!({"requestParameters": null})),
                root_call(
                    "iam",
                    "EnableMFADevice",
                    json!({"requestParameters": {"userName": "AWS ROOT USER"}}),
                ),
            ],
        );
    }
}
