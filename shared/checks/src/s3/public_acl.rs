use keepwatch_core::public_acl;

use super::common::{each_bucket, is_public_by_acl, public_grants};
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No bucket's access control list lets everybody in: AllUsers is the internet, AuthenticatedUsers is anybody with any AWS
    /// account. A list counts for nothing where IgnorePublicAcls is on, for the account or for the bucket, or where the object
    /// ownership is BucketOwnerEnforced. To write is critical, to list is high, to read the list itself is medium.
    /// ## Why it matters
    /// Access control lists are the old way to make a bucket public and easily overlooked: no policy shows them.
    /// ## What to do
    /// Switch lists off with the object ownership BucketOwnerEnforced, or make the list private. Look for objects that you did
    /// not put there where the bucket was open to writing.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// With BucketOwnerEnforced, whoever still uploads with an access control list is refused, other accounts among them, and
    /// readers who were named in a list need a bucket policy.
    PublicAcl {
        id: "s3.public-acl",
        title: "No bucket is public by its access control list",
        severity: High,
        practices: ["P40"],
        references: [
            security_hub(&["S3.2", "S3.3"]),
            config(&["s3-bucket-public-read-prohibited", "s3-bucket-public-write-prohibited"]),
            trusted_advisor(&["Pfx0RwqBli"]),
            doc(&["S3 user guide: controlling ownership of objects and disabling ACLs"]),
        ],
        asks: [AccountPublicAccess, Buckets, BucketPublicAccess, BucketAcl, BucketOwnership],
        finding: "exposure-bucket-acl-public",
        closes: [Closes::Listed("arn:*:s3:::*")],
    }
}

impl Check for PublicAcl {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        each_bucket(cx, |cx, bucket| {
            let name = bucket.name.as_str();
            let grants = public_grants(cx, bucket);
            let public = is_public_by_acl(cx, bucket, &grants)?;
            let grants = grants.unwrap_or_default();
            if !public {
                let mut seen = cx.passing(format!("Bucket {name} is not public by its access control list"));
                for grant in grants {
                    seen =
                        seen.detail("Counts for nothing", format!("{}: {}", group(grant), grant.permission));
                }
                cx.report(seen);
                return Ok(());
            }
            let worst = grants.iter().max_by_key(|grant| public_acl::severity(&grant.permission));
            let told = worst.map_or_else(String::new, |grant| {
                format!(": {} can {}", public_acl::whom(group(grant)), public_acl::ability(&grant.permission))
            });
            let mut seen = cx
                .failing(format!("Bucket {name} is public by its access control list{told}"))
                .severity(worst.map_or(Severity::High, |grant| public_acl::severity(&grant.permission)))
                .because("the list names a group that anybody belongs to");
            for grant in &grants {
                seen = seen.detail(group(grant), &grant.permission);
            }
            let seen = seen
                .step("Read the list", "s3api get-bucket-acl", &[("--bucket", name)])
                .step("Make it private", "s3api put-bucket-acl", &[("--bucket", name), ("--acl", "private")])
                .step(
                    "Switch lists off for good",
                    "s3api put-bucket-ownership-controls",
                    &[
                        ("--bucket", name),
                        ("--ownership-controls", "Rules=[{ObjectOwnership=BucketOwnerEnforced}]"),
                    ],
                );
            cx.report(seen);
            Ok(())
        })
    }
}

fn group(grant: &facts::s3::BucketGrant) -> &str {
    grant.group.as_deref().and_then(|uri| uri.rsplit('/').next()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::common::fixtures::*;
    use super::*;
    use crate::testing::*;
    use keepwatch_core::posture::State;

    fn open(group: &str, permission: &str) -> State {
        with_public_acl(buckets(&["open"]), "open", group, permission)
    }

    fn owned_by(ownership: Option<&str>) -> State {
        let ownership = ownership.map(str::to_owned);
        open("AllUsers", "READ").with(BucketOwnership, at("open"), facts::s3::BucketOwnership { ownership })
    }

    #[test]
    fn both_groups_are_everybody() {
        for (group, permission, severity) in [
            ("AllUsers", "READ", Severity::High),
            ("AuthenticatedUsers", "READ", Severity::High),
            ("AllUsers", "WRITE", Severity::Critical),
            ("AllUsers", "FULL_CONTROL", Severity::Critical),
            ("AllUsers", "READ_ACP", Severity::Medium),
        ] {
            let one = judge_one(&PublicAcl, &open(group, permission));
            assert_eq!((one.verdict, one.severity), (Judged::Failing, severity), "{group} {permission}");
        }
        assert_eq!(judge_one(&PublicAcl, &buckets(&["none"])).verdict, Judged::Passing);
    }

    #[test]
    fn log_delivery_is_nobody_else() {
        let mut state = open("AllUsers", "WRITE");
        let grant = facts::s3::BucketGrant {
            group: Some("http://acs.amazonaws.com/groups/s3/LogDelivery".to_owned()),
            permission: "WRITE".to_owned(),
        };
        state = state.with(BucketAcl, at("open"), facts::s3::BucketAcl { grants: vec![grant] });
        assert_eq!(judge_one(&PublicAcl, &state).verdict, Judged::Passing);
    }

    #[test]
    fn what_makes_a_list_count_for_nothing() {
        let public = open("AllUsers", "READ");
        let own = public.clone().with(BucketPublicAccess, at("open"), block(&["ia"]));
        assert_eq!(judge_one(&PublicAcl, &own).verdict, Judged::Passing);
        let account = public.clone().with(AccountPublicAccess, global(), block(&["ia"]));
        assert_eq!(judge_one(&PublicAcl, &account).verdict, Judged::Passing);
        // New lists are barred, the one that is there is not.
        let barred = public.with(AccountPublicAccess, global(), block(&["ba", "bp", "rp"]));
        assert_eq!(judge_one(&PublicAcl, &barred).verdict, Judged::Failing);
        assert_eq!(judge_one(&PublicAcl, &owned_by(Some("BucketOwnerEnforced"))).verdict, Judged::Passing);
        assert_eq!(judge_one(&PublicAcl, &owned_by(Some("BucketOwnerPreferred"))).verdict, Judged::Failing);
        // None set is as ObjectWriter.
        assert_eq!(judge_one(&PublicAcl, &owned_by(None)).verdict, Judged::Failing);
    }

    #[test]
    fn a_refusal_decides_only_where_nothing_else_does() {
        let public = open("AllUsers", "READ");
        let one = judge_one(&PublicAcl, &refused(public.clone(), BucketAcl, at("open")));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["s3:GetBucketAcl"]));
        let one = judge_one(&PublicAcl, &refused(public.clone(), BucketOwnership, at("open")));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["s3:GetBucketOwnershipControls"]));
        // Whatever the list says, it counts for nothing.
        let closed = public.with(AccountPublicAccess, global(), full());
        assert_eq!(judge_one(&PublicAcl, &refused(closed, BucketAcl, at("open"))).verdict, Judged::Passing);
        // Whatever is ignored, there is nothing to ignore.
        let private = refused(buckets(&["a"]), AccountPublicAccess, global());
        assert_eq!(judge_one(&PublicAcl, &private).verdict, Judged::Passing);
    }
}
