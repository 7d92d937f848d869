use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Each volume that is attached to an instance is encrypted. One that is attached to nothing gets a line only: it is to be
    /// deleted sooner than encrypted.
    /// ## Why it matters
    /// A snapshot of an unencrypted volume can be made public or handed to another account with all that is on the disk. Those
    /// of an encrypted volume cannot be public, and need a key besides.
    /// ## What to do
    /// A volume cannot be encrypted in place: make a snapshot, copy it with encryption, make a volume of the copy and swap the
    /// two. For instances of an Auto Scaling group, encrypt in the launch template and let the group replace them. Switch on
    /// encryption by default, so that there are no new ones.
    /// ## What it costs
    /// Encryption costs nothing with the key that AWS manages; a key of your own costs 1 USD a month. The copy costs the storage
    /// of the snapshots until they are deleted.
    /// ## What may break
    /// The instance stands still while its volumes are swapped. Whoever restores a snapshot needs rights on the key.
    AttachedEncrypted {
        id: "ebs.attached-encrypted",
        title: "Attached EBS volumes are encrypted",
        severity: Medium,
        practices: ["P41"],
        number: 16,
        references: [
            cis("3.0", &["2.2.1"]),
            cis("5.0", &["5.1.1"]),
            security_hub(&["EC2.3"]),
            config(&["encrypted-volumes"]),
        ],
        asks: [Volumes],
        finding: "data-unencrypted-store-created",
        closes: [Closes::Listed("arn:*:ec2:*:volume/*")],
    }
}

impl Check for AttachedEncrypted {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_of(
            Volumes,
            |cx, volume| cx.arn("ec2", &format!("volume/{}", volume.id)),
            |cx, volume| {
                let (id, region) = (volume.id.as_str(), cx.region());
                let seen = match &volume.attached_to {
                    _ if volume.encrypted => cx.passing(format!("Volume {id} is encrypted")),
                    None => cx
                        .informational(format!("Volume {id} is not encrypted, and attached to nothing"))
                        .step(
                            "Delete it, if nobody needs it",
                            "ec2 delete-volume",
                            &[("--region", &region), ("--volume-id", id)],
                        ),
                    Some(instance) => cx
                        .failing(format!("Volume {id} is not encrypted"))
                        .because(
                            "its snapshots are not encrypted either, and such snapshots can be made public",
                        )
                        .detail("Attached to", instance)
                        .step(
                            "What is on it?",
                            "ec2 describe-volumes",
                            &[("--region", &region), ("--volume-ids", id)],
                        )
                        .step(
                            "Make a snapshot, to copy with encryption",
                            "ec2 create-snapshot",
                            &[("--region", &region), ("--volume-id", id)],
                        ),
                };
                let group = volume.tags.iter().find(|(key, _)| key == "aws:autoscaling:groupName");
                cx.report(
                    group
                        .map(|(_, group)| group)
                        .iter()
                        .fold(seen, |seen, group| seen.detail("Auto Scaling group", group)),
                );
                Ok(())
            },
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::ebs::Volume;

    fn volume(id: &str, encrypted: bool, attached: bool) -> Volume {
        let attached_to = attached.then(|| "i-0123456789abcdef0".to_owned());
        Volume { id: id.to_owned(), encrypted, attached_to, tags: Vec::new() }
    }

    #[test]
    fn attached_ones_have_to_be() {
        let all = vec![
            volume("vol-good", true, true),
            volume("vol-bad", false, true),
            volume("vol-loose", false, false),
            volume("vol-loose-good", true, false),
        ];
        assert_eq!(
            judged(&AttachedEncrypted, &account().with(Volumes, region(), all)),
            [
                ("vol-good".to_owned(), Judged::Passing),
                ("vol-bad".to_owned(), Judged::Failing),
                ("vol-loose".to_owned(), Judged::Informational),
                ("vol-loose-good".to_owned(), Judged::Passing),
            ]
        );
    }

    #[test]
    fn volumes_of_a_group_name_it() {
        let mut bad = volume("vol-1", false, true);
        bad.tags = vec![("aws:autoscaling:groupName".to_owned(), "workers".to_owned())];
        let one = judge_one(&AttachedEncrypted, &account().with(Volumes, region(), vec![bad]));
        assert!(one.details.contains(&("Auto Scaling group".to_owned(), "workers".to_owned())), "{one:#?}");
        assert_eq!(one.subject.resource, "arn:aws:ec2:eu-west-1:111122223333:volume/vol-1");
    }

    #[test]
    fn unknown_and_none() {
        let one = judge_one(&AttachedEncrypted, &refused(account(), Volumes, region()));
        assert_eq!(
            (one.verdict, missing(&one), one.subject.region.as_str()),
            (Judged::Unknown, vec!["ec2:DescribeVolumes"], REGION)
        );
        let none = account().with(Volumes, region(), vec![]);
        assert_eq!(judge_one(&AttachedEncrypted, &none).verdict, Judged::NotApplicable);
    }
}
