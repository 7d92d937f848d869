use keepwatch_core::observation::Verdict;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A database of RDS or Aurora was deleted: without a last snapshot (high), or with one (medium); the deletion of a
    /// read replica or of one member of a cluster loses no data and is low. Deletion protection was switched off, or the
    /// master password was set anew (medium). Switching the protection on again resolves its finding, letting Secrets
    /// Manager choose the password resolves the other, and deleting the database resolves both. Restoring a database
    /// under the name of the deleted one resolves the deletion.
    /// ## Why it matters
    /// Protection off, backups gone, database deleted: this is the order in which it happens. Whoever sets the master
    /// password reads everything, without having known the old one.
    /// ## What to do
    /// Switch the protection on, set the password yourself, and look for a snapshot to restore from.
    /// ## False positives
    /// Test databases. A password that is rotated by calling RDS; Secrets Manager's own rotation does not do that.
    Database {
        id: "data-database-deleted-or-exposed",
        title: "A database was deleted, its protection switched off or its password set",
        severity: Medium,
        confidence: High,
        catalogue: ["DATA-07", "DATA-11"],
        references: [
            security_hub(&["RDS.7", "RDS.8"]),
            attack(&["T1485"]),
            doc(&["Amazon RDS API Reference: DeleteDBInstance"]),
        ],
        on: [On::Call("rds.amazonaws.com", &[
            "ModifyDBInstance", "ModifyDBCluster", "ModifyGlobalCluster", "DeleteDBInstance", "DeleteDBCluster",
            "DeleteGlobalCluster", "RestoreDBInstanceFromDBSnapshot", "RestoreDBInstanceToPointInTime",
            "RestoreDBClusterFromSnapshot", "RestoreDBClusterToPointInTime",
        ])],
    }
}

/// The aspects of what can happen to a database before it is deleted.
const PROTECTION: &str = "deletion protection";
const PASSWORD: &str = "master password";

/// What a call is about, for titles, ARNs and commands.
struct NamedDatabase<'r> {
    name: &'r str,
    arn: String,
    what: &'static str,
    command: &'static str,
    option: &'static str,
}

impl Rule for Database {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let event = record.event_name.or_empty();
        if event.starts_with("Restore") {
            if let Some((kind, name)) = restored(record) {
                let arn = record.arn("rds", &format!("{kind}:{name}"));
                let title = format!("{} restored a database as {name}", caller_name(record));
                cx.report(cx.passing(arn, title).aspect("deleted"));
            }
            return Ok(());
        }
        let Some(named) = named(record) else { return Ok(()) };
        let seen = if event.starts_with("Delete") {
            // Protection must be off before a database can be deleted; what is gone has neither.
            for aspect in [PROTECTION, PASSWORD] {
                let title = format!("{} deleted {} {}", caller_name(record), named.what, named.name);
                cx.report(cx.passing(&named.arn, title).aspect(aspect));
            }
            vec![deleted(record, cx, &named)]
        } else {
            [protection(record, cx, &named), password(record, cx, &named)].into_iter().flatten().collect()
        };
        for seen in seen {
            let bad = seen.verdict == Verdict::Failing;
            cx.report(if bad { cx.tempered(stop_caller(seen, record)) } else { seen });
        }
        Ok(())
    }
}

fn named<'r>(record: &'r Record<'_>) -> Option<NamedDatabase<'r>> {
    let request = record.request();
    let event = record.event_name.or_empty();
    let (key, kind, what, command, option) = if event.ends_with("GlobalCluster") {
        (
            "globalClusterIdentifier",
            "global-cluster",
            "global database",
            "global-cluster",
            "--global-cluster-identifier",
        )
    } else if event.ends_with("DBCluster") {
        ("dBClusterIdentifier", "cluster", "database cluster", "db-cluster", "--db-cluster-identifier")
    } else {
        ("dBInstanceIdentifier", "db", "database", "db-instance", "--db-instance-identifier")
    };
    let name = text_at(request, &[key])?;
    Some(NamedDatabase { name, arn: record.arn("rds", &format!("{kind}:{name}")), what, command, option })
}

/// What a database that is restored is called, and whether that is the name of an instance or of a cluster.
fn restored<'r>(record: &'r Record<'_>) -> Option<(&'static str, &'r str)> {
    let request = record.request();
    if record.event_name.or_empty().starts_with("RestoreDBCluster") {
        return Some(("cluster", text_at(request, &["dBClusterIdentifier"])?));
    }
    let instance = text_at(request, &["targetDBInstanceIdentifier"]);
    Some(("db", instance.or_else(|| text_at(request, &["dBInstanceIdentifier"]))?))
}

