use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A request of a vendor for temporary access was accepted, or the token for it was sent (medium), or it was handed on
    /// to somebody who may accept it (low). Rejecting the request settles the finding.
    /// ## Why it matters
    /// The vendor gets credentials that act as whoever accepted, for up to the hours that were asked for, and may leave
    /// roles behind that stay. The event does not tell what was asked for.
    /// ## What to do
    /// Read the request: who asks, for which permissions, for how long. If it is not a vendor of yours, reject it and look
    /// at what the sessions have done.
    /// ## False positives
    /// Setting up a product that asks for access in this way. It happens once for each product.
    TemporaryDelegation {
        id: "admin-temporary-delegation",
        title: "A vendor was given temporary access to the account",
        severity: Medium,
        confidence: High,
        catalogue: ["ADM-24"],
        references: [
            attack(&["T1199"]),
            attack(&["T1098"]),
            doc(&["IAM User Guide: IAM temporary delegation; IAM API reference: AcceptDelegationRequest"]),
        ],
        on: [On::Call("iam.amazonaws.com", &[
            "AcceptDelegationRequest", "SendDelegationToken", "AssociateDelegationRequest", "UpdateDelegationRequest",
            "RejectDelegationRequest",
        ])],
    }
}

impl Rule for TemporaryDelegation {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(request) = record.param(&["delegationRequestId"]) else { return Ok(()) };
        let (who, arn) = (caller_name(record), record.iam_arn("delegation-request", request));
        let (severity, did) = match record.event_name.or_empty() {
            "RejectDelegationRequest" => {
                cx.report(cx.passing(arn, format!("{who} rejected delegation request {request}")));
                return Ok(());
            }
            "AcceptDelegationRequest" => {
                (Severity::Medium, "accepted a vendor's request for temporary access")
            }
            "SendDelegationToken" => (Severity::Medium, "sent a vendor the token for temporary access"),
            _ => (Severity::Low, "took up a vendor's request for temporary access"),
        };
        let option = [("--delegation-request-id", request)];
        let seen = cx
            .failing(arn, format!("{who} {did} ({request})"))
            .severity(severity)
            .because("The vendor acts as whoever accepts, with the permissions that the request lists.")
            .detail("Request", request)
            .step("Who asks, for what, and for how long?", "iam get-delegation-request", &option)
            .step("If it is no vendor of yours, reject it", "iam reject-delegation-request", &option);
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn event(name: &str) -> String {
        call("iam", name, json!({"requestParameters": {"delegationRequestId": "dr-0123456789abcdef"}}))
    }

    #[test]
    fn fires_until_it_is_rejected() {
        let open = fires_at(&TemporaryDelegation, Severity::Medium, &event("AcceptDelegationRequest"));
        let title = "alice accepted a vendor's request for temporary access (dr-0123456789abcdef)";
        assert_eq!(open.title, title);
        fires_at(&TemporaryDelegation, Severity::Medium, &event("SendDelegationToken"));
        for name in ["AssociateDelegationRequest", "UpdateDelegationRequest"] {
            fires_at(&TemporaryDelegation, Severity::Low, &event(name));
        }
        let gone = observe(&TemporaryDelegation, &event("RejectDelegationRequest"));
        assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
        assert_eq!(gone[0].finding_id(), open.finding_id());
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &TemporaryDelegation,
            &[
                call("iam", "AcceptDelegationRequest", json!({"requestParameters": null})),
                call(
                    "iam",
                    "AcceptDelegationRequest",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"delegationRequestId": "dr-1"}}),
                ),
                call(
                    "iam",
                    "GetDelegationRequest",
                    json!({"requestParameters": {"delegationRequestId": "dr-1"}}),
                ),
            ],
        );
    }
}
