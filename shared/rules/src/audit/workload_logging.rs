use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The control plane logs of an EKS cluster were switched off, the logging of calls to models in
    /// Amazon Bedrock, the logs of a network firewall, the audit log of a Redshift warehouse, the activity stream of a
    /// database, or what Security Lake gathers.
    /// ## Why it matters
    /// What happens inside a cluster is in its audit log and nowhere else. Intruders who use stolen
    /// credentials to call language models switch the logging of prompts off first.
    /// ## What to do
    /// Switch the log on again; look at what the caller did meanwhile.
    /// ## False positives
    /// Control plane logs are switched off to save money. The console sends the state of every log with every
    /// edit, so that a log that is reported may have been off before. A firewall's logs are taken off one by one when
    /// they move to another place: until the new one is set, they are off.
    WorkloadLogging {
        id: "audit-workload-logging-off",
        title: "Logs of a cluster, a firewall, a warehouse or of Bedrock were switched off",
        severity: Medium,
        confidence: Medium,
        catalogue: ["DET-12"],
        references: [security_hub(&["EKS.8"]), attack(&["T1562.008"])],
        on: [
            On::Call("eks.amazonaws.com", &["UpdateClusterConfig"]),
            On::Call("bedrock.amazonaws.com", &[
                "DeleteModelInvocationLoggingConfiguration", "PutModelInvocationLoggingConfiguration",
            ]),
            On::Call("network-firewall.amazonaws.com", &["UpdateLoggingConfiguration"]),
            On::Call("redshift.amazonaws.com", &["DisableLogging", "EnableLogging"]),
            On::Call("rds.amazonaws.com", &["StopActivityStream", "StartActivityStream"]),
            On::Call("securitylake.amazonaws.com", &["DeleteDataLake", "DeleteAwsLogSource"]),
        ],
    }
}

impl Rule for WorkloadLogging {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        match record.event_source.or_empty() {
            "eks.amazonaws.com" => eks(record, cx),
            "network-firewall.amazonaws.com" => firewall(record, cx),
            "redshift.amazonaws.com" => warehouse(record, cx),
            "rds.amazonaws.com" => database(record, cx),
            "securitylake.amazonaws.com" => lake(record, cx),
            _ => bedrock(record, cx),
        }
        Ok(())
    }
}

/// Logs that tell who did what. The scheduler's and the controller manager's are for operations.
const TELLING: [&str; 3] = ["api", "audit", "authenticator"];

fn eks(record: &Record<'_>, cx: &mut Cx<'_>) {
    let Some(name) = text_at(record.request(), &["name"]) else { return };
    let (who, region, arn) =
        (caller_name(record), region(record), record.arn("eks", &format!("cluster/{name}")));
    let setups = items_at(record.request(), &["logging", "clusterLogging"]);
    let logs = |on: bool| -> Vec<&str> {
        let setups = setups.iter().filter(|setup| flag_at(setup, &["enabled"]) == Some(on));
        setups.flat_map(|setup| texts_at(setup, &["types"])).filter(|log| TELLING.contains(log)).collect()
    };
    let off = logs(false);
    if off.is_empty() {
        // On again only when the one that matters most is.
        if logs(true).contains(&"audit") {
            cx.report(cx.passing(&arn, format!("{who} switched on the audit log of cluster {name}")));
        }
        return;
    }
    let severity = if off.contains(&"audit") { Severity::Medium } else { Severity::Low };
    let fix = r#"{"clusterLogging":[{"types":["api","audit","authenticator"],"enabled":true}]}"#;
    let seen = cx
        .failing(
            &arn,
            format!("Logs of EKS cluster {name} are off, after an update by {who}: {}", off.join(", ")),
        )
        .severity(severity)
        .because("What is done in the cluster from now on is not recorded in these logs.")
        .detail("Off", off.join(", "))
        .step("What is on?", "eks describe-cluster", &[("--name", name), ("--region", region)])
        .step(
            "Switch them on again",
            "eks update-cluster-config",
            &[("--name", name), ("--logging", fix), ("--region", region)],
        );
    cx.report(stop_caller(tempered_to(cx, Severity::Low, seen), record));
}

