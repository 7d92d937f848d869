use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A database instance of RDS, a Multi-AZ cluster or a data warehouse of Redshift was made publicly accessible:
    /// created, restored, copied or modified with a public address. So was a Kafka cluster or a message broker (medium). A modification that takes it away, or the end of the database, settles
    /// the finding.
    /// ## Why it matters
    /// The database then answers at a public address, and only a security group stands between its password
    /// and everybody who guesses. Copies made this way are also how a database is carried off.
    /// ## What to do
    /// Take the public address away; clients in the VPC keep working. Look at the security groups: what they
    /// let in from the internet has been able to try passwords since.
    /// ## False positives
    /// Small set-ups that reach the database from an office. Then let the security group name that office's
    /// address alone. Whether a security group lets anybody in, the event does not say.
    DatabasePublic {
        id: "exposure-database-public",
        title: "A database was made publicly accessible",
        severity: High,
        confidence: High,
        catalogue: ["PUB-07"],
        references: [
            cis("3.0", &["2.3.3"]),
            cis("5.0", &["2.2.3"]),
            security_hub(&["RDS.2"]),
            attack(&["T1133", "T1578"]),
            doc(&["RDS user guide: hiding a DB instance in a VPC from the internet"]),
        ],
        on: [
            On::Call("rds.amazonaws.com", &[
                "CreateDBInstance", "CreateDBInstanceReadReplica", "ModifyDBInstance",
                "RestoreDBInstanceFromDBSnapshot",
                "RestoreDBInstanceFromS3", "RestoreDBInstanceToPointInTime", "DeleteDBInstance",
                "CreateDBCluster", "RestoreDBClusterFromSnapshot", "RestoreDBClusterToPointInTime", "DeleteDBCluster",
            ]),
            On::Call("redshift.amazonaws.com", &[
                "CreateCluster", "ModifyCluster", "RestoreFromClusterSnapshot", "DeleteCluster",
            ]),
            On::Call("redshift-serverless.amazonaws.com", &["CreateWorkgroup", "UpdateWorkgroup", "DeleteWorkgroup"]),
            On::Call("kafka.amazonaws.com", &["UpdateConnectivity", "DeleteCluster"]),
            On::Call("mq.amazonaws.com", &["CreateBroker", "DeleteBroker"]),
        ],
    }
}

