use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Each region that holds volumes or databases has a backup plan that selects something. A plan without a selection
    /// protects nothing. File systems and DynamoDB tables are not looked for, nor is what the plan selects.
    /// ## Why it matters
    /// A plan makes backups of everything with a tag, on a schedule, and keeps them in a vault that can be locked against
    /// deletion, even by an administrator.
    /// ## What to do
    /// Make a plan with a daily rule, and select by a tag, so that new resources only need the tag. Copy the backups to another
    /// region or account if you can.
    /// ## What it costs
    /// About 0.05 USD for each GB and month of EBS backups and 0.095 USD of databases. The plan itself costs nothing.
    /// ## What may break
    /// Nothing. Where Data Lifecycle Manager or a script makes the backups, that is as good: suppress the finding with that
    /// reason.
    Plan {
        id: "backup.plan",
        title: "A backup plan covers what is there",
        severity: Low,
        practices: ["P47"],
        references: [
            security_hub(&["EC2.28", "RDS.26"]),
            config(&["backup-plan-min-frequency-and-min-retention-check"]),
        ],
        asks: [BackupPlans, BackupSelections, Volumes, DbInstances, DbClusters],
    }
}

impl Check for Plan {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_region(|cx| {
            let region = cx.region();
            let region = region.as_str();
            let holds = [
                cx.try_known(Volumes, region).map(|all| !all.is_empty()),
                cx.try_known(DbInstances, region).map(|all| !all.is_empty()),
                cx.try_known(DbClusters, region).map(|all| !all.is_empty()),
            ];
            let covers = covers(cx, region);
            if covers == Ok(true) {
                cx.report(cx.passing(format!("A backup plan in {region} selects something")));
                return Ok(());
            }
            // Where there is nothing to back up, nobody needs a plan; where there is no plan, it depends on that.
            if !any(&holds)? {
                cx.report(cx.not_applicable(format!("There are no volumes and no databases in {region}")));
                return Ok(());
            }
            covers?;
            let plans = cx.known(BackupPlans, region)?;
            let told = match plans.is_empty() {
                true => format!("There is no backup plan in {region}"),
                false => format!("No backup plan in {region} selects anything"),
            };
            let mut seen =
                cx.failing(told).because("volumes or databases are there, and no plan makes backups of them");
            for plan in plans {
                seen = seen.detail("Plan without a selection", &plan.name);
            }
            let seen = seen
                .step("Which plans are there?", "backup list-backup-plans", &[("--region", region)])
                .step("Which volumes are there?", "ec2 describe-volumes", &[("--region", region)]);
            cx.report(seen);
            Ok(())
        });
        Ok(())
    }
}

/// Whether a plan of the region selects something.
fn covers(cx: &mut Cx<'_>, region: &str) -> Result<bool, Stop> {
    let mut selects = Vec::new();
    for plan in cx.try_known(BackupPlans, region)? {
        // One that was deleted meanwhile selects nothing.
        let selections = cx.optional(BackupSelections, (region, plan.id.as_str()));
        selects.push(selections.map(|all| all.is_some_and(|all| !all.is_empty())));
    }
    any(&selects)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::data::BackupPlan;
    use keepwatch_core::posture::State;

    fn state(volumes: usize, plans: &[(&str, &[&str])]) -> State {
        let volume = facts::ebs::Volume {
            id: "vol-1".to_owned(),
            encrypted: true,
            attached_to: None,
            tags: Vec::new(),
        };
        let plan = |(id, _): &(&str, &[&str])| BackupPlan { id: (*id).to_owned(), name: (*id).to_owned() };
        let mut state = account()
            .with(Volumes, region(), vec![volume; volumes])
            .with(DbInstances, region(), vec![])
            .with(DbClusters, region(), vec![])
            .with(BackupPlans, region(), plans.iter().map(plan).collect());
        for (id, selections) in plans {
            let names = selections.iter().map(|name| (*name).to_owned()).collect();
            state = state.with(BackupSelections, of(id), names);
        }
        state
    }

    #[test]
    fn a_plan_has_to_select_something() {
        assert_eq!(
            judge_one(&Plan, &state(1, &[("empty", &[]), ("full", &["all"])])).verdict,
            Judged::Passing
        );
        let one = judge_one(&Plan, &state(1, &[("empty", &[])]));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Low));
        assert_eq!(one.details, [("Plan without a selection".to_owned(), "empty".to_owned())]);
        assert_eq!(judge_one(&Plan, &state(1, &[])).verdict, Judged::Failing);
    }

    #[test]
    fn where_there_is_nothing_no_plan_is_needed() {
        assert_eq!(judge_one(&Plan, &state(0, &[])).verdict, Judged::NotApplicable);
        // Not even where nobody may say whether there is one.
        assert_eq!(
            judge_one(&Plan, &refused(state(0, &[]), BackupPlans, region())).verdict,
            Judged::NotApplicable
        );
    }

    #[test]
    fn a_refusal_decides_only_where_nothing_else_does() {
        let one = judge_one(&Plan, &refused(state(1, &[]), BackupPlans, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["backup:ListBackupPlans"]));
        let one = judge_one(&Plan, &refused(state(1, &[("p", &[])]), BackupSelections, of("p")));
        assert_eq!(missing(&one), ["backup:ListBackupSelections"]);
        let other = refused(state(1, &[("p", &[]), ("q", &["all"])]), BackupSelections, of("p"));
        assert_eq!(judge_one(&Plan, &other).verdict, Judged::Passing);
        // No plan, and nobody knows whether there is a database.
        let one = judge_one(&Plan, &refused(state(0, &[]), DbInstances, region()));
        assert_eq!(missing(&one), ["rds:DescribeDBInstances"]);
        // There is a volume: that is enough to want one.
        assert_eq!(judge_one(&Plan, &refused(state(1, &[]), DbInstances, region())).verdict, Judged::Failing);
    }

    #[test]
    fn a_plan_that_is_gone_selects_nothing() {
        let state = absent(state(1, &[("p", &["all"])]), BackupSelections, of("p"));
        assert_eq!(judge_one(&Plan, &state).verdict, Judged::Failing);
    }
}
