//! The audit trail and AWS's own detectors, switched off, narrowed or blinded.

pub(crate) mod access_analyzer;
pub(crate) mod access_logging;
pub(crate) mod alarm_silenced;
pub(crate) mod config_stopped;
pub(crate) mod dns_logs;
pub(crate) mod event_data_store;
pub(crate) mod findings_hidden;
pub(crate) mod flow_logs;
pub(crate) mod guardduty_blinded;
pub(crate) mod guardduty_disabled;
pub(crate) mod logs_deleted;
pub(crate) mod scanner_disabled;
pub(crate) mod security_hub;
pub(crate) mod trail_bucket;
pub(crate) mod trail_selectors;
pub(crate) mod trail_stopped;
pub(crate) mod trail_weakened;
pub(crate) mod waf_removed;
pub(crate) mod workload_logging;

use serde_json::Value;

use crate::event::Record;
use crate::event::cloudtrail::{flag_at, items_at};
use crate::observation::{Observation, Severity};
use crate::rules::Cx;
use crate::rules::automation::Automation;

/// A value by path, keys in any case: CloudTrail writes the wire names of some services (`Workflow`), and
/// begins those of others with a small letter (`deliveryChannelName`).
pub(crate) fn get<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, wanted| {
        value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    })
}

/// A text by path that is not empty, keys in any case.
pub(crate) fn text<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    get(value, path)?.as_str().filter(|text| !text.is_empty())
}

/// A flag by path, keys in any case.
pub(crate) fn flag(value: &Value, path: &[&str]) -> Option<bool> {
    flag_at(get(value, path)?, &[])
}

/// The elements of a list by path, keys in any case.
pub(crate) fn list<'v>(value: &'v Value, path: &[&str]) -> Vec<&'v Value> {
    get(value, path).map(|value| items_at(value, &[])).unwrap_or_default()
}

/// The texts of a list by path. EC2 wraps each as `{"content": "fl-1", "tag": 1}`.
pub(crate) fn texts<'v>(value: &'v Value, path: &[&str]) -> Vec<&'v str> {
    let text = |item: &'v Value| item.as_str().or_else(|| text(item, &["content"]));
    list(value, path).into_iter().filter_map(text).filter(|text| !text.is_empty()).collect()
}

/// The accounts that a call on members of GuardDuty or Security Hub names, as ids or as objects. Such a call succeeds as
/// a whole when some of them are refused; these are not among them.
pub(crate) fn members<'r>(record: &'r Record<'_>) -> Vec<&'r str> {
    let ids = |value: &'r Value, key: &str| -> Vec<&'r str> {
        list(value, &[key]).into_iter().filter_map(|account| text(account, &["accountId"])).collect()
    };
    let refused = ids(record.response(), "unprocessedAccounts");
    let mut named = texts(record.request(), &["accountIds"]);
    named.extend(ids(record.request(), "accountDetails"));
    named.retain(|id| !refused.contains(id));
    named
}

/// Where the commands of a mail must look.
pub(crate) fn region<'r>(record: &'r Record<'_>) -> &'r str {
    record.aws_region.get().unwrap_or("us-east-1")
}

/// Lowers what automation does, though not below `floor` where the automation is only as good as its
/// credentials: a stolen pipeline switches logs off like anybody else. A service acting for itself cannot be
/// stolen.
pub(crate) fn tempered(cx: &Cx<'_>, floor: Severity, seen: Observation) -> Observation {
    let own = seen.severity;
    let lowered = cx.tempered(seen);
    match cx.automation() {
        None | Some(Automation::Service) => lowered,
        Some(_) => {
            let severity = lowered.severity.max(floor.min(own));
            lowered.severity(severity)
        }
    }
}

/// Whether a log group or bucket of this name is likely to hold evidence. Names are all that an event tells.
pub(crate) fn holds_evidence(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let signs =
        ["cloudtrail", "aws-controltower", "flowlog", "flow-log", "flow_log", "aws-waf-logs", "audit"];
    signs.iter().any(|sign| name.contains(sign))
        || (name.starts_with("/aws/eks/") && name.ends_with("/cluster"))
}

/// ARN of a trail by the name or ARN that a call gives. Trails can be changed in their home region alone, so
/// the event's region is the trail's.
pub(crate) fn trail_arn(record: &Record<'_>, parameter: &str) -> Option<String> {
    let name = record.response_text(&["trailARN"]).or_else(|| text(record.request(), &[parameter]))?;
    Some(if name.starts_with("arn:") {
        name.to_owned()
    } else {
        record.arn("cloudtrail", &format!("trail/{name}"))
    })
}

/// The last part of an ARN, which people know.
pub(crate) fn short(arn: &str) -> &str {
    arn.rsplit(['/', ':']).next().unwrap_or(arn)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_found_whatever_their_shape() {
        let value =
            json!({"Workflow": {"Status": "SUPPRESSED"}, "ids": {"items": ["a", {"content": "b"}, 7, ""]}});
        assert_eq!(text(&value, &["workflow", "status"]), Some("SUPPRESSED"));
        assert_eq!(texts(&value, &["Ids"]), ["a", "b"]);
        assert_eq!(texts(&json!({"id": {"content": "fl-1", "tag": 1}}), &["id"]), ["fl-1"]);
        assert_eq!(flag(&json!({"Enable": "false"}), &["enable"]), Some(false));
        assert_eq!((flag(&value, &["x"]), text(&json!(null), &["x"])), (None, None));
    }

    #[test]
    fn evidence_is_known_by_name() {
        for name in [
            "aws-cloudtrail-logs-111122223333-ab12",
            "/aws/eks/prod/cluster",
            "vpc-flow-logs",
            "OrgAuditLogs",
        ] {
            assert!(holds_evidence(name), "{name}");
        }
        for name in ["/aws/lambda/shop", "/aws/eks/prod/workers", "assets"] {
            assert!(!holds_evidence(name), "{name}");
        }
    }
}
