use super::common::bucket;
use super::policed::{Policed, document};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A bucket policy was written that lets somebody outside the account in: everybody (critical), another account
    /// (high), or somebody whose account cannot be told (medium). What a condition narrows to an organization, a VPC or
    /// fixed addresses is told apart and less loudly. A policy that opens nothing, its removal, or the end of the
    /// bucket settles the finding. A service that no condition binds to the own account (aws:SourceArn,
    /// aws:SourceAccount) acts for anybody: medium where it can read, as CloudFront for anybody's distribution, and low
    /// where it only writes, as trails and logs do. So is a service that acts for another account. Services that reach
    /// a bucket by a role alone (Lambda, EC2) are low. A VPC or VPC endpoint may be anybody's too, and is low; so is a
    /// bucket that leaves it to the account's access points who comes.
    /// ## Why it matters
    /// Public buckets are how most data leaks from AWS begin, and a policy for one outside account is how a
    /// thief copies a bucket without keeping a key.
    /// ## What to do
    /// Read the statement that is named. If nobody knows why it is there, write the former policy back or
    /// switch S3 Block Public Access on, which closes a public policy at once. Then read the bucket's access
    /// logs.
    /// ## False positives
    /// Websites and public downloads, which are better served through CloudFront; vendors and accounts of the same
    /// organization: name them in the TrustedAccounts parameter. CloudFront's identities, load balancers' log delivery
    /// and AWS services that a condition binds to the own account are not reported. A CloudFront identity that is
    /// written as a canonical user, as the CDK does, looks like anybody's.
    BucketPolicy {
        id: "exposure-bucket-policy-open",
        title: "A bucket policy lets outsiders in",
        severity: Critical,
        confidence: High,
        catalogue: ["PUB-02"],
        references: [
            cis("3.0", &["4.8"]),
            cis("5.0", &["4.8"]),
            security_hub(&["S3.2", "S3.3", "S3.6"]),
            attack(&["T1530", "T1537"]),
            doc(&["S3 user guide: the meaning of \"public\""]),
        ],
        on: [On::Call("s3.amazonaws.com", &["PutBucketPolicy", "DeleteBucketPolicy", "DeleteBucket"])],
        alerts_as_witness: true,
    }
}

