//! EC2: networks, instances and what they store.

use super::call::{Call, filling, xml};
use super::contents::{ACCOUNT, REGIONS, Size, arn, days_ago, is_busy};
use crate::http::Response;

/// Answers a call.
pub(super) fn answer(size: &Size, call: &Call) -> Response {
    let here = |times, elsewhere| size.lying_in(&call.region, times, elsewhere);
    let (list, count, item): (&str, usize, fn(&Call, usize) -> String) = match call.name.as_str() {
        "DescribeRegions" => ("regionInfo", REGIONS.len(), |_, number| {
            format!(
                "<item><regionName>{}</regionName><optInStatus>opt-in-not-required</optInStatus></item>",
                REGIONS[number]
            )
        }),
        "DescribeVpcs" => ("vpcSet", if is_busy(&call.region) { 4 } else { 1 }, |_, number| {
            format!(
                "<item><vpcId>vpc-{number:017}</vpcId><ownerId>{ACCOUNT}</ownerId><isDefault>{}</isDefault><cidrBlock>10.0.0.0/16</cidrBlock></item>",
                number == 0
            )
        }),
        "DescribeSecurityGroups" => ("securityGroupInfo", here(1, 1), security_group),
        "DescribeSecurityGroupRules" => ("securityGroupRuleSet", here(4, 2), security_group_rule),
        "DescribeNetworkInterfaces" => ("networkInterfaceSet", here(2, 0), interface),
        "DescribeInstances" => ("reservationSet", here(1, 0), instance),
        "DescribeVolumes" => ("volumeSet", here(2, 0), volume),
        "DescribeSnapshots" if call.form("RestorableBy.1").is_empty() => {
            ("snapshotSet", here(4, 0), snapshot)
        }
        "DescribeSnapshots" => ("snapshotSet", 0, snapshot),
        "DescribeFlowLogs" => ("flowLogSet", 0, snapshot),
        "GetEbsEncryptionByDefault" => {
            return xml(200, "<R><ebsEncryptionByDefault>true</ebsEncryptionByDefault></R>");
        }
        "GetSnapshotBlockPublicAccessState" => {
            return xml(200, "<R><state>block-new-sharing</state></R>");
        }
        _ => {
            return xml(
                403,
                "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>by the stub</Message></Error></Errors></Response>",
            );
        }
    };
    let longest = call.form("MaxResults").parse().unwrap_or(1_000);
    let page = call.page(count, longest);
    let items: String = page.items.map(|number| item(call, number)).collect();
    let next = page.next.map(|next| format!("<nextToken>{next}</nextToken>")).unwrap_or_default();
    xml(
        200,
        format!(
            "<{0}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><{list}>{items}</{list}>{next}</{0}Response>",
            call.name
        ),
    )
}

fn security_group(_: &Call, number: usize) -> String {
    let name = if number == 0 { "default".to_owned() } else { format!("group-{number}") };
    format!(
        "<item><ownerId>{ACCOUNT}</ownerId><groupId>{}</groupId><groupName>{name}</groupName><groupDescription>of an application</groupDescription><vpcId>vpc-00000000000000000</vpcId>\
         <ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>22</fromPort><toPort>22</toPort><groups/><ipRanges><item><cidrIp>{}</cidrIp></item></ipRanges></item>\
         <item><ipProtocol>tcp</ipProtocol><fromPort>443</fromPort><toPort>443</toPort><groups/><ipRanges><item><cidrIp>10.0.0.0/8</cidrIp></item><item><cidrIp>172.16.0.0/12</cidrIp></item></ipRanges></item></ipPermissions>\
         <ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item></ipPermissionsEgress>{}</item>",
        group_id(number),
        range(number),
        tags(number)
    )
}

fn security_group_rule(_: &Call, number: usize) -> String {
    let (group, part) = (number / 4, number % 4);
    let (egress, protocol, port, range) = match part {
        0 => (false, "tcp", 22, range(group)),
        1 => (false, "tcp", 443, "10.0.0.0/8"),
        2 => (false, "tcp", 443, "172.16.0.0/12"),
        _ => (true, "-1", -1, "0.0.0.0/0"),
    };
    format!(
        "<item><securityGroupRuleId>sgr-{number:017}</securityGroupRuleId><groupId>{}</groupId><groupOwnerId>{ACCOUNT}</groupOwnerId><isEgress>{egress}</isEgress>\
         <ipProtocol>{protocol}</ipProtocol><fromPort>{port}</fromPort><toPort>{port}</toPort><cidrIpv4>{range}</cidrIpv4><description>of an application</description><tagSet/></item>",
        group_id(group)
    )
}

fn interface(_: &Call, number: usize) -> String {
    format!(
        "<item><networkInterfaceId>eni-{number:017}</networkInterfaceId><subnetId>subnet-{:017}</subnetId><vpcId>vpc-00000000000000000</vpcId>\
         <groupSet><item><groupId>{1}</groupId><groupName>group</groupName></item></groupSet>{2}{3}</item>",
        number % 6,
        group_id(number / 2),
        tags(number),
        filling("interface", 10)
    )
}

fn instance(call: &Call, number: usize) -> String {
    let profile = match number % 10 {
        0 => String::new(),
        _ => format!(
            "<iamInstanceProfile><arn>{}</arn><id>AIPA{number:016}</id></iamInstanceProfile>",
            arn("instance-profile", "application")
        ),
    };
    format!(
        "<item><reservationId>r-{number:017}</reservationId><ownerId>{ACCOUNT}</ownerId><instancesSet><item><instanceId>i-{number:017}</instanceId>\
         <instanceState><code>16</code><name>running</name></instanceState><placement><availabilityZone>{}a</availabilityZone></placement><vpcId>vpc-00000000000000000</vpcId>{profile}{}{}</item></instancesSet></item>",
        call.region,
        tags(number),
        filling("instance", 45)
    )
}

fn volume(_: &Call, number: usize) -> String {
    format!(
        "<item><volumeId>vol-{number:017}</volumeId><size>8</size><encrypted>{}</encrypted><attachmentSet><item><volumeId>vol-{number:017}</volumeId><instanceId>i-{:017}</instanceId><device>/dev/xvda</device><status>attached</status></item></attachmentSet>{}</item>",
        !number.is_multiple_of(10),
        number / 2,
        tags(number)
    )
}

fn snapshot(_: &Call, number: usize) -> String {
    format!(
        "<item><snapshotId>snap-{number:017}</snapshotId><volumeId>vol-{:017}</volumeId><status>completed</status><startTime>{}</startTime><ownerId>{ACCOUNT}</ownerId><encrypted>true</encrypted>{}</item>",
        number / 2,
        days_ago(if number.is_multiple_of(2) { 1 } else { 8 }),
        tags(number)
    )
}

/// The tags of a resource.
fn tags(number: usize) -> String {
    format!(
        "<tagSet><item><key>Name</key><value>resource-{number}</value></item><item><key>team</key><value>team-{}</value></item><item><key>environment</key><value>production</value></item></tagSet>",
        number % 17
    )
}

fn group_id(number: usize) -> String {
    format!("sg-{number:017}")
}

/// Every twentieth group lets everybody in by SSH.
fn range(number: usize) -> &'static str {
    if number.is_multiple_of(20) { "0.0.0.0/0" } else { "10.0.0.0/8" }
}
