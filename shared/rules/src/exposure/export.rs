use super::shared::is_ours;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Data was exported to a bucket: a DynamoDB table or a log group (low), a snapshot of a database or a cache, a
    /// virtual machine or its image (medium). If the event names an owner of the bucket that is neither you nor
    /// trusted, it is high.
    /// ## Why it matters
    /// An export puts all of the data into files at one place, from where one copy takes it away.
    /// ## What to do
    /// See whose the bucket is and who exported. Delete the files if nobody needs them.
    /// ## False positives
    /// Analysts and archives export as a matter of routine; that is why most exports are in the weekly mail
    /// only. Whose the bucket is, only DynamoDB's event can say.
    Export {
        id: "exposure-data-exported",
        title: "Data was exported to a bucket",
        severity: Low,
        confidence: Medium,
        catalogue: ["PUB-13"],
        references: [
            attack(&["T1005", "T1537", "T1567"]),
            doc(&["RDS user guide: exporting DB snapshot data to Amazon S3"]),
        ],
        on: [
            On::Call("rds.amazonaws.com", &["StartExportTask"]),
            On::Call("dynamodb.amazonaws.com", &["ExportTableToPointInTime"]),
            On::Call("ec2.amazonaws.com", &[
                "CreateInstanceExportTask", "ExportImage", "CreateStoreImageTask",
            ]),
            On::Call("logs.amazonaws.com", &["CreateExportTask"]),
            On::Call("elasticache.amazonaws.com", &["CopySnapshot"]),
            On::Call("memorydb.amazonaws.com", &["CopySnapshot"]),
        ],
    }
}

impl Rule for Export {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        // EC2 wraps what newer calls ask for.
        let request = ec2_parameters(record);
        let event = record.event_name.or_empty();
        let (what, arn, severity) = match event {
            "StartExportTask" => {
                let Some(source) = text_at(request, &["sourceArn"]) else { return Ok(()) };
                (
                    format!("database {}", source.rsplit(':').next().unwrap_or(source)),
                    source.to_owned(),
                    Severity::Medium,
                )
            }
            "ExportTableToPointInTime" => {
                let Some(table) = text_at(request, &["tableArn"]) else { return Ok(()) };
                (
                    format!("table {}", table.rsplit('/').next().unwrap_or(table)),
                    table.to_owned(),
                    Severity::Low,
                )
            }
            // A copy of a cache's snapshot is an export where it names a bucket.
            "CopySnapshot" => {
                let Some(snapshot) = text_at(request, &["sourceSnapshotName"]) else { return Ok(()) };
                if text_at(request, &["targetBucket"]).is_none() {
                    return Ok(());
                }
                let service = record.event_source.or_empty().trim_end_matches(".amazonaws.com");
                (
                    format!("cache snapshot {snapshot}"),
                    record.arn(service, &format!("snapshot:{snapshot}")),
                    Severity::Medium,
                )
            }
            "CreateExportTask" => {
                let Some(group) = text_at(request, &["logGroupName"]) else { return Ok(()) };
                (
                    format!("log group {group}"),
                    record.arn("logs", &format!("log-group:{group}")),
                    Severity::Low,
                )
            }
            "CreateInstanceExportTask" => {
                let Some(instance) = text_at(request, &["instanceId"]) else { return Ok(()) };
                (
                    format!("machine {instance}"),
                    record.arn("ec2", &format!("instance/{instance}")),
                    Severity::Medium,
                )
            }
            _ => {
                let Some(image) = text_at(request, &["imageId"]) else { return Ok(()) };
                (
                    format!("machine image {image}"),
                    record.arn("ec2", &format!("image/{image}")),
                    Severity::Medium,
                )
            }
        };
        let nested = ["exportToS3", "exportToS3Task", "s3ExportLocation"]
            .iter()
            .find_map(|name| value_at(request, &[name]));
        let bucket = ["s3BucketName", "s3Bucket", "bucket", "destination", "targetBucket"]
            .iter()
            .find_map(|name| text_at(request, &[name]).or_else(|| text_at(nested?, &[name])));
        let owner = text_at(request, &["s3BucketOwner"]).filter(|owner| !is_ours(owner, record, cx));
        let (severity, whose) = match owner {
            Some(owner) => (Severity::High, format!(" of outside account {owner}")),
            None => (severity, String::new()),
        };
        let to = bucket
            .map_or_else(|| "a bucket that the event does not name".to_owned(), |to| format!("bucket {to}"));
        let seen = cx
            .failing(arn, format!("{} exported {what} to {to}{whose}", caller_name(record)))
            .severity(severity)
            .because("The export holds all of the data in files that can be copied at once.")
            .detail_if("Bucket", bucket)
            .detail_if("Bucket's owner", text_at(request, &["s3BucketOwner"]));
        let seen = match bucket {
            Some(bucket) => seen.step(
                "Is the bucket yours?",
                "s3api head-bucket",
                &[("--bucket", bucket), ("--expected-bucket-owner", record.account())],
            ),
            None => seen.step("Which buckets are yours?", "s3api list-buckets", &[]),
        };
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn export(service: &str, name: &str, request: Value) -> String {
        call(service, name, json!({"requestParameters": request}))
    }

