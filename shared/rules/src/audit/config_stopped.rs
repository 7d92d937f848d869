use serde_json::Value;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// AWS Config's recorder was stopped or deleted, its delivery channel was deleted, or a rule of it, a pack of rules
    /// or what gathers the records of other accounts was deleted (low). Or the recorder was narrowed: to a list of few types of resources (medium), to a longer
    /// list, to all but some, or to one look a day (low). Recording everything as it happens settles that.
    /// ## Why it matters
    /// Config keeps the history of every resource, and most controls of Security Hub are evaluated by it.
    /// Without a recorder they go on showing their last, green state.
    /// ## What to do
    /// Start the recorder again. Deleted rules come back with the template or the service that made them.
    /// ## False positives
    /// Recorders are stopped to save money in test accounts. Conformance packs, Security Hub, Firewall
    /// Manager and Control Tower delete their own rules: low. A single rule that a person deletes is low too.
    /// Leaving out the global types, which one region records for all, is AWS's own advice and quiet.
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
            "PutConfigurationRecorder", "DisassociateResourceTypes", "DeleteConformancePack",
            "DeleteOrganizationConfigRule", "DeleteOrganizationConformancePack", "DeleteConfigurationAggregator",
        ])],
    }
}

/// Services that make and delete rules for themselves in the owner's name.
const SERVICES: [&str; 4] = ["config-conforms", "securityhub", "fms", "controltower"];

impl Rule for ConfigStopped {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if matches!(record.event_name.or_empty(), "PutConfigurationRecorder" | "DisassociateResourceTypes") {
            recorded(record, cx);
            return Ok(());
        }
        let (who, request, region) = (caller_name(record), record.request(), region(record));
        let (kind, what, path): (_, _, &[&[&str]]) = match record.event_name.or_empty() {
            "DeleteOrganizationConfigRule" => {
                ("organization-config-rule", "rule for the organization", &[&["organizationConfigRuleName"]])
            }
            "DeleteConformancePack" => ("conformance-pack", "conformance pack", &[&["conformancePackName"]]),
            "DeleteOrganizationConformancePack" => (
                "organization-conformance-pack",
                "conformance pack for the organization",
                &[&["organizationConformancePackName"]],
            ),
            "DeleteConfigurationAggregator" => {
                ("config-aggregator", "aggregator", &[&["configurationAggregatorName"]])
            }
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
            None if ["configuration-recorder", "delivery-channel"].contains(&kind) => "default",
            None => return Ok(()),
        };
        let arn = record.arn("config", &format!("{kind}/{name}"));
        let (severity, did, look) = match record.event_name.or_empty() {
            "StopConfigurationRecorder" => {
                (Severity::High, "stopped", "describe-configuration-recorder-status")
            }
            "DeleteConfigurationRecorder" => (Severity::High, "deleted", "describe-configuration-recorders"),
            "DeleteDeliveryChannel" => (Severity::Medium, "deleted", "describe-delivery-channels"),
            "DeleteConfigRule" => (Severity::Low, "deleted", "describe-config-rules"),
            "DeleteConformancePack" => (Severity::Low, "deleted", "describe-conformance-packs"),
            "DeleteOrganizationConfigRule" => {
                (Severity::Low, "deleted", "describe-organization-config-rules")
            }
            "DeleteOrganizationConformancePack" => {
                (Severity::Low, "deleted", "describe-organization-conformance-packs")
            }
            "DeleteConfigurationAggregator" => {
                (Severity::Low, "deleted", "describe-configuration-aggregators")
            }
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
        report(record, cx, seen);
        Ok(())
    }
}

fn report(record: &Record<'_>, cx: &mut Cx<'_>, seen: Observation) {
    let by = record.user_identity.invoked_by.or_empty();
    let by_service = SERVICES.iter().any(|service| by.starts_with(&format!("{service}.")));
    if by_service {
        let severity = seen.severity.min(Severity::Low);
        cx.report(seen.severity(severity).detail("Automation", by));
    } else {
        cx.report(stop_caller(tempered_to(cx, Severity::Medium, seen), record));
    }
}

/// A list of fewer types records no account: Config knows hundreds.
const FEW: usize = 20;

/// What the recorder records from now on (AWS Config API reference, `RecordingGroup` and `RecordingMode`).
fn recorded(record: &Record<'_>, cx: &mut Cx<'_>) {
    let (who, request, region) = (caller_name(record), record.request(), region(record));
    let recorder = value_at(request, &["configurationRecorder"]).unwrap_or(&Value::Null);
    let group = value_at(recorder, &["recordingGroup"]).unwrap_or(&Value::Null);
    let given = text_at(recorder, &["arn"]).or_else(|| text_at(request, &["configurationRecorderArn"]));
    let named =
        text_at(recorder, &["name"]).or_else(|| given.map(|arn| arn.split('/').nth(1).unwrap_or(arn)));
    let name = named.unwrap_or("default");
    let arn = record.arn("config", &format!("configuration-recorder/{name}"));
    let strategy = text_at(group, &["recordingStrategy", "useOnly"]).unwrap_or_default();
    let only = texts_at(group, &["resourceTypes"]);
    let all = flag_at(group, &["allSupported"]);
    let mut but = texts_at(group, &["exclusionByResourceTypes", "resourceTypes"]);
    but.retain(|kind| !GLOBAL.contains(kind));
    let gone = texts_at(request, &["resourceTypes"]);
    let daily = text_at(recorder, &["recordingMode", "recordingFrequency"]) == Some("DAILY");
    let (severity, did) = if !gone.is_empty() {
        (Severity::Low, format!("took {} out of what AWS Config's recorder {name} records", listed(&gone)))
    } else if !only.is_empty() && all != Some(true) && strategy != "EXCLUSION_BY_RESOURCE_TYPES" {
        let severity = if only.len() < FEW { Severity::Medium } else { Severity::Low };
        (severity, format!("has AWS Config's recorder {name} record nothing but {}", listed(&only)))
    } else if !but.is_empty() {
        (Severity::Low, format!("has AWS Config's recorder {name} leave out {}", listed(&but)))
    } else if daily {
        (Severity::Low, format!("has AWS Config's recorder {name} look once a day"))
    } else {
        // Without a word on what is recorded, it is everything that Config supports.
        let title = format!("{who} has AWS Config's recorder {name} record every type of resource");
        cx.report(cx.passing(&arn, title).aspect(RECORDED));
        return;
    };
    let seen = cx
        .failing(&arn, format!("{who} {did} in {region}"))
        .severity(severity)
        .aspect(RECORDED)
        .because("Changes of other resources leave no history, and no rule of Config judges them.")
        .step("What is recorded?", "configservice describe-configuration-recorders", &[("--region", region)]);
    report(record, cx, seen);
}

