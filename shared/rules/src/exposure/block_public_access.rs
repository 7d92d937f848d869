use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// S3 Block Public Access was removed, or one or more of its four settings were switched off: for the
    /// whole account (critical when all four are off, else high) or for one bucket (medium). Four settings
    /// that are on again, or the end of the bucket, settle the finding.
    /// ## Why it matters
    /// The settings are the last bar between a mistake in a bucket policy or ACL and the internet. With them
    /// off, old public policies and ACLs that did nothing take effect at once.
    /// ## What to do
    /// Switch all four on again. If a bucket has to be public, take them off that bucket alone, or serve it
    /// through CloudFront and keep them on.
    /// ## False positives
    /// Buckets that serve a website, and tools that take a bucket down (they remove its settings first). The
    /// account's own settings hold for every bucket, so a bucket without its own is still shielded while they
    /// are on; the event does not say whether they are.
    BlockPublicAccess {
        id: "exposure-s3-block-public-access-off",
        title: "S3 Block Public Access was switched off",
        severity: High,
        confidence: High,
        catalogue: ["PUB-01"],
        references: [
            cis("3.0", &["2.1.4"]),
            cis("5.0", &["2.1.4"]),
            security_hub(&["S3.1", "S3.8"]),
            attack(&["T1530"]),
            doc(&["S3 user guide: blocking public access to your Amazon S3 storage"]),
        ],
        on: [On::Call("s3.amazonaws.com", &[
            "PutAccountPublicAccessBlock", "DeleteAccountPublicAccessBlock",
            "PutBucketPublicAccessBlock", "DeleteBucketPublicAccessBlock", "DeleteBucket",
        ])],
    }
}

/// The settings, and what each bars.
const SETTINGS: [(&str, &str); 4] = [
    ("BlockPublicAcls", "new public ACLs"),
    ("IgnorePublicAcls", "public ACLs that are there"),
    ("BlockPublicPolicy", "new public bucket policies"),
    ("RestrictPublicBuckets", "public policies that are there"),
];

/// All four, as the AWS CLI writes them.
const ALL_ON: &str =
    "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true";

