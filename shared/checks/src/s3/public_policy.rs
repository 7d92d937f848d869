use super::common::{ALL_ON, each_bucket, is_public_by_policy, shares};
use crate::kit::prelude::*;
use crate::kit::sharing::{Outsider, Share, is_open, is_public};

declare_check! {
    /// ## What it checks
    /// No bucket's policy lets everybody in. The policy engine reads the policy with its conditions and Denies, as S3 does: an
    /// address range of half the internet is everybody, an organization is not. What RestrictPublicBuckets closes, for the
    /// account or for the bucket, is not public. To write is critical, to read is high. A policy that lets another account in
    /// is no public one and gets a line.
    /// ## Why it matters
    /// Public buckets are how most data leaks from AWS begin. They are found by scanners within hours.
    /// ## What to do
    /// Switch S3 Block Public Access on for the bucket, which closes it at once and leaves the policy as it is. Then take the
    /// statement out, and read the bucket's access logs for who came.
    /// ## What it costs
    /// Nothing. Public downloads are cheaper through CloudFront with an origin access control.
    /// ## What may break
    /// Websites and downloads that are meant to be public, until CloudFront serves them.
    PublicPolicy {
        id: "s3.public-policy",
        title: "No bucket is public by its policy",
        severity: High,
        practices: ["P40"],
        references: [
            security_hub(&["S3.2", "S3.3"]),
            config(&["s3-bucket-public-read-prohibited", "s3-bucket-public-write-prohibited"]),
            trusted_advisor(&["Pfx0RwqBli"]),
            doc(&["S3 user guide: the meaning of \"public\""]),
        ],
        asks: [AccountPublicAccess, Buckets, BucketPublicAccess, BucketPolicy],
        finding: "exposure-bucket-policy-open",
        closes: [Closes::Listed("arn:*:s3:::*")],
    }
}

/// Judged apart: whether the bucket is public, where more of the finding that event and state share is not known or not good.
const PUBLIC_ONLY: &str = "public";

/// Actions that change the bucket or what is in it.
const WRITES: [&str; 8] = [
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:PutObjectAcl",
    "s3:PutBucketPolicy",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketAcl",
    "s3:PutLifecycleConfiguration",
    "s3:DeleteBucket",
];

impl Check for PublicPolicy {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        each_bucket(cx, |cx, bucket| {
            let name = bucket.name.as_str();
            let shares = shares(cx, bucket);
            let public = is_public_by_policy(cx, bucket, &shares)?;
            let shares = shares.ok();
            let known = shares.as_deref().unwrap_or_default();
            if public {
                cx.report(failing(cx, name, known));
                return Ok(());
            }
            let restricted = known.iter().any(is_public);
            let outsiders: Vec<&Share> =
                known.iter().filter(|share| !is_public(share) && is_open(share)).collect();
            let seen = match outsiders.first() {
                Some(share) if !restricted => cx
                    .informational(format!("The policy of bucket {name} lets in {}", share.whom()))
                    .because(share.why()),
                _ => cx.passing(format!("Bucket {name} is not public by its policy")),
            };
            let seen = outsiders.iter().fold(seen, |seen, share| seen.detail("Opening", share.why()));
            let seen = match restricted {
                true => seen.detail("Closed by", "RestrictPublicBuckets; the policy itself is public"),
                false => seen,
            };
            // Another account in a policy is a finding too, and this is not its end.
            let settles = shares.is_some() && outsiders.is_empty();
            cx.report(if settles { seen } else { seen.aspect(PUBLIC_ONLY) });
            Ok(())
        })
    }
}