impl Rule for BucketPolicy {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(bucket) = bucket(record) else { return Ok(()) };
        let policed = Policed {
            service: "s3",
            arn: bucket_arn(record, bucket),
            name: format!("bucket {bucket}"),
            everyone: Severity::Critical,
            account: Severity::High,
            by_reach: false,
            settles: true,
        };
        if record.event_name.or_empty() != "PutBucketPolicy" {
            policed.removed(record, cx);
            return Ok(());
        }
        let request = record.request();
        let written = document(value_at(request, &["bucketPolicy"]))
            .or_else(|| document(value_at(request, &["policy"])));
        let written = written.unwrap_or_else(|| Err("the event does not carry the policy".to_owned()));
        policed.judge(record, cx, written, |seen| {
            seen.step("Read the policy as it stands", "s3api get-bucket-policy", &[("--bucket", bucket)])
                .step(
                    "Close what is public at once (the policy stays)",
                    "s3api put-public-access-block",
                    &[
                        ("--bucket", bucket),
                        (
                            "--public-access-block-configuration",
                            "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true",
                        ),
                    ],
                )
                .step("Remove the policy", "s3api delete-bucket-policy", &[("--bucket", bucket)])
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::exposure::policed::testing::{fired, fires_at};
    use crate::testing::*;

    fn put(policy: Value) -> String {
        let request = json!({"bucketName": "photos", "bucketPolicy": policy, "policy": [""]});
        call("s3", "PutBucketPolicy", json!({"requestParameters": request}))
    }

    const OAI: &str = "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1EXAMPLE";

    fn own_distribution() -> Value {
        json!({"StringEquals": {"AWS:SourceArn": "arn:aws:cloudfront::111122223333:distribution/E1EXAMPLE"}})
    }

    fn policy(principal: Value, condition: Value) -> Value {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal,
            "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/*", "Condition": condition}]})
    }

    #[test]
    fn fires() {
        let public = fires_at(&BucketPolicy, Severity::Critical, &put(policy(json!("*"), json!({}))));
        assert_eq!(public.title, "alice opened bucket photos: anybody on the internet can read its objects");
        assert_eq!(public.subject.resource, "arn:aws:s3:::photos");
        let outside = put(policy(json!({"AWS": "arn:aws:iam::999988887777:root"}), json!({})));
        let outside = fires_at(&BucketPolicy, Severity::High, &outside);
        assert_eq!(
            outside.title,
            "alice opened bucket photos: outside account 999988887777 can read its objects"
        );
        assert_ne!(outside.witness, public.witness);
        let text = json!({"bucketName": "photos", "policy": policy(json!("*"), json!({})).to_string()});
        fires_at(
            &BucketPolicy,
            Severity::Critical,
            &call("s3", "PutBucketPolicy", json!({"requestParameters": text})),
        );
        fires_at(
            &BucketPolicy,
            Severity::Medium,
            &put(policy(json!({"CanonicalUser": "79a59df900b949e5"}), json!({}))),
        );
    }

    #[test]
    fn a_condition_is_told_apart_and_settles_what_was_open() {
        let open = fired(&BucketPolicy, &put(policy(json!("*"), json!({}))));
        let organization = json!({"StringEquals": {"aws:PrincipalOrgID": "o-abcd123456"}});
        let address = json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}});
        // A thief's endpoint and a thief's role look no different from one's own.
        let endpoint = json!({"StringEquals": {"aws:SourceVpce": "vpce-1a2b3c4d"}});
        let role = json!({"StringLike": {"aws:userid": "AROAEXAMPLEID:*"}});
        for (condition, severity) in [
            (organization, Severity::Low),
            (endpoint, Severity::Low),
            (address, Severity::Medium),
            (role, Severity::Medium),
        ] {
            let seen = observe(&BucketPolicy, &put(policy(json!("*"), condition)));
            assert_eq!(seen.len(), 2);
            assert_eq!((seen[0].verdict, seen[0].finding_id()), (Verdict::Passing, open.finding_id()));
            assert_eq!((seen[1].verdict, seen[1].severity), (Verdict::Failing, severity));
            assert_ne!(seen[1].finding_id(), open.finding_id());
        }
        let strange =
            json!({"StringEquals": {"AWS:SourceArn": "arn:aws:cloudfront::999988887777:distribution/E1"}});
        let seen =
            observe(&BucketPolicy, &put(policy(json!({"Service": "cloudfront.amazonaws.com"}), strange)));
        assert_eq!((seen[1].verdict, seen[1].severity), (Verdict::Failing, Severity::Medium));
        assert_eq!(
            seen[1].title,
            "alice opened bucket photos: cloudfront.amazonaws.com, acting for outside account 999988887777, can read \
             its objects"
        );
    }

    #[test]
    fn a_service_that_no_condition_binds_acts_for_anybody() {
        for (service, severity) in [("cloudfront", Severity::Medium), ("lambda", Severity::Low)] {
            let principal = json!({"Service": format!("{service}.amazonaws.com")});
            let seen = observe(&BucketPolicy, &put(policy(principal, json!({}))));
            assert_eq!((seen[0].verdict, seen[1].verdict), (Verdict::Passing, Verdict::Failing));
            assert_eq!(seen[1].severity, severity, "{}", seen[1].title);
        }
    }

    #[test]
    fn an_opening_without_a_condition_leaves_none_under_one() {
        let narrowed = policy(json!("*"), json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}));
        let narrowed = fired(&BucketPolicy, &put(narrowed));
        let outside = observe(&BucketPolicy, &put(policy(json!({"AWS": "999988887777"}), json!({}))));
        assert_eq!((outside[0].verdict, outside[0].finding_id()), (Verdict::Passing, narrowed.finding_id()));
        assert_eq!((outside[1].verdict, outside[1].severity), (Verdict::Failing, Severity::High));
    }

    #[test]
    fn what_opens_nothing_settles_it() {
        let open = fired(&BucketPolicy, &put(policy(json!("*"), json!({}))));
        for event in [
            put(policy(json!({"AWS": "arn:aws:iam::111122223333:role/app"}), json!({}))),
            put(policy(json!({"AWS": "444455556666"}), json!({}))),
            put(policy(json!("*"), json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))),
            put(policy(json!({"AWS": OAI}), json!({}))),
            put(policy(json!({"Service": "cloudfront.amazonaws.com"}), own_distribution())),
            call("s3", "DeleteBucketPolicy", json!({"requestParameters": {"bucketName": "photos"}})),
            call("s3", "DeleteBucket", json!({"requestParameters": {"bucketName": "photos"}})),
        ] {
            let gone = observe(&BucketPolicy, &event);
            assert_eq!(
                (gone.len(), gone[0].verdict, gone[1].verdict),
                (2, Verdict::Passing, Verdict::Passing)
            );
            assert_eq!(gone[0].finding_id(), open.finding_id());
        }
    }

    #[test]
    fn unreadable_is_unknown() {
        for request in [
            json!({"bucketName": "photos", "bucketPolicy": "{broken"}),
            json!({"bucketName": "photos", "bucketPolicy": {}}),
            json!({"bucketName": "photos", "bucketPolicy": null}),
            json!({"bucketName": "photos"}),
        ] {
            let seen =
                fired(&BucketPolicy, &call("s3", "PutBucketPolicy", json!({"requestParameters": request})));
            assert_eq!((seen.verdict, seen.severity), (Verdict::Unknown, Severity::Medium));
        }
        let left_out = json!({"requestParameters": {"omitted": true},
            "resources": {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::photos"}});
        let seen = fired(&BucketPolicy, &call("s3", "PutBucketPolicy", left_out));
        assert_eq!((seen.verdict, seen.subject.resource.as_str()), (Verdict::Unknown, "arn:aws:s3:::photos"));
    }

    #[test]
    fn a_public_bucket_is_critical_whoever_makes_it() {
        let stack = json!({"userIdentity": {"invokedBy": "cloudformation.amazonaws.com"}, "requestParameters":
            {"bucketName": "photos", "bucketPolicy": policy(json!("*"), json!({}))}});
        fires_at(&BucketPolicy, Severity::Critical, &call("s3", "PutBucketPolicy", stack));
    }

    #[test]
    fn stays_quiet() {
        let failed = json!({"errorCode": "AccessDenied", "requestParameters":
            {"bucketName": "photos", "bucketPolicy": policy(json!("*"), json!({}))}});
        quiet(
            &BucketPolicy,
            &[
                call("s3", "PutBucketPolicy", failed),
                call("s3", "PutBucketPolicy", json!({"requestParameters": null})),
                call("s3", "DeleteBucketPolicy", json!({"requestParameters": "text"})),
            ],
        );
    }
}
