//! Address ranges and ports, as security groups and network ACLs write them.

use std::net::IpAddr;

use ipnet::IpNet;

/// A range of addresses: `ipnet`'s, read as EC2 reads it and judged by how much of the internet it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr(IpNet);

impl Cidr {
    /// Reads `203.0.113.0/24`, `2001:DB8::/32`, `0.0.0.0/0`; an address alone is itself. Host bits are dropped, as EC2
    /// does.
    pub fn parse(text: &str) -> Option<Cidr> {
        let text = text.trim();
        let Some((address, prefix)) = text.split_once('/') else {
            return text.parse::<IpAddr>().ok().map(|address| Cidr(IpNet::from(address)));
        };
        let range = IpNet::new(address.parse().ok()?, prefix.parse().ok()?).ok()?;
        Some(Cidr(range.trunc()))
    }

    /// Whether the range holds the public internet or a good part of it: more than a /8 of IPv4, more than a /16 of IPv6
    /// that is not private. Two halves (`0.0.0.0/1`, `128.0.0.0/1`) are the whole, each of them as well.
    pub fn is_world(&self) -> bool {
        let longest = if matches!(self.0, IpNet::V4(_)) { 8 } else { 16 };
        self.0.prefix_len() < longest && !self.is_private()
    }

    /// Whether every address of the range is private (RFC 1918, RFC 6598, RFC 4193), loopback or link-local.
    pub fn is_private(&self) -> bool {
        PRIVATE.iter().filter_map(|range| Cidr::parse(range)).any(|range| range.contains(self))
    }

    /// Whether the other range lies within this one.
    pub fn contains(&self, other: &Cidr) -> bool {
        self.0.contains(&other.0)
    }

    /// How many IPv4 addresses it has; none where it is a range of IPv6.
    pub fn ipv4_addresses(&self) -> u64 {
        match self.0 {
            IpNet::V4(range) => 1 << (range.max_prefix_len() - range.prefix_len()),
            IpNet::V6(_) => 0,
        }
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

const PRIVATE: [&str; 8] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
];

/// What counts as one place that calls come from: an IPv4 address, or the /64 of an IPv6 address. A /64 is one network
/// (RFC 4291, 2.5.4), in which a host makes itself a new address every day (RFC 8981). None for what is no address:
/// CloudTrail also writes names of services and `AWS Internal`.
pub fn origin(address: &str) -> Option<String> {
    match address.trim().parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(v4) => Some(v4.to_string()),
        IpAddr::V6(v6) => Cidr::parse(&format!("{v6}/64")).map(|network| network.to_string()),
    }
}

/// Ports through which machines are administered and databases are read, and what listens there.
const SENSITIVE_PORTS: [(u16, &str); 33] = [
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

/// A range of ports of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The first.
    pub from: u16,
    /// The last.
    pub to: u16,
}

impl Ports {
    /// All of them.
    pub const ALL: Ports = Ports { from: 0, to: u16::MAX };

    /// The ports that a permission opens. Protocol `-1` is every protocol and every port, whatever the range says; `-1` as
    /// a port is every port. `None` where there are no ports: ICMP and the like.
    pub fn of(protocol: &str, from: Option<i64>, to: Option<i64>) -> Option<Ports> {
        match protocol.trim().to_ascii_lowercase().as_str() {
            "-1" | "all" | "" => return Some(Ports::ALL),
            "tcp" | "6" | "udp" | "17" => {}
            _ => return None,
        }
        let port = |port: Option<i64>, otherwise: u16| match port {
            Some(port) if port >= 0 => u16::try_from(port).unwrap_or(u16::MAX),
            _ => otherwise,
        };
        Some(Ports { from: port(from, 0), to: port(to, u16::MAX) })
    }

    /// Whether the port is among them.
    pub fn contains(&self, port: u16) -> bool {
        (self.from..=self.to).contains(&port)
    }

    /// Whether it is one of the ports that websites are for, and nothing else.
    pub fn is_web(&self) -> bool {
        self.from == self.to && matches!(self.from, 80 | 443)
    }

    /// The best known of those among them through which machines are administered and databases are read, and what listens
    /// there; none where there is no such port.
    pub fn best_known(&self) -> Option<(u16, &'static str)> {
        let among = SENSITIVE_PORTS.into_iter().filter(|(port, _)| self.contains(*port));
        // SSH before all others, else the first.
        among.min_by_key(|(port, _)| *port != 22)
    }

