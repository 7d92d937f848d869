use keepwatch_core::observation::Verdict;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Backups were destroyed or will stop: the lock of a backup vault was taken off (high); a vault, a backup plan, a
    /// snapshot policy, a rule of the Recycle Bin or the automated backups of a database or table were deleted or
    /// switched off (medium); a recovery point, a backup of a table or a file system (medium) or a database snapshot (low)
    /// was deleted, is to go within a week, or lost its lock. Many deletions at once are a finding of `data-mass-deletion`. Locking the
    /// vault again resolves that finding, and so does switching the backups on again or deleting the database.
    /// ## Why it matters
    /// Backups are the first thing that somebody who wants a ransom destroys: with them the rest can be undone.
    /// ## What to do
    /// Ask the caller. If nobody meant it, stop the caller's credentials now, before the data follows, and see what is
    /// left.
    /// ## False positives
    /// Tidying up by hand. What AWS Backup and Data Lifecycle Manager delete when its time has come is not reported.
    BackupDeleted {
        id: "data-backup-deleted",
        title: "Backups or their protection were deleted",
        severity: Medium,
        confidence: High,
        catalogue: ["DATA-06"],
        references: [
            attack(&["T1490"]),
            doc(&["AWS Backup API Reference: DeleteBackupVaultLockConfiguration, DeleteRecoveryPoint"]),
        ],
        on: [
            On::Call("backup.amazonaws.com", &[
                "DeleteRecoveryPoint", "DeleteBackupVault", "DeleteBackupPlan",
                "DeleteBackupVaultLockConfiguration", "PutBackupVaultLockConfiguration",
                "DisassociateRecoveryPoint", "UpdateRecoveryPointLifecycle", "DeleteBackupSelection",
            ]),
            On::Call("dynamodb.amazonaws.com", &["DeleteBackup", "UpdateContinuousBackups"]),
            On::Call("fsx.amazonaws.com", &["DeleteBackup"]),
            On::Call("dlm.amazonaws.com", &["DeleteLifecyclePolicy", "UpdateLifecyclePolicy"]),
            On::Call("rbin.amazonaws.com", &["DeleteRule", "UnlockRule", "LockRule"]),
            On::Call("ec2.amazonaws.com", &["UnlockSnapshot", "LockSnapshot"]),
            On::Call("rds.amazonaws.com", &[
                "DeleteDBSnapshot", "DeleteDBClusterSnapshot", "DeleteDBInstanceAutomatedBackup",
                "DeleteDBClusterAutomatedBackup", "ModifyDBInstance", "DeleteDBInstance",
            ]),
        ],
    }
}

impl Rule for BackupDeleted {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        // Retention ends every day; only AWS itself can act as AWS Backup.
        if cx.by_service() || by_lifecycle(record) {
            return Ok(());
        }
        let seen = match record.event_source.or_empty() {
            "backup.amazonaws.com" => vault(record, cx),
            "rds.amazonaws.com" => database(record, cx).or_else(|| retention(record, cx)),
            _ => elsewhere(record, cx),
        };
        match seen {
            Some(seen) if seen.verdict == Verdict::Passing => cx.report(seen),
            Some(seen) => cx.report(cx.tempered(stop_caller(seen, record))),
            None => {}
        }
        Ok(())
    }
}

/// Whether one of AWS's backup services deletes what has served its time.
pub(super) fn by_lifecycle(record: &Record<'_>) -> bool {
    matches!(record.user_identity.invoked_by.or_empty(), "backup.amazonaws.com" | "dlm.amazonaws.com")
}

