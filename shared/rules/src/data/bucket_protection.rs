use std::time::Duration;

use serde_json::Value;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A bucket's protection was weakened. Its objects are to be encrypted with a key of an account that you have not
    /// named as trusted (high); versioning was suspended or MFA delete switched off (medium); a lifecycle rule deletes
    /// everything in the bucket within a week (medium); the bucket's own encryption setting was deleted, which leaves
    /// S3's (low). Putting it right resolves the finding, and so does deleting the bucket. Lifecycle rules that are too
    /// long for CloudTrail are unknown: so many can hide one.
    /// ## Why it matters
    /// This is how buckets are held to ransom: no old versions, then either a key that only the thief has, or a
    /// countdown to deletion that S3 itself carries out.
    /// ## What to do
    /// Undo the change before the first objects expire or are rewritten: the commands are below. Ask the caller.
    /// ## False positives
    /// Buckets for temporary files, whose whole content may expire after a day. A central account that holds the keys of
    /// all others: add it to `trusted-accounts`.
    BucketProtection {
        id: "data-bucket-protection-weakened",
        title: "The protection of a bucket's data was weakened",
        severity: Medium,
        confidence: High,
        catalogue: ["DATA-04", "DATA-05"],
        references: [
            cis("3.0", &["2.1.2"]),
            cis("5.0", &["2.1.2"]),
            security_hub(&["S3.14", "S3.17", "S3.20"]),
            attack(&["T1486"]),
            attack(&["T1490"]),
            doc(&["Amazon S3 API Reference: PutBucketVersioning, PutBucketLifecycleConfiguration"]),
        ],
        on: [On::Call("s3.amazonaws.com", &[
            "PutBucketEncryption", "DeleteBucketEncryption", "PutBucketVersioning", "PutBucketLifecycle",
            "PutBucketLifecycleConfiguration", "DeleteBucketLifecycle", "DeleteBucket",
        ])],
    }
}

/// Days within which the deletion of a whole bucket is more likely sabotage than housekeeping.
const SOON: i64 = 7;

impl Rule for BucketProtection {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if record.request_omitted() {
            omitted(record, cx);
        }
        let Some(bucket) = record.param(&["bucketName"]) else { return Ok(()) };
        match record.event_name.or_empty() {
            "DeleteBucket" => {
                for aspect in ["encryption", "versioning", "MFA delete", "lifecycle"] {
                    let title = format!("{} deleted bucket {bucket}", caller_name(record));
                    cx.report(cx.passing(bucket_arn(record, bucket), title).aspect(aspect));
                }
            }
            "PutBucketEncryption" | "DeleteBucketEncryption" => encryption(record, cx, bucket),
            "PutBucketVersioning" => versioning(record, cx, bucket),
            _ => lifecycle(record, cx, bucket),
        }
        Ok(())
    }
}

/// CloudTrail leaves out parameters of more than 100 KB, and names the bucket beside them.
fn omitted(record: &Record<'_>, cx: &mut Cx<'_>) {
    let resources = items_at(record.whole(), &["resources"]);
    let arn = resources.iter().find_map(|resource| text_at(resource, &["ARN"]));
    let arn = arn.unwrap_or("a bucket that CloudTrail does not name");
    let title = format!("{} changed the settings of {arn}, and CloudTrail left out how", caller_name(record));
    let bucket = arn.rsplit(':').next().unwrap_or(arn);
    let seen = cx
        .unknown(arn, title)
        .aspect("lifecycle")
        .because(
            "The event is too long for CloudTrail. A lifecycle rule that empties the bucket may be in it.",
        )
        .step("Read the rules", "s3api get-bucket-lifecycle-configuration", &[("--bucket", bucket)]);
    report(record, cx, seen);
}

fn report(record: &Record<'_>, cx: &mut Cx<'_>, seen: Observation) {
    cx.report(cx.tempered(stop_caller(seen, record)));
}

