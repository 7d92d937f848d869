use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A bucket, a DynamoDB table, a file system of EFS or FSx, a search domain or an event bus was deleted, or a
    /// secret without the time in which it could be brought back.
    /// ## Why it matters
    /// A table or file system takes its data with it. A bucket must be empty first; its name can then be taken by
    /// anybody, who receives what your software still sends there. Events that are sent to a bus that is gone are lost,
    /// and its rules went before it.
    /// ## What to do
    /// If nobody meant it, restore from a backup, and make the bucket again under its name.
    /// ## False positives
    /// Tidying up, and test environments that come and go with their buses and tables. Many deletions by one caller within minutes are a finding of `data-mass-deletion`, which is mailed.
    StoreDeleted {
        id: "data-store-deleted",
        title: "A store of data was deleted",
        severity: Low,
        confidence: High,
        catalogue: ["DATA-11"],
        references: [attack(&["T1485"])],
        on: [
            On::Call("s3.amazonaws.com", &["DeleteBucket"]),
            On::Call("dynamodb.amazonaws.com", &["DeleteTable"]),
            On::Call("elasticfilesystem.amazonaws.com", &["DeleteFileSystem"]),
            On::Call("fsx.amazonaws.com", &["DeleteFileSystem"]),
            On::Call("es.amazonaws.com", &["DeleteDomain", "DeleteElasticsearchDomain"]),
            On::Call("secretsmanager.amazonaws.com", &["DeleteSecret"]),
            On::Call("events.amazonaws.com", &["DeleteEventBus"]),
        ],
    }
}

impl Rule for StoreDeleted {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let request = record.request();
        let place = region_option(record);
        let reports = match record.event_name.or_empty() {
            "DeleteBucket" => {
                text_at(request, &["bucketName"]).map(|name| (bucket_arn(record, name), "bucket", name))
            }
            "DeleteTable" => text_at(request, &["tableName"]).map(|name| {
                let short = name.rsplit('/').next().unwrap_or(name);
                (record.arn("dynamodb", &format!("table/{short}")), "table", short)
            }),
            "DeleteDomain" | "DeleteElasticsearchDomain" => text_at(request, &["domainName"])
                .map(|name| (record.arn("es", &format!("domain/{name}")), "search domain", name)),
            // Otherwise it can be brought back for a week or more.
            "DeleteSecret" if flag_at(request, &["forceDeleteWithoutRecovery"]) != Some(true) => None,
            "DeleteSecret" => text_at(request, &["secretId"]).map(|id| {
                let name = id.split_once(":secret:").map_or(id, |(_, name)| name);
                (record.arn("secretsmanager", &format!("secret:{name}")), "secret", name)
            }),
            "DeleteEventBus" => text_at(request, &["name"]).map(|name| {
                let short = name.rsplit_once("event-bus/").map_or(name, |(_, short)| short);
                (record.arn("events", &format!("event-bus/{short}")), "event bus", short)
            }),
            _ => text_at(request, &["fileSystemId"]).map(|id| {
                let service = record.event_source.or_empty().trim_end_matches(".amazonaws.com");
                (record.arn(service, &format!("file-system/{id}")), "file system", id)
            }),
        };
        let Some((arn, kind, name)) = reports else { return Ok(()) };
        let seen = cx.failing(&arn, format!("{} deleted {kind} {name}", caller_name(record)));
        let seen = match kind {
            "bucket" => seen
                .because("The bucket was empty by then. Its name is free for anybody to take.")
                .step("Has somebody taken the name already?", "s3api head-bucket", &[("--bucket", name)]),
            "table" => seen.because("The table's items are gone with it.").step(
                "Is there a backup to restore from?",
                "dynamodb list-backups",
                &[place, ("--table-name", name)],
            ),
            "search domain" => seen
                .because("What was indexed in it is gone with it, and so are its automated snapshots.")
                .step("Which are left?", "opensearch list-domain-names", &[place]),
            "secret" => seen
                .because("It was deleted at once, without the week in which it could be brought back.")
                .step("Which are left?", "secretsmanager list-secrets", &[place]),
            "event bus" => seen
                .because("Whatever was sent to the bus, from this account or others, is lost from now on.")
                .step("Which are left?", "events list-event-buses", &[place]),
            _ => seen.because("The file system's files are gone with it.").step(
                "Is there a backup to restore from?",
                "backup list-recovery-points-by-resource",
                &[place, ("--resource-arn", &arn)],
            ),
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

    #[test]
    fn fires() {
        let bucket = call("s3", "DeleteBucket", json!({"requestParameters": {"bucketName": "photos"}}));
        assert_eq!(fires_at(&StoreDeleted, Severity::Low, &bucket).title, "alice deleted bucket photos");
        let arn = "arn:aws:dynamodb:us-east-1:111122223333:table/Music";
        for name in ["Music", arn] {
            let table = call("dynamodb", "DeleteTable", json!({"requestParameters": {"tableName": name}}));
            assert_eq!(fires_at(&StoreDeleted, Severity::Low, &table).subject.resource, arn);
        }
        let files = json!({"requestParameters": {"fileSystemId": "fs-1"}});
        fires_at(&StoreDeleted, Severity::Low, &call("elasticfilesystem", "DeleteFileSystem", files));
        for name in ["audit", "arn:aws:events:us-east-1:111122223333:event-bus/audit"] {
            let bus = call("events", "DeleteEventBus", json!({"requestParameters": {"name": name}}));
            assert_eq!(fires_at(&StoreDeleted, Severity::Low, &bus).title, "alice deleted event bus audit");
        }
    }

    #[test]
    fn stays_quiet() {
        let failed = json!({"errorCode": "NoSuchBucket", "requestParameters": {"bucketName": "photos"}});
        quiet(
            &StoreDeleted,
            &[
                call("s3", "DeleteBucket", failed),
                call("s3", "DeleteBucket", json!({"requestParameters": null})),
                call("dynamodb", "DeleteTable", json!({"requestParameters": {"tableName": ["Music"]}})),
                call("glue", "DeleteTable", json!({"requestParameters": {"tableName": "Music"}})),
            ],
        );
    }

    #[test]
    fn secrets_search_domains_and_other_file_systems() {
        for (service, event, request, title) in [
            ("fsx", "DeleteFileSystem", json!({"fileSystemId": "fs-1"}), "alice deleted file system fs-1"),
            ("es", "DeleteDomain", json!({"domainName": "logs"}), "alice deleted search domain logs"),
            (
                "secretsmanager",
                "DeleteSecret",
                json!({"secretId": "prod/db", "forceDeleteWithoutRecovery": true}),
                "alice deleted secret prod/db",
            ),
        ] {
            assert_eq!(fires_at(&StoreDeleted, Severity::Low, &asked(service, event, request)).title, title);
        }
        quiet(
            &StoreDeleted,
            &[asked(
                "secretsmanager",
                "DeleteSecret",
                json!({"secretId": "prod/db", "recoveryWindowInDays": 7}),
            )],
        );
    }
}
