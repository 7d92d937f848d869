use super::health_risk::report;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// AWS received a report that something in the account attacks others: denial of service, scanning, spam, malware.
    /// It comes under a detail-type of its own, `AWS Health Abuse Event`.
    /// ## Why it matters
    /// Most abuse reports are about instances or keys that a stranger controls. AWS may limit or close an account whose
    /// owner does not answer.
    /// ## What to do
    /// Look at the resource that is named: isolate it, keep its disk for later, find out how it was entered. Answer AWS's
    /// report within its deadline.
    /// ## False positives
    /// Penetration tests and crawlers of your own. AWS wants an answer all the same.
    HealthAbuse {
        id: "aws-health-abuse",
        title: "AWS received an abuse report about the account",
        severity: High,
        confidence: Medium,
        catalogue: ["KEY-04"],
        references: [attack(&["T1496"]), doc(&["AWS Health: AWS_ABUSE_DOS_REPORT and related codes"])],
        on: [On::Health("AWS_ABUSE_")],
    }
}

impl Rule for HealthAbuse {
    fn health(&self, health: &Health<'_>, cx: &mut Cx<'_>) -> Outcome {
        report(
            cx,
            health,
            "AWS received an abuse report",
            "Somebody has told AWS that the account attacks others.",
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn abuse(code: &str, entities: Value) -> String {
        envelope(
            "aws.health",
            "AWS Health Abuse Event",
            json!({
                "eventArn": "arn:aws:health:global::event/ABUSE/X/1", "service": "ABUSE", "eventTypeCode": code,
                "affectedEntities": entities,
            }),
        )
    }

    #[test]
    fn fires() {
        let instance = "arn:aws:ec2:us-east-1:111122223333:instance/i-abcd1111";
        let entities = json!([{"entityValue": instance}]);
        let seen = fires_at(&HealthAbuse, Severity::High, &abuse("AWS_ABUSE_DOS_REPORT", entities));
        assert_eq!(seen.subject.resource, instance);
        fired(&HealthAbuse, &abuse("AWS_ABUSE_SPAM_REPORT", json!(null)));
        // A word that Health writes where it names no resource.
        let account = json!([{"entityValue": "AWS_ACCOUNT"}]);
        let seen = fired(&HealthAbuse, &abuse("AWS_ABUSE_COPYRIGHT_REPORT", account));
        assert_eq!(seen.subject.resource, ACCOUNT);
        assert!(seen.title.ends_with("AWS_ABUSE_COPYRIGHT_REPORT"), "{}", seen.title);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &HealthAbuse,
            &[
                abuse("AWS_RISK_CREDENTIALS_EXPOSED", json!([])),
                abuse("AWS_EC2_INSTANCE_ISSUE", json!([])),
                envelope("aws.health", "AWS Health Event", json!({"eventTypeCode": null})),
            ],
        );
    }
}