fn encryption(record: &Record<'_>, cx: &mut Cx<'_>, bucket: &str) {
    let (who, arn) = (caller_name(record), bucket_arn(record, bucket));
    let look = ("What is set now?", "s3api get-bucket-encryption", [("--bucket", bucket)]);
    let undo = ("Encrypt with S3's own key", "s3api delete-bucket-encryption", [("--bucket", bucket)]);
    if record.event_name.or_empty() == "DeleteBucketEncryption" {
        let seen = cx
            .failing(arn, format!("{who} deleted the encryption setting of bucket {bucket}"))
            .aspect("encryption")
            .severity(Severity::Low)
            .because(
                "New objects are encrypted with S3's own key: whoever may read the bucket needs no other.",
            )
            .step(look.0, look.1, &look.2);
        report(record, cx, seen);
        return;
    }
    let keys: Vec<&str> = ["Rule", "Rules"]
        .iter()
        .flat_map(|rules| items_at(record.request(), &["ServerSideEncryptionConfiguration", rules]))
        .filter_map(|rule| text_at(rule, &["ApplyServerSideEncryptionByDefault", "KMSMasterKeyID"]))
        .collect();
    let foreign = keys.iter().find_map(|key| {
        let owner = key.starts_with("arn:").then(|| key.split(':').nth(4)).flatten()?;
        let own =
            owner == record.account() || cx.config.trusted_accounts.iter().any(|trusted| trusted == owner);
        (!own && !owner.is_empty()).then_some((*key, owner))
    });
    let Some((key, owner)) = foreign else {
        let title = format!("{who} set the encryption of bucket {bucket}");
        cx.report(cx.passing(arn, title).aspect("encryption"));
        return;
    };
    let seen = cx
        .failing(arn, format!("{who} has bucket {bucket} encrypted with a key of account {owner}"))
        .aspect("encryption")
        .severity(Severity::High)
        .because("Whoever owns that account can make every new object unreadable by disabling one key.")
        .detail("Key", key)
        .step(look.0, look.1, &look.2)
        .step(undo.0, undo.1, &undo.2);
    report(record, cx, seen);
}

fn versioning(record: &Record<'_>, cx: &mut Cx<'_>, bucket: &str) {
    let (who, arn) = (caller_name(record), bucket_arn(record, bucket));
    let set = |name| record.param(&["VersioningConfiguration", name]);
    let look = ("What is set now?", "s3api get-bucket-versioning", [("--bucket", bucket)]);
    match set("Status") {
        Some("Suspended") => {
            let seen = cx
                .failing(&arn, format!("{who} suspended versioning of bucket {bucket}"))
                .aspect("versioning")
                .because("From now on an object that is overwritten or deleted is gone. Older versions are still there.")
                .step("Keep versions again", "s3api put-bucket-versioning", &[
                    ("--bucket", bucket),
                    ("--versioning-configuration", "Status=Enabled"),
                ])
                .step(look.0, look.1, &look.2);
            report(record, cx, seen);
        }
        Some("Enabled") => {
            let title = format!("{who} switched on versioning of bucket {bucket}");
            cx.report(cx.passing(&arn, title).aspect("versioning"));
        }
        _ => {}
    }
    match set("MfaDelete").or_else(|| set("MFADelete")) {
        Some("Disabled") => {
            let seen = cx
                .failing(&arn, format!("{who} switched off MFA delete of bucket {bucket}"))
                .aspect("MFA delete")
                .because("Versions can now be deleted without the root user's MFA device.")
                .step(look.0, look.1, &look.2);
            report(record, cx, seen);
        }
        Some("Enabled") => {
            let title = format!("{who} switched on MFA delete of bucket {bucket}");
            cx.report(cx.passing(&arn, title).aspect("MFA delete"));
        }
        _ => {}
    }
}

fn lifecycle(record: &Record<'_>, cx: &mut Cx<'_>, bucket: &str) {
    let (who, arn) = (caller_name(record), bucket_arn(record, bucket));
    let rules: Vec<&Value> = ["Rule", "Rules"]
        .iter()
        .flat_map(|rules| items_at(record.request(), &["LifecycleConfiguration", rules]))
        .collect();
    let Some((rule, when)) =
        rules.into_iter().find_map(|rule| empties(rule, record).map(|when| (rule, when)))
    else {
        let title =
            format!("No lifecycle rule of bucket {bucket} empties it any more, since a change by {who}");
        cx.report(cx.passing(arn, title).aspect("lifecycle"));
        return;
    };
    let seen = cx
        .failing(arn, format!("{who} has everything in bucket {bucket} deleted {when}"))
        .aspect("lifecycle")
        .because("S3 itself deletes what is older, every day from now on, and asks nobody.")
        .detail_if("Lifecycle rule", text_at(rule, &["ID"]))
        .step("Read the rules", "s3api get-bucket-lifecycle-configuration", &[("--bucket", bucket)])
        .step(
            "Delete all of the bucket's lifecycle rules",
            "s3api delete-bucket-lifecycle",
            &[("--bucket", bucket)],
        );
    report(record, cx, seen);
}