fn deleted(record: &Record<'_>, cx: &Cx<'_>, named: &NamedDatabase<'_>) -> Observation {
    let answer = record.response().get("dBInstance").unwrap_or(record.response());
    let copy = ["readReplicaSourceDBInstanceIdentifier", "dBClusterIdentifier"]
        .iter()
        .any(|key| named.what == "database" && text_at(answer, &[key]).is_some());
    let skipped = flag_at(record.request(), &["skipFinalSnapshot"]) == Some(true);
    let backups = flag_at(record.request(), &["deleteAutomatedBackups"]) != Some(false);
    let (severity, how, why) = match (copy, skipped) {
        (true, _) => {
            (Severity::Low, "", "It was a replica or one member of a cluster: the data is elsewhere.")
        }
        (_, true) => (
            Severity::High,
            " without a last snapshot",
            "What was written since the latest snapshot is lost, and everything if there is none.",
        ),
        (_, false) => (Severity::Medium, "", "The database is gone; its last snapshot can be restored."),
    };
    let kept = text_at(record.request(), &["finalDBSnapshotIdentifier"]);
    cx.failing(&named.arn, format!("{} deleted {} {}{how}", caller_name(record), named.what, named.name))
        .aspect("deleted")
        .severity(severity)
        .because(why)
        .detail_if("Last snapshot", kept)
        .detail_if("Automated backups", (skipped && backups && !copy).then_some("deleted with it"))
        .step("Which snapshots are left of instances?", "rds describe-db-snapshots", &[region_option(record)])
        .step(
            "Which snapshots are left of clusters?",
            "rds describe-db-cluster-snapshots",
            &[region_option(record)],
        )
}

fn protection(record: &Record<'_>, cx: &Cx<'_>, named: &NamedDatabase<'_>) -> Option<Observation> {
    let who = caller_name(record);
    let (what, name) = (named.what, named.name);
    Some(match flag_at(record.request(), &["deletionProtection"])? {
        true => cx
            .passing(&named.arn, format!("{who} switched on deletion protection of {what} {name}"))
            .aspect(PROTECTION),
        false => cx
            .failing(&named.arn, format!("{who} switched off deletion protection of {what} {name}"))
            .aspect(PROTECTION)
            .because("One call can now delete it.")
            .step(
                "Switch it on again",
                &format!("rds modify-{}", named.command),
                &[region_option(record), (named.option, name), ("--deletion-protection", "")],
            ),
    })
}

