use super::common::trail_arn;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A CloudTrail trail was stopped or deleted.
    /// ## Why it matters
    /// A trail is the account's memory, and it is what feeds Keepwatch: EventBridge gets API calls only while
    /// some trail is logging. Stopping it is what intruders do before the work they want nobody to see. If
    /// this was the only trail, Keepwatch hears no more API calls from now on.
    /// ## What to do
    /// Start the trail again at once, or create it again, then find out who stopped it and what happened in
    /// between. The event history of CloudTrail keeps 90 days of management events even without a trail.
    /// ## False positives
    /// A trail that is replaced by another, such as one of the organization. What AWS services and
    /// CloudFormation do is reported with a lower severity.
    TrailStopped {
        id: "audit-trail-stopped",
        title: "A CloudTrail trail was stopped or deleted",
        severity: Critical,
        confidence: High,
        catalogue: ["TRAIL-01", "TRAIL-02"],
        references: [
            cis("3.0", &["3.1", "4.5"]),
            cis("5.0", &["3.1", "4.5"]),
            security_hub(&["CloudTrail.1"]),
            security_hub(&["CloudWatch.5"]),
            attack(&["T1562.008"]),
        ],
        on: [On::Call("cloudtrail.amazonaws.com", &["StopLogging", "DeleteTrail", "StartLogging"])],
        repeat_hours: 1,
    }
}

impl Rule for TrailStopped {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, region) = (caller_name(record), region(record));
        let known = trail_arn(record, "name");
        // A success without a name is odd, and no reason to say nothing of it.
        let arn = known.clone().unwrap_or_else(|| record.arn("cloudtrail", "trail"));
        let name = if known.is_some() { last_part(&arn) } else { "that the event does not name" };
        let event = record.event_name.or_empty();
        if event == "StartLogging" {
            cx.report(cx.passing(&arn, format!("{who} started trail {name}")));
            return Ok(());
        }
        let did = if event == "DeleteTrail" { "deleted" } else { "stopped" };
        let seen = cx
            .failing(&arn, format!("{who} {did} CloudTrail trail {name}"))
            .because(
                "What happens from now on is not written to this trail. Keepwatch hears API calls only while some \
                 other trail is logging.",
            )
            .detail("Trail", &arn);
        let seen = match event {
            event if event == "DeleteTrail" || known.is_none() => seen.step(
                "Which trails are there? Create it again, or start it",
                "cloudtrail describe-trails",
                &[("--region", region)],
            ),
            _ => seen.step(
                "Start it again",
                "cloudtrail start-logging",
                &[("--name", &arn), ("--region", region)],
            ),
        };
        cx.report(stop_caller(tempered_to(cx, Severity::High, seen), record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    const ARN: &str = "arn:aws:cloudtrail:us-east-1:111122223333:trail/main";

    fn trail(event: &str, changes: Value) -> String {
        call("cloudtrail", event, changes)
    }

    #[test]
    fn fires() {
        let named = json!({"requestParameters": {"name": "main"}});
        let by_arn = json!({"requestParameters": {"name": ARN}});
        let stopped = fires_at(&TrailStopped, Severity::Critical, &trail("StopLogging", named.clone()));
        assert_eq!(stopped.title, "alice stopped CloudTrail trail main");
        assert_eq!(stopped.subject.resource, ARN);
        let deleted = fires_at(&TrailStopped, Severity::Critical, &trail("DeleteTrail", by_arn.clone()));
        assert_eq!(stopped.finding_id(), deleted.finding_id());
        let started = observe(&TrailStopped, &trail("StartLogging", by_arn));
        assert_eq!(started[0].verdict, Verdict::Passing);
        assert_eq!(started[0].finding_id(), stopped.finding_id());
        let seen = fires_at(
            &TrailStopped,
            Severity::Critical,
            &trail("StopLogging", json!({"requestParameters": null})),
        );
        assert!(seen.steps[0].command.starts_with("aws cloudtrail describe-trails"), "{:?}", seen.steps);
        fires_at(
            &TrailStopped,
            Severity::Critical,
            &trail("StopLogging", json!({"requestParameters": {"name": 7}})),
        );
    }

    #[test]
    fn automation_is_heard_all_the_same() {
        let mut stack = json!({"requestParameters": {"name": "main"},
            "userIdentity": {"invokedBy": "cloudformation.amazonaws.com"}});
        fires_at(&TrailStopped, Severity::High, &trail("DeleteTrail", stack.clone()));
        stack["userIdentity"] = json!({"type": "AWSService", "invokedBy": "cloudtrail.amazonaws.com"});
        fires_at(&TrailStopped, Severity::Low, &trail("DeleteTrail", stack));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &TrailStopped,
            &[
                trail("StopLogging", json!({"errorCode": "AccessDenied", "requestParameters": null})),
                trail(
                    "DeleteTrail",
                    json!({"errorCode": "TrailNotFoundException", "requestParameters": {"name": "x"}}),
                ),
                trail("CreateTrail", json!({"requestParameters": {"name": "main"}})),
                call("logs", "StopLogging", json!({})),
            ],
        );
    }
}
