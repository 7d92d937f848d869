use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// AWS Config's recorder was stopped or deleted, its delivery channel was deleted, or a rule of it was
    /// deleted.
    /// ## Why it matters
    /// Config keeps the history of every resource, and most controls of Security Hub are evaluated by it.
    /// Without a recorder they go on showing their last, green state.
    /// ## What to do
    /// Start the recorder again. Deleted rules come back with the template or the service that made them.
    /// ## False positives
    /// Recorders are stopped to save money in test accounts. Conformance packs, Security Hub, Firewall
    /// Manager and Control Tower delete their own rules: low. A single rule that a person deletes is low too.
    ConfigStopped {
        id: "audit-config-stopped",
        title: "AWS Config was stopped",
        severity: High,
        confidence: High,
        catalogue: ["DET-03"],
        references: [
            cis("3.0", &["3.3", "4.9"]),
            cis("5.0", &["3.3", "4.9"]),
            security_hub(&["Config.1"]),
            security_hub(&["CloudWatch.9"]),
            attack(&["T1562.001"]),
        ],
        on: [On::Call("config.amazonaws.com", &[
            "StopConfigurationRecorder", "DeleteConfigurationRecorder", "StartConfigurationRecorder",
            "DeleteDeliveryChannel", "PutDeliveryChannel", "DeleteConfigRule", "PutConfigRule",
        ])],
    }
}

/// Services that make and delete rules for themselves in the owner's name.
const SERVICES: [&str; 4] = ["config-conforms", "securityhub", "fms", "controltower"];

impl Rule for ConfigStopped {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request, region) = (caller_name(record), record.request(), region(record));
        let (kind, what, path): (_, _, &[&[&str]]) = match record.event_name.or_empty() {
            event if event.ends_with("ConfigRule") => {
                ("config-rule", "rule", &[&["configRuleName"], &["configRule", "configRuleName"]])
            }
            event if event.ends_with("DeliveryChannel") => (
                "delivery-channel",
                "delivery channel",
                &[&["deliveryChannelName"], &["deliveryChannel", "name"]],
            ),
            _ => ("configuration-recorder", "recorder", &[&["configurationRecorderName"]]),
        };
        let named = path.iter().find_map(|path| text_at(request, path));
        // Both are called so unless somebody cares; a region has one of each.
        let name = match named {
            Some(name) => name,
            None if kind == "config-rule" => return Ok(()),
            None => "default",
        };
        let arn = record.arn("config", &format!("{kind}/{name}"));
        let (severity, did, look) = match record.event_name.or_empty() {
            "StopConfigurationRecorder" => {
                (Severity::High, "stopped", "describe-configuration-recorder-status")
            }
            "DeleteConfigurationRecorder" => (Severity::High, "deleted", "describe-configuration-recorders"),
            "DeleteDeliveryChannel" => (Severity::Medium, "deleted", "describe-delivery-channels"),
            "DeleteConfigRule" => (Severity::Low, "deleted", "describe-config-rules"),
            _ => {
                cx.report(cx.passing(&arn, format!("{who} set or started AWS Config's {what} {name}")));
                return Ok(());
            }
        };
        let mut seen = cx
            .failing(&arn, format!("{who} {did} AWS Config's {what} {name} in {region}"))
            .severity(severity)
            .because("Changes of resources are no longer recorded, or no longer judged by this rule.")
            .step("What is left?", &format!("configservice {look}"), &[("--region", region)]);
        if did == "stopped" {
            let start = [("--configuration-recorder-name", name), ("--region", region)];
            seen = seen.step("Start it again", "configservice start-configuration-recorder", &start);
        }
        let by = record.user_identity.invoked_by.or_empty();
        let by_service = SERVICES.iter().any(|service| by.starts_with(&format!("{service}.")));
        if by_service {
            cx.report(seen.severity(Severity::Low).detail("Automation", by));
        } else {
            cx.report(stop_caller(tempered_to(cx, Severity::Medium, seen), record));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn config(event: &str, request: Value) -> String {
        call("config", event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires_until_it_is_undone() {
        let recorder = json!({"configurationRecorderName": "default"});
        let started = config("StartConfigurationRecorder", recorder.clone());
        let channel = config(
            "PutDeliveryChannel",
            json!({"deliveryChannel": {"name": "default", "s3BucketName": "b"}}),
        );
        let rule = config("PutConfigRule", json!({"configRule": {"configRuleName": "mfa"}}));
        for (severity, bad, good) in [
            (Severity::High, config("StopConfigurationRecorder", recorder.clone()), &started),
            (Severity::High, config("DeleteConfigurationRecorder", recorder), &started),
            (Severity::High, config("StopConfigurationRecorder", json!(null)), &started),
            (
                Severity::Medium,
                config("DeleteDeliveryChannel", json!({"deliveryChannelName": "default"})),
                &channel,
            ),
            (Severity::Low, config("DeleteConfigRule", json!({"configRuleName": "mfa"})), &rule),
        ] {
            let (bad, good) = (fires_at(&ConfigStopped, severity, &bad), observe(&ConfigStopped, good));
            assert_eq!((good[0].verdict, good[0].finding_id()), (Verdict::Passing, bad.finding_id()));
        }
    }

    #[test]
    fn services_that_tidy_up_are_low() {
        let by = |service: &str| {
            call(
                "config",
                "DeleteDeliveryChannel",
                json!({
                    "requestParameters": {"deliveryChannelName": "default"},
                    "userIdentity": {"type": "AssumedRole", "invokedBy": service},
                }),
            )
        };
        for service in [
            "config-conforms.amazonaws.com",
            "securityhub.amazonaws.com",
            "fms.amazonaws.com",
            "controltower.amazonaws.com",
        ] {
            fires_at(&ConfigStopped, Severity::Low, &by(service));
        }
        fires_at(&ConfigStopped, Severity::Medium, &by("cloudformation.amazonaws.com"));
        fires_at(&ConfigStopped, Severity::Medium, &by("fmsx.example.com"));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &ConfigStopped,
            &[
                config("DeleteConfigRule", json!(null)),
                config("DeleteConfigRule", json!({"configRuleName": ["x"]})),
                call("config", "StopConfigurationRecorder", json!({"errorCode": "AccessDenied"})),
                config("PutConfigurationRecorder", json!({"configurationRecorder": {"name": "default"}})),
            ],
        );
    }
}
