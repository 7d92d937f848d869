use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// New EBS volumes are encrypted by default in each region. Regions that nobody uses are told together, in one line.
    /// ## Why it matters
    /// Without it new disks and their snapshots are not encrypted unless somebody thinks of it each time, and a snapshot that is
    /// not encrypted can be made public.
    /// ## What to do
    /// Switch it on, in every region. It holds for new volumes and copies only; those that are there stay as they are.
    /// ## What it costs
    /// Nothing with the key that AWS manages.
    /// ## What may break
    /// Snapshots made from now on cannot be shared with other accounts while they are encrypted with AWS's own key: take a key
    /// of your own as the default where you share. A few very old instance types cannot start from encrypted disks.
    DefaultEncryption {
        id: "ebs.default-encryption",
        title: "New EBS volumes are encrypted by default",
        severity: Medium,
        practices: ["P42"],
        number: 19,
        references: [
            cis("3.0", &["2.2.1"]),
            cis("5.0", &["5.1.1"]),
            security_hub(&["EC2.7"]),
            config(&["ec2-ebs-encryption-by-default"]),
        ],
        asks: [EbsDefaultEncryption, NetworkInterfaces, Functions, DbInstances, Vpcs],
        finding: "data-ebs-default-encryption-off",
    }
}

/// The setting has no ARN: it is one for each account and region.
const SETTING: &str = "EBS encryption by default";

impl Check for DefaultEncryption {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_used_region(
            |cx| {
                let region = cx.region();
                cx.about(&region, SETTING, |cx| {
                    let region = cx.region();
                    let seen = if *cx.known(EbsDefaultEncryption, region.as_str())? {
                        cx.passing(format!("New EBS volumes in {region} are encrypted by default"))
                    } else {
                        cx.failing(format!("New EBS volumes in {region} are not encrypted by default"))
                            .because("a new volume is encrypted only where whoever makes it asks for it")
                            .step(
                                "Switch it on",
                                "ec2 enable-ebs-encryption-by-default",
                                &[("--region", &region)],
                            )
                    };
                    cx.report(seen);
                    Ok(())
                });
                Ok(())
            },
            |cx, regions| {
                cx.informational("New EBS volumes are not encrypted by default in regions that nobody uses")
                    .detail("Regions", regions.join(", "))
            },
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use keepwatch_core::posture::{Place, State};

    /// Two regions, of which the second is used where told so.
    fn two(first: bool, second: bool, second_is_used: bool) -> State {
        let mut state = State::new(ACCOUNT, "aws", &[REGION.to_owned(), "us-west-2".to_owned()], now());
        for (name, on, used) in [(REGION, first, true), ("us-west-2", second, second_is_used)] {
            let interface = facts::network::NetworkInterface {
                id: "eni-1".to_owned(),
                vpc: "vpc-1".to_owned(),
                subnet: "subnet-1".to_owned(),
                groups: Vec::new(),
            };
            state = state
                .with(EbsDefaultEncryption, Place::region(name), on)
                .with(NetworkInterfaces, Place::region(name), if used { vec![interface] } else { Vec::new() })
                .with(Functions, Place::region(name), Vec::new())
                .with(DbInstances, Place::region(name), Vec::new())
                .with(Vpcs, Place::region(name), Vec::new());
        }
        state
    }

    #[test]
    fn used_regions_one_by_one() {
        let all = judgements(&DefaultEncryption, &two(true, false, true));
        let told: Vec<_> = all.iter().map(|one| (one.subject.region.as_str(), one.verdict)).collect();
        assert_eq!(told, [(REGION, Judged::Passing), ("us-west-2", Judged::Failing)]);
        assert!(all.iter().all(|one| one.subject.resource == SETTING));
    }

    #[test]
    fn unused_regions_are_one_line() {
        let all = judgements(&DefaultEncryption, &two(true, false, false));
        let told: Vec<_> = all.iter().map(|one| (one.subject.region.as_str(), one.verdict)).collect();
        assert_eq!(told, [(REGION, Judged::Passing), ("global", Judged::Informational)]);
    }

    #[test]
    fn a_region_of_unknown_use_counts_as_used() {
        let state = refused(two(true, false, false), NetworkInterfaces, Place::region("us-west-2"));
        assert_eq!(judgements(&DefaultEncryption, &state)[1].verdict, Judged::Failing);
    }

    #[test]
    fn unknown_without_the_setting() {
        let one = judge_one(&DefaultEncryption, &refused(account(), EbsDefaultEncryption, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["ec2:GetEbsEncryptionByDefault"]));
    }
}