fn failing(cx: &Cx<'_>, name: &str, shares: &[Share]) -> Judgement {
    let public: Vec<&Share> = shares.iter().filter(|share| is_public(share)).collect();
    let writes = |share: &&Share| WRITES.iter().any(|action| share.allows(action));
    let worst = public.iter().copied().find(writes).or(public.first().copied());
    let told = worst.map_or_else(String::new, |share| format!(": {} can {}", share.whom(), share.ability()));
    let severity =
        if worst.is_some_and(|share| writes(&share)) { Severity::Critical } else { Severity::High };
    let mut seen = cx
        .failing(format!("Bucket {name} is public by its policy{told}"))
        .severity(severity)
        .because(worst.map_or_else(String::new, Share::why));
    for share in public {
        seen = seen.detail("Opening", share.why());
    }
    for share in shares.iter().filter(|share| matches!(share.who, Outsider::ExternalAccount(_))) {
        seen = seen.detail("Besides", share.why());
    }
    seen.step("Read the policy", "s3api get-bucket-policy", &[("--bucket", name)])
        .step(
            "Close it at once (the policy stays)",
            "s3api put-public-access-block",
            &[("--bucket", name), ("--public-access-block-configuration", ALL_ON)],
        )
        .step("Remove the policy", "s3api delete-bucket-policy", &[("--bucket", name)])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::common::fixtures::*;
    use super::*;
    use crate::testing::*;
    use keepwatch_core::posture::State;

    fn open(principal: Value, action: &str) -> State {
        with_policy(buckets(&["open"]), "open", allowing(&principal, action))
    }

    fn under(operator: &str, key: &str, value: &str) -> Judgement {
        let mut policy = allowing(&json!({"AWS": "*"}), "s3:GetObject");
        policy["Statement"][0]["Condition"] = json!({operator: {key: value}});
        judge_one(&PublicPolicy, &with_policy(buckets(&["open"]), "open", policy))
    }

    #[test]
    fn everybody_is_told_apart_by_what_they_can_do() {
        let one = judge_one(&PublicPolicy, &open(json!("*"), "s3:GetObject"));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::High));
        assert!(one.title.contains("anybody on the internet can read its objects"), "{}", one.title);
        let one = judge_one(&PublicPolicy, &open(json!({"AWS": ["*"]}), "s3:*"));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Critical));
        assert_eq!(judge_one(&PublicPolicy, &buckets(&["none"])).verdict, Judged::Passing);
    }

    #[test]
    fn conditions_count_as_s3_counts_them() {
        assert_eq!(under("IpAddress", "aws:SourceIp", "0.0.0.0/1").verdict, Judged::Failing);
        assert_eq!(under("IpAddress", "aws:SourceIp", "203.0.113.0/24").verdict, Judged::Passing);
        assert_eq!(under("StringEquals", "aws:PrincipalOrgID", "o-abcdefghij").verdict, Judged::Passing);
        assert_eq!(under("StringEquals", "aws:PrincipalAccount", "111122223333").verdict, Judged::Passing);
    }

    #[test]
    fn a_deny_takes_it_away() {
        let mut policy = allowing(&json!("*"), "s3:GetObject");
        let statements = policy["Statement"].as_array_mut().unwrap();
        statements.push(json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}));
        assert_eq!(
            judge_one(&PublicPolicy, &with_policy(buckets(&["a"]), "a", policy)).verdict,
            Judged::Passing
        );
    }

    #[test]
    fn block_public_access_closes_it() {
        let public = open(json!("*"), "s3:GetObject");
        // New policies are barred, the one that is there is not.
        let barred = public.clone().with(BucketPublicAccess, at("open"), block(&["bp", "ba", "ia"]));
        assert_eq!(judge_one(&PublicPolicy, &barred).verdict, Judged::Failing);
        let own = public.clone().with(BucketPublicAccess, at("open"), block(&["rp"]));
        let one = judge_one(&PublicPolicy, &own);
        assert_eq!((one.verdict, one.subject.aspect), (Judged::Passing, None));
        let account = public.with(AccountPublicAccess, global(), block(&["rp"]));
        assert_eq!(judge_one(&PublicPolicy, &account).verdict, Judged::Passing);
    }

    #[test]
    fn another_account_is_not_the_public_and_settles_nothing() {
        let other = open(json!({"AWS": "arn:aws:iam::444455556666:root"}), "s3:GetObject");
        let one = judge_one(&PublicPolicy, &other);
        assert_eq!((one.verdict, one.subject.aspect.as_deref()), (Judged::Informational, Some("public")));
        assert!(one.title.contains("outside account 444455556666"), "{}", one.title);
    }

    #[test]
    fn a_refusal_decides_only_where_nothing_else_does() {
        let public = open(json!("*"), "s3:GetObject");
        let one = judge_one(&PublicPolicy, &refused(public.clone(), BucketPolicy, at("open")));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["s3:GetBucketPolicy"]));
        // Whatever the policy says, it lets nobody in.
        let closed = public.clone().with(AccountPublicAccess, global(), full());
        let one = judge_one(&PublicPolicy, &refused(closed, BucketPolicy, at("open")));
        assert_eq!((one.verdict, one.subject.aspect.as_deref()), (Judged::Passing, Some("public")));
        // Whatever is blocked, there is nothing to block.
        let private = refused(buckets(&["a"]), BucketPublicAccess, at("a"));
        assert_eq!(judge_one(&PublicPolicy, &private).verdict, Judged::Passing);
        let one = judge_one(&PublicPolicy, &refused(public.clone(), BucketPublicAccess, at("open")));
        assert_eq!(missing(&one), ["s3:GetBucketPublicAccessBlock"]);
        let one = judge_one(&PublicPolicy, &refused(public, AccountPublicAccess, global()));
        assert_eq!(missing(&one), ["s3:GetAccountPublicAccessBlock"]);
    }

    #[test]
    fn what_cannot_be_read_is_not_harmless() {
        let document = Some("{\"Statement\": 7".to_owned());
        let state = buckets(&["a"]).with(BucketPolicy, at("a"), facts::s3::BucketPolicy { document });
        let one = judge_one(&PublicPolicy, &state);
        assert!(one.verdict == Judged::Unknown && one.reason.contains("cannot be read"), "{}", one.reason);
    }

    #[test]
    fn a_bucket_that_is_gone_is_gone() {
        let state = absent(buckets(&["gone"]), BucketPolicy, at("gone"));
        assert_eq!(judge_one(&PublicPolicy, &state).verdict, Judged::NotApplicable);
    }

    #[test]
    fn a_trusted_account_is_no_outsider() {
        let partner = serde_json::json!({"AWS": "arn:aws:iam::444455556666:root"});
        let state = with_policy(buckets(&["open"]), "open", allowing(&partner, "s3:GetObject"));
        let with = |account| judge_trusting(&PublicPolicy, &state, account).verdict;
        assert_eq!((with("444455556666"), with("777788889999")), (Judged::Passing, Judged::Informational));
    }
}
