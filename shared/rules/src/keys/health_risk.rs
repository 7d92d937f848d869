use super::common::is_access_key;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// AWS Health reports any other risk to the account: a compromised console session, an identity that AWS has
    /// quarantined, or a code of the `AWS_RISK_` family that did not exist when this was written.
    /// ## Why it matters
    /// AWS sends these when it has seen abuse itself. They are rare and seldom wrong.
    /// ## What to do
    /// Read AWS's message and the support case it names. Change the passwords and stop the keys of the identity that is
    /// named; look for users, keys and roles that nobody knows.
    /// ## False positives
    /// Seldom. A notice that AWS has closed resolves the finding.
    HealthRisk {
        id: "aws-health-risk",
        title: "AWS Health reports a risk to the account",
        severity: Critical,
        confidence: High,
        catalogue: ["KEY-03"],
        references: [
            attack(&["T1078"]),
            doc(&["AWS Health: AWS_RISK_IAM_QUARANTINE, AWS_RISK_ACCOUNT_CONSOLE_COMPROMISE"]),
        ],
        on: [On::Health("AWS_RISK_")],
    }
}

impl Rule for HealthRisk {
    fn health(&self, health: &Health<'_>, cx: &mut Cx<'_>) -> Outcome {
        let code = health.event_type_code.or_empty();
        let resources = cx.event.envelope.resources.0.iter().filter_map(|resource| resource.get());
        let public = health.metadata.public_key.get();
        let names_a_key = health.entity_values().chain(resources).chain(public).any(is_access_key);
        if code.starts_with("AWS_RISK_CREDENTIALS_") || names_a_key {
            return Ok(()); // The exposed key's own finding tells it.
        }
        report(
            cx,
            health,
            "AWS Health reports a risk",
            "AWS sends this when it has itself seen signs of abuse.",
        );
        Ok(())
    }
}

/// One observation for each affected entity, or one for the account.
pub(super) fn report(cx: &mut Cx<'_>, health: &Health<'_>, says: &str, why: &str) {
    let code = health.event_type_code.or_empty();
    let account = cx.event.account();
    let mut subjects: Vec<&str> = health.entity_values().collect();
    subjects.sort_unstable();
    subjects.dedup();
    if subjects.is_empty() {
        subjects.push(account);
    }
    for subject in subjects {
        let observation = if health.status_code.get() == Some("closed") {
            cx.passing(subject, format!("AWS Health closed its notice {code}")).aspect(code).global()
        } else {
            let about = if subject == account { String::new() } else { format!(" about {subject}") };
            cx.failing(subject, format!("{says}: {code}{about}"))
                .aspect(code)
                .global()
                .because(why)
                .detail_if("AWS says", health.description())
                .step(
                    "Read the whole message (needs a paid support plan; else see the Health Dashboard)",
                    "health describe-event-details --region us-east-1",
                    &[("--event-arns", health.event_arn.or_empty())],
                )
                .step(
                    "Which users, keys and MFA devices are there? Have a report made,",
                    "iam generate-credential-report",
                    &[],
                )
                .step(
                    "then read it (it is base64)",
                    "iam get-credential-report",
                    &[("--query", "Content"), ("--output", "text")],
                )
        };
        cx.report(observation);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    pub(crate) fn health(code: &str, entities: Value, status: &str) -> String {
        envelope(
            "aws.health",
            "AWS Health Event",
            json!({
                "eventArn": "arn:aws:health:global::event/RISK/X/1", "service": "RISK", "eventTypeCode": code,
                "communicationId": "c-1", "statusCode": status, "affectedEntities": entities,
            }),
        )
    }

    #[test]
    fn fires() {
        fired(
            &HealthRisk,
            &health("AWS_RISK_ACCOUNT_CONSOLE_COMPROMISE", json!([{"entityValue": "111122223333"}]), "open"),
        );
        let seen = fired(&HealthRisk, &health("AWS_RISK_IAM_QUARANTINE", json!([]), "open"));
        assert_eq!(seen.subject.resource, ACCOUNT);
        fired(&HealthRisk, &health("AWS_RISK_SOMETHING_NEW", json!(null), "open"));
    }

    #[test]
    fn a_closed_notice_resolves() {
        let closed =
            observe(&HealthRisk, &health("AWS_RISK_ACCOUNT_CONSOLE_COMPROMISE", json!([]), "closed"));
        assert_eq!(closed.first().map(|o| o.verdict), Some(Verdict::Passing));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &HealthRisk,
            &[
                health(
                    "AWS_RISK_CREDENTIALS_EXPOSED",
                    json!([{"entityValue": "AKIAIOSFODNN7EXAMPLE"}]),
                    "open",
                ),
                health("AWS_RISK_IAM_QUARANTINE", json!([{"entityValue": "AKIAIOSFODNN7EXAMPLE"}]), "open"),
                envelope(
                    "aws.health",
                    "AWS Health Event",
                    json!({"eventTypeCode": "AWS_RISK_IAM_QUARANTINE", "affectedEntities": [{"entityValue": ACCOUNT}],
                        "eventMetadata": {"publicKey": "AKIAIOSFODNN7EXAMPLE"}}),
                ),
                health("AWS_EC2_SCHEDULED_MAINTENANCE", json!([]), "open"),
            ],
        );
    }
}
