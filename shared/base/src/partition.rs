//! AWS's partitions: groups of regions that share nothing with the others, each with its own ARNs and console.

/// A partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// As ARNs name it, such as `aws-us-gov`.
    pub name: &'static str,
    /// What the hosts of its services end with.
    pub dns_suffix: &'static str,
    /// The region in which it keeps what is global, such as IAM's events.
    pub home_region: &'static str,
    /// What the names of its regions begin with.
    regions: &'static str,
    /// The host of its console, where it is public knowledge.
    pub console: Option<&'static str>,
}

/// All that AWS's SDKs knew in November 2026 (botocore 1.43, `partitions.json`). The last one has all other regions.
pub const PARTITIONS: [Partition; 8] = [
    Partition {
        name: "aws-cn",
        dns_suffix: "amazonaws.com.cn",
        home_region: "cn-northwest-1",
        regions: "cn-",
        console: Some("console.amazonaws.cn"),
    },
    Partition {
        name: "aws-us-gov",
        dns_suffix: "amazonaws.com",
        home_region: "us-gov-west-1",
        regions: "us-gov-",
        console: Some("console.amazonaws-us-gov.com"),
    },
    Partition {
        name: "aws-eusc",
        dns_suffix: "amazonaws.eu",
        home_region: "eusc-de-east-1",
        regions: "eusc-",
        console: Some("console.amazonaws-eusc.eu"),
    },
    Partition {
        name: "aws-iso",
        dns_suffix: "c2s.ic.gov",
        home_region: "us-iso-east-1",
        regions: "us-iso-",
        console: None,
    },
    Partition {
        name: "aws-iso-b",
        dns_suffix: "sc2s.sgov.gov",
        home_region: "us-isob-east-1",
        regions: "us-isob-",
        console: None,
    },
    Partition {
        name: "aws-iso-e",
        dns_suffix: "cloud.adc-e.uk",
        home_region: "eu-isoe-west-1",
        regions: "eu-isoe-",
        console: None,
    },
    Partition {
        name: "aws-iso-f",
        dns_suffix: "csp.hci.ic.gov",
        home_region: "us-isof-south-1",
        regions: "us-isof-",
        console: None,
    },
    Partition {
        name: "aws",
        dns_suffix: "amazonaws.com",
        home_region: "us-east-1",
        regions: "",
        console: Some("console.aws.amazon.com"),
    },
];

impl Partition {
    /// The one that a region lies in. What is no region, such as `global`, lies in `aws`.
    pub fn of_region(region: &str) -> &'static Partition {
        let mut partition = &PARTITIONS[PARTITIONS.len() - 1];
        for other in &PARTITIONS[..PARTITIONS.len() - 1] {
            if region.starts_with(other.regions) {
                partition = other;
            }
        }
        partition
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Partition> {
        PARTITIONS.iter().find(|partition| partition.name == name)
    }

    /// The region in which the partition of this name keeps what is global; `aws`'s where there is none.
    pub fn home_of(name: &str) -> &'static str {
        Partition::named(name).map_or("us-east-1", |partition| partition.home_region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_tell_their_partition() {
        for (region, name) in [
            ("us-east-1", "aws"),
            ("eu-central-1", "aws"),
            ("global", "aws"),
            ("", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("eusc-de-east-1", "aws-eusc"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
        ] {
            assert_eq!(Partition::of_region(region).name, name, "{region}");
            assert_eq!(Partition::named(name), Some(Partition::of_region(region)));
        }
        assert_eq!(Partition::named("aws-mars"), None);
    }
}
