use super::shared::{Grantee, Shared, listed};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A snapshot of a volume (EBS) or of a database (RDS, Aurora, DocumentDB, Neptune) was shared: with
    /// everybody (critical) or with an account that is neither yours nor trusted (high). Each grantee is a
    /// finding of its own; taking the grantee off the list settles it. The end of a public snapshot settles
    /// its finding.
    /// ## Why it matters
    /// Whoever may restore a snapshot has all the data in it, passwords and keys on the disk included. It is
    /// the quietest way to carry data out: nothing is downloaded from your account.
    /// ## What to do
    /// Take the grantee off the list now. A copy that was made meanwhile stays with its maker and shows in no
    /// log of yours, so treat what was on the disk as known if you do not know the account.
    /// ## False positives
    /// Backup vaults and migration partners in other accounts: name them in the TrustedAccounts parameter.
    /// Snapshots shared by automation with an account are reported with a lower severity; public ones never
    /// are.
    SnapshotShared {
        id: "exposure-snapshot-shared",
        title: "A snapshot was shared outside the account",
        severity: High,
        confidence: High,
        catalogue: ["PUB-04", "PUB-06"],
        references: [
            security_hub(&["EC2.1", "RDS.1", "DocumentDB.3", "Neptune.3"]),
            attack(&["T1537"]),
            doc(&["EBS user guide: share a snapshot"]),
            doc(&["RDS user guide: sharing a DB snapshot"]),
        ],
        on: [
            On::Call("ec2.amazonaws.com", &[
                "ModifySnapshotAttribute", "ResetSnapshotAttribute", "DeleteSnapshot",
            ]),
            On::Call("rds.amazonaws.com", &[
                "ModifyDBSnapshotAttribute", "ModifyDBClusterSnapshotAttribute",
                "DeleteDBSnapshot", "DeleteDBClusterSnapshot",
            ]),
        ],
    }
}

impl Rule for SnapshotShared {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        match record.event_source.or_empty() {
            "ec2.amazonaws.com" => volume(record, cx),
            _ => database(record, cx),
        }
        Ok(())
    }
}

fn volume(record: &Record<'_>, cx: &mut Cx<'_>) {
    let Some(snapshot) = record.param(&["snapshotId"]) else { return };
    let list = |which: &str| listed(record.request(), &["createVolumePermission", which]);
    let lists = match record.event_name.or_empty() {
        "ResetSnapshotAttribute" | "DeleteSnapshot" => (Vec::new(), vec![Grantee::Everyone]),
        _ => (list("add"), list("remove")),
    };
    let shared = Shared {
        arn: &record.arn("ec2", &format!("snapshot/{snapshot}")),
        name: &format!("snapshot {snapshot}"),
        everyone: Severity::Critical,
        account: Severity::High,
        why: "Whoever may make a volume of the snapshot can read everything that was on the disk.",
    };
    shared.report(record, cx, lists, |seen, grantee| {
        let whom = match grantee {
            Grantee::Everyone => ("--group-names", "all"),
            other => ("--user-ids", other.key()),
        };
        seen.step(
            "Who has it now, and what is it a snapshot of?",
            "ec2 describe-snapshot-attribute --attribute createVolumePermission",
            &[region_option(record), ("--snapshot-id", snapshot)],
        )
        .step(
            "Take the grantee off the list",
            "ec2 modify-snapshot-attribute --attribute createVolumePermission --operation-type remove",
            &[region_option(record), ("--snapshot-id", snapshot), whom],
        )
    });
}