/// When this rule deletes whatever there is, where that is soon: after so many days, or on a day.
fn empties(rule: &Value, record: &Record<'_>) -> Option<String> {
    let days = number_at(rule, &["Expiration", "Days"]).filter(|days| (1..=SOON).contains(days));
    // S3 begins at once where the day is past.
    let soon = record.time().unwrap_or_default().plus(Duration::from_secs(SOON.unsigned_abs() * 86_400));
    let date = text_at(rule, &["Expiration", "Date"])
        .filter(|date| Timestamp::parse(date).is_some_and(|day| day <= soon));
    let when = match (days, date) {
        (Some(days), _) => format!("after {days} days"),
        (None, date) => format!("on {}", date?),
    };
    let filter = rule.get("Filter").unwrap_or(rule);
    // An asterisk is a plain character to S3, but whoever writes it means everything.
    let everything = text_at(filter, &["Prefix"]).is_none_or(|prefix| prefix == "*");
    let narrowed = ["Tag", "And", "ObjectSizeGreaterThan", "ObjectSizeLessThan"]
        .iter()
        .any(|name| filter.get(name).is_some());
    let enabled = text_at(rule, &["Status"]) == Some("Enabled");
    (enabled && everything && !narrowed).then_some(when)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn s3(name: &str, key: &str, value: Value) -> String {
        call("s3", name, json!({"requestParameters": {"bucketName": "photos", key: value}}))
    }

    fn encrypt(key: Value) -> String {
        let rule =
            json!({"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}});
        s3("PutBucketEncryption", "ServerSideEncryptionConfiguration", json!({"Rule": rule, "xmlns": "x"}))
    }

    fn versions(set: Value) -> String {
        s3("PutBucketVersioning", "VersioningConfiguration", set)
    }

    fn expire(rule: Value) -> String {
        s3("PutBucketLifecycle", "LifecycleConfiguration", json!({"Rule": rule}))
    }

    fn rule(days: Value, filter: Value) -> Value {
        json!({"ID": "r", "Status": "Enabled", "Filter": filter, "Expiration": {"Days": days}})
    }

    fn resolves(bad: &str, good: &str) {
        let seen = observe(&BucketProtection, good);
        assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing), "{good}");
        assert_eq!(seen[0].finding_id(), fired(&BucketProtection, bad).finding_id());
    }

    const FOREIGN: &str = "arn:aws:kms:us-east-1:999988887777:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    const OWN: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    #[test]
    fn encryption() {
        let seen = fires_at(&BucketProtection, Severity::High, &encrypt(json!(FOREIGN)));
        assert_eq!(seen.title, "alice has bucket photos encrypted with a key of account 999988887777");
        assert_eq!(seen.subject.resource, "arn:aws:s3:::photos");
        let deleted = s3("DeleteBucketEncryption", "encryption", json!(""));
        fires_at(&BucketProtection, Severity::Low, &deleted);
        resolves(&deleted, &encrypt(json!(OWN)));
        resolves(&encrypt(json!(FOREIGN)), &encrypt(json!(null)));
        resolves(&encrypt(json!(FOREIGN)), &encrypt(json!(FOREIGN.replace("999988887777", "444455556666"))));
        resolves(&encrypt(json!(FOREIGN)), &encrypt(json!("alias/photos")));
    }

    #[test]
    fn versioning() {
        let suspended = versions(json!({"Status": "Suspended", "xmlns": "x"}));
        fires_at(&BucketProtection, Severity::Medium, &suspended);
        resolves(&suspended, &versions(json!({"Status": "Enabled"})));
        let off = versions(json!({"MfaDelete": "Disabled"}));
        fires_at(&BucketProtection, Severity::Medium, &off);
        resolves(&off, &versions(json!({"MfaDelete": "Enabled"})));
        assert_eq!(
            observe(&BucketProtection, &versions(json!({"Status": "Enabled", "MfaDelete": "Disabled"})))
                .len(),
            2
        );
    }

    #[test]
    fn lifecycle() {
        for bad in [
            expire(rule(json!(1), json!({"Prefix": ""}))),
            expire(rule(json!("7"), json!({"Prefix": "*"}))),
            expire(rule(json!(1), json!(""))),
            expire(json!([{"Status": "Enabled"}, rule(json!(3), json!({}))])),
        ] {
            let seen = fires_at(&BucketProtection, Severity::Medium, &bad);
            assert!(seen.title.contains("has everything in bucket photos deleted after"), "{}", seen.title);
            resolves(&bad, &s3("DeleteBucketLifecycle", "lifecycle", json!("")));
            resolves(&bad, &expire(rule(json!(90), json!({"Prefix": ""}))));
            resolves(&bad, &expire(rule(json!(1), json!({"Prefix": "tmp/"}))));
        }
        for fine in [
            json!({"ID": "r", "Status": "Disabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}),
            json!({"ID": "r", "Status": "Enabled", "Filter": {"Tag": {"Key": "k", "Value": "v"}}, "Expiration": {"Days": 1}}),
            json!({"ID": "r", "Status": "Enabled", "Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}),
        ] {
            assert_eq!(observe(&BucketProtection, &expire(fine))[0].verdict, Verdict::Passing);
        }
    }

    #[test]
    fn a_day_is_as_good_as_a_number_of_days() {
        let on = |date: &str| {
            expire(json!({"ID": "r", "Status": "Enabled", "Filter": "", "Expiration": {"Date": date}}))
        };
        for soon in ["2026-03-03T00:00:00.000Z", "2020-01-01T00:00:00Z"] {
            let seen = fires_at(&BucketProtection, Severity::Medium, &on(soon));
            assert!(seen.title.ends_with(&format!("deleted on {soon}")), "{}", seen.title);
        }
        for fine in ["2026-06-01T00:00:00.000Z", "some day"] {
            assert_eq!(observe(&BucketProtection, &on(fine))[0].verdict, Verdict::Passing);
        }
    }

    #[test]
    fn rules_too_long_for_cloudtrail_are_unknown() {
        let padded = json!({"requestParameters": {"omitted": true, "reason": "requestParameters too large"},
            "resources": [{"accountId": ACCOUNT, "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::photos"}]});
        let seen = fires_at(&BucketProtection, Severity::Medium, &call("s3", "PutBucketLifecycle", padded));
        assert_eq!((seen.verdict, seen.subject.resource.as_str()), (Verdict::Unknown, "arn:aws:s3:::photos"));
        resolves(&expire(rule(json!(1), json!(""))), &s3("DeleteBucketLifecycle", "lifecycle", json!("")));
        let gone = observe(&BucketProtection, &s3("DeleteBucketLifecycle", "lifecycle", json!("")));
        assert_eq!(gone[0].finding_id(), seen.finding_id());
    }

    #[test]
    fn a_bucket_that_is_gone_needs_no_protection() {
        let gone = observe(&BucketProtection, &s3("DeleteBucket", "x", json!("")));
        assert!(gone.iter().all(|seen| seen.verdict == Verdict::Passing));
        let settled: Vec<_> = gone.iter().map(Observation::finding_id).collect();
        for bad in [
            encrypt(json!(FOREIGN)),
            versions(json!({"Status": "Suspended"})),
            versions(json!({"MfaDelete": "Disabled"})),
            expire(rule(json!(1), json!(""))),
        ] {
            assert!(settled.contains(&fired(&BucketProtection, &bad).finding_id()), "{bad}");
        }
    }

    #[test]
    fn stays_quiet() {
        let failed = json!({"errorCode": "NoSuchBucket", "requestParameters":
            {"bucketName": "photos", "VersioningConfiguration": {"Status": "Suspended"}}});
        quiet(
            &BucketProtection,
            &[
                call("s3", "PutBucketVersioning", failed),
                call("s3", "PutBucketVersioning", json!({"requestParameters": null})),
                versions(json!({"Status": ["Suspended"]})),
                versions(json!("Suspended")),
                s3("GetBucketVersioning", "versioning", json!("")),
            ],
        );
    }
}
