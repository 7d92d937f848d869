use super::common::{each_bucket, place};
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// New objects of each bucket are encrypted at rest, which S3 does by itself since January 2023, and not with a key of
    /// another account. Every algorithm counts: AES256, aws:kms, aws:kms:dsse. Whose key it is, is looked up where there are no
    /// more buckets than the parameter `bucket-details` says.
    /// ## Why it matters
    /// Encryption protects against whoever gets at S3's disks. A default key that belongs to somebody else is how buckets are
    /// held to ransom: its owner disables it, and every new object is unreadable.
    /// ## What to do
    /// Where the key is another account's and nobody knows why, set the default back to S3's own key and copy the objects that
    /// were written meanwhile. Where you want a say in who decrypts, take a KMS key of your own.
    /// ## What it costs
    /// S3's own keys cost nothing. A KMS key costs 1 USD a month and its requests; a bucket key keeps those few.
    /// ## What may break
    /// After a change to a KMS key, whoever reads or writes needs rights on the key as well. A central account that holds the
    /// keys of all others is no attack: suppress the finding with that reason.
    Encryption {
        id: "s3.encryption",
        title: "Buckets encrypt what is put into them",
        severity: Informational,
        practices: ["P38"],
        number: 10,
        references: [
            security_hub(&["S3.4", "S3.17"]),
            config(&["s3-bucket-server-side-encryption-enabled"]),
            doc(&["S3 user guide: setting default server-side encryption behavior for buckets"]),
        ],
        asks: [Buckets, BucketEncryption],
        finding: "data-bucket-protection-weakened",
        closes: [Closes::Listed("arn:*:s3:::*")],
    }
}

/// Why a bucket was not asked.
const MANY: &str = "whose key it is: there are more buckets than the parameter bucket-details";

impl Check for Encryption {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        each_bucket(cx, |cx, bucket| {
            let name = bucket.name.as_str();
            if !cx.was_asked(BucketEncryption, place(bucket)) {
                let seen =
                    cx.passing(format!("Bucket {name} encrypts what is put into it, as S3 does by itself"));
                cx.report(seen.detail("Not looked at", MANY).aspect("encryption"));
                return Ok(());
            }
            let default = cx.known(BucketEncryption, place(bucket))?;
            let key = default.kms_key.as_deref().unwrap_or_default();
            // By ARN only: an id or an alias is looked up in the own account.
            let owner = key.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(3));
            let own = |owner: &str| {
                let trusted = &cx.parameters.trusted_accounts;
                owner.is_empty() || owner == cx.account() || trusted.iter().any(|one| one == owner)
            };
            let seen = match owner.filter(|owner| !own(owner)) {
                Some(owner) => cx
                    .failing(format!("Bucket {name} encrypts with a key of account {owner}"))
                    .severity(Severity::High)
                    .because(
                        "whoever owns that account can make every new object unreadable by disabling one key",
                    )
                    .detail("Key", key)
                    .step("What is set?", "s3api get-bucket-encryption", &[("--bucket", name)])
                    .step(
                        "Encrypt with S3's own key",
                        "s3api delete-bucket-encryption",
                        &[("--bucket", name)],
                    ),
                None => cx
                    .passing(format!("Bucket {name} encrypts what is put into it"))
                    .detail("Algorithm", &default.algorithm),
            };
            cx.report(seen.aspect("encryption"));
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::common::fixtures::*;
    use super::*;
    use crate::testing::*;

    fn with(algorithm: &str, key: Option<&str>) -> Judgement {
        let default =
            facts::s3::BucketEncryption { algorithm: algorithm.to_owned(), kms_key: key.map(str::to_owned) };
        judge_one(&Encryption, &buckets(&["a"]).with(BucketEncryption, at("a"), default))
    }

    #[test]
    fn every_algorithm_encrypts() {
        for algorithm in ["AES256", "aws:kms", "aws:kms:dsse"] {
            assert_eq!(with(algorithm, None).verdict, Judged::Passing, "{algorithm}");
        }
        let own = "arn:aws:kms:eu-west-1:111122223333:key/0f1e2d3c";
        for key in [own, "alias/aws/s3", "0f1e2d3c"] {
            assert_eq!(with("aws:kms", Some(key)).verdict, Judged::Passing, "{key}");
        }
    }

    #[test]
    fn a_key_of_another_account_is_told() {
        let one = with("aws:kms", Some("arn:aws:kms:eu-west-1:444455556666:key/0f1e2d3c"));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::High));
        assert!(one.title.contains("444455556666"), "{}", one.title);
    }

    #[test]
    fn the_key_of_a_trusted_account_is_as_good_as_an_own_one() {
        let default = facts::s3::BucketEncryption {
            algorithm: "aws:kms".to_owned(),
            kms_key: Some("arn:aws:kms:eu-west-1:444455556666:key/0f1e2d3c".to_owned()),
        };
        let state = buckets(&["a"]).with(BucketEncryption, at("a"), default);
        let with = |account| judge_trusting(&Encryption, &state, account).verdict;
        assert_eq!((with("444455556666"), with("777788889999")), (Judged::Passing, Judged::Failing));
    }

    #[test]
    fn one_among_many_is_encrypted_by_s3_and_says_what_was_not_looked_at() {
        let one = judge_one(&Encryption, &buckets(&["a"]));
        assert_eq!((one.verdict, one.details[0].0.as_str()), (Judged::Passing, "Not looked at"));
    }

    #[test]
    fn unknown_and_gone() {
        let one = judge_one(&Encryption, &refused(buckets(&["a"]), BucketEncryption, at("a")));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["s3:GetEncryptionConfiguration"]));
        let gone = absent(buckets(&["a"]), BucketEncryption, at("a"));
        assert_eq!(judge_one(&Encryption, &gone).verdict, Judged::NotApplicable);
    }
}
