//! The root user: it can do everything, nothing limits it, and nobody should need it on an ordinary day.

pub(crate) mod access_key;
pub(crate) mod api_call;
pub(crate) mod assume_root;
pub(crate) mod centralized_root;
pub(crate) mod console_sign_in;
pub(crate) mod contact;
pub(crate) mod failed_sign_in;
pub(crate) mod login_profile;
pub(crate) mod mfa_added;
pub(crate) mod mfa_challenge_failed;
pub(crate) mod mfa_removed;
pub(crate) mod password;

use serde_json::Value;

use crate::event::Record;

/// The user name that IAM events give root. No IAM user can have it: their names hold no spaces.
const ROOT_USER: &str = "AWS ROOT USER";

/// The call that lists what root has done; it takes the region.
const ROOT_CALLS: &str =
    "cloudtrail lookup-events --lookup-attributes AttributeKey=Username,AttributeValue=root";

/// A step that most of these rules end with: its purpose and its call.
const ROOT_CREDENTIALS: (&str, &str) = (
    "Does root have access keys or no MFA? (AccountAccessKeysPresent, AccountMFAEnabled)",
    "iam get-account-summary",
);

/// The region option for [`ROOT_CALLS`]: where the event was logged.
fn in_region<'r>(record: &'r Record<'_>) -> [(&'static str, &'r str); 1] {
    [("--region", record.aws_region.get().unwrap_or("us-east-1"))]
}

/// What a console sign-in event says of its own outcome, `Success` or `Failure`, under its own name.
fn sign_in_result<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    record.response_text(&[record.event_name.or_empty()])
}

/// Whether root makes this IAM call for itself: no user name, or the one that stands for root.
fn for_itself(record: &Record<'_>) -> bool {
    let named = match record.request().get("userName") {
        None | Some(Value::Null) => None,
        Some(name) => Some(name.as_str().unwrap_or("?")).filter(|name| !name.is_empty()),
    };
    record.by_root() && named.is_none_or(|name| name == ROOT_USER)
}

/// Whether the serial number can only be that of a device of root: a virtual one's default name, a security key or
/// passkey in root's own folder.
fn is_root_device(serial: &str) -> bool {
    serial.ends_with(":mfa/root-account-mfa-device") || serial.contains(":u2f/root-account/")
}
