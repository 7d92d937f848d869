//! Trusted Advisor: `Trusted Advisor Check Item Refresh Notification`.
//!
//! The event carries the check's name and its columns by their display names, never the check id (AWS Support user
//! guide, "Monitoring Trusted Advisor check results with EventBridge").

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::lenient::{Text, lenient};

lenient! {
    /// `detail` of a refresh notification.
    TrustedAdvisor {
        /// `check-name`, such as `Exposed Access Keys`.
        check_name: Text<'a> = "check-name",
        /// `status`: `ERROR`, `WARN`, `INFO` or `OK`.
        status: Text<'a> = "status",
        /// `resource_id`; empty for some checks.
        resource_id: Text<'a> = "resource_id",
        /// `uuid` of this notification.
        uuid: Text<'a> = "uuid",
        /// `check-item-detail`, unparsed; see [`TrustedAdvisor::columns`].
        item: Option<&'a RawValue> = "check-item-detail",
    }
}

impl TrustedAdvisor<'_> {
    /// The item's columns by display name, without the empty ones.
    pub fn columns(&self) -> BTreeMap<String, String> {
        let columns: BTreeMap<String, Text<'_>> =
            self.item.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        columns.into_iter().filter_map(|(name, value)| Some((name, value.get()?.to_owned()))).collect()
    }
}