impl Rule for DatabasePublic {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if record.event_source.or_empty() != "rds.amazonaws.com" {
            other(record, cx);
            return Ok(());
        }
        let (who, event) = (caller_name(record), record.event_name.or_empty());
        // Of clusters only those that are not Aurora's have a public address of their own.
        let (parameter, kind, object) = match event.contains("DBCluster") {
            true => ("dBClusterIdentifier", "cluster", "dBCluster"),
            false => ("dBInstanceIdentifier", "db", "dBInstance"),
        };
        // A restore to a point in time names the new instance as its target.
        let name = text_at(record.request(), &["targetDBInstanceIdentifier"])
            .or_else(|| text_at(record.request(), &[parameter]));
        let Some(name) = name else { return Ok(()) };
        let arn = record.arn("rds", &format!("{kind}:{}", name.to_ascii_lowercase()));
        if event.starts_with("Delete") {
            cx.report(cx.passing(arn, format!("{who} deleted database {name}")));
            return Ok(());
        }
        // Without the parameter a new instance follows its subnets, and only the answer says how. The answer
        // to a modification shows what was there before.
        let answer = value_at(record.response(), &[object]).unwrap_or(record.response());
        let answered = flag_at(answer, &["publiclyAccessible"]).filter(|_| event != "ModifyDBInstance");
        match record.param_flag(&["publiclyAccessible"]).or(answered) {
            Some(true) => {}
            Some(false) if event == "ModifyDBInstance" => {
                let title = format!("{who} took the public address of database {name} away");
                cx.report(cx.passing(arn, title));
                return Ok(());
            }
            _ => return Ok(()),
        }
        let how = match event {
            "ModifyDBInstance" => "made database",
            "CreateDBInstance" | "CreateDBCluster" => "created database",
            "CreateDBInstanceReadReplica" => "made read replica",
            _ => "restored database",
        };
        let link = if event == "ModifyDBInstance" { "public" } else { "with a public address" };
        let seen = cx
            .failing(arn, format!("{who} {how} {name} {link}"))
            .because("The database has a public address; only its security groups keep the internet out.")
            .detail_if(
                "Engine",
                text_at(record.request(), &["engine"]).or_else(|| text_at(answer, &["engine"])),
            );
        let seen = steps(seen, record, kind, name);
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

/// Warehouses and brokers, which have a public address by one setting as well.
fn other(record: &Record<'_>, cx: &mut Cx<'_>) {
    let (who, event, request) = (caller_name(record), record.event_name.or_empty(), record.request());
    let service = record.event_source.or_empty().trim_end_matches(".amazonaws.com");
    let (noun, kind, id, (purpose, undo, option)) = match service {
        "redshift" => (
            "data warehouse",
            "cluster:",
            text_at(request, &["clusterIdentifier"]),
            (
                "Take the public address away",
                "redshift modify-cluster --no-publicly-accessible",
                "--cluster-identifier",
            ),
        ),
        "redshift-serverless" => (
            "data warehouse",
            "workgroup/",
            text_at(request, &["workgroupName"]),
            (
                "Take the public address away",
                "redshift-serverless update-workgroup --no-publicly-accessible",
                "--workgroup-name",
            ),
        ),
        "kafka" => (
            "Kafka cluster",
            "cluster/",
            text_at(request, &["clusterArn"]),
            ("What is set now?", "kafka describe-cluster-v2", "--cluster-arn"),
        ),
        _ => (
            "message broker",
            "broker:",
            record
                .response_text(&["brokerId"])
                .or(text_at(request, &["brokerId"]))
                .or(text_at(request, &["brokerName"])),
            (
                "A broker keeps its public address: which networks reach it?",
                "mq describe-broker",
                "--broker-id",
            ),
        ),
    };
    let Some(id) = id else { return };
    let name = id.rsplit_once("cluster/").map_or(id, |(_, name)| name);
    let name = name.split('/').next().unwrap_or(name);
    let arn =
        if id.starts_with("arn:") { id.to_owned() } else { record.arn(service, &format!("{kind}{name}")) };
    if event.starts_with("Delete") {
        cx.report(cx.passing(arn, format!("{who} deleted {noun} {name}")));
        return;
    }
    let access = text_at(request, &["connectivityInfo", "publicAccess", "type"]);
    let public = flag_at(request, &["publiclyAccessible"]).or(access.map(|access| access != "DISABLED"));
    match public {
        Some(true) => {}
        Some(false) if !event.starts_with("Create") => {
            let title = format!("{who} took the public address of {noun} {name} away");
            cx.report(cx.passing(arn, title));
            return;
        }
        _ => return,
    }
    let (did, link) = match event {
        _ if event.starts_with("Create") => ("created", "with a public address"),
        _ if event.starts_with("Restore") => ("restored", "with a public address"),
        _ => ("made", "public"),
    };
    // Brokers ask for a password or a certificate of their own.
    let severity = if matches!(service, "kafka" | "mq") { Severity::Medium } else { Severity::High };
    let seen = cx
        .failing(arn, format!("{who} {did} {noun} {name} {link}"))
        .severity(severity)
        .because("It has a public address; only its security groups keep the internet out.")
        .step(purpose, undo, &[region_option(record), (option, id)]);
    cx.report(cx.tempered(stop_caller(seen, record)));
}

fn steps(seen: Observation, record: &Record<'_>, kind: &str, name: &str) -> Observation {
    let (look, option, purpose, close) = match kind {
        // A cluster keeps its public address for life.
        "cluster" => (
            "rds describe-db-clusters",
            "--db-cluster-identifier",
            "Give it a security group that lets nobody in from outside",
            "rds modify-db-cluster --vpc-security-group-ids GROUP_ID --apply-immediately",
        ),
        _ => (
            "rds describe-db-instances",
            "--db-instance-identifier",
            "Take the public address away",
            "rds modify-db-instance --no-publicly-accessible --apply-immediately",
        ),
    };
    let options = [region_option(record), (option, name)];
    seen.step("Which security groups guard it, and at which address?", look, &options)
        .step(purpose, close, &options)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn rds(name: &str, public: Value) -> String {
        let request =
            json!({"dBInstanceIdentifier": "Orders", "publiclyAccessible": public, "engine": "mysql"});
        call("rds", name, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let made = fires_at(&DatabasePublic, Severity::High, &rds("ModifyDBInstance", json!(true)));
        assert_eq!(made.title, "alice made database Orders public");
        assert_eq!(made.subject.resource, "arn:aws:rds:us-east-1:111122223333:db:orders");
        let new = fires_at(&DatabasePublic, Severity::High, &rds("CreateDBInstance", json!("true")));
        assert_eq!(new.title, "alice created database Orders with a public address");
        let target = json!({"targetDBInstanceIdentifier": "copy", "sourceDBInstanceIdentifier": "orders", "publiclyAccessible": true});
        let copy = call("rds", "RestoreDBInstanceToPointInTime", json!({"requestParameters": target}));
        assert_eq!(fired(&DatabasePublic, &copy).title, "alice restored database copy with a public address");
        for answer in
            [json!({"publiclyAccessible": true}), json!({"dBInstance": {"publiclyAccessible": true}})]
        {
            let default =
                json!({"requestParameters": {"dBInstanceIdentifier": "orders"}, "responseElements": answer});
            fires_at(&DatabasePublic, Severity::High, &call("rds", "CreateDBInstance", default));
        }
    }

    #[test]
    fn taking_it_away_settles_it() {
        let open = fired(&DatabasePublic, &rds("CreateDBInstance", json!(true)));
        for event in [rds("ModifyDBInstance", json!(false)), rds("DeleteDBInstance", json!(null))] {
            let gone = observe(&DatabasePublic, &event);
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), open.finding_id());
        }
    }

