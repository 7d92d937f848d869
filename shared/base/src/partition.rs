//! AWS's partitions: groups of regions that share nothing with the others, each with its own ARNs and console.

/// A partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// As ARNs name it, such as `aws-us-gov`.
    pub name: &'static str,
    /// What the names of its regions begin with.
    regions: &'static str,
    /// The host of its console, where it is public knowledge.
    pub console: Option<&'static str>,
}

/// All that AWS's SDKs knew in November 2026 (botocore 1.43, `partitions.json`). The last one has all other regions.
pub const PARTITIONS: [Partition; 8] = [
    Partition { name: "aws-cn", regions: "cn-", console: Some("console.amazonaws.cn") },
    Partition { name: "aws-us-gov", regions: "us-gov-", console: Some("console.amazonaws-us-gov.com") },
    Partition { name: "aws-eusc", regions: "eusc-", console: Some("console.amazonaws-eusc.eu") },
    Partition { name: "aws-iso", regions: "us-iso-", console: None },
    Partition { name: "aws-iso-b", regions: "us-isob-", console: None },
    Partition { name: "aws-iso-e", regions: "eu-isoe-", console: None },
    Partition { name: "aws-iso-f", regions: "us-isof-", console: None },
    Partition { name: "aws", regions: "", console: Some("console.aws.amazon.com") },
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