fn firewall(record: &Record<'_>, cx: &mut Cx<'_>) {
    let named = [&["firewallArn"][..], &["firewallName"]];
    let Some(name) = named.iter().find_map(|path| text_at(record.request(), path)) else { return };
    let (who, short) = (caller_name(record), last_part(name));
    let arn = record.arn("network-firewall", &format!("firewall/{short}"));
    // Logs are added and taken off one call at a time; what is left is said whole.
    if !items_at(record.request(), &["loggingConfiguration", "logDestinationConfigs"]).is_empty() {
        cx.report(cx.passing(arn, format!("{who} has network firewall {short} log")));
        return;
    }
    let seen = cx
        .failing(&arn, format!("{who} switched off the logs of network firewall {short}"))
        .because("What passes the firewall, and what it stops, is no longer recorded.")
        .step(
            "What is set now?",
            "network-firewall describe-logging-configuration",
            &[region_option(record), ("--firewall-arn", &arn)],
        );
    cx.report(stop_caller(tempered_to(cx, Severity::Low, seen), record));
}

fn database(record: &Record<'_>, cx: &mut Cx<'_>) {
    let Some(arn) = text_at(record.request(), &["resourceArn"]) else { return };
    let (who, name) = (caller_name(record), last_part(arn).rsplit(':').next().unwrap_or(arn));
    if record.event_name.or_empty() == "StartActivityStream" {
        cx.report(cx.passing(arn, format!("{who} switched on the activity stream of database {name}")));
        return;
    }
    let seen = cx
        .failing(arn, format!("{who} switched off the activity stream of database {name}"))
        .because("Who asks the database what is no longer recorded outside of it.")
        .step(
            "Switch it on again",
            "rds start-activity-stream --mode async --apply-immediately --kms-key-id KEY_ID",
            &[region_option(record), ("--resource-arn", arn)],
        );
    cx.report(stop_caller(tempered_to(cx, Severity::Low, seen), record));
}

fn lake(record: &Record<'_>, cx: &mut Cx<'_>) {
    let (who, region) = (caller_name(record), region(record));
    let lake = record.arn("securitylake", "data-lake/default");
    let sources = items_at(record.request(), &["sources"]).into_iter();
    let sources: Vec<&str> = sources.filter_map(|source| text_at(source, &["sourceName"])).collect();
    let title = match sources[..] {
        [] => format!("{who} deleted Security Lake in {region}"),
        _ => format!("{who} has Security Lake gather {} no more", sources.join(", ")),
    };
    let seen = cx
        .failing(lake, title)
        .aspect(if sources.is_empty() { "lake" } else { "sources" })
        .because("What it gathered from many accounts for those who look for attacks is gathered no more.")
        .step("What is gathered still?", "securitylake list-log-sources", &[region_option(record)]);
    cx.report(stop_caller(tempered_to(cx, Severity::Low, seen), record));
}

fn warehouse(record: &Record<'_>, cx: &mut Cx<'_>) {
    let Some(name) = text_at(record.request(), &["clusterIdentifier"]) else { return };
    let (who, arn) = (caller_name(record), record.arn("redshift", &format!("cluster:{name}")));
    if record.event_name.or_empty() == "EnableLogging" {
        cx.report(cx.passing(arn, format!("{who} switched on the audit log of data warehouse {name}")));
        return;
    }
    let seen = cx
        .failing(arn, format!("{who} switched off the audit log of data warehouse {name}"))
        .because("Who connects to the warehouse, and what they ask it, is no longer recorded.")
        .step(
            "What is set now?",
            "redshift describe-logging-status",
            &[region_option(record), ("--cluster-identifier", name)],
        );
    cx.report(stop_caller(tempered_to(cx, Severity::Low, seen), record));
}

