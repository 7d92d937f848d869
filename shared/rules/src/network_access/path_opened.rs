use keepwatch_base::network::Cidr;

use super::common::world;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A new way into or out of a VPC: a peering connection with an account that you have not named as trusted (medium),
    /// or a transit gateway joined with such an account's (medium), the whole internet in a prefix list that security groups
    /// may name (medium; low where the list is new), an internet gateway attached to a VPC, a route to the whole internet
    /// through an internet gateway (low). Undoing it resolves the finding.
    /// ## Why it matters
    /// A private network is private because no road leads to it. A peering connection with a stranger's account is a
    /// road around every firewall at the edge.
    /// ## What to do
    /// Ask whom the other account belongs to. If nobody knows, delete the connection. Look which subnets use the route
    /// table, and whether they were meant to be public.
    /// ## False positives
    /// Building a new public subnet, and peering with a partner or vendor: add the account to `trusted-accounts`.
    PathOpened {
        id: "network-path-opened",
        title: "A new way into or out of a VPC was made",
        severity: Low,
        confidence: Medium,
        catalogue: ["NET-04"],
        references: [
            cis("3.0", &["4.12", "4.13", "4.14"]),
            cis("5.0", &["4.12", "4.13", "4.14"]),
            security_hub(&["CloudWatch.12", "CloudWatch.13", "CloudWatch.14"]),
            attack(&["T1599"]),
        ],
        on: [On::Call("ec2.amazonaws.com", &[
            "AttachInternetGateway", "DetachInternetGateway", "CreateRoute", "ReplaceRoute", "DeleteRoute",
            "CreateVpcPeeringConnection", "AcceptVpcPeeringConnection", "RejectVpcPeeringConnection",
            "DeleteVpcPeeringConnection", "CreateTransitGatewayPeeringAttachment",
            "DeleteTransitGatewayPeeringAttachment", "CreateManagedPrefixList", "ModifyManagedPrefixList",
        ])],
    }
}

impl Rule for PathOpened {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let seen = match record.event_name.or_empty() {
            "AttachInternetGateway" | "DetachInternetGateway" => gateway(record, cx),
            "CreateRoute" | "ReplaceRoute" | "DeleteRoute" => route(record, cx),
            "CreateManagedPrefixList" | "ModifyManagedPrefixList" => prefix_list(record, cx),
            name if name.contains("TransitGateway") => transit(record, cx),
            _ => peering(record, cx),
        };
        if let Some(seen) = seen {
            cx.report(cx.tempered(seen));
        }
        Ok(())
    }
}

fn gateway(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let (gateway, vpc) = (ec2_parameter(record, "internetGatewayId")?, ec2_parameter(record, "vpcId")?);
    let (who, arn) = (caller_name(record), record.arn("ec2", &format!("vpc/{vpc}")));
    if record.event_name.or_empty() == "DetachInternetGateway" {
        return Some(cx.passing(arn, format!("{who} detached {gateway} from {vpc}")).aspect(gateway));
    }
    let attachment = filter("attachment.vpc-id", vpc);
    Some(
        cx.failing(arn, format!("{who} attached internet gateway {gateway} to VPC {vpc}"))
            .aspect(gateway)
            .because("With a route and a public address, machines in this VPC can now reach and be reached.")
            .detail("Internet gateway", gateway)
            .step(
                "What hangs on the VPC?",
                "ec2 describe-internet-gateways",
                &[region_option(record), ("--filters", &attachment)],
            )
            .step(
                "Detach it",
                "ec2 detach-internet-gateway",
                &[region_option(record), ("--internet-gateway-id", gateway), ("--vpc-id", vpc)],
            ),
    )
}