impl Rule for BlockPublicAccess {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, event) = (caller_name(record), record.event_name.or_empty());
        let bucket = record.param(&["bucketName"]).filter(|_| event.contains("Bucket"));
        let (arn, place) = match bucket {
            Some(bucket) => (bucket_arn(record, bucket), format!("bucket {bucket}")),
            None if event.contains("Bucket") => return Ok(()),
            None => (record.root_arn(), format!("the whole account {}", record.account())),
        };
        if event == "DeleteBucket" {
            cx.report(cx.passing(&arn, format!("{who} deleted {place}")));
            return Ok(());
        }
        let on = |name: &str| flag_at(record.request(), &["PublicAccessBlockConfiguration", name]);
        let deleted = event.starts_with("Delete");
        let off: Vec<_> = SETTINGS.iter().filter(|(name, _)| deleted || on(name) != Some(true)).collect();
        let seen = if !deleted && SETTINGS.iter().all(|(name, _)| on(name).is_none()) {
            let title =
                format!("{who} changed S3 Block Public Access of {place}, and the event does not say how");
            cx.unknown(&arn, title).severity(Severity::Medium)
        } else if off.is_empty() {
            let title = format!("{who} switched S3 Block Public Access on for {place}");
            cx.report(cx.passing(&arn, title));
            return Ok(());
        } else {
            let (what, of) = if off.len() == 4 { ("all", "") } else { ("part", " of") };
            let severity = match (bucket, off.len()) {
                (Some(_), _) => Severity::Medium,
                (None, 4) => Severity::Critical,
                (None, _) => Severity::High,
            };
            let title = format!("{who} switched off {what}{of} S3 Block Public Access for {place}");
            cx.failing(&arn, title).severity(severity)
        };
        let seen =
            off.iter().fold(seen, |seen, (name, bars)| seen.detail(name, format!("off: no bar to {bars}")));
        let seen = seen
            .because("Nothing keeps a public policy or ACL from taking effect where these settings are off.");
        cx.report(match bucket {
            Some(bucket) => cx.tempered(
                seen.step(
                    "Is the bucket public now?",
                    "s3api get-bucket-policy-status",
                    &[("--bucket", bucket)],
                )
                .step(
                    "Switch all four on again",
                    "s3api put-public-access-block",
                    &[("--bucket", bucket), ("--public-access-block-configuration", ALL_ON)],
                ),
            ),
            None => stop_caller(
                seen.step(
                    "Switch all four on again",
                    "s3control put-public-access-block",
                    &[
                        region_option(record),
                        ("--account-id", record.account()),
                        ("--public-access-block-configuration", ALL_ON),
                    ],
                ),
                record,
            ),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn put(of: &str, settings: [Value; 4]) -> String {
        let [acls, ignore, policy, restrict] = settings;
        call(
            "s3",
            &format!("Put{of}PublicAccessBlock"),
            json!({"requestParameters": {
            "publicAccessBlock": [""], "bucketName": "photos", "host": ["photos.s3.us-east-1.amazonaws.com"],
            "PublicAccessBlockConfiguration": {"xmlns": "http://s3.amazonaws.com/doc/2006-03-01/",
                "BlockPublicAcls": acls, "IgnorePublicAcls": ignore, "BlockPublicPolicy": policy,
                "RestrictPublicBuckets": restrict}}}),
        )
    }

    fn delete(of: &str) -> String {
        let name = format!("Delete{of}PublicAccessBlock");
        call("s3", &name, json!({"requestParameters": {"bucketName": "photos", "publicAccessBlock": ""}}))
    }

    #[test]
    fn fires() {
        let (on, off) = (|| json!(true), || json!(false));
        let all =
            fires_at(&BlockPublicAccess, Severity::Critical, &put("Account", [off(), off(), off(), off()]));
        assert_eq!(
            all.title,
            "alice switched off all S3 Block Public Access for the whole account 111122223333"
        );
        assert_eq!(all.subject.region, "global");
        let gone = fires_at(&BlockPublicAccess, Severity::Critical, &delete("Account"));
        assert_eq!(gone.finding_id(), all.finding_id());
        // Settings come as text too, and one that is not named is off.
        let part = put("Account", [json!("true"), json!("true"), json!("false"), json!("TRUE")]);
        let part = fires_at(&BlockPublicAccess, Severity::High, &part);
        assert_eq!(
            part.details,
            [("BlockPublicPolicy".to_owned(), "off: no bar to new public bucket policies".to_owned())]
        );
        let bucket =
            fires_at(&BlockPublicAccess, Severity::Medium, &put("Bucket", [on(), on(), on(), json!(null)]));
        assert_eq!(bucket.title, "alice switched off part of S3 Block Public Access for bucket photos");
        assert_eq!(bucket.subject.resource, "arn:aws:s3:::photos");
        assert_eq!(fired(&BlockPublicAccess, &delete("Bucket")).finding_id(), bucket.finding_id());
    }

    #[test]
    fn all_four_on_settles_it() {
        for of in ["Account", "Bucket"] {
            let on =
                observe(&BlockPublicAccess, &put(of, [json!(true), json!("true"), json!(true), json!(true)]));
            assert_eq!((on.len(), on[0].verdict), (1, Verdict::Passing));
            assert_eq!(on[0].finding_id(), fired(&BlockPublicAccess, &delete(of)).finding_id());
        }
    }

    #[test]
    fn the_end_of_the_bucket_settles_it() {
        let gone = call("s3", "DeleteBucket", json!({"requestParameters": {"bucketName": "photos"}}));
        let gone = observe(&BlockPublicAccess, &gone);
        assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
        assert_eq!(gone[0].finding_id(), fired(&BlockPublicAccess, &delete("Bucket")).finding_id());
    }

    #[test]
    fn says_so_when_the_settings_are_not_there() {
        for request in
            [json!({"omitted": true}), json!(null), json!({"PublicAccessBlockConfiguration": null})]
        {
            let event = call("s3", "PutAccountPublicAccessBlock", json!({"requestParameters": request}));
            assert_eq!(fired(&BlockPublicAccess, &event).verdict, Verdict::Unknown);
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &BlockPublicAccess,
            &[
                call("s3", "DeleteAccountPublicAccessBlock", json!({"errorCode": "AccessDenied"})),
                call("s3", "PutBucketPublicAccessBlock", json!({"requestParameters": null})),
                call("s3", "PutBucketVersioning", json!({"requestParameters": {"bucketName": "photos"}})),
            ],
        );
    }

    #[test]
    fn a_stack_that_takes_its_bucket_down_is_medium() {
        let stack = json!({"userIdentity": {"invokedBy": "cloudformation.amazonaws.com"},
            "requestParameters": {"bucketName": "photos"}});
        fires_at(&BlockPublicAccess, Severity::Medium, &call("s3", "DeleteBucketPublicAccessBlock", stack));
    }
}
