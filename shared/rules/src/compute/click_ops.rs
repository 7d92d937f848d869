use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A person changed something by hand in the console. One finding for each person, whatever was changed; it never
    /// sends a mail of its own.
    /// ## Why it matters
    /// What is changed by hand is in no repository: nobody reviewed it, and the next deployment undoes it or trips over
    /// it.
    /// ## What to do
    /// Nothing, where the console is how you work: switch the rule off. Else bring the change into your code.
    /// ## False positives
    /// None: it is a record. What the console does on its own, such as keeping a shell or a dashboard, is left out.
    ClickOps {
        id: "compute-changed-in-console",
        title: "Something was changed by hand in the console",
        severity: Informational,
        confidence: High,
        catalogue: ["EXEC-13"],
        references: [doc(&["CloudTrail user guide: sessionCredentialFromConsole"])],
        on: [On::ConsoleChange],
        general: true,
        repeat_hours: 168,
    }
}

/// Services whose calls from the console change nothing that code would manage.
const OWN: [&str; 5] = ["cloudshell", "signin", "support", "health", "notifications"];

impl Rule for ClickOps {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let service = record.event_source.or_empty().trim_end_matches(".amazonaws.com");
        if OWN.contains(&service) {
            return Ok(());
        }
        // The session tells the person where many share a role.
        let by = record.user_identity.arn.get().or_else(|| record.user_identity.principal_id.get());
        let by = by.unwrap_or_else(|| acting_principal(record));
        let call = record.event_name.or_empty();
        let seen = cx
            .failing(by, format!("{} works in the console", caller_name(record)))
            .because("Changes by hand are in no repository. Each is in CloudTrail.")
            .detail("Latest change", format!("{call} of {service} in {}", record.aws_region.or_empty()));
        cx.report(callers_calls(seen, record, "What was changed?"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn by_hand(source: &str, name: &str, console: Value) -> String {
        call(source, name, json!({"sessionCredentialFromConsole": console}))
    }

    #[test]
    fn fires() {
        for console in [json!("true"), json!(true)] {
            let seen = fires_at(&ClickOps, Severity::Informational, &by_hand("s3", "CreateBucket", console));
            assert_eq!(seen.title, "alice works in the console");
            assert_eq!(
                seen.details,
                [("Latest change".to_owned(), "CreateBucket of s3 in us-east-1".to_owned())]
            );
        }
        let first = fired(&ClickOps, &by_hand("s3", "CreateBucket", json!("true")));
        let second = fired(&ClickOps, &by_hand("ec2", "RunInstances", json!("true")));
        assert_eq!(first.finding_id(), second.finding_id());
    }

    #[test]
    fn stays_quiet() {
        let failed = json!({"sessionCredentialFromConsole": "true", "errorCode": "AccessDenied"});
        let reads = json!({"sessionCredentialFromConsole": "true", "readOnly": true});
        quiet(
            &ClickOps,
            &[
                call("s3", "CreateBucket", failed),
                call("s3", "GetBucketAcl", reads),
                call("s3", "CreateBucket", json!({})),
                by_hand("s3", "CreateBucket", json!("false")),
                by_hand("cloudshell", "CreateSession", json!("true")),
            ],
        );
    }
}
