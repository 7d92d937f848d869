use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Each database keeps automated backups for at least a week (`backup-retention-days`). None at all is medium, less than
    /// that is low. Members of a cluster and read replicas are left out: the cluster and the source hold the backups, and are
    /// judged themselves.
    /// ## Why it matters
    /// Automated backups bring a database back to any second of the days that they are kept: after a wrong statement, a broken
    /// release, or a thief.
    /// ## What to do
    /// Raise the retention. Try to restore once.
    /// ## What it costs
    /// Backups up to the size of the database cost nothing; beyond that about 0.10 USD for each GB and month.
    /// ## What may break
    /// Switching backups on restarts an instance that had none. A change of the days does not.
    Backup {
        id: "rds.backup",
        title: "Databases keep automated backups",
        severity: Medium,
        practices: ["P46"],
        references: [
            security_hub(&["RDS.11"]),
            config(&["db-instance-backup-enabled"]),
            trusted_advisor(&["opQPADkZvH"]),
        ],
        asks: [DbInstances, DbClusters],
        finding: "data-backup-deleted",
        closes: [Closes::Listed("arn:*:rds:*:db:*"), Closes::Listed("arn:*:rds:*:cluster:*")],
    }
}

/// As the rule on backups tells them apart from snapshots.
const ASPECT: &str = "automated backups";

impl Check for Backup {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_of(
            DbInstances,
            |_, database| database.arn.clone(),
            |cx, database| {
                let id = database.id.as_str();
                let seen = if let Some(cluster) = &database.cluster {
                    cx.not_applicable(format!(
                        "Database {id} is part of cluster {cluster}, which holds the backups"
                    ))
                } else if database.replica {
                    cx.not_applicable(format!("Database {id} is a copy of another, which holds the backups"))
                } else {
                    kept(cx, "Database", id, database.retention_days, "db-instance")
                };
                cx.report(seen.aspect(ASPECT));
                Ok(())
            },
        );
        cx.each_of(
            DbClusters,
            |_, cluster| cluster.arn.clone(),
            |cx, cluster| {
                let seen = kept(cx, "Database cluster", &cluster.id, cluster.retention_days, "db-cluster");
                cx.report(seen.aspect(ASPECT));
                Ok(())
            },
        );
        Ok(())
    }
}

/// Whether backups are kept for long enough. `kind` is as the AWS CLI writes it.
fn kept(cx: &Cx<'_>, what: &str, id: &str, days: u32, kind: &str) -> Judgement {
    let limit = cx.parameters.backup_retention_days;
    if u64::from(days) >= limit && days > 0 {
        return cx.passing(format!("{what} {id} keeps backups for {days} days"));
    }
    let seen = match days {
        0 => cx
            .failing(format!("{what} {id} keeps no automated backups"))
            .because("nothing brings it back to an earlier time but snapshots that somebody makes"),
        days => cx
            .failing(format!("{what} {id} keeps backups for {days} days"))
            .severity(Severity::Low)
            .because(format!("what goes unnoticed for {limit} days cannot be undone")),
    };
    let (region, option, wanted) = (cx.region(), format!("--{kind}-identifier"), limit.max(1).to_string());
    seen.step(
        "Keep them for longer",
        &format!("rds modify-{kind} --apply-immediately"),
        &[("--region", &region), (&option, id), ("--backup-retention-period", &wanted)],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::data::{DbCluster, DbInstance};
    use keepwatch_core::posture::State;

    fn instance(id: &str, retention_days: u32) -> DbInstance {
        DbInstance {
            arn: format!("arn:aws:rds:eu-west-1:111122223333:db:{id}"),
            id: id.to_owned(),
            engine: "postgres".to_owned(),
            retention_days,
            replica: false,
            cluster: None,
        }
    }

    fn state(instances: Vec<DbInstance>, cluster_days: &[u32]) -> State {
        let cluster = |days: &u32| DbCluster {
            arn: format!("arn:aws:rds:eu-west-1:111122223333:cluster:c{days}"),
            id: format!("c{days}"),
            retention_days: *days,
        };
        account().with(DbInstances, region(), instances).with(
            DbClusters,
            region(),
            cluster_days.iter().map(cluster).collect(),
        )
    }

    #[test]
    fn days_are_counted_where_the_backups_are() {
        let instances = vec![
            instance("none", 0),
            instance("short", 3),
            instance("week", 7),
            DbInstance { replica: true, ..instance("copy", 0) },
            DbInstance { cluster: Some("c1".to_owned()), ..instance("member", 0) },
        ];
        let all = judgements(&Backup, &state(instances, &[1, 14]));
        let told: Vec<_> = all.iter().map(|one| (one.verdict, one.severity)).collect();
        assert_eq!(told[0], (Judged::Failing, Severity::Medium));
        assert_eq!(told[1], (Judged::Failing, Severity::Low));
        assert_eq!(told[2].0, Judged::Passing);
        assert_eq!((told[3].0, told[4].0), (Judged::NotApplicable, Judged::NotApplicable));
        assert_eq!(told[5], (Judged::Failing, Severity::Low));
        assert_eq!(told[6].0, Judged::Passing);
    }

    #[test]
    fn a_limit_of_nothing_still_asks_for_backups() {
        let mut parameters = crate::parameters::Parameters::of(crate::parameters::Profile::Default);
        parameters.backup_retention_days = 0;
        let all =
            judgements_with(&Backup, &state(vec![instance("none", 0), instance("day", 1)], &[]), &parameters);
        assert_eq!((all[0].verdict, all[1].verdict), (Judged::Failing, Judged::Passing));
    }

    #[test]
    fn each_list_is_unknown_by_itself() {
        let state = refused(state(vec![instance("none", 0)], &[]), DbClusters, region());
        let all = judgements(&Backup, &state);
        assert_eq!((all[0].verdict, all[1].verdict), (Judged::Failing, Judged::Unknown));
        assert_eq!(missing(&all[1]), ["rds:DescribeDBClusters"]);
        let one = judgements(
            &Backup,
            &refused(account().with(DbClusters, region(), vec![]), DbInstances, region()),
        );
        assert_eq!(missing(&one[0]), ["rds:DescribeDBInstances"]);
    }

    #[test]
    fn no_databases() {
        assert_eq!(judge_one(&Backup, &state(vec![], &[])).verdict, Judged::NotApplicable);
    }
}
