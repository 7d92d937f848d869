//! EC2: regions' volumes, snapshots, networks, instances.

use keepwatch_core::posture::facts::compute::Instance;
use keepwatch_core::posture::facts::ebs::{Snapshot, SnapshotBlock, Volume};
use keepwatch_core::posture::facts::network::{
    FlowLog, GroupRule, NetworkInterface, SecurityGroup, SecurityGroupRule, Vpc,
};

use crate::client::{Client, Input};
use crate::fault::{Fault, absent_if};
use crate::node::Node;
use crate::operation::{
    DESCRIBE_FLOW_LOGS, DESCRIBE_INSTANCES, DESCRIBE_NETWORK_INTERFACES, DESCRIBE_SECURITY_GROUP_RULES,
    DESCRIBE_SECURITY_GROUPS, DESCRIBE_SNAPSHOTS, DESCRIBE_VOLUMES, DESCRIBE_VPCS, GET_EBS_ENCRYPTION,
    GET_PREFIX_LIST, GET_SNAPSHOT_BLOCK, Operation,
};

/// How many items a page has where EC2 asks for a number.
const PAGE: u32 = 1_000;

/// What all pages hold at a path.
async fn items<T>(
    client: &Client,
    operation: &'static Operation,
    region: &str,
    input: Input,
    path: &str,
    read: impl Fn(&Node) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let pages = client.pages(operation, region, input).await?;
    pages.iter().flat_map(|page| page.all(path)).map(read).collect()
}

fn tags(node: &Node) -> Result<Vec<(String, String)>, Fault> {
    let pair = |tag: &Node| Ok((tag.need("key")?, tag.text("value").unwrap_or_default()));
    node.all("tagSet/item").into_iter().map(pair).collect()
}

pub(super) async fn instances(client: &Client, region: &str) -> Result<Vec<Instance>, Fault> {
    let input = Input::none().field("MaxResults", PAGE);
    items(client, &DESCRIBE_INSTANCES, region, input, "reservationSet/item/instancesSet/item", |node| {
        Ok(Instance {
            id: node.need("instanceId")?,
            state: node.need("instanceState/name")?,
            profile: node.text("iamInstanceProfile/arn"),
            vpc: node.text("vpcId"),
        })
    })
    .await
}

pub(super) async fn volumes(client: &Client, region: &str) -> Result<Vec<Volume>, Fault> {
    let input = Input::none().field("MaxResults", 500);
    items(client, &DESCRIBE_VOLUMES, region, input, "volumeSet/item", |node| {
        let attachments = node.all("attachmentSet/item");
        let attached = attachments.iter().find(|one| {
            one.text("status")
                .is_none_or(|status| status == "attached" || status == "attaching" || status == "busy")
        });
        Ok(Volume {
            id: node.need("volumeId")?,
            encrypted: node.flag("encrypted")?,
            attached_to: attached.map(|one| one.text("instanceId").unwrap_or_default()),
            tags: tags(node)?,
        })
    })
    .await
}

fn own() -> Input {
    Input::none().field("Owner.1", "self").field("MaxResults", PAGE)
}

pub(super) async fn snapshots(client: &Client, region: &str) -> Result<Vec<Snapshot>, Fault> {
    items(client, &DESCRIBE_SNAPSHOTS, region, own(), "snapshotSet/item", |node| {
        Ok(Snapshot {
            id: node.need("snapshotId")?,
            volume: node.text("volumeId").unwrap_or_default(),
            state: node.need("status")?,
            started: node.time("startTime")?,
            encrypted: node.flag("encrypted")?,
        })
    })
    .await
}

pub(super) async fn public_snapshots(client: &Client, region: &str) -> Result<Vec<String>, Fault> {
    let input = own().field("RestorableBy.1", "all");
    items(client, &DESCRIBE_SNAPSHOTS, region, input, "snapshotSet/item", |node| node.need("snapshotId"))
        .await
}

pub(super) async fn snapshot_block(client: &Client, region: &str) -> Result<SnapshotBlock, Fault> {
    let node = client.call(&GET_SNAPSHOT_BLOCK, region, Input::none()).await?;
    match node.need("state")?.as_str() {
        "block-all-sharing" => Ok(SnapshotBlock::AllSharing),
        "block-new-sharing" => Ok(SnapshotBlock::NewSharing),
        "unblocked" => Ok(SnapshotBlock::Unblocked),
        other => Err(Fault::unreadable(format!("the state {other} is not known"))),
    }
}

