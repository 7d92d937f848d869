//! What the rules on the audit trail share.

use serde_json::Value;

use crate::kit::prelude::*;

/// The accounts that a call on members of GuardDuty or Security Hub names, as ids or as objects. Such a call succeeds as
/// a whole when some of them are refused; these are not among them.
pub(super) fn members<'r>(record: &'r Record<'_>) -> Vec<&'r str> {
    let ids = |value: &'r Value, key: &str| -> Vec<&'r str> {
        items_at(value, &[key]).into_iter().filter_map(|account| text_at(account, &["accountId"])).collect()
    };
    let refused = ids(record.response(), "unprocessedAccounts");
    let mut named = texts_at(record.request(), &["accountIds"]);
    named.extend(ids(record.request(), "accountDetails"));
    named.retain(|id| !refused.contains(id));
    named
}

/// Whether a log group or bucket of this name is likely to hold evidence. Names are all that an event tells.
pub(super) fn holds_evidence(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let signs =
        ["cloudtrail", "aws-controltower", "flowlog", "flow-log", "flow_log", "aws-waf-logs", "audit"];
    signs.iter().any(|sign| name.contains(sign))
        || (name.starts_with("/aws/eks/") && name.ends_with("/cluster"))
}

/// ARN of a trail by the name or ARN that a call gives. Trails can be changed in their home region alone, so
/// the event's region is the trail's.
pub(super) fn trail_arn(record: &Record<'_>, parameter: &str) -> Option<String> {
    let name = record.response_text(&["trailARN"]).or_else(|| text_at(record.request(), &[parameter]))?;
    Some(if name.starts_with("arn:") {
        name.to_owned()
    } else {
        record.arn("cloudtrail", &format!("trail/{name}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
