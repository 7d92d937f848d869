use super::common::{ALL_ON, is_public};
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// All four switches of S3 Block Public Access are on for the whole account. An account that has never set any has all four
    /// off. It is high where one of the account's buckets is public in fact, which the checks on public buckets tell of.
    /// ## Why it matters
    /// The switches are the last bar between a mistake in a bucket policy or an access control list and the internet, for
    /// buckets that are there and for those that somebody makes tomorrow.
    /// ## What to do
    /// Look which buckets are meant to be public. Move what they serve behind CloudFront, then switch all four on for the
    /// account.
    /// ## What it costs
    /// Nothing. CloudFront in front of a former public bucket usually costs less than the bucket's own traffic.
    /// ## What may break
    /// Every bucket that serves the public directly: websites, downloads. An account that has to have such a bucket cannot
    /// switch all four on; switch them on for each other bucket, and suppress this finding with that reason.
    AccountBlock {
        id: "s3.account-bpa",
        title: "S3 Block Public Access is on for the account",
        severity: Medium,
        practices: ["P36"],
        number: 9,
        references: [
            cis("3.0", &["2.1.4"]),
            cis("5.0", &["2.1.4"]),
            security_hub(&["S3.1"]),
            config(&["s3-account-level-public-access-blocks", "s3-account-level-public-access-blocks-periodic"]),
        ],
        asks: [AccountPublicAccess, Buckets, BucketPublicAccess, BucketPolicy, BucketAcl, BucketOwnership],
        finding: "exposure-s3-block-public-access-off",
    }
}

impl Check for AccountBlock {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        // One that was never set blocks nothing.
        let off = cx.optional(AccountPublicAccess, GLOBAL)?.copied().unwrap_or_default().off();
        if off.is_empty() {
            cx.report(cx.passing("S3 Block Public Access is on for the whole account"));
            return Ok(());
        }
        // How bad it is depends on the buckets; that it is so does not.
        let mut public = Vec::new();
        for bucket in cx.try_known(Buckets, GLOBAL).map(Vec::as_slice).unwrap_or_default() {
            if is_public(cx, bucket) == Ok(true) {
                public.push(bucket.name.as_str());
            }
        }
        let what = if off.len() == 4 { "All" } else { "Part of" };
        let mut seen = cx
            .failing(format!("{what} S3 Block Public Access is off for the account"))
            .because(
                "nothing keeps a public policy or access control list from taking effect where it is off",
            )
            .detail("Off", off.join(", "));
        if !public.is_empty() {
            seen = seen.severity(Severity::High).detail("Public buckets", public.join(", "));
        }
        // The setting is the whole account's; the AWS CLI asks for a region all the same.
        let (account, at) = (cx.account(), ("--region", cx.home()));
        let seen = seen
            .step("What is set?", "s3control get-public-access-block", &[("--account-id", account), at])
            .step(
                "Switch all four on",
                "s3control put-public-access-block",
                &[("--account-id", account), ("--public-access-block-configuration", ALL_ON), at],
            );
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::common::fixtures::*;
    use super::*;
    use crate::testing::*;

    #[test]
    fn all_four_switches_count() {
        let with = |on: &[&str]| account().with(AccountPublicAccess, global(), block(on));
        assert_eq!(judge_one(&AccountBlock, &with(&["ba", "ia", "bp", "rp"])).verdict, Judged::Passing);
        // The two that Prowler looks at are not enough.
        let one = judge_one(&AccountBlock, &with(&["ia", "rp"]));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Medium));
        assert_eq!(one.details[0], ("Off".to_owned(), "BlockPublicAcls, BlockPublicPolicy".to_owned()));
    }

    #[test]
    fn never_set_is_off() {
        let one = judge_one(&AccountBlock, &absent(account(), AccountPublicAccess, global()));
        assert_eq!(
            (one.verdict, one.title.as_str()),
            (Judged::Failing, "All S3 Block Public Access is off for the account")
        );
        assert!(one.subject.resource.ends_with(":root") && one.subject.region == "global");
    }

    #[test]
    fn a_public_bucket_makes_it_worse() {
        let open = with_policy(buckets(&["open"]), "open", allowing(&json!("*"), "s3:GetObject"));
        let one = judge_one(&AccountBlock, &open);
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::High));
        // What is not known of the buckets hides nothing.
        let one = judge_one(&AccountBlock, &refused(open, BucketPolicy, at("open")));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Medium));
    }

    #[test]
    fn unknown_without_the_switches() {
        let one = judge_one(&AccountBlock, &refused(buckets(&["a"]), AccountPublicAccess, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["s3:GetAccountPublicAccessBlock"]));
    }
}