    /// How many they are.
    pub fn count(&self) -> u32 {
        (u32::from(self.to) + 1).saturating_sub(u32::from(self.from))
    }
}

impl std::fmt::Display for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (*self, self.from == self.to) {
            (Ports::ALL, _) => f.write_str("all ports"),
            (_, true) => write!(f, "port {}", self.from),
            _ => write!(f, "ports {}-{}", self.from, self.to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).unwrap()
    }

    #[test]
    fn what_listens_on_ports_is_the_best_known_of_it() {
        for (from, to, known, web) in [
            (80, 80, None, true),
            (443, 443, None, true),
            (80, 443, Some((135, "Windows RPC")), false),
            (8_443, 8_443, None, false),
            (0, 65_535, Some((22, "SSH")), false),
            (20, 25, Some((22, "SSH")), false),
            (23, 30, Some((23, "Telnet")), false),
            (3_389, 3_389, Some((3_389, "RDP")), false),
        ] {
            let ports = Ports { from, to };
            assert_eq!((ports.best_known(), ports.is_web()), (known, web), "{ports}");
        }
    }

    #[test]
    fn ranges_are_read_in_every_spelling() {
        for (text, wanted) in [
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("203.0.113.7", "203.0.113.7/32"),
            ("203.0.113.7/24", "203.0.113.0/24"),
            ("::/0", "::/0"),
            ("0:0:0:0:0:0:0:0/0", "::/0"),
            ("0000::/0", "::/0"),
            ("2001:DB8::1/32", "2001:db8::/32"),
        ] {
            assert_eq!(cidr(text).to_string(), wanted, "{text}");
        }
        for odd in ["", "/0", "0.0.0.0/33", "::/129", "sg-1", "1.2.3/8", "0.0.0.0/-1", "0.0.0.0/0/0"] {
            assert_eq!(Cidr::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn the_world_and_its_halves() {
        for text in
            ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "64.0.0.0/2", "::/0", "::/1", "8000::/1", "2000::/3"]
        {
            assert!(cidr(text).is_world(), "{text}");
        }
        for text in ["10.0.0.0/8", "203.0.113.0/24", "fc00::/7", "fe80::/10", "2001:db8::/32", "1.2.3.4/32"] {
            assert!(!cidr(text).is_world(), "{text}");
        }
    }

    #[test]
    fn addresses_are_counted() {
        let count = |text| cidr(text).ipv4_addresses();
        assert_eq!((count("0.0.0.0/0"), count("10.0.0.0/8"), count("1.2.3.4")), (1 << 32, 1 << 24, 1));
        assert_eq!(count("::/0"), 0);
    }

    #[test]
    fn private_ranges() {
        for text in [
            "10.1.0.0/16",
            "172.31.0.0/16",
            "192.168.1.1",
            "100.64.0.0/10",
            "fd00::/8",
            "fe80::1",
            "127.0.0.1",
        ] {
            assert!(cidr(text).is_private(), "{text}");
        }
        for text in ["10.0.0.0/7", "172.32.0.0/16", "8.8.8.8", "2001:db8::/32"] {
            assert!(!cidr(text).is_private(), "{text}");
        }
    }

    #[test]
    fn calls_come_from_addresses_and_networks() {
        for (address, wanted) in [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:DB8:1:2:aaaa:bbbb:cccc:dddd", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(origin(address).as_deref(), Some(wanted), "{address}");
        }
        for odd in ["", "AWS Internal", "cloudformation.amazonaws.com", "203.0.113.0/24", "1.2.3"] {
            assert_eq!(origin(odd), None, "{odd}");
        }
    }

    #[test]
    fn ports_of_a_permission() {
        assert_eq!(Ports::of("-1", Some(22), Some(22)), Some(Ports::ALL));
        assert_eq!(Ports::of("tcp", Some(20), Some(25)).map(|ports| ports.contains(22)), Some(true));
        assert_eq!(Ports::of("6", Some(-1), Some(-1)), Some(Ports::ALL));
        assert_eq!(Ports::of("tcp", None, None), Some(Ports::ALL));
        assert_eq!(Ports::of("icmp", Some(-1), Some(-1)), None);
        assert_eq!(Ports { from: 443, to: 443 }.to_string(), "port 443");
        assert_eq!(Ports { from: 1, to: 0 }.count(), 0);
    }
}