/// What tells a recorder that records too little from one that is stopped.
const RECORDED: &str = "what is recorded";

/// The types that every region sees, of which AWS advises to record them in one.
const GLOBAL: [&str; 4] = ["AWS::IAM::User", "AWS::IAM::Group", "AWS::IAM::Role", "AWS::IAM::Policy"];

/// The first types of a list, and how many more there are.
fn listed(types: &[&str]) -> String {
    match types {
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [one, rest @ ..] => format!("{one} and {} other types", rest.len()),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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

    fn recorder(changes: Value) -> String {
        let mut recorder = json!({"name": "default", "roleARN": "arn:aws:iam::111122223333:role/config"});
        if let (Some(recorder), Value::Object(changes)) = (recorder.as_object_mut(), changes) {
            recorder.extend(changes);
        }
        config("PutConfigurationRecorder", json!({"configurationRecorder": recorder}))
    }

    #[test]
    fn a_recorder_that_is_narrowed_fires_until_it_records_everything() {
        let only = |count: usize| {
            let types: Vec<String> = (0..count).map(|i| format!("AWS::EC2::Kind{i}")).collect();
            recorder(json!({"recordingGroup": {"allSupported": "false", "resourceTypes": types,
                "recordingStrategy": {"useOnly": "INCLUSION_BY_RESOURCE_TYPES"}}}))
        };
        let seen = fires_at(&ConfigStopped, Severity::Medium, &only(1));
        let title = "alice has AWS Config's recorder default record nothing but AWS::EC2::Kind0 in us-east-1";
        assert_eq!(seen.title, title);
        fires_at(&ConfigStopped, Severity::Low, &only(20));
        let but = |types: Value| {
            recorder(json!({"recordingGroup": {"allSupported": false, "resourceTypes": [],
                "exclusionByResourceTypes": {"resourceTypes": types},
                "recordingStrategy": {"useOnly": "EXCLUSION_BY_RESOURCE_TYPES"}}}))
        };
        fires_at(&ConfigStopped, Severity::Low, &but(json!(["AWS::EC2::SecurityGroup"])));
        let daily = json!({"recordingGroup": {"allSupported": true}, "recordingMode": {"recordingFrequency": "DAILY"}});
        fires_at(&ConfigStopped, Severity::Low, &recorder(daily));
        let taken = json!({"configurationRecorderArn": "arn:aws:config:us-east-1:111122223333:configuration-recorder/default/x",
            "resourceTypes": ["AWS::S3::Bucket", "AWS::KMS::Key"]});
        let taken = fires_at(&ConfigStopped, Severity::Low, &config("DisassociateResourceTypes", taken));
        assert_eq!(taken.finding_id(), seen.finding_id());
        let all =
            recorder(json!({"recordingGroup": {"allSupported": true, "includeGlobalResourceTypes": false}}));
        for good in [all, recorder(json!({})), but(json!(["AWS::IAM::User", "AWS::IAM::Role"]))] {
            let good = observe(&ConfigStopped, &good);
            assert_eq!((good.len(), good[0].verdict), (1, Verdict::Passing), "{good:?}");
            assert_eq!(good[0].finding_id(), seen.finding_id());
        }
        // A recorder that is stopped is another problem.
        let stopped = config("StopConfigurationRecorder", json!({"configurationRecorderName": "default"}));
        assert_ne!(fired(&ConfigStopped, &stopped).finding_id(), seen.finding_id());
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &ConfigStopped,
            &[
                config("DeleteConfigRule", json!(null)),
                config("DeleteConfigRule", json!({"configRuleName": ["x"]})),
                call("config", "StopConfigurationRecorder", json!({"errorCode": "AccessDenied"})),
            ],
        );
    }

    #[test]
    fn packs_rules_of_the_organization_and_aggregators_are_low() {
        for (event, key, title) in [
            (
                "DeleteConformancePack",
                "conformancePackName",
                "alice deleted AWS Config's conformance pack x in us-east-1",
            ),
            (
                "DeleteOrganizationConfigRule",
                "organizationConfigRuleName",
                "alice deleted AWS Config's rule for the organization x in us-east-1",
            ),
            (
                "DeleteOrganizationConformancePack",
                "organizationConformancePackName",
                "alice deleted AWS Config's conformance pack for the organization x in us-east-1",
            ),
            (
                "DeleteConfigurationAggregator",
                "configurationAggregatorName",
                "alice deleted AWS Config's aggregator x in us-east-1",
            ),
        ] {
            let seen = fires_at(&ConfigStopped, Severity::Low, &asked("config", event, json!({key: "x"})));
            assert_eq!(seen.title, title);
            quiet(&ConfigStopped, &[asked("config", event, json!(null))]);
        }
    }
}