    #[test]
    fn clusters_come_and_go_too() {
        let cluster = |name: &str, public: Value| {
            let request =
                json!({"dBClusterIdentifier": "Orders", "publiclyAccessible": public, "engine": "mysql"});
            call("rds", name, json!({"requestParameters": request}))
        };
        for name in ["CreateDBCluster", "RestoreDBClusterFromSnapshot", "RestoreDBClusterToPointInTime"] {
            let made = fires_at(&DatabasePublic, Severity::High, &cluster(name, json!(true)));
            assert_eq!(made.subject.resource, "arn:aws:rds:us-east-1:111122223333:cluster:orders");
            let gone = observe(&DatabasePublic, &cluster("DeleteDBCluster", json!(null)));
            assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, made.finding_id()));
        }
        quiet(&DatabasePublic, &[cluster("CreateDBCluster", json!(null))]);
    }

    #[test]
    fn stays_quiet() {
        let before = json!({"requestParameters": {"dBInstanceIdentifier": "orders", "allocatedStorage": 30},
            "responseElements": {"publiclyAccessible": true}});
        quiet(
            &DatabasePublic,
            &[
                rds("CreateDBInstance", json!(null)),
                rds("CreateDBInstance", json!("yes")),
                rds("CreateDBInstance", json!(false)),
                call("rds", "ModifyDBInstance", before),
                call(
                    "rds",
                    "CreateDBInstance",
                    json!({"errorCode": "AccessDenied", "requestParameters":
                    {"dBInstanceIdentifier": "orders", "publiclyAccessible": true}}),
                ),
                call("rds", "ModifyDBInstance", json!({"requestParameters": null})),
            ],
        );
    }

    #[test]
    fn warehouses_and_brokers_are_public_by_one_setting_too() {
        let warehouse = |name: &str, public: bool| {
            asked("redshift", name, json!({"clusterIdentifier": "sales", "publiclyAccessible": public}))
        };
        let title = "alice made data warehouse sales public";
        let open = warehouse("ModifyCluster", true);
        for close in [
            warehouse("ModifyCluster", false),
            asked("redshift", "DeleteCluster", json!({"clusterIdentifier": "sales"})),
        ] {
            opens_and_closes(&DatabasePublic, Severity::High, (&open, title), &close);
        }
        let restored = fired(&DatabasePublic, &warehouse("RestoreFromClusterSnapshot", true));
        assert_eq!(restored.title, "alice restored data warehouse sales with a public address");
        let group = json!({"workgroupName": "w", "publiclyAccessible": "true"});
        fires_at(&DatabasePublic, Severity::High, &asked("redshift-serverless", "CreateWorkgroup", group));
        let arn = "arn:aws:kafka:us-east-1:111122223333:cluster/orders/abc-1";
        let kafka = |access: &str| {
            let info = json!({"publicAccess": {"type": access}});
            asked("kafka", "UpdateConnectivity", json!({"clusterArn": arn, "connectivityInfo": info}))
        };
        let title = "alice made Kafka cluster orders public";
        opens_and_closes(
            &DatabasePublic,
            Severity::Medium,
            (&kafka("SERVICE_PROVIDED_EIPS"), title),
            &kafka("DISABLED"),
        );
        let broker = json!({"requestParameters": {"brokerName": "mail", "publiclyAccessible": true},
            "responseElements": {"brokerId": "b-1"}});
        let gone = asked("mq", "DeleteBroker", json!({"brokerId": "b-1"}));
        let title = "alice created message broker b-1 with a public address";
        opens_and_closes(
            &DatabasePublic,
            Severity::Medium,
            (&call("mq", "CreateBroker", broker), title),
            &gone,
        );
        quiet(
            &DatabasePublic,
            &[
                warehouse("CreateCluster", false),
                asked(
                    "redshift",
                    "ModifyCluster",
                    json!({"clusterIdentifier": "sales", "nodeType": "ra3.4xlarge"}),
                ),
                asked("kafka", "UpdateConnectivity", json!({"clusterArn": arn})),
                asked("mq", "CreateBroker", json!({"brokerName": "mail"})),
                asked("mq", "DeleteBroker", json!(null)),
            ],
        );
    }
}
