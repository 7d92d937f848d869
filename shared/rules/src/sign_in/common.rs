//! What the rules on sign-ins share.

use crate::kit::prelude::*;

/// The IAM user who signs in; the owner of an event that keeps the name to itself is nobody.
pub(super) fn user<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    let who = &record.user_identity;
    if who.kind.or_empty() != "IAMUser" {
        return None;
    }
    who.user_name.get().filter(|name| *name != HIDDEN)
}

/// What CloudTrail writes instead of a user name that does not exist: it may be a password in the wrong
/// field.
pub(super) const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// Where from.
pub(super) fn from<'r>(record: &'r Record<'_>) -> &'r str {
    record.source_ip_address.get().unwrap_or("an unknown address")
}

/// Whether MFA was used, where the event says: AWS writes "Yes", "YES" and "No".
pub(super) fn with_mfa(record: &Record<'_>) -> Option<bool> {
    record.additional_text(&["MFAUsed"]).map(|used| used.eq_ignore_ascii_case("yes"))
}

/// The step that lists the calls of whoever signed in.
pub(super) fn what_since(seen: Observation, record: &Record<'_>) -> Observation {
    let name = record.user_identity.user_name.get().map_or_else(|| caller_name(record), str::to_owned);
    let by = lookup("Username", &name);
    seen.step(
        "What has been done since? (repeat in every enabled region)",
        "cloudtrail lookup-events",
        &[region_option(record), ("--lookup-attributes", &by)],
    )
}

/// What the rules' tests share.
#[cfg(test)]
pub(super) mod events {
    use serde_json::{Value, json};

    use crate::testing::call;

    /// A sign-in to the console with this outcome, with `changes` merged in.
    pub(in crate::sign_in) fn sign_in(result: &str, changes: Value) -> String {
        let mut event: Value = serde_json::from_str(&call(
            "signin",
            "ConsoleLogin",
            json!({
                "eventType": "AwsConsoleSignIn", "responseElements": {"ConsoleLogin": result},
                "userIdentity": {"accessKeyId": ""},
                "additionalEventData": {"LoginTo": "https://console.aws.amazon.com/", "MobileVersion": "No",
                "MFAUsed": "No"},
            }),
        ))
        .unwrap();
        merge(&mut event, changes);
        event.to_string()
    }

    fn merge(base: &mut Value, changes: Value) {
        match (base, changes) {
            (Value::Object(base), Value::Object(changes)) => {
                for (key, value) in changes {
                    merge(base.entry(key).or_insert(Value::Null), value);
                }
            }
            (base, changes) => *base = changes,
        }
    }
}
