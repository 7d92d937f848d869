use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// One or several VPC flow logs were deleted, each of which is a finding.
    /// ## Why it matters
    /// Flow logs are the only record of who talked to whom on the network. What was not logged cannot be
    /// investigated.
    /// ## What to do
    /// Ask the caller. If the network still exists, create the flow log again.
    /// ## False positives
    /// Flow logs go together with a network that is torn down. The event names the flow log and not its
    /// network, so that a new flow log for the same network does not close this finding.
    FlowLogs {
        id: "audit-flow-logs-deleted",
        title: "VPC flow logs were deleted",
        severity: Medium,
        confidence: High,
        catalogue: ["DET-06"],
        references: [
            cis("3.0", &["3.7"]),
            cis("5.0", &["3.7"]),
            security_hub(&["EC2.6"]),
            attack(&["T1562.008"]),
        ],
        on: [On::Call("ec2.amazonaws.com", &["DeleteFlowLogs"])],
    }
}

impl Rule for FlowLogs {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, region) = (caller_name(record), region(record));
        let refused =
            value_at(record.response(), &["DeleteFlowLogsResponse", "unsuccessful"]).map(ToString::to_string);
        for id in texts_at(record.request(), &["DeleteFlowLogsRequest", "FlowLogId"]) {
            // The call succeeds as a whole when single flow logs could not be deleted.
            if refused.as_ref().is_some_and(|refused| refused.contains(id)) {
                continue;
            }
            let seen = cx
                .failing(
                    record.arn("ec2", &format!("vpc-flow-log/{id}")),
                    format!("{who} deleted VPC flow log {id} in {region}"),
                )
                .because("Connections are no longer recorded where this flow log was the only one.")
                .detail("Flow log", id)
                .step("Which flow logs are left?", "ec2 describe-flow-logs", &[("--region", region)])
                .look_back(
                    "Which network was it for? The call that created it",
                    region,
                    "AttributeKey=EventName,AttributeValue=CreateFlowLogs",
                );
            cx.report(stop_caller(tempered_to(cx, Severity::Low, seen), record));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn delete(ids: Value, response: Value) -> String {
        let request = json!({"DeleteFlowLogsRequest": {"FlowLogId": ids}});
        call("ec2", "DeleteFlowLogs", json!({"requestParameters": request, "responseElements": response}))
    }

    #[test]
    fn fires() {
        let one = delete(json!({"content": "fl-1", "tag": 1}), json!(null));
        let seen = fires_at(&FlowLogs, Severity::Medium, &one);
        assert_eq!(seen.subject.resource, "arn:aws:ec2:us-east-1:111122223333:vpc-flow-log/fl-1");
        fires_at(&FlowLogs, Severity::Medium, &delete(json!("fl-1"), json!(null)));
        let two = json!([{"content": "fl-1", "tag": 1}, {"content": "fl-2", "tag": 2}]);
        assert_eq!(observe(&FlowLogs, &delete(two.clone(), json!(null))).len(), 2);
        let refused = json!({"DeleteFlowLogsResponse": {"unsuccessful": {"item": {"resourceId": "fl-2"}}}});
        assert!(fired(&FlowLogs, &delete(two, refused)).title.contains("fl-1"));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &FlowLogs,
            &[
                delete(json!([]), json!(null)),
                call("ec2", "DeleteFlowLogs", json!({"requestParameters": null})),
                call(
                    "ec2",
                    "DeleteFlowLogs",
                    json!({"errorCode": "Client.UnauthorizedOperation",
                    "requestParameters": {"DeleteFlowLogsRequest": {"FlowLogId": {"content": "fl-1"}}}}),
                ),
            ],
        );
    }
}
