use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A rule of AWS Config in this account finds a resource non-compliant. It closes when the resource complies, or
    /// when the rule no longer applies to it. Rules that Security Hub has made are left to Security Hub's own finding.
    /// ## Why it matters
    /// You have chosen the rule, so what it wants matters to you; Keepwatch only tells, and remembers since when.
    /// ## What to do
    /// Read the rule's annotation, and repair the resource.
    /// ## False positives
    /// Every rule decides for itself. All are LOW and in the weekly mail; set a higher severity for this rule, or
    /// forward only the Config rules that you want to be mailed.
    ConfigRuleBroken {
        id: "config-rule-noncompliant",
        title: "An AWS Config rule finds a resource non-compliant",
        severity: Low,
        confidence: Medium,
        catalogue: ["ST-10"],
        references: [
            doc(&["AWS Config developer guide: monitoring with EventBridge"]),
            security_hub(&["Config.1"]),
        ],
        on: [On::Detector(Detector::Config)],
        repeat_hours: 168,
    }
}

impl Rule for ConfigRuleBroken {
    fn detector(&self, body: &Body<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Body::ConfigRule(change) = body else { return Ok(()) };
        let (Some(rule), Some(id)) = (change.rule.get(), change.resource_id.get()) else { return Ok(()) };
        // Security Hub's user guide: its service-linked rules are named so.
        if rule.starts_with("securityhub-") {
            return Ok(());
        }
        let kind = change.resource_type.get().unwrap_or("resource");
        let region = cx.event.region().to_owned();
        let seen = match change.new.compliance.or_empty() {
            "NON_COMPLIANT" => cx
                .failing(id, format!("AWS Config rule {rule} finds {kind} {id} non-compliant"))
                .because(change.new.annotation.get().unwrap_or("The rule gives no reason."))
                .detail("Rule", rule)
                .detail("Resource type", kind)
                .step(
                    "What does the rule find?",
                    "configservice get-compliance-details-by-config-rule",
                    &[
                        ("--region", &region),
                        ("--config-rule-name", rule),
                        ("--compliance-types", "NON_COMPLIANT"),
                    ],
                )
                .step(
                    "How is the resource set up?",
                    "configservice get-resource-config-history",
                    &[
                        ("--region", &region),
                        ("--resource-type", kind),
                        ("--resource-id", id),
                        ("--limit", "1"),
                    ],
                ),
            "COMPLIANT" => cx.passing(id, format!("{kind} {id} complies with AWS Config rule {rule}")),
            "NOT_APPLICABLE" => {
                let mut gone =
                    cx.passing(id, format!("AWS Config rule {rule} does not apply to {kind} {id} any more"));
                gone.resolution = Resolution::NotApplicable;
                gone
            }
            // Not enough data: neither good nor bad.
            _ => return Ok(()),
        };
        let seen = if kind.starts_with("AWS::IAM::") { Observation::global(seen) } else { seen };
        cx.report(seen.aspect(rule));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn change(compliance: &str, changes: Value) -> String {
        let mut detail = json!({
            "resourceId": "sg-0abc1234", "resourceType": "AWS::EC2::SecurityGroup", "awsRegion": "eu-west-1",
            "awsAccountId": ACCOUNT, "configRuleName": "restricted-ssh", "messageType": "ComplianceChangeNotification",
            "newEvaluationResult": {"complianceType": compliance, "resultRecordedTime": "2026-03-01T11:00:00.000Z",
                "annotation": "Port 22 is open."},
        });
        if let (Some(detail), Value::Object(changes)) = (detail.as_object_mut(), changes) {
            detail.extend(changes);
        }
        envelope("aws.config", "Config Rules Compliance Change", detail)
    }

    #[test]
    fn fires() {
        let seen = fires_at(&ConfigRuleBroken, Severity::Low, &change("NON_COMPLIANT", json!({})));
        assert_eq!(
            seen.title,
            "AWS Config rule restricted-ssh finds AWS::EC2::SecurityGroup sg-0abc1234 non-compliant"
        );
        assert_eq!(seen.reason, "Port 22 is open.");
        assert_eq!(
            (seen.subject.region.as_str(), seen.subject.aspect.as_deref()),
            ("eu-west-1", Some("restricted-ssh"))
        );
        let user = json!({"resourceType": "AWS::IAM::User", "resourceId": "AIDAEXAMPLE"});
        assert_eq!(fired(&ConfigRuleBroken, &change("NON_COMPLIANT", user)).subject.region, "global");
    }

    #[test]
    fn it_closes() {
        let open = fired(&ConfigRuleBroken, &change("NON_COMPLIANT", json!({})));
        for (word, resolution) in
            [("COMPLIANT", Resolution::Fixed), ("NOT_APPLICABLE", Resolution::NotApplicable)]
        {
            let seen = observe(&ConfigRuleBroken, &change(word, json!({})));
            assert_eq!(seen.len(), 1);
            assert_eq!((seen[0].verdict, seen[0].resolution), (Verdict::Passing, resolution));
            assert_eq!(seen[0].subject, open.subject);
        }
        let other =
            fired(&ConfigRuleBroken, &change("NON_COMPLIANT", json!({"configRuleName": "restricted-rdp"})));
        assert_ne!(other.subject, open.subject);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &ConfigRuleBroken,
            &[
                change("INSUFFICIENT_DATA", json!({})),
                change("NON_COMPLIANT", json!({"configRuleName": "securityhub-restricted-ssh-5c7a"})),
                change("NON_COMPLIANT", json!({"resourceId": null})),
                change("NON_COMPLIANT", json!({"newEvaluationResult": null})),
            ],
        );
    }
}
