use super::common::holds_evidence;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A CloudWatch log group or log stream was deleted, or a subscription or metric filter of one; or the
    /// retention of a group that by its name holds an audit trail was set below 90 days.
    /// ## Why it matters
    /// Logs are evidence. A subscription filter often feeds a security tool, and a metric filter an alarm:
    /// without them the log is still written, and nobody hears of it.
    /// ## What to do
    /// Find out who read the log. Create filters again; what was in a deleted group is gone.
    /// ## False positives
    /// Log groups and streams come and go with functions and stacks, so that ordinary ones are low. Only
    /// names that speak of CloudTrail, flow logs, WAF, EKS or audit are more.
    LogsDeleted {
        id: "audit-logs-deleted",
        title: "Logs in CloudWatch, or what reads them, were deleted",
        severity: Low,
        confidence: Medium,
        catalogue: ["DET-07"],
        references: [security_hub(&["CloudWatch.16"]), attack(&["T1562.008"]), attack(&["T1070"])],
        on: [On::Call("logs.amazonaws.com", &[
            "DeleteLogGroup", "DeleteLogStream", "DeleteSubscriptionFilter", "PutSubscriptionFilter",
                "DeleteMetricFilter",
            "PutMetricFilter", "PutRetentionPolicy", "DeleteRetentionPolicy",
        ])],
        general: true,
    }
}

/// What an investigation needs at the least.
const KEPT_DAYS: i64 = 90;

impl Rule for LogsDeleted {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let request = record.request();
        let Some(group) = text_at(request, &["logGroupName"]) else { return Ok(()) };
        if let Some(seen) = observation(record, cx, group) {
            cx.report(seen);
        }
        Ok(())
    }
}

fn observation(record: &Record<'_>, cx: &Cx<'_>, group: &str) -> Option<Observation> {
    let (who, request, region) = (caller_name(record), record.request(), region(record));
    let arn = record.arn("logs", &format!("log-group:{group}"));
    let evidence = holds_evidence(group);
    let filter = text_at(request, &["filterName"]);
    let (severity, aspect, title) = match record.event_name.or_empty() {
        "DeleteLogGroup" => {
            let severity = if evidence { Severity::High } else { Severity::Low };
            (severity, "group".to_owned(), format!("{who} deleted log group {group}"))
        }
        "DeleteLogStream" => {
            let stream = text_at(request, &["logStreamName"])?;
            let severity = if evidence { Severity::Medium } else { Severity::Low };
            (
                severity,
                format!("stream {stream}"),
                format!("{who} deleted log stream {stream} of log group {group}"),
            )
        }
        "DeleteSubscriptionFilter" => {
            let severity = if evidence { Severity::Medium } else { Severity::Low };
            let title = format!("{who} deleted subscription filter {} of log group {group}", filter?);
            (severity, format!("subscription {}", filter?), title)
        }
        "DeleteMetricFilter" => {
            let severity = if evidence { Severity::Medium } else { Severity::Low };
            let title = format!("{who} deleted metric filter {} of log group {group}", filter?);
            (severity, format!("metric {}", filter?), title)
        }
        "PutSubscriptionFilter" => {
            return Some(
                cx.passing(arn, format!("{who} set filter {}", filter?))
                    .aspect(format!("subscription {}", filter?)),
            );
        }
        "PutMetricFilter" => {
            return Some(
                cx.passing(arn, format!("{who} set filter {}", filter?))
                    .aspect(format!("metric {}", filter?)),
            );
        }
        event => match number_at(request, &["retentionInDays"]) {
            Some(days) if days < KEPT_DAYS && event == "PutRetentionPolicy" => {
                if !evidence {
                    return None;
                }
                let title = format!("{who} has log group {group} keep its logs for {days} days only");
                (Severity::Medium, "retention".to_owned(), title)
            }
            None if event == "PutRetentionPolicy" => return None,
            // Without a policy, logs are kept for ever.
            _ => {
                return Some(
                    cx.passing(arn, format!("{who} has log group {group} keep its logs")).aspect("retention"),
                );
            }
        },
    };
    let because = match evidence {
        true => "By its name the group holds an audit trail.",
        false => "Log groups come and go with what writes them; by its name this one is an ordinary one.",
    };
    let seen = cx
        .failing(arn, title)
        .severity(severity)
        .aspect(aspect)
        .because(because)
        .detail("Log group", group)
        .step(
            "What is left?",
            "logs describe-log-groups",
            &[("--log-group-name-prefix", group), ("--region", region)],
        );
    Some(tempered_to(cx, Severity::Low, seen))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn logs(event: &str, group: &str, mut request: Value) -> String {
        request["logGroupName"] = json!(group);
        call("logs", event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let trail = "aws-cloudtrail-logs-111122223333";
        let seen = fires_at(&LogsDeleted, Severity::High, &logs("DeleteLogGroup", trail, json!({})));
        assert_eq!(seen.title, format!("alice deleted log group {trail}"));
        fires_at(&LogsDeleted, Severity::Low, &logs("DeleteLogGroup", "/aws/lambda/shop", json!({})));
        let stream = json!({"logStreamName": "2026/03/01"});
        fires_at(
            &LogsDeleted,
            Severity::Medium,
            &logs("DeleteLogStream", "/aws/eks/prod/cluster", stream.clone()),
        );
        fires_at(&LogsDeleted, Severity::Low, &logs("DeleteLogStream", "/aws/lambda/shop", stream));
        let retention = |days: i64| json!({"retentionInDays": days});
        fires_at(&LogsDeleted, Severity::Medium, &logs("PutRetentionPolicy", trail, retention(1)));
        let service =
            json!({"requestParameters": {"logGroupName": trail}, "userIdentity": {"type": "AWSService"}});
        fires_at(&LogsDeleted, Severity::Low, &call("logs", "DeleteLogGroup", service));
        // "AWS Internal" is a user agent, and anybody can send it.
        let agent = json!({"requestParameters": {"logGroupName": trail}, "userAgent": "AWS Internal"});
        fires_at(&LogsDeleted, Severity::High, &call("logs", "DeleteLogGroup", agent));
    }

    #[test]
    fn a_repair_resolves() {
        let name = json!({"filterName": "siem"});
        for (bad, good) in [
            (
                logs("DeleteSubscriptionFilter", "audit", name.clone()),
                logs("PutSubscriptionFilter", "audit", name.clone()),
            ),
            (logs("DeleteMetricFilter", "audit", name.clone()), logs("PutMetricFilter", "audit", name)),
            (
                logs("PutRetentionPolicy", "audit", json!({"retentionInDays": "7"})),
                logs("PutRetentionPolicy", "audit", json!({"retentionInDays": 365})),
            ),
            (
                logs("PutRetentionPolicy", "audit", json!({"retentionInDays": 7})),
                logs("DeleteRetentionPolicy", "audit", json!({})),
            ),
        ] {
            let (bad, good) = (fires_at(&LogsDeleted, Severity::Medium, &bad), observe(&LogsDeleted, &good));
            assert_eq!((good[0].verdict, good[0].finding_id()), (Verdict::Passing, bad.finding_id()));
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &LogsDeleted,
            &[
                logs("PutRetentionPolicy", "/aws/lambda/shop", json!({"retentionInDays": 7})),
                logs("PutRetentionPolicy", "audit", json!({"retentionInDays": null})),
                logs("DeleteLogStream", "audit", json!({"logStreamName": 7})),
                call("logs", "DeleteLogGroup", json!({"requestParameters": null})),
                call("logs", "DeleteLogGroup", json!({"errorCode": "AccessDenied"})),
            ],
        );
    }
}
