use super::backup_deleted;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// One caller deleted ten or more different snapshots, recovery points, databases, tables, buckets, file systems or
    /// images within ten minutes. `threshold` changes the number.
    /// ## Why it matters
    /// This is what sabotage and extortion look like while they are still going on. Minutes count.
    /// ## What to do
    /// Stop the caller: deactivate its key, or revoke the sessions of its role. Then see what is left.
    /// ## False positives
    /// Clean-ups, and the end of a test. Name scripts that do this every day as `automation`, and they go to the digest.
    /// AWS Backup and Data Lifecycle Manager are not counted.
    MassDeletion {
        id: "data-mass-deletion",
        title: "Many backups or data stores were deleted at once",
        severity: High,
        confidence: Medium,
        catalogue: ["DATA-06", "DATA-11"],
        references: [attack(&["T1485"]), attack(&["T1490"])],
        on: [
            On::Call("ec2.amazonaws.com", &["DeleteSnapshot", "DeregisterImage"]),
            On::Call("backup.amazonaws.com", &["DeleteRecoveryPoint"]),
            On::Call("rds.amazonaws.com", &[
                "DeleteDBSnapshot", "DeleteDBClusterSnapshot", "DeleteDBInstance", "DeleteDBCluster",
            ]),
            On::Call("s3.amazonaws.com", &["DeleteBucket"]),
            On::Call("dynamodb.amazonaws.com", &["DeleteTable", "DeleteBackup"]),
            On::Call("elasticfilesystem.amazonaws.com", &["DeleteFileSystem"]),
        ],
    }
}

/// How many deletions are too many.
const MANY: usize = 10;

/// The parameters that name what is deleted.
const NAMES: [&str; 11] = [
    "snapshotId",
    "imageId",
    "recoveryPointArn",
    "dBSnapshotIdentifier",
    "dBClusterSnapshotIdentifier",
    "dBInstanceIdentifier",
    "dBClusterIdentifier",
    "bucketName",
    "backupArn",
    "tableName",
    "fileSystemId",
];

impl Rule for MassDeletion {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if cx.by_service() || backup_deleted::by_lifecycle(record) {
            return Ok(());
        }
        let Some(victim) = NAMES.iter().find_map(|name| text_at(record.request(), &[name])) else {
            return Ok(());
        };
        let by = acting_principal(record);
        let Some(counted) = cx.many_distinct(MANY, by, victim, TEN_MINUTES)? else { return Ok(()) };
        let title = format!(
            "{} is deleting backups and data: {} within ten minutes",
            caller_name(record),
            counted.count
        );
        let seen = cx
            .failing(by, title)
            .because("So many deletions by one caller are a clean-up, or sabotage while it goes on.")
            .detail("The latest", format!("{victim} ({})", record.event_name.or_empty()));
        let seen = what_else(seen, record);
        let seen = match record.user_identity.session_context.session_issuer.user_name.get() {
            Some(role) => {
                let deny = deny_all(record);
                seen.step(
                    "Stop the role and all of its sessions",
                    "iam attach-role-policy",
                    &[("--role-name", role), ("--policy-arn", &deny)],
                )
            }
            None => seen,
        };
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    const ALICE: &str = "arn:aws:iam::111122223333:user/alice";

    fn delete(source: &str, name: &str, key: &str) -> String {
        call(source, name, json!({"requestParameters": {key: "x-1"}}))
    }

    #[test]
    fn fires() {
        for (source, name, key) in [
            ("ec2", "DeleteSnapshot", "snapshotId"),
            ("ec2", "DeregisterImage", "imageId"),
            ("backup", "DeleteRecoveryPoint", "recoveryPointArn"),
            ("rds", "DeleteDBInstance", "dBInstanceIdentifier"),
            ("s3", "DeleteBucket", "bucketName"),
            ("dynamodb", "DeleteTable", "tableName"),
            ("elasticfilesystem", "DeleteFileSystem", "fileSystemId"),
        ] {
            let event = delete(source, name, key);
            let window = |count| [among(&MassDeletion, ALICE, "x-1", TEN_MINUTES, count)];
            let seen = fired_with(&MassDeletion, &event, &window(10));
            assert_eq!((seen.severity, seen.subject.resource.as_str()), (Severity::High, ALICE));
            assert!(observe_with(&MassDeletion, &event, &window(9)).is_empty());
        }
        let event = delete("ec2", "DeleteSnapshot", "snapshotId");
        let seen = fired_with(&MassDeletion, &event, &[among(&MassDeletion, ALICE, "x-1", TEN_MINUTES, 12)]);
        assert_eq!(seen.title, "alice is deleting backups and data: 12 within ten minutes");
    }

    #[test]
    fn a_role_is_counted_whatever_its_session_is_called() {
        let role = "arn:aws:iam::111122223333:role/ops";
        let event = call(
            "ec2",
            "DeleteSnapshot",
            json!({"requestParameters": {"snapshotId": "x-1"}, "userIdentity":
            {"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"arn": role, "userName": "ops"}}}}),
        );
        let seen = fired_with(&MassDeletion, &event, &[among(&MassDeletion, role, "x-1", TEN_MINUTES, 10)]);
        assert!(seen.steps[1].command.contains("--role-name ops"), "{:?}", seen.steps);
    }

    #[test]
    fn no_name_of_a_session_tells_callers_apart() {
        for (who, key) in [
            (
                json!({"arn": "arn:aws:sts::999988887777:assumed-role/ops/a-7"}),
                "arn:aws:sts::999988887777:assumed-role/ops",
            ),
            (json!({"arn": null, "principalId": "AROAEXAMPLE:a-7", "userName": null}), "AROAEXAMPLE"),
        ] {
            let event = call(
                "s3",
                "DeleteBucket",
                json!({"requestParameters": {"bucketName": "x-1"}, "userIdentity": who}),
            );
            let seen =
                fired_with(&MassDeletion, &event, &[among(&MassDeletion, key, "x-1", TEN_MINUTES, 10)]);
            assert_eq!(seen.subject.resource, key);
        }
    }

    #[test]
    fn stays_quiet() {
        let window = [among(&MassDeletion, ALICE, "x-1", TEN_MINUTES, 50)];
        let by = |who: serde_json::Value| {
            call(
                "ec2",
                "DeleteSnapshot",
                json!({"requestParameters": {"snapshotId": "x-1"}, "userIdentity": who}),
            )
        };
        for event in [
            by(json!({"type": "AWSService"})),
            by(json!({"invokedBy": "dlm.amazonaws.com"})),
            call("ec2", "DeleteSnapshot", json!({"requestParameters": null})),
            call(
                "ec2",
                "DeleteSnapshot",
                json!({"requestParameters": {"snapshotId": "x-1"},
                "errorCode": "Client.InvalidSnapshot.InUse"}),
            ),
        ] {
            assert!(observe_with(&MassDeletion, &event, &window).is_empty(), "{event}");
        }
    }
}