fn bedrock(record: &Record<'_>, cx: &mut Cx<'_>) {
    let (who, region, resource) =
        (caller_name(record), region(record), "Amazon Bedrock model invocation logging");
    let config = value_at(record.request(), &["loggingConfig"]);
    let put = record.event_name.or_empty().starts_with("Put");
    if put && config.is_none_or(|config| !config.is_object()) {
        let title =
            format!("{who} set the logging of model calls in {region} to what the event does not show");
        cx.report(cx.unknown(resource, title).severity(Severity::Low).step(
            "What is set now?",
            "bedrock get-model-invocation-logging-configuration",
            &[("--region", region)],
        ));
        return;
    }
    let goes_somewhere = config.is_some_and(|config| {
        ["s3Config", "cloudWatchConfig"]
            .iter()
            .any(|to| value_at(config, &[to]).is_some_and(|to| to.is_object()))
            && flag_at(config, &["textDataDeliveryEnabled"]) != Some(false)
    });
    if put && goes_somewhere {
        cx.report(cx.passing(resource, format!("{who} has calls to models in {region} logged")));
        return;
    }
    let seen = cx
        .failing(
            resource,
            format!("{who} switched off the logging of calls to models in Amazon Bedrock in {region}"),
        )
        .because("Which prompts are sent, and what is answered, is no longer recorded.")
        .detail("Region", region)
        .step(
            "What is set now?",
            "bedrock get-model-invocation-logging-configuration",
            &[("--region", region)],
        );
    cx.report(stop_caller(tempered_to(cx, Severity::Low, seen), record));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn update(setups: Value) -> String {
        let request = json!({"name": "prod", "logging": {"clusterLogging": setups}});
        call("eks", "UpdateClusterConfig", json!({"requestParameters": request}))
    }

    fn models(event: &str, request: Value) -> String {
        call("bedrock", event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let off = update(
            json!([{"types": ["api", "audit", "scheduler"], "enabled": false}, {"types": ["authenticator"],
                "enabled": true}]),
        );
        let seen = fires_at(&WorkloadLogging, Severity::Medium, &off);
        assert_eq!(seen.title, "Logs of EKS cluster prod are off, after an update by alice: api, audit");
        fires_at(&WorkloadLogging, Severity::Low, &update(json!({"types": "api", "enabled": "false"})));
        let on = observe(&WorkloadLogging, &update(json!([{"types": ["api", "audit"], "enabled": true}])));
        assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, seen.finding_id()));
    }

    #[test]
    fn fires_for_models() {
        let off = fires_at(
            &WorkloadLogging,
            Severity::Medium,
            &models("DeleteModelInvocationLoggingConfiguration", json!(null)),
        );
        let put = |config: Value| {
            models("PutModelInvocationLoggingConfiguration", json!({"loggingConfig": config}))
        };
        fires_at(
            &WorkloadLogging,
            Severity::Medium,
            &put(json!({"textDataDeliveryEnabled": false, "s3Config": {"bucketName": "b"}})),
        );
        fires_at(&WorkloadLogging, Severity::Medium, &put(json!({"textDataDeliveryEnabled": true})));
        let on = observe(
            &WorkloadLogging,
            &put(json!({"s3Config": {"bucketName": "b"}, "textDataDeliveryEnabled": true})),
        );
        assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, off.finding_id()));
        let seen = fired(&WorkloadLogging, &models("PutModelInvocationLoggingConfiguration", json!(null)));
        assert_eq!(seen.verdict, Verdict::Unknown);
    }

    #[test]
    fn firewalls_and_warehouses_have_logs_too() {
        let firewall = |configs: Value| {
            let request =
                json!({"firewallName": "edge", "loggingConfiguration": {"logDestinationConfigs": configs}});
            call("network-firewall", "UpdateLoggingConfiguration", json!({"requestParameters": request}))
        };
        let warehouse =
            |name: &str| call("redshift", name, json!({"requestParameters": {"clusterIdentifier": "dw"}}));
        for (off, on) in [
            (firewall(json!([])), firewall(json!([{"logType": "FLOW"}]))),
            (warehouse("DisableLogging"), warehouse("EnableLogging")),
        ] {
            let off = fires_at(&WorkloadLogging, Severity::Medium, &off);
            let on = observe(&WorkloadLogging, &on);
            assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, off.finding_id()));
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &WorkloadLogging,
            &[
                update(json!([{"types": ["scheduler", "controllerManager"], "enabled": false}])),
                update(json!([{"types": ["scheduler"], "enabled": true}])),
                update(json!(null)),
                call(
                    "eks",
                    "UpdateClusterConfig",
                    json!({"requestParameters": {"name": "prod",
                        "resourcesVpcConfig": {"endpointPublicAccess": true}}}),
                ),
                call(
                    "bedrock",
                    "DeleteModelInvocationLoggingConfiguration",
                    json!({"errorCode": "AccessDenied"}),
                ),
            ],
        );
    }

    #[test]
    fn a_database_and_security_lake_record_no_more() {
        let stream = |name: &str| {
            asked("rds", name, json!({"resourceArn": "arn:aws:rds:us-east-1:111122223333:cluster:orders"}))
        };
        let title = "alice switched off the activity stream of database orders";
        let (open, close) = (stream("StopActivityStream"), stream("StartActivityStream"));
        opens_and_closes(&WorkloadLogging, Severity::Medium, (&open, title), &close);
        let lake = asked("securitylake", "DeleteDataLake", json!({"regions": ["us-east-1"]}));
        assert_eq!(
            fires_at(&WorkloadLogging, Severity::Medium, &lake).title,
            "alice deleted Security Lake in us-east-1"
        );
        let source = json!({"sources": [{"sourceName": "CLOUD_TRAIL_MGMT", "regions": ["us-east-1"]}]});
        let source = fires_at(
            &WorkloadLogging,
            Severity::Medium,
            &asked("securitylake", "DeleteAwsLogSource", source),
        );
        assert_eq!(source.title, "alice has Security Lake gather CLOUD_TRAIL_MGMT no more");
    }
}
