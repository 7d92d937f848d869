use super::common::each_trail;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Each trail of the account encrypts its log files with a key of KMS. Trails of the organization are judged in the account
    /// that owns them, and each trail once, in its home region.
    /// ## Why it matters
    /// S3 encrypts the log files in any case. With a key of one's own, reading them needs a right on the key as well, which a
    /// bucket that was opened by mistake does not give.
    /// ## What to do
    /// Make a key whose policy lets CloudTrail encrypt and your readers decrypt, then give it to the trail.
    /// ## What it costs
    /// 1 USD a month for the key, and cents for its use.
    /// ## What may break
    /// Whoever reads the logs without the right to decrypt, such as a log collector. A key that is deleted or that refuses
    /// CloudTrail stops the delivery.
    Kms {
        id: "trail.kms",
        title: "Trails encrypt with a KMS key",
        severity: Low,
        practices: ["P58"],
        number: 13,
        references: [
            cis("3.0", &["3.5"]),
            cis("5.0", &["3.5"]),
            security_hub(&["CloudTrail.2"]),
            config(&["cloud-trail-encryption-enabled"]),
        ],
        asks: [Trails],
        finding: "audit-trail-weakened",
        closes: [Closes::Listed("arn:*:cloudtrail:*:trail/*")],
    }
}

/// What the finding of an event calls this setting.
const ASPECT: &str = "kmsKeyId";

impl Check for Kms {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        each_trail(cx, |cx, trail| {
            let seen = match &trail.kms_key {
                Some(key) => {
                    cx.passing(format!("Trail {} encrypts with a KMS key", trail.name)).detail("Key", key)
                }
                None => cx
                    .failing(format!("Trail {} encrypts with no KMS key", trail.name))
                    .because("S3's own encryption is there; whoever may read the bucket reads the logs")
                    .step(
                        "Give it a key",
                        "cloudtrail update-trail",
                        &[
                            ("--name", trail.arn.as_str()),
                            ("--kms-key-id", "KEY_ARN"),
                            ("--region", trail.home_region.as_str()),
                        ],
                    ),
            };
            cx.report(seen.aspect(ASPECT));
            Ok(())
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::common::fixtures::*;
    use super::*;
    use crate::testing::*;
    use facts::audit::Trail;
    use keepwatch_core::posture::Place;

    #[test]
    fn each_trail_once_in_its_home() {
        let with =
            Trail { kms_key: Some("arn:aws:kms:eu-west-1:111122223333:key/k".to_owned()), ..trail("with") };
        let all = vec![with, trail("without")];
        let mut state = account().with(Trails, region(), all.clone());
        // The shadows in another region are the same trails.
        state.regions.push("us-east-1".to_owned());
        let state = state.with(Trails, Place::region("us-east-1"), all);
        let verdicts = [("with#kmsKeyId", Judged::Passing), ("without#kmsKeyId", Judged::Failing)];
        assert_eq!(judged(&Kms, &state), verdicts.map(|(name, verdict)| (name.to_owned(), verdict)));
        assert!(judgements(&Kms, &state).iter().all(|one| one.subject.region == REGION));
    }

    #[test]
    fn trails_of_others_and_accounts_without_are_not_applicable() {
        let arn = "arn:aws:cloudtrail:eu-west-1:444455556666:trail/org".to_owned();
        let org = account().with(Trails, region(), vec![Trail { arn, organization: true, ..trail("org") }]);
        assert_eq!(judge_one(&Kms, &org).verdict, Judged::NotApplicable);
        assert_eq!(judge_one(&Kms, &account().with(Trails, region(), vec![])).verdict, Judged::NotApplicable);
    }

    #[test]
    fn a_region_that_refuses_hides_no_failure() {
        let mut state = account().with(Trails, region(), vec![trail("main")]);
        state.regions.push("us-east-1".to_owned());
        let all = judgements(&Kms, &refused(state, Trails, Place::region("us-east-1")));
        assert_eq!(all[0].verdict, Judged::Failing);
        assert_eq!((all[1].verdict, missing(&all[1])), (Judged::Unknown, vec!["cloudtrail:DescribeTrails"]));
        assert_eq!(all[1].subject.region, "us-east-1");
    }
}
