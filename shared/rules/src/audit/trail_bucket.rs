use keepwatch_base::wildcard::matches_ignore_ascii_case;
use serde_json::Value;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A bucket that by its name holds CloudTrail's logs was deleted, lost the policy that lets CloudTrail
    /// write, was told to expire its objects within 90 days, or stopped keeping old versions.
    /// ## Why it matters
    /// Deleting the logs is the quiet way to blind an audit: the trail itself stays untouched. A lifecycle
    /// rule of one day empties the bucket without a single delete call.
    /// ## What to do
    /// Put the bucket's settings right at once; lifecycle rules act within a day or so. Check the trail's
    /// latest delivery.
    /// ## False positives
    /// Only names with "cloudtrail" or Control Tower's prefix are known for log buckets, and a bucket of such
    /// a name may hold something else. A trail's bucket with another name is not watched: an event on a
    /// bucket does not tell what is in it.
    TrailBucket {
        id: "audit-trail-bucket-attacked",
        title: "A bucket that holds CloudTrail's logs was tampered with",
        severity: High,
        confidence: Medium,
        catalogue: ["TRAIL-05"],
        references: [
            cis("3.0", &["3.3", "3.4"]),
            cis("5.0", &["3.3", "3.4"]),
            security_hub(&["CloudTrail.6", "CloudTrail.7"]),
            attack(&["T1562.008"]),
            attack(&["T1485"]),
        ],
        on: [On::Call("s3.amazonaws.com", &[
            "DeleteBucket", "DeleteBucketPolicy", "PutBucketPolicy", "PutBucketLifecycle",
            "PutBucketLifecycleConfiguration", "DeleteBucketLifecycle", "PutBucketVersioning",
        ])],
    }
}

/// As whom CloudTrail writes.
const CLOUDTRAIL: &str = "cloudtrail.amazonaws.com";

/// Logs that vanish sooner are missing in an investigation.
const KEPT_DAYS: i64 = 90;

impl Rule for TrailBucket {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(bucket) = record.param(&["bucketName"]).filter(|name| is_known(name)) else { return Ok(()) };
        let (who, request) = (caller_name(record), record.request());
        let (aspect, found) = match record.event_name.or_empty() {
            "DeleteBucket" => {
                ("bucket", Some((Severity::High, format!("{who} deleted log bucket {bucket}"))))
            }
            "DeleteBucketPolicy" => {
                let title = format!(
                    "{who} deleted the policy of log bucket {bucket}, so CloudTrail cannot write to it"
                );
                ("policy", Some((Severity::High, title)))
            }
            "PutBucketPolicy" => {
                match value_at(request, &["bucketPolicy"]).filter(|policy| !policy.is_null()) {
                    Some(policy) if !lets_cloudtrail_write(policy) => {
                        let title = format!(
                            "{who} wrote a policy for log bucket {bucket} that does not let CloudTrail write"
                        );
                        ("policy", Some((Severity::High, title)))
                    }
                    Some(_) => ("policy", None),
                    None => return Ok(()),
                }
            }
            "PutBucketVersioning" => match text_at(request, &["VersioningConfiguration", "Status"]) {
                Some("Suspended") => (
                    "versioning",
                    Some((Severity::Medium, format!("{who} suspended versioning of log bucket {bucket}"))),
                ),
                Some("Enabled") => ("versioning", None),
                _ => return Ok(()),
            },
            "DeleteBucketLifecycle" => ("lifecycle", None),
            _ => (
                "lifecycle",
                shortest(request).filter(|days| *days < KEPT_DAYS).map(|days| {
                    let severity = if days <= 7 { Severity::High } else { Severity::Medium };
                    let when = match days {
                        ..=0 => "at once".to_owned(),
                        1 => "after a day".to_owned(),
                        days => format!("after {days} days"),
                    };
                    (severity, format!("{who} had log bucket {bucket} delete its logs {when}"))
                }),
            ),
        };
        let arn = format!("arn:{}:s3:::{bucket}", record.partition());
        let Some((severity, title)) = found else {
            cx.report(
                cx.passing(arn, format!("{who} put the {aspect} of log bucket {bucket} right"))
                    .aspect(aspect),
            );
            return Ok(());
        };
        let look = match aspect {
            "bucket" => "head-bucket",
            "policy" => "get-bucket-policy",
            "versioning" => "get-bucket-versioning",
            _ => "get-bucket-lifecycle-configuration",
        };
        let seen = cx
            .failing(arn, title)
            .severity(severity)
            .aspect(aspect)
            .because(
                "By its name the bucket holds CloudTrail's logs. Which bucket a trail writes \
                 to, this event does not tell.",
            )
            .detail("Bucket", bucket)
            .step("What is set now?", &format!("s3api {look}"), &[("--bucket", bucket)])
            .step("Which trails write to it?", "cloudtrail describe-trails", &[("--region", region(record))]);
        cx.report(stop_caller(tempered_to(cx, Severity::Medium, seen), record));
        Ok(())
    }
}