fn route(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let table = ec2_parameter(record, "routeTableId")?;
    let (option, to) = match ec2_parameter(record, "destinationCidrBlock") {
        Some(to) => ("--destination-cidr-block", to),
        None => ("--destination-ipv6-cidr-block", ec2_parameter(record, "destinationIpv6CidrBlock")?),
    };
    let cidr = Cidr::parse(to).filter(Cidr::is_world)?;
    let (who, arn) = (caller_name(record), record.arn("ec2", &format!("route-table/{table}")));
    let gateway = ec2_parameter(record, "gatewayId").filter(|gateway| gateway.starts_with("igw-"));
    let Some(gateway) = gateway.filter(|_| record.event_name.or_empty() != "DeleteRoute") else {
        let gone = record.event_name.or_empty() != "CreateRoute";
        let title = format!("{who} took the route to {} away from {table}", world(&cidr));
        return gone.then(|| cx.passing(arn, title).aspect(cidr.to_string()));
    };
    Some(
        cx.failing(arn, format!("{who} gave route table {table} a route to {}", world(&cidr)))
            .aspect(cidr.to_string())
            .because(
                "Subnets with this route table are public: what has a public address there can be reached.",
            )
            .detail("Route", format!("{to} through {gateway}"))
            .step(
                "Which subnets use the table?",
                "ec2 describe-route-tables",
                &[region_option(record), ("--route-table-ids", table)],
            )
            .step(
                "Delete the route",
                "ec2 delete-route",
                &[region_option(record), ("--route-table-id", table), (option, to)],
            ),
    )
}

fn peering(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let answer = record.response().get("vpcPeeringConnection").unwrap_or(record.response());
    // Without an answer a new connection is told by the VPC that it leads to.
    let id = ec2_parameter(record, "vpcPeeringConnectionId")
        .or_else(|| text_at(answer, &["vpcPeeringConnectionId"]))
        .or_else(|| ec2_parameter(record, "peerVpcId"))?;
    let (who, arn) = (caller_name(record), record.arn("ec2", &format!("vpc-peering-connection/{id}")));
    let name = record.event_name.or_empty();
    if name.starts_with("Delete") || name.starts_with("Reject") {
        return Some(cx.passing(arn, format!("{who} took VPC peering connection {id} away")));
    }
    let owner = |side| text_at(answer, &[side, "ownerId"]);
    let sides = [ec2_parameter(record, "peerOwnerId"), owner("accepterVpcInfo"), owner("requesterVpcInfo")];
    let other = sides.into_iter().flatten().find(|owner| *owner != record.account())?;
    if cx.config.trusted_accounts.iter().any(|trusted| trusted == other) {
        return None;
    }
    let did = if name.starts_with("Accept") { "accepted" } else { "asked for" };
    Some(
        cx.failing(arn, format!("{who} {did} a VPC peering connection with account {other}"))
            .severity(Severity::Medium)
            .because("Once routes are set, machines of the other account reach this network directly.")
            .detail("Other account", other)
            .detail_if(
                "Own VPC",
                ec2_parameter(record, "vpcId").or_else(|| text_at(answer, &["requesterVpcInfo", "vpcId"])),
            )
            .step(
                "Read the connection",
                "ec2 describe-vpc-peering-connections",
                &[region_option(record), ("--vpc-peering-connection-ids", id)],
            )
            .step(
                "Delete it",
                "ec2 delete-vpc-peering-connection",
                &[region_option(record), ("--vpc-peering-connection-id", id)],
            ),
    )
}

/// A transit gateway that is joined with one of another account.
fn transit(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let id = |name| ec2_parameter(record, name);
    let inner = ["createTransitGatewayPeeringAttachmentResponse", "transitGatewayPeeringAttachment"];
    let answer = inner.iter().fold(record.response(), |at, key| value_at(at, &[key]).unwrap_or(at));
    let attachment =
        id("transitGatewayAttachmentId").or_else(|| text_at(answer, &["transitGatewayAttachmentId"]));
    let attachment = attachment.or_else(|| id("peerTransitGatewayId"))?;
    let (who, arn) =
        (caller_name(record), record.arn("ec2", &format!("transit-gateway-attachment/{attachment}")));
    if record.event_name.or_empty().starts_with("Delete") {
        return Some(cx.passing(arn, format!("{who} deleted transit gateway attachment {attachment}")));
    }
    let other = id("peerAccountId").filter(|other| *other != record.account())?;
    if cx.config.trusted_accounts.iter().any(|trusted| trusted == other) {
        return None;
    }
    Some(
        cx.failing(arn, format!("{who} asked to join a transit gateway with one of account {other}"))
            .severity(Severity::Medium)
            .because("Once routes are set, the networks of the other account reach those of this one.")
            .detail("Other account", other)
            .detail_if("Transit gateway", id("transitGatewayId"))
            .step(
                "Read the attachments",
                "ec2 describe-transit-gateway-peering-attachments",
                &[region_option(record)],
            ),
    )
}

