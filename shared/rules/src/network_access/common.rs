//! What the rules on reachability share.

use keepwatch_base::network::Cidr;

/// What a range stands for in a title: all of the internet, or a part of it by its own name.
pub(super) fn world(cidr: &Cidr) -> String {
    match cidr.to_string().as_str() {
        "0.0.0.0/0" => "the whole internet".to_owned(),
        "::/0" => "the whole internet (IPv6)".to_owned(),
        part => format!("{part}, a large part of the internet"),
    }
}

/// Ports through which machines are administered and databases are read, and what listens there.
pub(super) const SENSITIVE: [(u16, &str); 33] = [
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