/// CloudTrail writes as a principal of its own: a statement must allow that by name, and none may deny it outright. A
/// denial with a condition, such as of calls without TLS, is not meant for CloudTrail.
fn lets_cloudtrail_write(policy: &Value) -> bool {
    let names = |statement: &Value, key: &str, who: &str| {
        value_at(statement, &[key]).is_some_and(|principal| principal.to_string().contains(who))
    };
    let has = |statement: &Value, key: &str| {
        texts_at(statement, &[key]).iter().any(|action| matches_ignore_ascii_case(action, "s3:PutObject"))
    };
    let meant = |statement: &Value, effect: &str| {
        let besides = value_at(statement, &["NotAction"]).is_some() && !has(statement, "NotAction");
        (besides || has(statement, "Action"))
            && text_at(statement, &["Effect"]).is_some_and(|own| own.eq_ignore_ascii_case(effect))
    };
    let statements = items_at(policy, &["Statement"]);
    let allowed = statements
        .iter()
        .any(|statement| meant(statement, "Allow") && names(statement, "Principal", CLOUDTRAIL));
    let denied = statements.iter().any(|statement| {
        let whom = names(statement, "Principal", CLOUDTRAIL)
            || names(statement, "Principal", "\"*\"")
            || (value_at(statement, &["NotPrincipal"]).is_some()
                && !names(statement, "NotPrincipal", CLOUDTRAIL));
        meant(statement, "Deny") && whom && value_at(statement, &["Condition"]).is_none()
    });
    allowed && !denied
}

fn is_known(bucket: &str) -> bool {
    bucket.contains("cloudtrail") || bucket.starts_with("aws-controltower-logs-")
}

