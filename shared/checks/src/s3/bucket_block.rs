use facts::s3::PublicAccessBlock;

use super::common::{ALL_ON, blocks, each_bucket, is_public};
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Each of the four switches of S3 Block Public Access is on for each bucket, by the account's block or by the bucket's own:
    /// S3 takes what is stricter, switch by switch. Low where the bucket is private by its policy and list as well, medium
    /// where it is public or that is not known. Access points have a block of their own, which is not looked at.
    /// ## Why it matters
    /// A bucket without the block is one careless policy away from the internet.
    /// ## What to do
    /// Switch all four on for the account, which covers every bucket, or for this bucket.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// A bucket that serves the public directly: a website, downloads. Put CloudFront before it first. Anonymous access that
    /// nobody remembers ends as well; the access logs show it.
    BucketBlock {
        id: "s3.bucket-bpa",
        title: "S3 Block Public Access is on for each bucket",
        severity: Low,
        practices: ["P37"],
        number: 11,
        references: [
            cis("3.0", &["2.1.4"]),
            cis("5.0", &["2.1.4"]),
            security_hub(&["S3.8"]),
            config(&["s3-bucket-level-public-access-prohibited"]),
        ],
        asks: [AccountPublicAccess, Buckets, BucketPublicAccess, BucketPolicy, BucketAcl, BucketOwnership],
        finding: "exposure-s3-block-public-access-off",
        closes: [Closes::Listed("arn:*:s3:::*")],
    }
}

/// A switch by its name.
type Switch = (&'static str, fn(&PublicAccessBlock) -> bool);

/// The four.
const SWITCHES: [Switch; 4] = [
    ("BlockPublicAcls", |block| block.block_public_acls),
    ("IgnorePublicAcls", |block| block.ignore_public_acls),
    ("BlockPublicPolicy", |block| block.block_public_policy),
    ("RestrictPublicBuckets", |block| block.restrict_public_buckets),
];

impl Check for BucketBlock {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        each_bucket(cx, |cx, bucket| {
            let name = bucket.name.as_str();
            let on = SWITCHES.map(|(name, switch)| (name, blocks(cx, bucket, switch)));
            if all(&on.clone().map(|(_, on)| on))? {
                cx.report(cx.passing(format!("S3 Block Public Access is on for bucket {name}")));
                return Ok(());
            }
            let off: Vec<&str> =
                on.iter().filter(|(_, on)| *on == Ok(false)).map(|(name, _)| *name).collect();
            let what = if off.len() == 4 { "All" } else { "Part of" };
            let private = is_public(cx, bucket) == Ok(false);
            let seen = cx
                .failing(format!("{what} S3 Block Public Access is off for bucket {name}"))
                .severity(if private { Severity::Low } else { Severity::Medium })
                .because("neither the account's block nor the bucket's own has it on")
                .detail("Off", off.join(", "))
                .step("Is the bucket public now?", "s3api get-bucket-policy-status", &[("--bucket", name)])
                .step(
                    "Switch all four on",
                    "s3api put-public-access-block",
                    &[("--bucket", name), ("--public-access-block-configuration", ALL_ON)],
                );
            cx.report(seen);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::common::fixtures::*;
    use super::*;
    use crate::testing::*;

    #[test]
    fn switches_of_account_and_bucket_add_up_one_by_one() {
        let state = buckets(&["split", "half", "full"])
            .with(AccountPublicAccess, global(), block(&["ba", "bp"]))
            .with(BucketPublicAccess, at("split"), block(&["ia", "rp"]))
            .with(BucketPublicAccess, at("half"), block(&["ia"]))
            .with(BucketPublicAccess, at("full"), full());
        assert_eq!(
            judged(&BucketBlock, &state),
            [
                ("split".to_owned(), Judged::Passing),
                ("half".to_owned(), Judged::Failing),
                ("full".to_owned(), Judged::Passing),
            ]
        );
    }

    #[test]
    fn the_accounts_block_covers_all_without_a_call_each() {
        let bucket = facts::s3::Bucket { name: "a".to_owned(), region: REGION.to_owned() };
        let state =
            account().with(AccountPublicAccess, global(), full()).with(Buckets, global(), vec![bucket]);
        assert_eq!(judge_one(&BucketBlock, &state).verdict, Judged::Passing);
    }

    #[test]
    fn a_public_bucket_is_worse() {
        let one = judge_one(&BucketBlock, &buckets(&["private"]));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Low));
        let open = with_policy(buckets(&["open"]), "open", allowing(&json!("*"), "s3:GetObject"));
        assert_eq!(judge_one(&BucketBlock, &open).severity, Severity::Medium);
        let one = judge_one(&BucketBlock, &refused(buckets(&["a"]), BucketAcl, at("a")));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Medium));
    }

    #[test]
    fn a_refusal_decides_only_where_nothing_else_does() {
        // The bucket's own block is not known, and the account's is not enough.
        let one = judge_one(&BucketBlock, &refused(buckets(&["a"]), BucketPublicAccess, at("a")));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["s3:GetBucketPublicAccessBlock"]));
        // The account's block is not known, and the bucket's own is enough.
        let own = buckets(&["a"]).with(BucketPublicAccess, at("a"), full());
        assert_eq!(
            judge_one(&BucketBlock, &refused(own, AccountPublicAccess, global())).verdict,
            Judged::Passing
        );
        let one = judge_one(&BucketBlock, &refused(buckets(&["a"]), AccountPublicAccess, global()));
        assert_eq!(missing(&one), ["s3:GetAccountPublicAccessBlock"]);
    }

    #[test]
    fn a_bucket_that_is_gone_is_gone() {
        let state = absent(buckets(&["gone"]), BucketPublicAccess, at("gone"));
        assert_eq!(judge_one(&BucketBlock, &state).verdict, Judged::NotApplicable);
    }

    #[test]
    fn unknown_without_the_list() {
        let one = judge_one(&BucketBlock, &refused(account(), Buckets, global()));
        assert_eq!(missing(&one), ["s3:ListAllMyBuckets"]);
    }
}
