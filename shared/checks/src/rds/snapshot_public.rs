use facts::data::DbSnapshot;

use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No manual snapshot of a database or a cluster is shared with everybody: RDS, Aurora, DocumentDB and Neptune. Encrypted
    /// snapshots cannot be, and automated ones are nobody's to share.
    /// ## Why it matters
    /// A public snapshot is the whole database for anybody with an AWS account.
    /// ## What to do
    /// Take `all` off the list. Treat what was in the database as known: a copy that somebody made stays with its maker.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Whoever restores the snapshot from outside. Name their accounts in place of everybody.
    SnapshotPublic {
        id: "rds.snapshot-public",
        title: "No database snapshot is public",
        severity: Critical,
        practices: ["P45"],
        references: [
            security_hub(&["RDS.1"]),
            config(&["rds-snapshots-public-prohibited"]),
            trusted_advisor(&["rSs93HQwa1"]),
        ],
        asks: [DbSnapshots, DbSnapshotShares, DbClusterSnapshots, DbClusterSnapshotShares],
        finding: "exposure-snapshot-shared",
        closes: [Closes::Listed("arn:*:rds:*:snapshot:*"), Closes::Listed("arn:*:rds:*:cluster-snapshot:*")],
    }
}

impl Check for SnapshotPublic {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_of(DbSnapshots, arn, |cx, snapshot| {
            let place = (cx.region(), snapshot.id.as_str());
            let shares = match snapshot.encrypted {
                // RDS refuses to make it public; what it says all the same counts.
                true => cx.try_known(DbSnapshotShares, (place.0.as_str(), place.1)).ok(),
                false => Some(cx.known(DbSnapshotShares, (place.0.as_str(), place.1))?),
            };
            tell(cx, snapshot, shares, "db-snapshot");
            Ok(())
        });
        cx.each_of(DbClusterSnapshots, arn, |cx, snapshot| {
            let place = (cx.region(), snapshot.id.as_str());
            let shares = match snapshot.encrypted {
                true => cx.try_known(DbClusterSnapshotShares, (place.0.as_str(), place.1)).ok(),
                false => Some(cx.known(DbClusterSnapshotShares, (place.0.as_str(), place.1))?),
            };
            tell(cx, snapshot, shares, "db-cluster-snapshot");
            Ok(())
        });
        Ok(())
    }
}

fn arn(_: &Cx<'_>, snapshot: &DbSnapshot) -> String {
    snapshot.arn.clone()
}

/// `kind` is the snapshot's kind as the AWS CLI writes it.
fn tell(cx: &mut Cx<'_>, snapshot: &DbSnapshot, shares: Option<&Vec<String>>, kind: &str) {
    let (id, region) = (snapshot.id.as_str(), cx.region());
    let shares = shares.map(Vec::as_slice).unwrap_or_default();
    let seen = if shares.iter().any(|whom| whom.eq_ignore_ascii_case("all")) {
        let option = format!("--{kind}-identifier");
        let options = [("--region", region.as_str()), (option.as_str(), id), ("--values-to-remove", "all")];
        cx.failing(format!("Database snapshot {id} is public"))
            .because("anybody with an AWS account can restore it and has the whole database")
            .step("Who has it?", &format!("rds describe-{kind}-attributes"), &options[..2])
            .step(
                "Take everybody off the list",
                &format!("rds modify-{kind}-attribute --attribute-name restore"),
                &options,
            )
    } else {
        let seen = cx.passing(format!("Database snapshot {id} is not public"));
        if shares.is_empty() { seen } else { seen.detail("Shared with", shares.join(", ")) }
    };
    // As the rule on sharing names whom it is shared with.
    cx.report(seen.aspect("all"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use keepwatch_core::posture::State;

    fn snapshot(kind: &str, id: &str, encrypted: bool) -> DbSnapshot {
        let arn = format!("arn:aws:rds:eu-west-1:111122223333:{kind}:{id}");
        DbSnapshot { arn, id: id.to_owned(), encrypted }
    }

    fn state() -> State {
        let shares = |of: &[&str]| of.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        account()
            .with(
                DbSnapshots,
                region(),
                vec![snapshot("snapshot", "open", false), snapshot("snapshot", "safe", true)],
            )
            .with(DbSnapshotShares, of("open"), shares(&["all"]))
            .with(
                DbClusterSnapshots,
                region(),
                vec![
                    snapshot("cluster-snapshot", "wide", false),
                    snapshot("cluster-snapshot", "partner", false),
                ],
            )
            .with(DbClusterSnapshotShares, of("wide"), shares(&["444455556666", "all"]))
            .with(DbClusterSnapshotShares, of("partner"), shares(&["444455556666"]))
    }

    #[test]
    fn instances_and_clusters() {
        assert_eq!(
            judged_all(&state()),
            [
                ("open#all".to_owned(), Judged::Failing),
                ("safe#all".to_owned(), Judged::Passing),
                ("wide#all".to_owned(), Judged::Failing),
                ("partner#all".to_owned(), Judged::Passing),
            ]
        );
    }

    fn judged_all(state: &State) -> Vec<(String, Judged)> {
        crate::testing::judged(&SnapshotPublic, state)
    }

    #[test]
    fn each_refusal_stays_where_it_is() {
        let state = refused(state(), DbSnapshotShares, of("open"));
        let all = judgements(&SnapshotPublic, &state);
        assert_eq!(
            (all[0].verdict, missing(&all[0])),
            (Judged::Unknown, vec!["rds:DescribeDBSnapshotAttributes"])
        );
        assert_eq!(all[2].verdict, Judged::Failing);
        // The encrypted one is never asked.
        assert_eq!(all[1].verdict, Judged::Passing);
        let all = judgements(&SnapshotPublic, &refused(state, DbClusterSnapshots, region()));
        assert_eq!(missing(all.last().unwrap()), ["rds:DescribeDBClusterSnapshots"]);
    }

    #[test]
    fn one_that_is_gone_is_gone() {
        let state = absent(state(), DbSnapshotShares, of("open"));
        assert_eq!(judged_all(&state)[0], ("safe#all".to_owned(), Judged::Passing));
    }
}