fn vault(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let who = caller_name(record);
    let place = region_option(record);
    let name = record.event_name.or_empty();
    if name == "DeleteBackupPlan" {
        let plan = text_at(record.request(), &["backupPlanId"])?;
        let seen = cx
            .failing(
                record.arn("backup", &format!("backup-plan:{plan}")),
                format!("{who} deleted backup plan {plan}"),
            )
            .because("What the plan backed up is backed up no more, unless another plan holds it.")
            .step("Which plans are left?", "backup list-backup-plans", &[place]);
        return Some(seen);
    }
    if name == "DeleteBackupSelection" {
        let plan = text_at(record.request(), &["backupPlanId"])?;
        let seen = cx
            .failing(
                record.arn("backup", &format!("backup-plan:{plan}")),
                format!("{who} took a selection of resources out of backup plan {plan}"),
            )
            .aspect(format!("selection {}", text_at(record.request(), &["selectionId"])?))
            .severity(Severity::Low)
            .because("What was selected is backed up no more, unless another plan holds it.")
            .step(
                "What is selected still?",
                "backup list-backup-selections",
                &[place, ("--backup-plan-id", plan)],
            );
        return Some(seen);
    }
    let vault = text_at(record.request(), &["backupVaultName"])?;
    let arn = record.arn("backup", &format!("backup-vault:{vault}"));
    let look = ("What is in the vault?", "backup list-recovery-points-by-backup-vault");
    let options = [place, ("--backup-vault-name", vault)];
    Some(match name {
        "PutBackupVaultLockConfiguration" => {
            cx.passing(arn, format!("{who} locked backup vault {vault}")).aspect("lock")
        }
        "DeleteBackupVaultLockConfiguration" => cx
            .failing(arn, format!("{who} took the lock off backup vault {vault}"))
            .aspect("lock")
            .severity(Severity::High)
            .because("Without the lock anybody with the permission can delete the backups in the vault.")
            .step("Lock it again", "backup put-backup-vault-lock-configuration", &options)
            .step(look.0, look.1, &options),
        "DeleteBackupVault" => cx
            .failing(arn, format!("{who} deleted backup vault {vault}"))
            .because(
                "A vault can be deleted only when it is empty: look for deleted recovery points before this.",
            )
            .step("Which vaults are left?", "backup list-backup-vaults", &[place]),
        _ => {
            let point = text_at(record.request(), &["recoveryPointArn"])?;
            let short = point.rsplit([':', '/']).next().unwrap_or(point);
            let (did, because) = match name {
                "UpdateRecoveryPointLifecycle" => {
                    let days = number_at(record.request(), &["lifecycle", "deleteAfterDays"])?;
                    // Who wants to be rid of a backup has it deleted tomorrow.
                    if days > FEW_DAYS {
                        return Some(
                            cx.passing(
                                point,
                                format!("{who} has recovery point {short} kept for {days} days"),
                            )
                            .aspect("lifecycle"),
                        );
                    }
                    let title = format!(
                        "{who} has recovery point {short} of backup vault {vault} deleted after {days} days"
                    );
                    return Some(
                        cx.failing(point, title)
                            .aspect("lifecycle")
                            .because("AWS Backup deletes it by itself when that time is over.")
                            .step(look.0, look.1, &options),
                    );
                }
                "DisassociateRecoveryPoint" => (
                    "took out of AWS Backup's care",
                    "A continuous backup that is let go is kept only as its own service keeps it.",
                ),
                _ => {
                    ("deleted", "A backup is gone, and nobody but its owner knows whether there is another.")
                }
            };
            cx.failing(point, format!("{who} {did} recovery point {short} from backup vault {vault}"))
                .because(because)
                .step(look.0, look.1, &options)
        }
    })
}

/// A recovery point that is kept no longer than this goes before most people notice.
const FEW_DAYS: i64 = 7;

