use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An instance answers requests to its metadata service without a token (IMDSv1): it was switched back to that
    /// (medium), or was started with it (low); or the region's defaults allow it for new ones (low). Requiring tokens, switching the metadata service off, or terminating the
    /// instance resolves the finding.
    /// ## Why it matters
    /// A web application that can be made to fetch an address of the attacker's choice hands out the credentials of the
    /// instance's role over IMDSv1. With tokens that takes far more than one request.
    /// ## What to do
    /// Require tokens. Look at the metric MetadataNoToken first: it counts what still asks without one.
    /// ## False positives
    /// Old software that cannot ask with a token. An instance started without a word on tokens is judged by what AWS
    /// answers, and is not reported where the answer does not say.
    MetadataService {
        id: "network-metadata-v1-allowed",
        title: "An instance allows IMDSv1",
        severity: Low,
        confidence: High,
        catalogue: ["NET-07"],
        references: [
            cis("3.0", &["5.6"]),
            cis("5.0", &["5.7"]),
            security_hub(&["EC2.8"]),
            attack(&["T1552.005"]),
            doc(&["Amazon EC2 User Guide: Use IMDSv2"]),
        ],
        on: [On::Call("ec2.amazonaws.com", &[
            "RunInstances", "ModifyInstanceMetadataOptions", "ModifyInstanceMetadataDefaults", "TerminateInstances",
        ])],
    }
}

impl Rule for MetadataService {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let arn = |instance: &str| record.arn("ec2", &format!("instance/{instance}"));
        let who = caller_name(record);
        match record.event_name.or_empty() {
            "ModifyInstanceMetadataDefaults" => {
                let setting = "defaults of the instance metadata service";
                match ec2_parameter(record, "httpTokens") {
                    Some("optional") => {
                        let title = format!(
                            "{who} has new instances answer metadata requests without a token (IMDSv1)"
                        );
                        let seen = cx
                            .failing(setting, title)
                            .because("Every instance that is started without a word on tokens allows IMDSv1.")
                            .step(
                                "Require tokens",
                                "ec2 modify-instance-metadata-defaults --http-tokens required",
                                &[region_option(record)],
                            );
                        cx.report(cx.tempered(seen));
                    }
                    Some(_) => cx.report(
                        cx.passing(setting, format!("{who} has new instances require tokens (IMDSv2)")),
                    ),
                    None => {}
                }
            }
            "TerminateInstances" => {
                for instance in items_at(record.request(), &["instancesSet"]) {
                    let Some(instance) = text_at(instance, &["instanceId"]) else { continue };
                    let mut seen = cx.passing(arn(instance), format!("{who} terminated {instance}"));
                    seen.resolution = Resolution::Deleted;
                    cx.report(seen);
                }
            }
            "RunInstances" => {
                for instance in items_at(record.response(), &["instancesSet"]) {
                    let options = instance.get("metadataOptions").unwrap_or(instance);
                    if let Some(id) = text_at(instance, &["instanceId"])
                        && text_at(options, &["httpTokens"]) == Some("optional")
                        && text_at(options, &["httpEndpoint"]) != Some("disabled")
                    {
                        let title = format!("{who} started {id}, which allows IMDSv1");
                        report(record, cx, id, &title, Severity::Low);
                    }
                }
            }
            _ => {
                let Some(id) = ec2_parameter(record, "instanceId") else { return Ok(()) };
                // A service that is switched off answers nobody, whatever it would ask for.
                if ec2_parameter(record, "httpEndpoint") == Some("disabled") {
                    cx.report(
                        cx.passing(arn(id), format!("{who} switched the metadata service of {id} off")),
                    );
                    return Ok(());
                }
                let Some(tokens) = ec2_parameter(record, "httpTokens") else { return Ok(()) };
                if tokens == "optional" {
                    let title = format!("{who} let {id} answer metadata requests without a token (IMDSv1)");
                    report(record, cx, id, &title, Severity::Medium);
                } else {
                    cx.report(cx.passing(arn(id), format!("{who} made {id} require tokens (IMDSv2)")));
                }
            }
        }
        Ok(())
    }
}