fn password(record: &Record<'_>, cx: &Cx<'_>, named: &NamedDatabase<'_>) -> Option<Observation> {
    let (who, what, name) = (caller_name(record), named.what, named.name);
    if flag_at(record.request(), &["manageMasterUserPassword"]) == Some(true) {
        let title = format!("{who} lets Secrets Manager choose the master password of {what} {name}");
        return Some(cx.passing(&named.arn, title).aspect(PASSWORD));
    }
    // The value is masked; that it is there is what counts.
    text_at(record.request(), &["masterUserPassword"])?;
    let seen = cx
        .failing(&named.arn, format!("{who} set the master password of {what} {name}"))
        .aspect(PASSWORD)
        .because("Whoever set it can read and change everything in the database.")
        .step(
            "From where can the database be reached? (PubliclyAccessible, VpcSecurityGroups)",
            &format!("rds describe-{}s", named.command),
            &[region_option(record), (named.option, name)],
        )
        .step(
            "Let Secrets Manager choose another password",
            &format!("rds modify-{}", named.command),
            &[
                region_option(record),
                (named.option, name),
                ("--manage-master-user-password", ""),
                ("--apply-immediately", ""),
            ],
        );
    Some(seen)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    /// What is failing: a deletion also settles what was wrong before it.
    fn deleted(severity: Severity, event: &str) -> Observation {
        let mut seen = observe(&Database, event);
        seen.retain(|seen| seen.verdict == Verdict::Failing);
        assert_eq!(seen.iter().map(|seen| seen.severity).collect::<Vec<_>>(), [severity], "{event}");
        seen.remove(0)
    }

    fn rds(name: &str, request: Value) -> String {
        call("rds", name, json!({"requestParameters": request}))
    }

    #[test]
    fn deleting() {
        let gone = json!({"dBInstanceIdentifier": "shop", "skipFinalSnapshot": true, "deleteAutomatedBackups": true});
        let seen = deleted(Severity::High, &rds("DeleteDBInstance", gone));
        assert_eq!(seen.title, "alice deleted database shop without a last snapshot");
        assert_eq!(seen.details, [("Automated backups".to_owned(), "deleted with it".to_owned())]);
        let kept = json!({"dBInstanceIdentifier": "shop", "finalDBSnapshotIdentifier": "last"});
        deleted(Severity::Medium, &rds("DeleteDBInstance", kept));
        let cluster = json!({"dBClusterIdentifier": "shop", "skipFinalSnapshot": "true"});
        deleted(Severity::High, &rds("DeleteDBCluster", cluster));
        let global = json!({"globalClusterIdentifier": "shop"});
        deleted(Severity::Medium, &rds("DeleteGlobalCluster", global));
        let member = json!({"requestParameters": {"dBInstanceIdentifier": "shop-2", "skipFinalSnapshot": true},
            "responseElements": {"dBClusterIdentifier": "shop"}});
        deleted(Severity::Low, &call("rds", "DeleteDBInstance", member));
    }

    #[test]
    fn restoring_it_resolves_the_deletion() {
        let instance = json!({"dBInstanceIdentifier": "shop", "skipFinalSnapshot": true});
        let instance = deleted(Severity::High, &rds("DeleteDBInstance", instance)).finding_id();
        let cluster = json!({"dBClusterIdentifier": "shop", "skipFinalSnapshot": true});
        let cluster = deleted(Severity::High, &rds("DeleteDBCluster", cluster)).finding_id();
        for (name, request, gone) in [
            ("RestoreDBInstanceFromDBSnapshot", json!({"dBInstanceIdentifier": "shop"}), &instance),
            (
                "RestoreDBInstanceToPointInTime",
                json!({"sourceDbiResourceId": "db-1", "targetDBInstanceIdentifier": "shop"}),
                &instance,
            ),
            ("RestoreDBClusterFromSnapshot", json!({"dBClusterIdentifier": "shop"}), &cluster),
            ("RestoreDBClusterToPointInTime", json!({"dBClusterIdentifier": "shop"}), &cluster),
        ] {
            let seen = observe(&Database, &rds(name, request));
            assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing), "{name}");
            assert_eq!(&seen[0].finding_id(), gone, "{name}");
        }
    }

    #[test]
    fn what_is_deleted_is_neither_unprotected_nor_open_by_a_password() {
        let modify = |key: &str, value: Value| {
            rds("ModifyDBInstance", json!({"dBInstanceIdentifier": "shop", key: value}))
        };
        let off = fired(&Database, &modify("deletionProtection", json!(false))).finding_id();
        let set = fired(&Database, &modify("masterUserPassword", json!("****"))).finding_id();
        let gone =
            rds("DeleteDBInstance", json!({"dBInstanceIdentifier": "shop", "skipFinalSnapshot": true}));
        let mut settled = observe(&Database, &gone);
        settled.retain(|seen| seen.verdict == Verdict::Passing);
        assert_eq!(settled.iter().map(Observation::finding_id).collect::<Vec<_>>(), [off, set.clone()]);
        let managed = observe(&Database, &modify("manageMasterUserPassword", json!(true)));
        assert_eq!((managed.len(), managed[0].verdict), (1, Verdict::Passing));
        assert_eq!(managed[0].finding_id(), set);
    }

    #[test]
    fn protection_and_password() {
        let off =
            rds("ModifyDBInstance", json!({"dBInstanceIdentifier": "shop", "deletionProtection": false}));
        let seen = fires_at(&Database, Severity::Medium, &off);
        assert_eq!(seen.title, "alice switched off deletion protection of database shop");
        let on = observe(
            &Database,
            &rds(
                "ModifyDBInstance",
                json!({"dBInstanceIdentifier": "shop",
            "deletionProtection": "true"}),
            ),
        );
        assert_eq!((on.len(), on[0].verdict), (1, Verdict::Passing));
        assert_eq!(on[0].finding_id(), seen.finding_id());
        let both =
            json!({"dBClusterIdentifier": "shop", "deletionProtection": false, "masterUserPassword": "****"});
        assert_eq!(observe(&Database, &rds("ModifyDBCluster", both)).len(), 2);
        let password = json!({"dBInstanceIdentifier": "shop", "masterUserPassword": "****"});
        let seen = fires_at(&Database, Severity::Medium, &rds("ModifyDBInstance", password));
        assert_eq!(seen.title, "alice set the master password of database shop");
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &Database,
            &[
                rds("ModifyDBInstance", json!({"dBInstanceIdentifier": "shop", "allocatedStorage": 30})),
                rds("ModifyDBInstance", json!({"dBInstanceIdentifier": "shop", "deletionProtection": null})),
                rds("DeleteDBInstance", json!(null)),
                rds("DeleteDBInstance", json!({"dBInstanceIdentifier": {}})),
                rds(
                    "CreateDBInstance",
                    json!({"dBInstanceIdentifier": "shop", "masterUserPassword": "****"}),
                ),
                call(
                    "rds",
                    "DeleteDBInstance",
                    json!({"errorCode": "InvalidParameterCombination",
                    "requestParameters": {"dBInstanceIdentifier": "shop", "skipFinalSnapshot": true}}),
                ),
            ],
        );
    }
}