    fn table(owner: Value) -> String {
        let arn = "arn:aws:dynamodb:us-east-1:111122223333:table/orders";
        export(
            "dynamodb",
            "ExportTableToPointInTime",
            json!({"tableArn": arn, "s3Bucket": "drop", "s3BucketOwner": owner}),
        )
    }

    #[test]
    fn fires() {
        let source = "arn:aws:rds:us-east-1:111122223333:snapshot:orders";
        let request = json!({"exportTaskIdentifier": "e", "sourceArn": source, "s3BucketName": "drop"});
        let seen = fires_at(&Export, Severity::Medium, &export("rds", "StartExportTask", request));
        assert_eq!(seen.title, "alice exported database orders to bucket drop");
        let seen = fires_at(&Export, Severity::High, &table(json!("999988887777")));
        assert_eq!(seen.title, "alice exported table orders to bucket drop of outside account 999988887777");
        for owner in [json!("444455556666"), json!("111122223333"), json!(null)] {
            fires_at(&Export, Severity::Low, &table(owner));
        }
        let logs = json!({"destination": "drop", "logGroupName": "app", "to": 1, "from": 0});
        fires_at(&Export, Severity::Low, &export("logs", "CreateExportTask", logs));
        for (name, request) in [
            ("CreateInstanceExportTask", json!({"instanceId": "i-1", "exportToS3": {"s3Bucket": "drop"}})),
            ("ExportImage", json!({"imageId": "ami-1", "s3ExportLocation": {"s3Bucket": "drop"}})),
            ("CreateStoreImageTask", json!({"imageId": "ami-1", "bucket": "drop"})),
        ] {
            let seen = fires_at(&Export, Severity::Medium, &export("ec2", name, request));
            assert!(seen.title.ends_with(" to bucket drop"), "{}", seen.title);
        }
        let wrapped =
            json!({"ExportImageRequest": {"ImageId": "ami-1", "S3ExportLocation": {"S3Bucket": "drop"}}});
        let seen = fires_at(&Export, Severity::Medium, &export("ec2", "ExportImage", wrapped));
        assert_eq!(seen.title, "alice exported machine image ami-1 to bucket drop");
        let bare =
            fires_at(&Export, Severity::Medium, &export("ec2", "ExportImage", json!({"imageId": "ami-1"})));
        assert_eq!(bare.title, "alice exported machine image ami-1 to a bucket that the event does not name");
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &Export,
            &[
                call(
                    "rds",
                    "StartExportTask",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"sourceArn": "x"}}),
                ),
                export("rds", "StartExportTask", json!(null)),
                export("ec2", "ExportImage", json!({"imageId": 7})),
            ],
        );
    }

    #[test]
    fn a_copy_of_a_caches_snapshot_into_a_bucket_is_an_export() {
        for service in ["elasticache", "memorydb"] {
            let copy = |bucket: Value| {
                let request =
                    json!({"sourceSnapshotName": "s", "targetSnapshotName": "t", "targetBucket": bucket});
                export(service, "CopySnapshot", request)
            };
            let seen = fires_at(&Export, Severity::Medium, &copy(json!("drop")));
            assert_eq!(seen.title, "alice exported cache snapshot s to bucket drop");
            quiet(&Export, &[copy(json!(null)), export(service, "CopySnapshot", json!(null))]);
        }
    }
}