pub(super) async fn default_encryption(client: &Client, region: &str) -> Result<bool, Fault> {
    let node = client.call(&GET_EBS_ENCRYPTION, region, Input::none()).await?;
    node.need("ebsEncryptionByDefault")?;
    node.flag("ebsEncryptionByDefault")
}

pub(super) async fn vpcs(client: &Client, region: &str) -> Result<Vec<Vpc>, Fault> {
    let input = Input::none().field("MaxResults", PAGE);
    items(client, &DESCRIBE_VPCS, region, input, "vpcSet/item", |node| {
        Ok(Vpc { id: node.need("vpcId")?, owner: node.need("ownerId")?, default: node.flag("isDefault")? })
    })
    .await
}

pub(super) async fn flow_logs(client: &Client, region: &str) -> Result<Vec<FlowLog>, Fault> {
    let input = Input::none().field("MaxResults", PAGE);
    items(client, &DESCRIBE_FLOW_LOGS, region, input, "flowLogSet/item", |node| {
        Ok(FlowLog {
            id: node.need("flowLogId")?,
            resource: node.need("resourceId")?,
            status: node.text("flowLogStatus").unwrap_or_default(),
            delivery: node.text("deliverLogsStatus"),
            traffic: node.text("trafficType"),
        })
    })
    .await
}

fn rules(node: &Node, path: &str) -> Result<Vec<GroupRule>, Fault> {
    let read = |rule: &Node| {
        let mut ranges = rule.texts("ipRanges/item/cidrIp");
        ranges.extend(rule.texts("ipv6Ranges/item/cidrIpv6"));
        Ok(GroupRule {
            protocol: rule.need("ipProtocol")?,
            from_port: rule.number("fromPort")?,
            to_port: rule.number("toPort")?,
            ranges,
            groups: rule.texts("groups/item/groupId"),
            prefix_lists: rule.texts("prefixListIds/item/prefixListId"),
        })
    };
    node.all(path).into_iter().map(read).collect()
}

pub(super) async fn security_groups(client: &Client, region: &str) -> Result<Vec<SecurityGroup>, Fault> {
    let input = Input::none().field("MaxResults", PAGE);
    items(client, &DESCRIBE_SECURITY_GROUPS, region, input, "securityGroupInfo/item", |node| {
        Ok(SecurityGroup {
            id: node.need("groupId")?,
            name: node.need("groupName")?,
            vpc: node.text("vpcId"),
            owner: node.need("ownerId")?,
            ingress: rules(node, "ipPermissions/item")?,
            egress: rules(node, "ipPermissionsEgress/item")?,
        })
    })
    .await
}

pub(super) async fn security_group_rules(
    client: &Client,
    region: &str,
) -> Result<Vec<SecurityGroupRule>, Fault> {
    let input = Input::none().field("MaxResults", PAGE);
    items(client, &DESCRIBE_SECURITY_GROUP_RULES, region, input, "securityGroupRuleSet/item", |node| {
        Ok(SecurityGroupRule {
            id: node.need("securityGroupRuleId")?,
            group: node.need("groupId")?,
            egress: node.flag("isEgress")?,
            protocol: node.need("ipProtocol")?,
            from_port: node.number("fromPort")?,
            to_port: node.number("toPort")?,
            range: node.text("cidrIpv4").or_else(|| node.text("cidrIpv6")),
            prefix_list: node.text("prefixListId"),
        })
    })
    .await
}

pub(super) async fn prefix_list(
    client: &Client,
    region: &str,
    id: &str,
) -> Result<Option<Vec<String>>, Fault> {
    // A page has a hundred entries at most (EC2 API reference, GetManagedPrefixListEntries).
    let input = Input::none().field("PrefixListId", id).field("MaxResults", 100);
    let found =
        items(client, &GET_PREFIX_LIST, region, input, "entrySet/item", |node| node.need("cidr")).await;
    absent_if(found, &["InvalidPrefixListID.NotFound", "InvalidPrefixListId.NotFound"])
}

pub(super) async fn network_interfaces(
    client: &Client,
    region: &str,
) -> Result<Vec<NetworkInterface>, Fault> {
    let input = Input::none().field("MaxResults", PAGE);
    items(client, &DESCRIBE_NETWORK_INTERFACES, region, input, "networkInterfaceSet/item", |node| {
        Ok(NetworkInterface {
            id: node.need("networkInterfaceId")?,
            vpc: node.text("vpcId").unwrap_or_default(),
            subnet: node.text("subnetId").unwrap_or_default(),
            groups: node.texts("groupSet/item/groupId"),
        })
    })
    .await
}