/// Backups and bins that single services keep.
fn elsewhere(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let (who, request, place) = (caller_name(record), record.request(), region_option(record));
    let text = |key: &str| text_at(request, &[key]);
    let service = record.event_source.or_empty().trim_end_matches(".amazonaws.com");
    let seen = match (service, record.event_name.or_empty()) {
        ("dynamodb", "UpdateContinuousBackups") => {
            let table = last_part(text("tableName")?);
            let arn = record.arn("dynamodb", &format!("table/{table}"));
            let on = ["pointInTimeRecoverySpecification", "pointInTimeRecoveryEnabled"];
            if flag_at(request, &on)? {
                cx.passing(arn, format!("{who} has table {table} backed up all the time"))
            } else {
                cx.failing(arn, format!("{who} switched off the continuous backups of table {table}"))
                    .because("What was in the table an hour or a week ago cannot be brought back any more.")
                    .step(
                        "Switch them on again",
                        "dynamodb update-continuous-backups --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
                        &[place, ("--table-name", table)],
                    )
            }
            .aspect("continuous backups")
        }
        ("dynamodb", _) => {
            let arn = text("backupArn")?;
            cx.failing(arn, format!("{who} deleted backup {} of a DynamoDB table", last_part(arn)))
                .because("A deleted backup cannot be brought back.")
                .step("Which are left?", "dynamodb list-backups", &[place])
        }
        ("fsx", _) => {
            let backup = text("backupId")?;
            cx.failing(
                record.arn("fsx", &format!("backup/{backup}")),
                format!("{who} deleted backup {backup} of a file system"),
            )
            .because("A deleted backup cannot be brought back.")
            .step("Which are left?", "fsx describe-backups", &[place])
        }
        ("dlm", event) => {
            let policy = text("policyId")?;
            let arn = record.arn("dlm", &format!("policy/{policy}"));
            let did = match (event, text("state")) {
                ("DeleteLifecyclePolicy", _) => "deleted",
                (_, Some("DISABLED")) => "switched off",
                (_, Some("ENABLED")) => {
                    return Some(cx.passing(arn, format!("{who} switched on snapshot policy {policy}")));
                }
                _ => return None,
            };
            cx.failing(arn, format!("{who} {did} snapshot policy {policy}"))
                .because("The snapshots and images that it made by itself are made no more.")
                .step("Which policies are there?", "dlm get-lifecycle-policies", &[place])
        }
        ("rbin", event) => {
            let rule = text("identifier")?;
            let arn = record.arn("rbin", &format!("rule/{rule}"));
            let did = match event {
                "DeleteRule" => "deleted",
                "LockRule" => {
                    return Some(cx.passing(arn, format!("{who} locked rule {rule} of the Recycle Bin")));
                }
                _ => "unlocked",
            };
            cx.failing(arn, format!("{who} {did} rule {rule} of the Recycle Bin"))
                .because(
                    "Snapshots and images that are deleted once the rule is gone cannot be brought back.",
                )
                .step("What does it keep?", "rbin get-rule", &[place, ("--identifier", rule)])
        }
        (_, event) => {
            let snapshot = ec2_parameter(record, "snapshotId")?;
            let arn = record.arn("ec2", &format!("snapshot/{snapshot}"));
            if event == "LockSnapshot" {
                return Some(cx.passing(arn, format!("{who} locked snapshot {snapshot}")).aspect("lock"));
            }
            cx.failing(arn, format!("{who} took the lock off snapshot {snapshot}"))
                .aspect("lock")
                .because("Without the lock anybody with the permission can delete the snapshot.")
                .step(
                    "How is it locked?",
                    "ec2 describe-locked-snapshots",
                    &[place, ("--snapshot-ids", snapshot)],
                )
        }
    };
    Some(seen)
}

fn database(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let who = caller_name(record);
    let request = record.request();
    let name = record.event_name.or_empty();
    let (kind, key, cluster) = match name {
        "DeleteDBSnapshot" => ("snapshot", "dBSnapshotIdentifier", false),
        "DeleteDBClusterSnapshot" => ("cluster-snapshot", "dBClusterSnapshotIdentifier", true),
        "DeleteDBInstanceAutomatedBackup" => ("auto-backup", "dbiResourceId", false),
        "DeleteDBClusterAutomatedBackup" => ("cluster-auto-backup", "dbClusterResourceId", true),
        _ => return None,
    };
    let id = text_at(request, &[key]).or_else(|| text_at(request, &["dBInstanceAutomatedBackupsArn"]))?;
    let arn = if id.starts_with("arn:") { id.to_owned() } else { record.arn("rds", &format!("{kind}:{id}")) };
    let look = if cluster { "rds describe-db-cluster-snapshots" } else { "rds describe-db-snapshots" };
    let (what, severity) = if kind.ends_with("snapshot") {
        (format!("database snapshot {id}"), Severity::Low)
    } else {
        (format!("the automated backups of database {id}"), Severity::Medium)
    };
    let seen = cx
        .failing(arn, format!("{who} deleted {what}"))
        .severity(severity)
        .because("A deleted backup of a database cannot be brought back.")
        .step("Which snapshots are left?", look, &[region_option(record)]);
    Some(seen)
}