fn report(record: &Record<'_>, cx: &mut Cx<'_>, instance: &str, title: &str, severity: Severity) {
    let place = region_option(record);
    let seen = cx
        .failing(record.arn("ec2", &format!("instance/{instance}")), title)
        .severity(severity)
        .because(
            "One forged request from a program on the instance is enough to read its role's credentials.",
        )
        .step(
            "What may the instance's role do? (IamInstanceProfile)",
            "ec2 describe-instances",
            &[place, ("--instance-ids", instance)],
        )
        .step(
            "Require tokens",
            "ec2 modify-instance-metadata-options",
            &[place, ("--instance-id", instance), ("--http-tokens", "required")],
        );
    cx.report(cx.tempered(seen));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn modify(request: Value) -> String {
        let request = json!({"ModifyInstanceMetadataOptionsRequest": request});
        call("ec2", "ModifyInstanceMetadataOptions", json!({"requestParameters": request}))
    }

    fn run(options: Value) -> String {
        let instance = json!({"instanceId": "i-1", "instanceType": "t3.micro", "metadataOptions": options});
        call("ec2", "RunInstances", json!({"responseElements": {"instancesSet": {"items": [instance]}}}))
    }

    #[test]
    fn fires_and_resolves() {
        let v1 = modify(json!({"InstanceId": "i-1", "HttpTokens": "optional"}));
        let seen = fires_at(&MetadataService, Severity::Medium, &v1);
        assert_eq!(seen.title, "alice let i-1 answer metadata requests without a token (IMDSv1)");
        let started = run(json!({"state": "pending", "httpTokens": "optional", "httpEndpoint": "enabled"}));
        let started = fires_at(&MetadataService, Severity::Low, &started);
        assert_eq!(started.finding_id(), seen.finding_id());
        let flat = json!({"requestParameters": {"instanceId": "i-1", "httpTokens": "optional"}});
        fires_at(&MetadataService, Severity::Medium, &call("ec2", "ModifyInstanceMetadataOptions", flat));

        let gone = json!({"requestParameters": {"instancesSet": {"items": [{"instanceId": "i-1"}]}}});
        for (event, how) in [
            (modify(json!({"InstanceId": "i-1", "HttpTokens": "required"})), Resolution::Fixed),
            (
                modify(json!({"InstanceId": "i-1", "HttpTokens": "optional", "HttpEndpoint": "disabled"})),
                Resolution::Fixed,
            ),
            (call("ec2", "TerminateInstances", gone), Resolution::Deleted),
        ] {
            let undone = observe(&MetadataService, &event);
            assert_eq!((undone.len(), undone[0].verdict, undone[0].resolution), (1, Verdict::Passing, how));
            assert_eq!(undone[0].finding_id(), seen.finding_id());
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &MetadataService,
            &[
                run(json!({"httpTokens": "required"})),
                run(json!({"httpTokens": "optional", "httpEndpoint": "disabled"})),
                run(json!(null)),
                modify(json!({"InstanceId": "i-1", "HttpPutResponseHopLimit": 2})),
                modify(json!("")),
                call("ec2", "RunInstances", json!({"requestParameters": null})),
                call("ec2", "TerminateInstances", json!({"requestParameters": {"instancesSet": "all"}})),
                call(
                    "ec2",
                    "ModifyInstanceMetadataOptions",
                    json!({"errorCode": "Client.UnauthorizedOperation",
                    "requestParameters": {"instanceId": "i-1", "httpTokens": "optional"}}),
                ),
            ],
        );
    }

    #[test]
    fn the_defaults_of_new_instances_count() {
        let defaults = |tokens: &str| {
            let request = json!({"ModifyInstanceMetadataDefaultsRequest": {"HttpTokens": tokens}});
            asked("ec2", "ModifyInstanceMetadataDefaults", request)
        };
        let title = "alice has new instances answer metadata requests without a token (IMDSv1)";
        opens_and_closes(
            &MetadataService,
            Severity::Low,
            (&defaults("optional"), title),
            &defaults("required"),
        );
    }
}
