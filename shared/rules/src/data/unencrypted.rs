use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An EBS volume, an RDS database, an Aurora or Redshift cluster or an EFS file system was created without encryption. What AWS
    /// answers decides, because defaults of the account may encrypt what the caller did not ask for. Deleting it resolves
    /// the finding.
    /// ## Why it matters
    /// It cannot be encrypted later, except for Redshift; only a copy can. Snapshots of an unencrypted volume or database can be made
    /// public, those of an encrypted one cannot.
    /// ## What to do
    /// While it is still empty, delete it and create it again with encryption. For volumes, switch on encryption by
    /// default in the region.
    /// ## False positives
    /// Scratch volumes and test databases. Members of a cluster are told with their cluster.
    Unencrypted {
        id: "data-unencrypted-store-created",
        title: "A volume, database or file system was created without encryption",
        severity: Low,
        confidence: High,
        catalogue: ["DATA-12"],
        references: [
            cis("3.0", &["2.3.1", "2.4.1"]),
            cis("5.0", &["2.2.1", "2.3.1"]),
            security_hub(&["EC2.3", "RDS.3", "EFS.1"]),
        ],
        on: [
            On::Call("ec2.amazonaws.com", &["CreateVolume", "DeleteVolume"]),
            On::Call("rds.amazonaws.com", &[
                "CreateDBInstance", "DeleteDBInstance", "CreateDBCluster", "DeleteDBCluster",
            ]),
            On::Call("redshift.amazonaws.com", &["CreateCluster", "DeleteCluster"]),
            On::Call("elasticfilesystem.amazonaws.com", &["CreateFileSystem", "DeleteFileSystem"]),
        ],
    }
}

/// What was created or deleted, and how to look at it.
struct Store<'r> {
    arn: String,
    what: &'static str,
    name: &'r str,
    flag: &'static str,
    look: (&'static str, &'static str),
    severity: Severity,
}

impl Rule for Unencrypted {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(store) = store(record) else { return Ok(()) };
        let (who, what, name) = (caller_name(record), store.what, store.name);
        if record.event_name.or_empty().starts_with("Delete") {
            cx.report(cx.passing(&store.arn, format!("{who} deleted {what} {name}")));
            return Ok(());
        }
        let member = what == "database" && text_at(record.response(), &["dBClusterIdentifier"]).is_some();
        if flag_at(record.response(), &[store.flag]) != Some(false) || member {
            return Ok(());
        }
        let seen = cx
            .failing(&store.arn, format!("{who} created {what} {name} without encryption"))
            .severity(store.severity)
            .because(
                "Its snapshots are not encrypted either. Only a Redshift cluster can be encrypted later.",
            )
            .step("See what it is", store.look.0, &[region_option(record), (store.look.1, name)]);
        let seen = if what == "volume" {
            seen.step(
                "Encrypt new volumes by default",
                "ec2 enable-ebs-encryption-by-default",
                &[region_option(record)],
            )
        } else {
            seen
        };
        cx.report(cx.tempered(seen));
        Ok(())
    }
}

