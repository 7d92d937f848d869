use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Each attached volume has a completed snapshot that is at most a week old (`snapshot-age-days`). Whoever makes it does
    /// not matter: Data Lifecycle Manager, AWS Backup, a script. A volume whose tags say that it needs none is left out: a tag
    /// `ephemeral`, or a tag `backup` with the value `no`, `none` or `false`.
    /// ## Why it matters
    /// A volume lives in one availability zone and dies with it, with a wrong command, or by a thief's hand. A snapshot from
    /// last year restores last year.
    /// ## What to do
    /// Let Data Lifecycle Manager or AWS Backup make snapshots on a schedule, chosen by a tag. Tag the volumes that hold nothing
    /// worth keeping, such as those of instances that are made anew from an image.
    /// ## What it costs
    /// 0.05 USD for each GB and month of what has changed since the last snapshot.
    /// ## What may break
    /// Nothing. A snapshot of a running database is as if the power had gone: try to restore one.
    SnapshotsExist {
        id: "ebs.snapshots-exist",
        title: "EBS volumes have recent snapshots",
        severity: Low,
        practices: ["P43"],
        references: [
            security_hub(&["EC2.28"]),
            config(&["ebs-in-backup-plan", "ebs-resources-protected-by-backup-plan"]),
            trusted_advisor(&["H7IgTzjTYb"]),
        ],
        asks: [Volumes, Snapshots],
        ages: true,
    }
}

impl Check for SnapshotsExist {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_of(
            Volumes,
            |cx, volume| cx.arn("ec2", &format!("volume/{}", volume.id)),
            |cx, volume| {
                let (id, region) = (volume.id.as_str(), cx.region());
                let instance = match &volume.attached_to {
                    None => {
                        cx.report(cx.not_applicable(format!("Volume {id} is attached to nothing")));
                        return Ok(());
                    }
                    Some(_) if is_ephemeral(&volume.tags) => {
                        cx.report(cx.not_applicable(format!(
                            "The tags of volume {id} say that it needs no snapshots"
                        )));
                        return Ok(());
                    }
                    Some(instance) => instance,
                };
                let snapshots = cx.known(Snapshots, region.as_str())?;
                let of_it =
                    snapshots.iter().filter(|one| one.volume == volume.id && one.state == "completed");
                let latest = of_it.filter_map(|one| one.started).max();
                let limit = cx.parameters.snapshot_age_days;
                let age = latest.map(|at| days_since(at, cx.now));
                let failing = |told: String| {
                    cx.failing(told)
                        .because(format!("nothing newer than {limit} days can be had back"))
                        .detail("Attached to", instance)
                        .step(
                            "Make one now",
                            "ec2 create-snapshot",
                            &[("--region", &region), ("--volume-id", id)],
                        )
                };
                let seen = match age {
                    Some(days) if days <= limit => {
                        cx.passing(format!("The latest snapshot of volume {id} is {days} days old"))
                    }
                    Some(days) => failing(format!("The latest snapshot of volume {id} is {days} days old")),
                    None => failing(format!("Volume {id} has no snapshot")),
                };
                cx.report(seen);
                Ok(())
            },
        );
        Ok(())
    }
}

/// Whether the owner says that nothing on the volume is worth keeping.
fn is_ephemeral(tags: &[(String, String)]) -> bool {
    let no =
        |value: &str| ["no", "none", "false", "never", "0"].iter().any(|no| value.eq_ignore_ascii_case(no));
    tags.iter().any(|(key, value)| {
        (key.eq_ignore_ascii_case("ephemeral") && !no(value))
            || (key.eq_ignore_ascii_case("backup") && no(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::ebs::{Snapshot, Volume};

    fn volume(tags: &[(&str, &str)], attached: bool) -> Volume {
        Volume {
            id: "vol-1".to_owned(),
            encrypted: true,
            attached_to: attached.then(|| "i-1".to_owned()),
            tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        }
    }

    fn snapshot(state: &str, age: u64) -> Snapshot {
        Snapshot {
            id: "snap-1".to_owned(),
            volume: "vol-1".to_owned(),
            state: state.to_owned(),
            started: Some(days_ago(age)),
            encrypted: true,
        }
    }

    fn verdict(volume: Volume, snapshots: Vec<Snapshot>) -> Judged {
        let state = account().with(Volumes, region(), vec![volume]).with(Snapshots, region(), snapshots);
        judge_one(&SnapshotsExist, &state).verdict
    }

    #[test]
    fn the_latest_completed_one_counts() {
        let attached = || volume(&[], true);
        assert_eq!(
            verdict(attached(), vec![snapshot("completed", 60), snapshot("completed", 1)]),
            Judged::Passing
        );
        assert_eq!(verdict(attached(), vec![snapshot("completed", 7)]), Judged::Passing);
        assert_eq!(verdict(attached(), vec![snapshot("completed", 8)]), Judged::Failing);
        assert_eq!(verdict(attached(), vec![snapshot("error", 1), snapshot("pending", 0)]), Judged::Failing);
        assert_eq!(verdict(attached(), vec![]), Judged::Failing);
        let other = Snapshot { volume: "vol-2".to_owned(), ..snapshot("completed", 1) };
        assert_eq!(verdict(attached(), vec![other]), Judged::Failing);
    }

    #[test]
    fn loose_and_ephemeral_volumes_need_none() {
        assert_eq!(verdict(volume(&[], false), vec![]), Judged::NotApplicable);
        for tag in [("Ephemeral", "true"), ("ephemeral", ""), ("Backup", "No")] {
            assert_eq!(verdict(volume(&[tag], true), vec![]), Judged::NotApplicable, "{tag:?}");
        }
        for tag in [("ephemeral", "false"), ("backup", "daily"), ("Name", "ephemeral")] {
            assert_eq!(verdict(volume(&[tag], true), vec![]), Judged::Failing, "{tag:?}");
        }
    }

    #[test]
    fn unknown_without_either_list() {
        let state = account().with(Volumes, region(), vec![volume(&[], true)]);
        let one = judge_one(&SnapshotsExist, &refused(state, Snapshots, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["ec2:DescribeSnapshots"]));
        let one = judge_one(&SnapshotsExist, &refused(account(), Volumes, region()));
        assert_eq!(missing(&one), ["ec2:DescribeVolumes"]);
    }
}
