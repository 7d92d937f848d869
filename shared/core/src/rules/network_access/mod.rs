//! Who can reach what: security groups, network ACLs, routes, taps, and the metadata service.

pub(crate) mod changed;
pub(crate) mod default_group;
pub(crate) mod metadata_service;
pub(crate) mod network_acl;
pub(crate) mod path_opened;
pub(crate) mod security_group;
pub(crate) mod side_door;

use serde_json::Value;

use crate::event::Record;
use crate::event::cloudtrail::text_at;
use crate::network::Cidr;

/// The region option for a command: these resources are looked for in vain anywhere else.
pub(crate) fn region<'r>(record: &'r Record<'_>) -> (&'static str, &'r str) {
    ("--region", record.aws_region.get().unwrap_or("us-east-1"))
}

/// The parameters of an EC2 call. Newer calls are logged as one object named after the call, `…Request`, with the
/// spelling of the query protocol inside.
pub(crate) fn parameters<'r>(record: &'r Record<'_>) -> &'r Value {
    let request = record.request();
    let wrapper = format!("{}Request", record.event_name.or_empty());
    request.get(&wrapper).unwrap_or(request)
}

/// A string of an EC2 call's parameters, in either spelling: `vpcId`, `VpcId`.
pub(crate) fn parameter<'r>(record: &'r Record<'_>, name: &str) -> Option<&'r str> {
    either(parameters(record), name)
}

/// A string of this object under a name that begins with a small or a capital letter.
pub(crate) fn either<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    text_at(value, &[name]).or_else(|| text_at(value, &[&capital(name)]))
}

/// The name with a capital first letter.
pub(crate) fn capital(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// What a range stands for in a title: all of the internet, or a part of it by its own name.
fn world(cidr: &Cidr) -> String {
    match cidr.to_string().as_str() {
        "0.0.0.0/0" => "the whole internet".to_owned(),
        "::/0" => "the whole internet (IPv6)".to_owned(),
        part => format!("{part}, a large part of the internet"),
    }
}

/// Ports through which machines are administered and databases are read, and what listens there.
const SENSITIVE: [(u16, &str); 33] = [
    (20, "FTP"),
    (21, "FTP"),
    (22, "SSH"),
    (23, "Telnet"),
    (135, "Windows RPC"),
    (139, "NetBIOS"),
    (389, "LDAP"),
    (445, "SMB"),
    (1433, "SQL Server"),
    (1434, "SQL Server"),
    (1521, "Oracle"),
    (2049, "NFS"),
    (2375, "Docker"),
    (2376, "Docker"),
    (2379, "etcd"),
    (3306, "MySQL"),
    (3389, "RDP"),
    (5432, "PostgreSQL"),
    (5439, "Redshift"),
    (5601, "Kibana"),
    (5900, "VNC"),
    (5984, "CouchDB"),
    (5985, "WinRM"),
    (5986, "WinRM"),
    (6379, "Redis"),
    (8086, "InfluxDB"),
    (9042, "Cassandra"),
    (9092, "Kafka"),
    (9200, "Elasticsearch"),
    (9300, "Elasticsearch"),
    (10250, "kubelet"),
    (11211, "Memcached"),
    (27017, "MongoDB"),
];
