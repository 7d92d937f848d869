//! What the rules on root share.

use serde_json::Value;

use crate::kit::prelude::*;

/// The user name that IAM events give root. No IAM user can have it: their names hold no spaces.
pub(super) const ROOT_USER: &str = "AWS ROOT USER";

/// The call that lists what root has done; it takes the region.
pub(super) const ROOT_CALLS: &str =
    "cloudtrail lookup-events --lookup-attributes AttributeKey=Username,AttributeValue=root";

/// A step that most of these rules end with: its purpose and its call.
pub(super) const ROOT_CREDENTIALS: (&str, &str) = (
    "Does root have access keys or no MFA? (AccountAccessKeysPresent, AccountMFAEnabled)",
    "iam get-account-summary",
);

/// The region option for [`ROOT_CALLS`]: where the event was logged.
pub(super) fn in_region<'r>(record: &'r Record<'_>) -> [(&'static str, &'r str); 1] {
    [region_option(record)]
}

/// Whether root makes this IAM call for itself: no user name, or the one that stands for root.
pub(super) fn for_itself(record: &Record<'_>) -> bool {
    let named = match record.request().get("userName") {
        None | Some(Value::Null) => None,
        Some(name) => Some(name.as_str().unwrap_or("?")).filter(|name| !name.is_empty()),
    };
    record.by_root() && named.is_none_or(|name| name == ROOT_USER)
}

/// Whether the serial number can only be that of a device of root: a virtual one's default name, a security key or
/// passkey in root's own folder.
pub(super) fn is_root_device(serial: &str) -> bool {
    serial.ends_with(":mfa/root-account-mfa-device") || serial.contains(":u2f/root-account/")
}