/// Days after which the first of the rules that are on deletes objects; a date counts as at once.
fn shortest(request: &Value) -> Option<i64> {
    let rules = items_at(request, &["LifecycleConfiguration", "Rule"]);
    let rules =
        if rules.is_empty() { items_at(request, &["LifecycleConfiguration", "Rules"]) } else { rules };
    rules
        .into_iter()
        .filter(|rule| text_at(rule, &["Status"]) != Some("Disabled"))
        .filter_map(|rule| {
            let expiration = value_at(rule, &["Expiration"])?;
            number_at(expiration, &["Days"]).or_else(|| value_at(expiration, &["Date"]).map(|_| 0))
        })
        .min()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    const BUCKET: &str = "aws-cloudtrail-logs-111122223333-ab12cd34";

    fn s3(event: &str, mut request: Value) -> String {
        if request.get("bucketName").is_none() {
            request["bucketName"] = json!(BUCKET);
        }
        call("s3", event, json!({"requestParameters": request}))
    }

    fn lifecycle(days: Value, status: &str) -> String {
        let rule =
            json!({"ID": "nuke", "Status": status, "Filter": {"Prefix": "*"}, "Expiration": {"Days": days}});
        s3("PutBucketLifecycle", json!({"lifecycle": "", "LifecycleConfiguration": {"Rule": rule}}))
    }

    #[test]
    fn fires() {
        fires_at(&TrailBucket, Severity::High, &s3("DeleteBucket", json!({})));
        fires_at(&TrailBucket, Severity::High, &s3("DeleteBucketPolicy", json!({"policy": ""})));
        let day = fires_at(&TrailBucket, Severity::High, &lifecycle(json!(1), "Enabled"));
        assert_eq!(day.title, format!("alice had log bucket {BUCKET} delete its logs after a day"));
        fires_at(&TrailBucket, Severity::Medium, &lifecycle(json!("30"), "Enabled"));
        let rules = json!([{"Expiration": {"Days": 400}}, {"Expiration": {"Date": "2020-01-01T00:00:00Z"}}]);
        fires_at(
            &TrailBucket,
            Severity::High,
            &s3("PutBucketLifecycle", json!({"LifecycleConfiguration": {"Rule": rules}})),
        );
        let suspended = json!({"VersioningConfiguration": {"Status": "Suspended"}});
        fires_at(&TrailBucket, Severity::Medium, &s3("PutBucketVersioning", suspended));
        let policy = json!({"bucketPolicy": {"Statement": [{"Effect": "Deny", "Principal": "*"}]}});
        fires_at(&TrailBucket, Severity::High, &s3("PutBucketPolicy", policy));
    }

    fn allow() -> Value {
        json!({"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"},
            "Action": "s3:PutObject", "Resource": "arn:aws:s3:::x/AWSLogs/111122223333/*"})
    }

    #[test]
    fn naming_cloudtrail_is_not_letting_it_write() {
        let service = json!({"Service": "cloudtrail.amazonaws.com"});
        for statements in [
            json!([{"Effect": "Deny", "Principal": service, "Action": "s3:*"}]),
            json!([{"Effect": "Allow", "Principal": service, "Action": "s3:GetBucketAcl"}]),
            json!([allow(), {"Effect": "Deny", "Principal": service, "Action": ["s3:Put*"]}]),
            json!([allow(), {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "s3:PutObject"}]),
            json!([allow(), {"Effect": "Deny", "NotPrincipal": {"AWS": "x"}, "NotAction": "s3:Get*"}]),
        ] {
            let policy = json!({"bucketPolicy": {"Statement": statements}});
            fires_at(&TrailBucket, Severity::High, &s3("PutBucketPolicy", policy));
        }
    }

    #[test]
    fn a_repair_resolves() {
        let allowed = json!({"bucketPolicy": {"Statement": [allow(), {"Effect": "Deny", "Principal": "*",
            "Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject*"}]}});
        for (bad, good) in [
            (s3("DeleteBucketPolicy", json!({})), s3("PutBucketPolicy", allowed)),
            (lifecycle(json!(1), "Enabled"), lifecycle(json!(365), "Enabled")),
            (lifecycle(json!(1), "Enabled"), lifecycle(json!(1), "Disabled")),
            (lifecycle(json!(1), "Enabled"), s3("DeleteBucketLifecycle", json!({}))),
        ] {
            let (bad, good) = (fired(&TrailBucket, &bad), observe(&TrailBucket, &good));
            assert_eq!((good[0].verdict, good[0].finding_id()), (Verdict::Passing, bad.finding_id()));
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &TrailBucket,
            &[
                s3("DeleteBucket", json!({"bucketName": "assets"})),
                s3("PutBucketVersioning", json!({"VersioningConfiguration": null})),
                s3("PutBucketPolicy", json!({"bucketPolicy": null})),
                call("s3", "DeleteBucket", json!({"requestParameters": null})),
                call(
                    "s3",
                    "DeleteBucket",
                    json!({"errorCode": "BucketNotEmpty", "requestParameters": {"bucketName": BUCKET}}),
                ),
            ],
        );
    }
}
