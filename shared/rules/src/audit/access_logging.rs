use super::common::holds_evidence;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Server access logging of an S3 bucket was switched off.
    /// ## Why it matters
    /// Unless the trail records data events of the bucket, the access log is the only record of who read an
    /// object.
    /// ## What to do
    /// Ask the caller; name a target bucket again.
    /// ## False positives
    /// A bucket whose access is recorded by CloudTrail data events instead, which is the better record. Hence
    /// low, except for buckets that by their name hold an audit trail.
    AccessLogging {
        id: "audit-s3-access-logging-off",
        title: "Access logging of a bucket was switched off",
        severity: Low,
        confidence: Medium,
        catalogue: ["DET-11"],
        references: [
            cis("3.0", &["3.4"]),
            cis("5.0", &["3.4"]),
            security_hub(&["S3.9", "CloudTrail.7"]),
            attack(&["T1562.008"]),
        ],
        on: [On::Call("s3.amazonaws.com", &["PutBucketLogging"])],
    }
}

impl Rule for AccessLogging {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(bucket) = record.param(&["bucketName"]) else { return Ok(()) };
        let (who, arn) = (caller_name(record), format!("arn:{}:s3:::{bucket}", record.partition()));
        // To switch it off is to send an empty status; CloudTrail then has "" or the XML's namespace there.
        if value_at(record.request(), &["BucketLoggingStatus", "LoggingEnabled"])
            .is_some_and(|on| !on.is_null())
        {
            cx.report(cx.passing(arn, format!("{who} switched on access logging of bucket {bucket}")));
            return Ok(());
        }
        let severity = if holds_evidence(bucket) { Severity::Medium } else { Severity::Low };
        let seen = cx
            .failing(arn, format!("{who} switched off access logging of bucket {bucket}"))
            .severity(severity)
            .because("Who reads the bucket's objects is no longer written to an access log.")
            .detail("Bucket", bucket)
            .step("What is set now?", "s3api get-bucket-logging", &[("--bucket", bucket)]);
        cx.report(stop_caller(cx.tempered(seen), record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn put(bucket: &str, status: Value) -> String {
        let request = json!({"bucketName": bucket, "logging": "", "BucketLoggingStatus": status});
        call("s3", "PutBucketLogging", json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let off = json!({"xmlns": "http://s3.amazonaws.com/doc/2006-03-01/"});
        let seen = fires_at(&AccessLogging, Severity::Low, &put("assets", off.clone()));
        assert_eq!(seen.title, "alice switched off access logging of bucket assets");
        fires_at(&AccessLogging, Severity::Medium, &put("org-cloudtrail", off));
        fires_at(&AccessLogging, Severity::Low, &put("assets", json!("")));
        fires_at(&AccessLogging, Severity::Low, &put("assets", json!({"LoggingEnabled": null})));
        let on = observe(&AccessLogging, &put("assets", json!({"LoggingEnabled": {"TargetBucket": "logs"}})));
        assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, seen.finding_id()));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &AccessLogging,
            &[
                call("s3", "PutBucketLogging", json!({"requestParameters": null})),
                call(
                    "s3",
                    "PutBucketLogging",
                    json!({"errorCode": "NoSuchBucket", "requestParameters": {"bucketName": "x"}}),
                ),
            ],
        );
    }
}
