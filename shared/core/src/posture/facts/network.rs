//! VPCs, flow logs, security groups.

use serde::{Deserialize, Serialize};

/// A VPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// Its id.
    pub id: String,
    /// The account that owns it; one that is shared is another's.
    pub owner: String,
    /// It came with the region.
    pub default: bool,
}

/// A flow log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLog {
    /// Its id.
    pub id: String,
    /// What it logs: a VPC, a subnet, a network interface.
    pub resource: String,
    /// `ACTIVE`.
    pub status: String,
    /// `SUCCESS` or `FAILED`; nothing before the first delivery.
    pub delivery: Option<String>,
    /// `ALL`, `ACCEPT` or `REJECT`; nothing for a transit gateway.
    pub traffic: Option<String>,
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Its id.
    pub id: String,
    /// Its name; `default` is the VPC's own.
    pub name: String,
    /// Its VPC.
    pub vpc: Option<String>,
    /// The account that owns it.
    pub owner: String,
    /// What may come in.
    pub ingress: Vec<GroupRule>,
    /// What may go out.
    pub egress: Vec<GroupRule>,
}

/// What a rule of a security group lets through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRule {
    /// `-1` is all; `tcp`, `udp`, `icmp`, or a number.
    pub protocol: String,
    /// The first port, or the type of ICMP.
    pub from_port: Option<i64>,
    /// The last port, or the code of ICMP.
    pub to_port: Option<i64>,
    /// Ranges of IPv4 and IPv6.
    pub ranges: Vec<String>,
    /// Other groups.
    pub groups: Vec<String>,
    /// Prefix lists.
    pub prefix_lists: Vec<String>,
}

/// A rule of a security group, by itself: one range, prefix list or other group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroupRule {
    /// Its id, `sgr-…`, by which events name it too.
    pub id: String,
    /// The group's id.
    pub group: String,
    /// It is for traffic out.
    pub egress: bool,
    /// `-1` is all; `tcp`, `udp`, `icmp`, or a number.
    pub protocol: String,
    /// The first port, or the type of ICMP.
    pub from_port: Option<i64>,
    /// The last port, or the code of ICMP.
    pub to_port: Option<i64>,
    /// The range of IPv4 or IPv6, where it names one.
    pub range: Option<String>,
    /// The prefix list, where it names one.
    pub prefix_list: Option<String>,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInterface {
    /// Its id.
    pub id: String,
    /// Its VPC.
    pub vpc: String,
    /// Its subnet.
    pub subnet: String,
    /// Ids of its security groups.
    pub groups: Vec<String>,
}