fn store<'r>(record: &'r Record<'_>) -> Option<Store<'r>> {
    let named = |key| text_at(record.request(), &[key]).or_else(|| text_at(record.response(), &[key]));
    Some(match record.event_name.or_empty() {
        name if name.ends_with("Volume") => {
            let name = named("volumeId")?;
            let arn = record.arn("ec2", &format!("volume/{name}"));
            let look = ("ec2 describe-volumes", "--volume-ids");
            Store { arn, what: "volume", name, flag: "encrypted", look, severity: Severity::Low }
        }
        name if name.ends_with("FileSystem") => {
            let name = named("fileSystemId")?;
            let arn = record.arn("elasticfilesystem", &format!("file-system/{name}"));
            let look = ("efs describe-file-systems", "--file-system-id");
            Store { arn, what: "file system", name, flag: "encrypted", look, severity: Severity::Low }
        }
        name if name.ends_with("DBCluster") => {
            let name = named("dBClusterIdentifier")?;
            let arn = record.arn("rds", &format!("cluster:{name}"));
            let look = ("rds describe-db-clusters", "--db-cluster-identifier");
            Store {
                arn,
                what: "database cluster",
                name,
                flag: "storageEncrypted",
                look,
                severity: Severity::Medium,
            }
        }
        "CreateCluster" | "DeleteCluster" => {
            let name = named("clusterIdentifier")?;
            let arn = record.arn("redshift", &format!("cluster:{name}"));
            let look = ("redshift describe-clusters", "--cluster-identifier");
            Store { arn, what: "Redshift cluster", name, flag: "encrypted", look, severity: Severity::Medium }
        }
        _ => {
            let name = named("dBInstanceIdentifier")?;
            let arn = record.arn("rds", &format!("db:{name}"));
            let look = ("rds describe-db-instances", "--db-instance-identifier");
            Store { arn, what: "database", name, flag: "storageEncrypted", look, severity: Severity::Medium }
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn made(source: &str, name: &str, request: Value, response: Value) -> String {
        call(source, name, json!({"requestParameters": request, "responseElements": response}))
    }

    #[test]
    fn fires_and_resolves() {
        let volume = json!({"volumeId": "vol-1", "encrypted": false});
        let volume = fires_at(
            &Unencrypted,
            Severity::Low,
            &made("ec2", "CreateVolume", json!({"size": "10"}), volume),
        );
        assert_eq!(volume.title, "alice created volume vol-1 without encryption");
        let gone =
            observe(&Unencrypted, &made("ec2", "DeleteVolume", json!({"volumeId": "vol-1"}), json!(null)));
        assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
        assert_eq!(gone[0].finding_id(), volume.finding_id());
        let database = json!({"dBInstanceIdentifier": "shop"});
        let plain = json!({"dBInstanceIdentifier": "shop", "storageEncrypted": "false"});
        fires_at(&Unencrypted, Severity::Medium, &made("rds", "CreateDBInstance", database, plain));
        let cluster = json!({"dBClusterIdentifier": "shop", "storageEncrypted": false});
        fires_at(&Unencrypted, Severity::Medium, &made("rds", "CreateDBCluster", json!(null), cluster));
        // As in the Redshift guide: the master password is masked, the answer is flat.
        let warehouse =
            json!({"clusterIdentifier": "my-dw-instance", "nodeType": "dc1.large", "encrypted": false});
        let created = made("redshift", "CreateCluster", warehouse.clone(), warehouse);
        let open = fires_at(&Unencrypted, Severity::Medium, &created);
        let request = json!({"clusterIdentifier": "my-dw-instance", "skipFinalClusterSnapshot": true});
        let gone = observe(&Unencrypted, &made("redshift", "DeleteCluster", request, json!(null)));
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, open.finding_id()));
        let files = json!({"fileSystemId": "fs-1", "encrypted": false});
        fires_at(
            &Unencrypted,
            Severity::Low,
            &made("elasticfilesystem", "CreateFileSystem", json!(null), files),
        );
    }

    #[test]
    fn stays_quiet() {
        let member = json!({"dBInstanceIdentifier": "shop-1", "dBClusterIdentifier": "shop", "storageEncrypted": false});
        quiet(
            &Unencrypted,
            &[
                made(
                    "ec2",
                    "CreateVolume",
                    json!({"encrypted": false}),
                    json!({"volumeId": "vol-1", "encrypted": true}),
                ),
                made("ec2", "CreateVolume", json!({"size": "1"}), json!({"volumeId": "vol-1"})),
                made("rds", "CreateDBInstance", json!({"dBInstanceIdentifier": "shop-1"}), member),
                made("rds", "CreateDBInstance", json!(null), json!(null)),
                made("ecs", "CreateCluster", json!({"clusterName": "c"}), json!({"encrypted": false})),
                call(
                    "ec2",
                    "CreateVolume",
                    json!({"errorCode": "Client.UnauthorizedOperation",
                    "responseElements": {"volumeId": "vol-1", "encrypted": false}}),
                ),
            ],
        );
    }
}
