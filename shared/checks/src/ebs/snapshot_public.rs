use facts::ebs::SnapshotBlock as Block;

use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Nobody but the account may make a volume of its snapshots without being named. A snapshot that is shared with everybody
    /// while the region blocks all public sharing is closed, and opens again when the block goes: it gets a line. Encrypted
    /// snapshots cannot be public.
    /// ## Why it matters
    /// A public snapshot is the whole disk for anybody with an AWS account, passwords and keys on it included. Public snapshots
    /// are copied by robots.
    /// ## What to do
    /// Take everybody off the list, then switch on the region's block on public sharing. Change every password and key that was
    /// on the disk: a copy that somebody made stays with its maker, and no log of yours shows it.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Whoever uses the snapshot from outside. Publishers of images share on purpose: suppress the finding with that reason.
    SnapshotPublic {
        id: "ebs.snapshot-public",
        title: "No EBS snapshot is public",
        severity: Critical,
        practices: ["P44"],
        number: 21,
        references: [
            security_hub(&["EC2.1"]),
            config(&["ebs-snapshot-public-restorable-check"]),
            trusted_advisor(&["ePs02jT06w"]),
        ],
        asks: [Snapshots, PublicSnapshots, SnapshotBlock],
        finding: "exposure-snapshot-shared",
        closes: [Closes::Listed("arn:*:ec2:*:snapshot/*")],
    }
}

impl Check for SnapshotPublic {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_of(
            Snapshots,
            |cx, snapshot| cx.arn("ec2", &format!("snapshot/{}", snapshot.id)),
            |cx, snapshot| {
                let (id, region) = (snapshot.id.as_str(), cx.region());
                let shared = match snapshot.encrypted {
                    true => false,
                    false => cx.known(PublicSnapshots, region.as_str())?.contains(&snapshot.id),
                };
                let seen = if !shared {
                    cx.passing(format!("Snapshot {id} is not public"))
                } else if *cx.known(SnapshotBlock, region.as_str())? == Block::AllSharing {
                    cx.informational(format!("Snapshot {id} is shared with everybody, and the region's block closes it"))
                        .because("it is public again as soon as the block goes")
                } else {
                    cx.failing(format!("Snapshot {id} is public"))
                        .because("anybody with an AWS account can make a volume of it and read everything on the disk")
                        .detail("Volume", &snapshot.volume)
                };
                let seen = match shared {
                    false => seen,
                    true => seen
                        .step(
                            "Take everybody off the list",
                            "ec2 modify-snapshot-attribute --attribute createVolumePermission --operation-type remove",
                            &[("--region", &region), ("--snapshot-id", id), ("--group-names", "all")],
                        )
                        .step(
                            "Block public sharing in the region",
                            "ec2 enable-snapshot-block-public-access",
                            &[("--region", &region), ("--state", "block-all-sharing")],
                        ),
                };
                // As the rule on sharing names whom it is shared with.
                cx.report(seen.aspect("all"));
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
    use facts::ebs::Snapshot;
    use keepwatch_core::posture::State;

    fn snapshot(id: &str, encrypted: bool) -> Snapshot {
        Snapshot {
            id: id.to_owned(),
            volume: "vol-1".to_owned(),
            state: "completed".to_owned(),
            started: Some(days_ago(1)),
            encrypted,
        }
    }

    fn state(public: &[&str], block: Block) -> State {
        account()
            .with(Snapshots, region(), vec![snapshot("snap-a", false), snapshot("snap-b", false)])
            .with(PublicSnapshots, region(), public.iter().map(|id| (*id).to_owned()).collect())
            .with(SnapshotBlock, region(), block)
    }

    #[test]
    fn what_everybody_may_restore_is_public_unless_blocked() {
        let all = judgements(&SnapshotPublic, &state(&["snap-b"], Block::NewSharing));
        assert_eq!((all[0].verdict, all[1].verdict), (Judged::Passing, Judged::Failing));
        assert_eq!((all[1].severity, all[1].subject.aspect.as_deref()), (Severity::Critical, Some("all")));
        let all = judgements(&SnapshotPublic, &state(&["snap-b"], Block::AllSharing));
        assert_eq!((all[0].verdict, all[1].verdict), (Judged::Passing, Judged::Informational));
    }

    #[test]
    fn a_refusal_decides_only_where_nothing_else_does() {
        let state = refused(state(&[], Block::Unblocked), PublicSnapshots, region());
        let encrypted =
            state.with(Snapshots, region(), vec![snapshot("snap-a", true), snapshot("snap-b", false)]);
        let all = judgements(&SnapshotPublic, &encrypted);
        assert_eq!((all[0].verdict, all[1].verdict), (Judged::Passing, Judged::Unknown));
        assert_eq!(missing(&all[1]), ["ec2:DescribeSnapshots"]);
        let state = refused(self::state(&["snap-b"], Block::Unblocked), SnapshotBlock, region());
        let all = judgements(&SnapshotPublic, &state);
        assert_eq!((all[0].verdict, all[1].verdict), (Judged::Passing, Judged::Unknown));
        assert_eq!(missing(&all[1]), ["ec2:GetSnapshotBlockPublicAccessState"]);
    }

    #[test]
    fn none_and_no_list() {
        let none = account().with(Snapshots, region(), vec![]);
        assert_eq!(judge_one(&SnapshotPublic, &none).verdict, Judged::NotApplicable);
        let one = judge_one(&SnapshotPublic, &refused(account(), Snapshots, region()));
        assert_eq!(missing(&one), ["ec2:DescribeSnapshots"]);
    }
}
