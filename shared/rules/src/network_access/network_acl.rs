use keepwatch_base::network::{Cidr, Ports};

use super::common::world;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An entry of a network ACL lets the whole internet, or a large part of it, in: to all ports or to a port of
    /// administration or of a database. IPv4 and IPv6. Deleting or narrowing the entry resolves its finding.
    /// ## Why it matters
    /// The network ACL is the second door in front of a subnet. It is the one that still holds when somebody opens a
    /// security group by mistake.
    /// ## What to do
    /// Allow the addresses and ports that the subnet serves, and look which security groups stand behind it.
    /// ## False positives
    /// Many accounts rely on security groups alone: the ACL that AWS makes with every VPC lets everything in. That is
    /// why this is low.
    NetworkAcl {
        id: "network-acl-open",
        title: "A network ACL was opened to the internet",
        severity: Low,
        confidence: High,
        catalogue: ["NET-03"],
        references: [
            cis("3.0", &["4.11", "5.1"]),
            cis("5.0", &["4.11", "5.2"]),
            security_hub(&["EC2.21"]),
            attack(&["T1562.007"]),
            doc(&["Amazon EC2 API Reference: CreateNetworkAclEntry"]),
        ],
        on: [On::Call("ec2.amazonaws.com", &[
            "CreateNetworkAclEntry", "ReplaceNetworkAclEntry", "DeleteNetworkAclEntry",
        ])],
    }
}

impl Rule for NetworkAcl {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let request = ec2_parameters(record);
        let (Some(acl), Some(number), Some(false)) = (
            text_at(request, &["networkAclId"]),
            number_at(request, &["ruleNumber"]),
            flag_at(request, &["egress"]),
        ) else {
            return Ok(());
        };
        let arn = record.arn("ec2", &format!("network-acl/{acl}"));
        let aspect = format!("entry {number}");
        let who = caller_name(record);
        let name = record.event_name.or_empty();
        let Some((cidr, ports)) = opened(record).filter(|_| name != "DeleteNetworkAclEntry") else {
            if name != "CreateNetworkAclEntry" {
                let title = format!("{who} deleted or narrowed entry {number} of network ACL {acl}");
                cx.report(cx.passing(arn, title).aspect(aspect));
            }
            return Ok(());
        };
        let place = region_option(record);
        let rule = number.to_string();
        let seen = cx
            .failing(arn, format!("{who} let {} in to {ports} through network ACL {acl}", world(&cidr)))
            .aspect(aspect)
            .because("What a security group behind this ACL lets in now arrives.")
            .detail("Entry", format!("{number}: allow {cidr} to {ports}"))
            .step(
                "Read the ACL, and which subnets it guards",
                "ec2 describe-network-acls",
                &[place, ("--network-acl-ids", acl)],
            )
            .step(
                "Delete the entry",
                "ec2 delete-network-acl-entry",
                &[place, ("--network-acl-id", acl), ("--rule-number", &rule), ("--ingress", "")],
            );
        cx.report(cx.tempered(seen));
        Ok(())
    }
}

/// What an entry lets in, where that is the internet and the ports matter.
fn opened(record: &Record<'_>) -> Option<(Cidr, Ports)> {
    let request = ec2_parameters(record);
    let cidr = text_at(request, &["cidrBlock"]).or_else(|| text_at(request, &["ipv6CidrBlock"]))?;
    let cidr = Cidr::parse(cidr).filter(Cidr::is_world)?;
    let protocol =
        text_at(request, &["aclProtocol"]).or_else(|| text_at(request, &["protocol"])).unwrap_or("-1");
    let port = |end| number_at(request, &["portRange", end]);
    let ports = Ports::of(protocol, port("from"), port("to"))?;
    let allows = text_at(request, &["ruleAction"]).is_some_and(|action| action.eq_ignore_ascii_case("allow"));
    (allows && ports.best_known().is_some()).then_some((cidr, ports))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;
    use keepwatch_core::observation::{Resolution, Verdict};

    fn entry(name: &str, protocol: &str, changes: Value) -> String {
        let mut request = json!({"aclProtocol": protocol, "cidrBlock": "0.0.0.0/0", "egress": false, "icmpTypeCode": {},
            "networkAclId": "acl-5fb85d36", "portRange": {}, "ruleAction": "allow", "ruleNumber": 100});
        for (key, value) in changes.as_object().into_iter().flatten() {
            request[key] = value.clone();
        }
        call("ec2", name, json!({"requestParameters": request}))
    }

    fn create(protocol: &str, changes: Value) -> String {
        entry("CreateNetworkAclEntry", protocol, changes)
    }

    #[test]
    fn fires() {
        let seen = fires_at(&NetworkAcl, Severity::Low, &create("-1", json!({})));
        assert_eq!(
            seen.title,
            "alice let the whole internet in to all ports through network ACL acl-5fb85d36"
        );
        let ssh = json!({"portRange": {"from": 22, "to": 22}, "egress": "false", "ruleNumber": "100"});
        let ssh = fired(&NetworkAcl, &create("6", ssh));
        assert_eq!(ssh.finding_id(), seen.finding_id());
        assert!(ssh.steps[1].command.ends_with("--rule-number 100 --ingress"), "{:?}", ssh.steps);
        fired(&NetworkAcl, &create("-1", json!({"cidrBlock": null, "ipv6CidrBlock": "::/0"})));
        fired(&NetworkAcl, &entry("ReplaceNetworkAclEntry", "-1", json!({})));
    }

    #[test]
    fn deleting_and_narrowing_resolve() {
        let opened = fired(&NetworkAcl, &create("-1", json!({}))).finding_id();
        let narrow = json!({"cidrBlock": "10.0.0.0/8"});
        for event in [
            entry("ReplaceNetworkAclEntry", "-1", narrow),
            entry("ReplaceNetworkAclEntry", "-1", json!({"ruleAction": "deny"})),
            entry("DeleteNetworkAclEntry", "-1", json!({})),
        ] {
            let seen = observe(&NetworkAcl, &event);
            assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing), "{event}");
            assert_eq!(seen[0].finding_id(), opened);
        }
        let gone = observe(&NetworkAcl, &entry("DeleteNetworkAclEntry", "-1", json!({})));
        assert_eq!(gone[0].resolution, Resolution::Deleted);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &NetworkAcl,
            &[
                create("6", json!({"portRange": {"from": 443, "to": 443}})),
                create("1", json!({})),
                create("-1", json!({"egress": true})),
                create("-1", json!({"ruleAction": "deny"})),
                create("-1", json!({"cidrBlock": "172.16.0.0/12"})),
                create("-1", json!({"networkAclId": ["acl-1"]})),
                call("ec2", "CreateNetworkAclEntry", json!({"requestParameters": null})),
                call(
                    "ec2",
                    "CreateNetworkAclEntry",
                    json!({"errorCode": "Client.UnauthorizedOperation",
                    "requestParameters": {"networkAclId": "acl-1", "egress": false, "ruleNumber": 1}}),
                ),
            ],
        );
    }
}
