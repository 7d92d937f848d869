use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Any change of a security group, network ACL, route table, gateway, VPC or peering connection. It keeps the record
    /// that the CIS benchmark asks for (4.10 to 4.14); what is dangerous has rules of its own.
    /// ## Why it matters
    /// When something can suddenly be reached, or cannot any more, the question is who changed the network last.
    /// ## What to do
    /// Nothing, unless you did not expect a change. Then look at what the call did.
    /// ## False positives
    /// None: it is a record. It never sends a mail of its own.
    Changed {
        id: "network-changed",
        title: "The network was changed",
        severity: Informational,
        confidence: High,
        catalogue: ["NET-02", "NET-03", "NET-04"],
        references: [
            cis("3.0", &["4.10", "4.11", "4.12", "4.13", "4.14"]),
            cis("5.0", &["4.10", "4.11", "4.12", "4.13", "4.14"]),
            security_hub(&["CloudWatch.10", "CloudWatch.11", "CloudWatch.12", "CloudWatch.13", "CloudWatch.14"]),
        ],
        on: [On::Call("ec2.amazonaws.com", &[
            "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress",
            "RevokeSecurityGroupEgress", "ModifySecurityGroupRules", "CreateSecurityGroup", "DeleteSecurityGroup",
            "CreateNetworkAcl", "CreateNetworkAclEntry", "DeleteNetworkAcl", "DeleteNetworkAclEntry",
            "ReplaceNetworkAclEntry", "ReplaceNetworkAclAssociation",
            "CreateCustomerGateway", "DeleteCustomerGateway", "AttachInternetGateway", "CreateInternetGateway",
            "DeleteInternetGateway", "DetachInternetGateway",
            "CreateRoute", "CreateRouteTable", "ReplaceRoute", "ReplaceRouteTableAssociation", "DeleteRouteTable",
            "DeleteRoute", "DisassociateRouteTable",
            "CreateVpc", "DeleteVpc", "ModifyVpcAttribute", "AcceptVpcPeeringConnection",
            "CreateVpcPeeringConnection", "DeleteVpcPeeringConnection", "RejectVpcPeeringConnection",
        ])],
        general: true,
        repeat_hours: 168,
    }
}

/// What the calls name, in parameters and answers, and the resource's type in an ARN. The first that is there tells.
const NAMED: [(&str, &str); 8] = [
    ("groupId", "security-group"),
    ("networkAclId", "network-acl"),
    ("routeTableId", "route-table"),
    ("internetGatewayId", "internet-gateway"),
    ("customerGatewayId", "customer-gateway"),
    ("vpcPeeringConnectionId", "vpc-peering-connection"),
    ("associationId", "association"),
    ("vpcId", "vpc"),
];

/// The objects in which answers hold what was made.
const MADE: [&str; 6] =
    ["networkAcl", "routeTable", "internetGateway", "customerGateway", "vpcPeeringConnection", "vpc"];

impl Rule for Changed {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let answer = record.response();
        let (who, name) = (caller_name(record), record.event_name.or_empty());
        // What was made is named by the answer; its parameters name the VPC that it was made in.
        let named = |key: &str| {
            let made = MADE.iter().find_map(|object| text_at(answer, &[object, key]));
            made.or_else(|| ec2_parameter(record, key)).or_else(|| text_at(answer, &[key]))
        };
        let reports = NAMED.iter().find_map(|(key, kind)| named(key).map(|id| (*kind, id)));
        let (resource, what) = match reports {
            Some((kind, id)) => (record.arn("ec2", &format!("{kind}/{id}")), id),
            None => ("EC2 network".to_owned(), "the network"),
        };
        // What has no name is looked up by the call.
        let calls = match reports {
            Some((_, id)) => lookup("ResourceName", id),
            None => lookup("EventName", name),
        };
        let seen = cx
            .failing(resource, format!("{who} changed {what} ({name})"))
            .witnessed_by(&Actor::of(record).identity())
            .because("Kept as a record: what a call like this opens has a rule of its own.")
            .step(
                "What else changed it?",
                "cloudtrail lookup-events",
                &[region_option(record), ("--lookup-attributes", &calls)],
            );
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    #[test]
    fn fires() {
        let event = json!({"requestParameters": {"groupName": "web", "vpcId": "vpc-1"},
            "responseElements": {"groupId": "sg-1"}});
        let seen = fires_at(&Changed, Severity::Informational, &call("ec2", "CreateSecurityGroup", event));
        assert_eq!(seen.title, "alice changed sg-1 (CreateSecurityGroup)");
        assert_eq!(seen.subject.resource, "arn:aws:ec2:us-east-1:111122223333:security-group/sg-1");
        let event = json!({"requestParameters": {"vpcId": "vpc-1"},
            "responseElements": {"routeTable": {"routeTableId": "rtb-1", "vpcId": "vpc-1"}}});
        let seen = fired(&Changed, &call("ec2", "CreateRouteTable", event));
        assert!(seen.subject.resource.ends_with(":route-table/rtb-1"), "{}", seen.subject.resource);
        let wrapped = json!({"requestParameters": {"ModifySecurityGroupRulesRequest": {"GroupId": "sg-1"}}});
        let seen = fired(&Changed, &call("ec2", "ModifySecurityGroupRules", wrapped));
        assert!(seen.subject.resource.ends_with(":security-group/sg-1"), "{}", seen.subject.resource);
        let nothing = json!({"requestParameters": null});
        let seen = fired(&Changed, &call("ec2", "ReplaceNetworkAclAssociation", nothing));
        assert_eq!(seen.subject.resource, "EC2 network");
        assert!(
            seen.steps[0].command.contains("AttributeValue=ReplaceNetworkAclAssociation "),
            "{:?}",
            seen.steps
        );
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &Changed,
            &[
                call("ec2", "CreateVpc", json!({"errorCode": "Client.UnauthorizedOperation"})),
                call("ec2", "DescribeSecurityGroups", json!({"readOnly": true})),
                call("apigateway", "CreateRoute", json!({})),
            ],
        );
    }
}