/// The automated backups of a database: to keep them for no day at all deletes those that there are.
fn retention(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let who = caller_name(record);
    let name = text_at(record.request(), &["dBInstanceIdentifier"])?;
    let arn = record.arn("rds", &format!("db:{name}"));
    let seen = if record.event_name.or_empty() == "DeleteDBInstance" {
        cx.passing(arn, format!("{who} deleted database {name}"))
    } else if number_at(record.request(), &["backupRetentionPeriod"])? > 0 {
        cx.passing(arn, format!("{who} has database {name} backed up every day"))
    } else {
        cx.failing(arn, format!("{who} switched off the automated backups of database {name}"))
            .because("RDS deletes the automated backups that there are, and makes no more.")
            .step(
                "Switch them on again",
                "rds modify-db-instance",
                &[
                    region_option(record),
                    ("--db-instance-identifier", name),
                    ("--backup-retention-period", "7"),
                    ("--apply-immediately", ""),
                ],
            )
            .step(
                "Which snapshots are left?",
                "rds describe-db-snapshots",
                &[region_option(record), ("--db-instance-identifier", name)],
            )
    };
    Some(seen.aspect("automated backups"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn backup(name: &str, request: Value) -> String {
        call("backup", name, json!({"requestParameters": request}))
    }

    fn rds(name: &str, request: Value) -> String {
        call("rds", name, json!({"requestParameters": request}))
    }

    const POINT: &str = "arn:aws:ec2:us-east-1::snapshot/snap-05f426fd8kdjb4224";

    #[test]
    fn fires() {
        let vault = json!({"backupVaultName": "daily"});
        let lock = fires_at(
            &BackupDeleted,
            Severity::High,
            &backup("DeleteBackupVaultLockConfiguration", vault.clone()),
        );
        assert_eq!(lock.title, "alice took the lock off backup vault daily");
        fires_at(&BackupDeleted, Severity::Medium, &backup("DeleteBackupVault", vault.clone()));
        fires_at(
            &BackupDeleted,
            Severity::Medium,
            &backup("DeleteBackupPlan", json!({"backupPlanId": "p-1"})),
        );
        let point = json!({"backupVaultName": "daily", "recoveryPointArn": POINT});
        let point = fires_at(&BackupDeleted, Severity::Medium, &backup("DeleteRecoveryPoint", point));
        assert_eq!(point.subject.resource, POINT);

        let locked = observe(&BackupDeleted, &backup("PutBackupVaultLockConfiguration", vault));
        assert_eq!((locked.len(), locked[0].verdict), (1, Verdict::Passing));
        assert_eq!(locked[0].finding_id(), lock.finding_id());

        fires_at(
            &BackupDeleted,
            Severity::Low,
            &rds("DeleteDBSnapshot", json!({"dBSnapshotIdentifier": "s"})),
        );
        let cluster = json!({"dBClusterSnapshotIdentifier": "s"});
        let cluster = fires_at(&BackupDeleted, Severity::Low, &rds("DeleteDBClusterSnapshot", cluster));
        assert_eq!(cluster.subject.resource, "arn:aws:rds:us-east-1:111122223333:cluster-snapshot:s");
        let automated = json!({"dbiResourceId": "db-1"});
        fires_at(&BackupDeleted, Severity::Medium, &rds("DeleteDBInstanceAutomatedBackup", automated));
    }

    #[test]
    fn backups_that_are_kept_for_no_day_are_off() {
        let keep = |days: Value| {
            rds("ModifyDBInstance", json!({"dBInstanceIdentifier": "shop", "backupRetentionPeriod": days}))
        };
        let off = fires_at(&BackupDeleted, Severity::Medium, &keep(json!(0)));
        assert_eq!(off.title, "alice switched off the automated backups of database shop");
        for good in [keep(json!("7")), rds("DeleteDBInstance", json!({"dBInstanceIdentifier": "shop"}))] {
            let seen = observe(&BackupDeleted, &good);
            assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing), "{good}");
            assert_eq!(seen[0].finding_id(), off.finding_id());
        }
        quiet(&BackupDeleted, &[keep(json!(null)), keep(json!({}))]);
    }

    #[test]
    fn stays_quiet() {
        let point = json!({"backupVaultName": "daily", "recoveryPointArn": POINT});
        let by = |who: Value| {
            call(
                "backup",
                "DeleteRecoveryPoint",
                json!({"requestParameters": point.clone(), "userIdentity": who}),
            )
        };
        quiet(
            &BackupDeleted,
            &[
                by(json!({"type": "AWSService", "invokedBy": "backup.amazonaws.com"})),
                by(json!({"type": "AssumedRole", "invokedBy": "backup.amazonaws.com"})),
                backup("DeleteRecoveryPoint", json!({"backupVaultName": "daily"})),
                backup("DeleteBackupVault", json!({"backupVaultName": 7})),
                rds("DeleteDBSnapshot", json!(null)),
                call(
                    "rds",
                    "DeleteDBSnapshot",
                    json!({"errorCode": "AccessDenied",
                    "requestParameters": {"dBSnapshotIdentifier": "s"}}),
                ),
                backup("CreateBackupPlan", json!({"backupPlanId": "p"})),
            ],
        );
    }

    #[test]
    fn other_backups_and_bins_count_too() {
        let table = |on: bool| {
            let set = json!({"pointInTimeRecoveryEnabled": on});
            asked(
                "dynamodb",
                "UpdateContinuousBackups",
                json!({"tableName": "orders", "pointInTimeRecoverySpecification": set}),
            )
        };
        let title = "alice switched off the continuous backups of table orders";
        opens_and_closes(&BackupDeleted, Severity::Medium, (&table(false), title), &table(true));
        let policy = |state: &str| {
            asked("dlm", "UpdateLifecyclePolicy", json!({"policyId": "policy-1", "state": state}))
        };
        let title = "alice switched off snapshot policy policy-1";
        opens_and_closes(&BackupDeleted, Severity::Medium, (&policy("DISABLED"), title), &policy("ENABLED"));
        let bin = |event: &str| asked("rbin", event, json!({"identifier": "r1"}));
        let title = "alice unlocked rule r1 of the Recycle Bin";
        opens_and_closes(&BackupDeleted, Severity::Medium, (&bin("UnlockRule"), title), &bin("LockRule"));
        let snapshot =
            |event: &str| asked("ec2", event, json!({format!("{event}Request"): {"SnapshotId": "snap-1"}}));
        let title = "alice took the lock off snapshot snap-1";
        opens_and_closes(
            &BackupDeleted,
            Severity::Medium,
            (&snapshot("UnlockSnapshot"), title),
            &snapshot("LockSnapshot"),
        );
        let kept = |days: i64| {
            let request = json!({"backupVaultName": "daily", "recoveryPointArn": POINT, "lifecycle": {"deleteAfterDays": days}});
            backup("UpdateRecoveryPointLifecycle", request)
        };
        let title =
            "alice has recovery point snap-05f426fd8kdjb4224 of backup vault daily deleted after 1 days";
        opens_and_closes(&BackupDeleted, Severity::Medium, (&kept(1), title), &kept(35));
        for (service, event, request) in [
            (
                "dynamodb",
                "DeleteBackup",
                json!({"backupArn": "arn:aws:dynamodb:us-east-1:111122223333:table/orders/backup/01"}),
            ),
            ("fsx", "DeleteBackup", json!({"backupId": "backup-1"})),
            ("dlm", "DeleteLifecyclePolicy", json!({"policyId": "policy-1"})),
            ("rbin", "DeleteRule", json!({"identifier": "r1"})),
            (
                "backup",
                "DisassociateRecoveryPoint",
                json!({"backupVaultName": "daily", "recoveryPointArn": POINT}),
            ),
        ] {
            fires_at(&BackupDeleted, Severity::Medium, &asked(service, event, request));
            quiet(&BackupDeleted, &[asked(service, event, json!(null))]);
        }
        let selection = json!({"backupPlanId": "p-1", "selectionId": "s-1"});
        fires_at(&BackupDeleted, Severity::Low, &backup("DeleteBackupSelection", selection));
        // What a policy is about may change while it goes on.
        quiet(
            &BackupDeleted,
            &[asked("dlm", "UpdateLifecyclePolicy", json!({"policyId": "policy-1", "description": "x"}))],
        );
    }
}