fn database(record: &Record<'_>, cx: &mut Cx<'_>) {
    let request = record.request();
    let cluster = record.event_name.or_empty().contains("Cluster");
    let (parameter, kind, cli) = match cluster {
        true => ("dBClusterSnapshotIdentifier", "cluster-snapshot", "db-cluster-snapshot"),
        false => ("dBSnapshotIdentifier", "snapshot", "db-snapshot"),
    };
    let restores = record.param(&["attributeName"]).is_none_or(|name| name.eq_ignore_ascii_case("restore"));
    let Some(written) = record.param(&[parameter]).filter(|_| restores) else { return };
    // RDS keeps names in small letters, however they are written.
    let snapshot = written.rsplit_once("snapshot:").map_or(written, |(_, name)| name).to_ascii_lowercase();
    let snapshot = snapshot.as_str();
    let list = |which: &str| texts_at(request, &[which]).into_iter().filter_map(Grantee::of_text).collect();
    let shared = Shared {
        arn: &record.arn("rds", &format!("{kind}:{snapshot}")),
        name: &format!("database snapshot {snapshot}"),
        everyone: Severity::Critical,
        account: Severity::High,
        why: "Whoever may restore the snapshot has the whole database.",
    };
    let lists = match record.event_name.or_empty().starts_with("Delete") {
        true => (Vec::new(), vec![Grantee::Everyone]),
        false => (list("valuesToAdd"), list("valuesToRemove")),
    };
    shared.report(record, cx, lists, |seen, grantee| {
        let id = format!("--{cli}-identifier");
        let options = [region_option(record), (&id, snapshot), ("--values-to-remove", grantee.key())];
        seen.step("Who has it now?", &format!("rds describe-{cli}-attributes"), &options[..2]).step(
            "Take the grantee off the list",
            &format!("rds modify-{cli}-attribute --attribute-name restore"),
            &options,
        )
    });
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn volume(which: &str, items: Value) -> String {
        let request = json!({"snapshotId": "snap-1", "attributeType": "CREATE_VOLUME_PERMISSION",
            "createVolumePermission": {which: {"items": items}}});
        call("ec2", "ModifySnapshotAttribute", json!({"requestParameters": request}))
    }

    fn database(kind: &str, changes: Value) -> String {
        let mut request = json!({"attributeName": "restore"});
        request[format!("d{}Identifier", &kind[1..])] = json!("orders");
        for (key, value) in changes.as_object().into_iter().flatten() {
            request[key] = value.clone();
        }
        call(
            "rds",
            &format!("Modify{}Attribute", kind.replacen("dB", "DB", 1)),
            json!({"requestParameters": request}),
        )
    }

    #[test]
    fn fires() {
        let public = fires_at(&SnapshotShared, Severity::Critical, &volume("add", json!([{"group": "all"}])));
        assert_eq!(public.title, "alice shared snapshot snap-1 with everybody with an AWS account");
        assert_eq!(public.subject.resource, "arn:aws:ec2:us-east-1:111122223333:snapshot/snap-1");
        let one =
            fires_at(&SnapshotShared, Severity::High, &volume("add", json!({"userId": "999988887777"})));
        assert_eq!(one.title, "alice shared snapshot snap-1 with outside account 999988887777");
        assert_ne!(one.finding_id(), public.finding_id());
        for kind in ["dBSnapshot", "dBClusterSnapshot"] {
            let public = database(kind, json!({"valuesToAdd": ["all"]}));
            fires_at(&SnapshotShared, Severity::Critical, &public);
            let one = fires_at(
                &SnapshotShared,
                Severity::High,
                &database(kind, json!({"valuesToAdd": "999988887777"})),
            );
            assert_eq!(one.title, "alice shared database snapshot orders with outside account 999988887777");
        }
        let both = volume(
            "add",
            json!([{"userId": "999988887777"}, {"userId": "444455556666"}, {"userId": "888877776666"}]),
        );
        assert_eq!(observe(&SnapshotShared, &both).len(), 2);
    }

    #[test]
    fn taking_the_grantee_off_settles_his_finding() {
        let public = fired(&SnapshotShared, &volume("add", json!([{"group": "all"}])));
        let reset =
            call("ec2", "ResetSnapshotAttribute", json!({"requestParameters": {"snapshotId": "snap-1"}}));
        let deleted = call("ec2", "DeleteSnapshot", json!({"requestParameters": {"snapshotId": "snap-1"}}));
        for event in [volume("remove", json!([{"group": "all"}])), reset, deleted] {
            let gone = observe(&SnapshotShared, &event);
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), public.finding_id());
        }
        let shared =
            fired(&SnapshotShared, &database("dBSnapshot", json!({"valuesToAdd": ["999988887777"]})));
        let remove = json!({"dBSnapshotIdentifier": "Orders", "valuesToRemove": ["999988887777"]});
        let gone = observe(&SnapshotShared, &database("dBSnapshot", remove));
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, shared.finding_id()));
        for (kind, name) in
            [("dBSnapshot", "DeleteDBSnapshot"), ("dBClusterSnapshot", "DeleteDBClusterSnapshot")]
        {
            let public = fired(&SnapshotShared, &database(kind, json!({"valuesToAdd": ["all"]})));
            let request = json!({format!("{kind}Identifier"): "orders"});
            let gone = observe(&SnapshotShared, &call("rds", name, json!({"requestParameters": request})));
            assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, public.finding_id()));
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &SnapshotShared,
            &[
                volume("add", json!([{"userId": "444455556666"}])),
                volume("add", json!([{"userId": "111122223333"}])),
                volume("add", json!([{"userId": 7}, null])),
                database("dBSnapshot", json!({"valuesToAdd": ["444455556666"]})),
                database("dBSnapshot", json!({"attributeName": "other", "valuesToAdd": ["all"]})),
                database("dBSnapshot", json!({"valuesToAdd": null})),
                call(
                    "ec2",
                    "ModifySnapshotAttribute",
                    json!({"errorCode": "Client.UnauthorizedOperation", "requestParameters":
                    {"snapshotId": "snap-1", "createVolumePermission": {"add": {"items": [{"group": "all"}]}}}}),
                ),
                call("rds", "ModifyDBSnapshotAttribute", json!({"requestParameters": null})),
            ],
        );
    }
}