/// A prefix list stands in the rules of security groups and in routes, none of which is changed when the list is.
fn prefix_list(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let world = |key: &str| {
        let entries = items_at(ec2_parameters(record), &[key]).into_iter();
        entries.filter_map(|entry| text_at(entry, &["cidr"]).and_then(Cidr::parse)).find(Cidr::is_world)
    };
    let new = record.event_name.or_empty().starts_with("Create");
    let named = ec2_parameter(record, if new { "prefixListName" } else { "prefixListId" })?;
    let answer =
        value_at(record.response(), &["createManagedPrefixListResponse"]).unwrap_or(record.response());
    let id = text_at(answer, &["prefixList", "prefixListId"]).unwrap_or(named);
    let (who, arn) = (caller_name(record), record.arn("ec2", &format!("prefix-list/{id}")));
    let added = world(if new { "entry" } else { "addEntry" });
    let Some(cidr) = added else {
        let gone = world("removeEntry")?;
        return Some(
            cx.passing(arn, format!("{who} took {gone} out of prefix list {id}")).aspect("internet"),
        );
    };
    let seen = cx
        .failing(arn, format!("{who} put the whole internet ({cidr}) into prefix list {id}"))
        .severity(if new { Severity::Low } else { Severity::Medium })
        .aspect("internet")
        .because("Every rule of a security group that names the list now names the whole internet.");
    Some(seen.step(
        "Which security groups and route tables use it?",
        "ec2 get-managed-prefix-list-associations",
        &[region_option(record), ("--prefix-list-id", id)],
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn ec2(name: &str, request: Value) -> String {
        call("ec2", name, json!({"requestParameters": request}))
    }

    fn route(name: &str, to: &str, through: &str) -> String {
        ec2(name, json!({"routeTableId": "rtb-1", "destinationCidrBlock": to, "gatewayId": through}))
    }

    fn peer(name: &str, other: &str) -> String {
        let response = json!({"vpcPeeringConnection": {"vpcPeeringConnectionId": "pcx-1",
            "requesterVpcInfo": {"ownerId": "111122223333", "vpcId": "vpc-1"}, "accepterVpcInfo": {"ownerId": other}}});
        call(
            "ec2",
            name,
            json!({"requestParameters": {"vpcId": "vpc-1", "peerVpcId": "vpc-2", "peerOwnerId": other},
            "responseElements": response}),
        )
    }

    fn resolves(opened: &str, undone: &str) {
        let seen = observe(&PathOpened, undone);
        assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing), "{undone}");
        assert_eq!(seen[0].finding_id(), fired(&PathOpened, opened).finding_id());
    }

    #[test]
    fn fires_and_resolves() {
        let attached = |name| ec2(name, json!({"internetGatewayId": "igw-1", "vpcId": "vpc-1"}));
        fires_at(&PathOpened, Severity::Low, &attached("AttachInternetGateway"));
        resolves(&attached("AttachInternetGateway"), &attached("DetachInternetGateway"));

        let world = route("CreateRoute", "0.0.0.0/0", "igw-1");
        let seen = fires_at(&PathOpened, Severity::Low, &world);
        assert_eq!(seen.title, "alice gave route table rtb-1 a route to the whole internet");
        resolves(
            &world,
            &ec2("DeleteRoute", json!({"routeTableId": "rtb-1", "destinationCidrBlock": "0.0.0.0/0"})),
        );
        resolves(&world, &route("ReplaceRoute", "0.0.0.0/0", "nat-1"));
        fired(
            &PathOpened,
            &ec2(
                "CreateRoute",
                json!({"routeTableId": "rtb-1", "destinationIpv6CidrBlock": "::/0",
            "gatewayId": "igw-1"}),
            ),
        );

        let strange = peer("CreateVpcPeeringConnection", "999988887777");
        let seen = fires_at(&PathOpened, Severity::Medium, &strange);
        assert_eq!(seen.title, "alice asked for a VPC peering connection with account 999988887777");
        let wrapped = json!({"DeleteVpcPeeringConnectionRequest": {"VpcPeeringConnectionId": "pcx-1"}});
        resolves(&strange, &ec2("DeleteVpcPeeringConnection", wrapped));
        resolves(&strange, &ec2("RejectVpcPeeringConnection", json!({"vpcPeeringConnectionId": "pcx-1"})));
        let accepted = fired(&PathOpened, &peer("AcceptVpcPeeringConnection", "999988887777"));
        assert!(accepted.title.contains("accepted"), "{}", accepted.title);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &PathOpened,
            &[
                route("CreateRoute", "0.0.0.0/0", "nat-1"),
                route("CreateRoute", "10.0.0.0/16", "igw-1"),
                route("CreateRoute", "somewhere", "igw-1"),
                route("DeleteRoute", "10.0.0.0/16", "igw-1"),
                peer("CreateVpcPeeringConnection", "111122223333"),
                peer("CreateVpcPeeringConnection", "444455556666"),
                ec2("CreateVpcPeeringConnection", json!(null)),
                ec2("AttachInternetGateway", json!({"internetGatewayId": {}, "vpcId": "vpc-1"})),
                call("apigateway", "CreateRoute", json!({"requestParameters": {"routeKey": "GET /"}})),
                call(
                    "ec2",
                    "CreateRoute",
                    json!({"errorCode": "Client.UnauthorizedOperation", "requestParameters":
                    {"routeTableId": "rtb-1", "destinationCidrBlock": "0.0.0.0/0", "gatewayId": "igw-1"}}),
                ),
            ],
        );
    }

    #[test]
    fn a_prefix_list_opens_what_names_it() {
        let change = |key: &str, cidr: &str| {
            let request = json!({"PrefixListId": "pl-1", "CurrentVersion": 1, key: {"tag": 1, "Cidr": cidr}});
            ec2("ModifyManagedPrefixList", json!({"ModifyManagedPrefixListRequest": request}))
        };
        for internet in ["0.0.0.0/0", "::/0"] {
            let title = format!("alice put the whole internet ({internet}) into prefix list pl-1");
            let (open, close) = (change("AddEntry", internet), change("RemoveEntry", internet));
            opens_and_closes(&PathOpened, Severity::Medium, (&open, &title), &close);
        }
        let new =
            json!({"PrefixListName": "office", "Entry": [{"Cidr": "203.0.113.0/24"}, {"Cidr": "0.0.0.0/0"}]});
        let new = ec2("CreateManagedPrefixList", json!({"CreateManagedPrefixListRequest": new}));
        fires_at(&PathOpened, Severity::Low, &new);
        quiet(&PathOpened, &[change("AddEntry", "203.0.113.0/24"), change("RemoveEntry", "203.0.113.0/24")]);
    }

    #[test]
    fn a_transit_gateway_is_joined_with_another_accounts() {
        let join = |account: &str| {
            let request = json!({"TransitGatewayId": "tgw-1", "PeerTransitGatewayId": "tgw-2", "PeerAccountId": account});
            ec2(
                "CreateTransitGatewayPeeringAttachment",
                json!({"CreateTransitGatewayPeeringAttachmentRequest": request}),
            )
        };
        let seen = fires_at(&PathOpened, Severity::Medium, &join("999988887777"));
        assert_eq!(seen.title, "alice asked to join a transit gateway with one of account 999988887777");
        quiet(&PathOpened, &[join("111122223333"), join("444455556666")]);
    }
}
