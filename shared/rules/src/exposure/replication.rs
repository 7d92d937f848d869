use serde_json::Value;

use super::common::bucket;
use super::shared::is_ours;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A bucket's objects are replicated to a bucket of another account that is not trusted (high). A
    /// replication that does not say whose the destination is, is reported as unknown (low; medium where it is
    /// so large that CloudTrail left it out). A replication to
    /// own or trusted accounts alone, one whose rules are all disabled, its removal and the end of the bucket
    /// settle the finding.
    /// ## Why it matters
    /// Replication copies every new object by itself, with no key and no further call in your logs, until
    /// somebody notices.
    /// ## What to do
    /// Find out who owns the destination. If nobody knows it, delete the replication now; what was copied
    /// stays there.
    /// ## False positives
    /// Backups and log archives in other accounts: name them in the TrustedAccounts parameter. The owner is
    /// only part of a replication that hands the copies over to it.
    Replication {
        id: "exposure-bucket-replicated-outside",
        title: "A bucket is replicated to another account",
        severity: High,
        confidence: High,
        catalogue: ["PUB-12"],
        references: [
            security_hub(&["S3.7"]),
            attack(&["T1537", "T1020"]),
            doc(&["S3 API reference: PutBucketReplication"]),
        ],
        on: [On::Call("s3.amazonaws.com", &[
            "PutBucketReplication", "DeleteBucketReplication", "DeleteBucket",
        ])],
    }
}

impl Rule for Replication {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(bucket) = bucket(record) else { return Ok(()) };
        let (who, arn) = (caller_name(record), bucket_arn(record, bucket));
        let gone = match record.event_name.or_empty() {
            "DeleteBucketReplication" => Some("removed the replication of"),
            "DeleteBucket" => Some("deleted"),
            _ if all_disabled(record.request()) => Some("disabled the replication of"),
            _ => None,
        };
        if let Some(did) = gone {
            cx.report(cx.passing(arn, format!("{who} {did} bucket {bucket}")));
            return Ok(());
        }
        let destinations = destinations(record.request());
        let outside = |d: &&Destination<'_>| d.account.is_some_and(|account| !is_ours(account, record, cx));
        let seen = if let Some(Destination { bucket: to, account: Some(account) }) =
            destinations.iter().find(outside)
        {
            let title =
                format!("{who} has bucket {bucket} replicated to bucket {to} of outside account {account}");
            cx.failing(&arn, title)
        } else if destinations.is_empty()
            || destinations.iter().any(|destination| destination.account.is_none())
        {
            let to = destinations.first().map_or("a bucket that the event does not name", |d| d.bucket);
            let title = format!(
                "{who} has bucket {bucket} replicated to {to}, and the event does not say whose it is"
            );
            // A thousand rules are too many for CloudTrail, and hide one.
            let severity = if record.request_omitted() { Severity::Medium } else { Severity::Low };
            cx.unknown(&arn, title).severity(severity)
        } else {
            let title = format!("{who} has bucket {bucket} replicated to accounts that are known");
            cx.report(cx.passing(arn, title));
            return Ok(());
        };
        let seen = destinations.iter().fold(seen, |seen, d| {
            seen.detail("To", format!("bucket {}, account {}", d.bucket, d.account.unwrap_or("not named")))
        });
        let option = [("--bucket", bucket)];
        let seen = seen
            .because("Every new object is copied there without any further call in this account's logs.")
            .step("What is replicated, and where to?", "s3api get-bucket-replication", &option)
            .step("Stop it", "s3api delete-bucket-replication", &option);
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

/// Where a rule of the replication copies to.
struct Destination<'d> {
    bucket: &'d str,
    account: Option<&'d str>,
}

/// The rules of the replication, as far as the event carries them.
fn rules(request: &Value) -> Vec<&Value> {
    let Some(configuration) = value_at(request, &["ReplicationConfiguration"]) else { return Vec::new() };
    let rules = ["Rule", "Rules"].iter().find_map(|name| value_at(configuration, &[name]));
    items_at(rules.unwrap_or(&Value::Null), &[])
}

fn is_enabled(rule: &Value) -> bool {
    text_at(rule, &["Status"]).is_none_or(|status| status.eq_ignore_ascii_case("Enabled"))
}

/// Whether there are rules, and none of them copies anything.
fn all_disabled(request: &Value) -> bool {
    let rules = rules(request);
    !rules.is_empty() && !rules.into_iter().any(is_enabled)
}

fn destinations(request: &Value) -> Vec<Destination<'_>> {
    let enabled = rules(request).into_iter().filter(|rule| is_enabled(rule));
    let destinations = enabled.filter_map(|rule| value_at(rule, &["Destination"]));
    destinations
        .filter_map(|destination| {
            let arn = text_at(destination, &["Bucket"])?;
            let bucket = arn.rsplit(':').next().unwrap_or(arn);
            Some(Destination { bucket, account: text_at(destination, &["Account"]) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn put(rules: Value) -> String {
        let request = json!({"bucketName": "photos", "replication": [""], "ReplicationConfiguration":
            {"Role": "arn:aws:iam::111122223333:role/replicate", "Rule": rules}});
        call("s3", "PutBucketReplication", json!({"requestParameters": request}))
    }

    fn to(account: Value) -> Value {
        json!({"ID": "all", "Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::drop", "Account": account}})
    }

    #[test]
    fn fires() {
        let one = fires_at(&Replication, Severity::High, &put(to(json!("999988887777"))));
        assert_eq!(
            one.title,
            "alice has bucket photos replicated to bucket drop of outside account 999988887777"
        );
        let list = put(json!([to(json!("111122223333")), to(json!("999988887777"))]));
        assert_eq!(fires_at(&Replication, Severity::High, &list).details.len(), 2);
        let unknown = fires_at(&Replication, Severity::Low, &put(to(json!(null))));
        assert_eq!(unknown.verdict, Verdict::Unknown);
        let omitted =
            call("s3", "PutBucketReplication", json!({"requestParameters": {"bucketName": "photos"}}));
        assert_eq!(fired(&Replication, &omitted).verdict, Verdict::Unknown);
        let left_out = json!({"requestParameters": {"omitted": true, "reason": "requestParameters too large"},
            "resources": [{"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::photos/x"},
                {"accountId": ACCOUNT, "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::photos"}]});
        let left_out =
            fires_at(&Replication, Severity::Medium, &call("s3", "PutBucketReplication", left_out));
        assert_eq!((left_out.verdict, left_out.finding_id()), (Verdict::Unknown, one.finding_id()));
    }

    #[test]
    fn what_is_known_or_removed_settles_it() {
        let open = fired(&Replication, &put(to(json!("999988887777"))));
        let delete =
            call("s3", "DeleteBucketReplication", json!({"requestParameters": {"bucketName": "photos"}}));
        let mut off = to(json!("999988887777"));
        off["Status"] = json!("Disabled");
        let whole = call("s3", "DeleteBucket", json!({"requestParameters": {"bucketName": "photos"}}));
        for event in
            [put(to(json!("111122223333"))), put(json!([to(json!("444455556666"))])), put(off), delete, whole]
        {
            let gone = observe(&Replication, &event);
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), open.finding_id());
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &Replication,
            &[
                call(
                    "s3",
                    "PutBucketReplication",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"bucketName": "photos"}}),
                ),
                call("s3", "PutBucketReplication", json!({"requestParameters": null})),
            ],
        );
    }
}
