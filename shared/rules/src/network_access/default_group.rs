use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A VPC's default security group is in use: an instance was started in it, or a rule was added to it by its name.
    /// ## Why it matters
    /// Everything that names no security group lands in the default one, and its members trust each other on every port.
    /// A rule there opens more than its author knows of, later arrivals included.
    /// ## What to do
    /// Give the instance a group of its own, and take all rules out of the default group.
    /// ## False positives
    /// Experiments. A group of your own with the name `default` cannot exist: AWS reserves it. A rule added by the
    /// group's id is not seen here, because the event does not tell the name.
    DefaultGroup {
        id: "network-default-group-used",
        title: "A VPC's default security group is in use",
        severity: Low,
        confidence: High,
        catalogue: ["NET-05"],
        references: [
            cis("3.0", &["5.4"]),
            cis("5.0", &["5.5"]),
            security_hub(&["EC2.2"]),
            doc(&["Amazon VPC: Default security groups"]),
        ],
        on: [On::Call("ec2.amazonaws.com", &[
            "RunInstances", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress",
        ])],
    }
}

impl Rule for DefaultGroup {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let who = caller_name(record);
        let (group, title) = if record.event_name.or_empty() == "RunInstances" {
            let instances = items_at(record.response(), &["instancesSet"]);
            let groups = instances.iter().flat_map(|instance| items_at(instance, &["groupSet"]));
            let interfaces =
                instances.iter().flat_map(|instance| items_at(instance, &["networkInterfaceSet"]));
            let mut groups =
                groups.chain(interfaces.flat_map(|interface| items_at(interface, &["groupSet"])));
            let group = groups.find(|group| text_at(group, &["groupName"]) == Some("default"));
            let Some(group) = group.and_then(|group| text_at(group, &["groupId"])) else { return Ok(()) };
            (group, format!("{who} started an instance in the default security group {group}"))
        } else {
            if text_at(record.request(), &["groupName"]) != Some("default") {
                return Ok(());
            }
            let reports = items_at(record.response(), &["securityGroupRuleSet"]);
            let group = text_at(record.request(), &["groupId"])
                .or_else(|| reports.first().and_then(|rule| text_at(rule, &["groupId"])))
                .unwrap_or("default");
            (group, format!("{who} added a rule to the default security group {group}"))
        };
        let filter = filter("group-id", group);
        let seen = cx
            .failing(record.arn("ec2", &format!("security-group/{group}")), title)
            .because("What names no group of its own lands in this one, and its members trust each other.")
            .detail("Security group", group)
            .step(
                "What uses the group?",
                "ec2 describe-network-interfaces",
                &[region_option(record), ("--filters", &filter)],
            )
            .step(
                "Which rules has it?",
                "ec2 describe-security-group-rules",
                &[region_option(record), ("--filters", &filter)],
            );
        cx.report(cx.tempered(seen));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn run(name: Value) -> String {
        let group = json!({"items": [{"groupId": "sg-6c7fa917", "groupName": name}]});
        let instance = json!({"instanceId": "i-1", "groupSet": group});
        call(
            "ec2",
            "RunInstances",
            json!({"responseElements": {"groupSet": {}, "instancesSet": {"items": [instance]}}}),
        )
    }

    fn authorize(request: Value) -> String {
        let response = json!({"securityGroupRuleSet": {"items": [{"groupId": "sg-6c7fa917"}]}});
        let event = json!({"requestParameters": request, "responseElements": response});
        call("ec2", "AuthorizeSecurityGroupIngress", event)
    }

    #[test]
    fn fires() {
        let started = fires_at(&DefaultGroup, Severity::Low, &run(json!("default")));
        assert_eq!(started.title, "alice started an instance in the default security group sg-6c7fa917");
        let rule = fires_at(&DefaultGroup, Severity::Low, &authorize(json!({"groupName": "default"})));
        assert_eq!(rule.finding_id(), started.finding_id());
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &DefaultGroup,
            &[
                run(json!("web")),
                run(json!("default-web")),
                run(json!(["default"])),
                authorize(json!({"groupId": "sg-6c7fa917"})),
                authorize(json!(null)),
                call("ec2", "RunInstances", json!({"responseElements": null})),
                call(
                    "ec2",
                    "AuthorizeSecurityGroupIngress",
                    json!({"errorCode": "Client.UnauthorizedOperation",
                    "requestParameters": {"groupName": "default"}}),
                ),
            ],
        );
    }
}
