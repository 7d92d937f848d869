use super::common::{each_bucket, place};
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Versioning of each bucket is on. Suspended versioning keeps old versions and makes no new ones, and fails as well.
    /// ## Why it matters
    /// With versions, what was overwritten or deleted by mistake or by a thief can be had back.
    /// ## What to do
    /// Switch it on for buckets whose content cannot be made anew, together with a lifecycle rule that deletes old versions
    /// after some weeks. Suppress the finding for buckets of logs, caches and builds.
    /// ## What it costs
    /// Old versions are stored and paid like objects: a bucket whose objects are rewritten daily grows by all of it daily, until
    /// a lifecycle rule deletes old versions.
    /// ## What may break
    /// Nothing at first. Programs that count on a deleted object's space, and those that list versions, see more. Versioning can
    /// be suspended later, never taken away.
    Versioning {
        id: "s3.versioning",
        title: "Buckets keep versions of their objects",
        severity: Low,
        practices: ["P39"],
        references: [
            security_hub(&["S3.14"]),
            config(&["s3-bucket-versioning-enabled"]),
            trusted_advisor(&["R365s2Qddf"]),
        ],
        asks: [Buckets, BucketVersioning],
        finding: "data-bucket-protection-weakened",
        closes: [Closes::Listed("arn:*:s3:::*")],
    }
}

impl Check for Versioning {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        each_bucket(cx, |cx, bucket| {
            let name = bucket.name.as_str();
            let versioning = cx.known(BucketVersioning, place(bucket))?;
            let seen = match versioning.status.as_deref() {
                Some("Enabled") => cx
                    .passing(format!("Bucket {name} keeps versions"))
                    .detail("Deleting a version needs MFA", if versioning.mfa_delete { "yes" } else { "no" }),
                status => {
                    let so = if status.is_some() { "suspended" } else { "off" };
                    cx.failing(format!("Versioning of bucket {name} is {so}"))
                        .because("what is overwritten or deleted cannot be had back")
                        .step(
                            "Switch it on",
                            "s3api put-bucket-versioning",
                            &[("--bucket", name), ("--versioning-configuration", "Status=Enabled")],
                        )
                }
            };
            cx.report(seen.aspect("versioning"));
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::common::fixtures::*;
    use super::*;
    use crate::testing::*;

    fn with(status: Option<&str>) -> Judgement {
        let versioning = facts::s3::BucketVersioning { status: status.map(str::to_owned), mfa_delete: false };
        judge_one(&Versioning, &buckets(&["a"]).with(BucketVersioning, at("a"), versioning))
    }

    #[test]
    fn on_off_and_suspended() {
        assert_eq!(with(Some("Enabled")).verdict, Judged::Passing);
        let one = with(Some("Suspended"));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Low));
        assert_eq!(with(None).verdict, Judged::Failing);
    }

    #[test]
    fn unknown_and_gone() {
        let one = judge_one(&Versioning, &refused(buckets(&["a"]), BucketVersioning, at("a")));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["s3:GetBucketVersioning"]));
        let gone = absent(buckets(&["a"]), BucketVersioning, at("a"));
        assert_eq!(judge_one(&Versioning, &gone).verdict, Judged::NotApplicable);
    }
}
