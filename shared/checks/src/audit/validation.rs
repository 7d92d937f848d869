use super::common::each_trail;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Each trail of the account signs its log files, so that a change or a deletion can be proven. Trails of the organization
    /// are judged in the account that owns them.
    /// ## Why it matters
    /// Whoever gets at the bucket can cut out what they did. Signed digests of every hour show it.
    /// ## What to do
    /// Switch validation on. It holds for log files from then on. `aws cloudtrail validate-logs` checks them.
    /// ## What it costs
    /// Nothing but the storage of one small file an hour and region.
    /// ## What may break
    /// Nothing. Programs that read every object of the bucket meet digest files as well.
    Validation {
        id: "trail.validation",
        title: "Trails sign their log files",
        severity: Medium,
        practices: ["P59"],
        number: 14,
        references: [
            cis("3.0", &["3.2"]),
            cis("5.0", &["3.2"]),
            security_hub(&["CloudTrail.4"]),
            config(&["cloud-trail-log-file-validation-enabled"]),
        ],
        asks: [Trails],
        finding: "audit-trail-weakened",
        closes: [Closes::Listed("arn:*:cloudtrail:*:trail/*")],
    }
}

/// What the finding of an event calls this setting.
const ASPECT: &str = "enableLogFileValidation";

impl Check for Validation {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        each_trail(cx, |cx, trail| {
            let seen = if trail.validation {
                cx.passing(format!("Trail {} signs its log files", trail.name))
            } else {
                cx.failing(format!("Trail {} does not sign its log files", trail.name))
                    .because("nobody could tell whether somebody changed or deleted them")
                    .step(
                        "Switch it on",
                        "cloudtrail update-trail --enable-log-file-validation",
                        &[("--name", trail.arn.as_str()), ("--region", trail.home_region.as_str())],
                    )
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

    #[test]
    fn each_trail_is_judged() {
        let signs = Trail { validation: true, ..trail("signs") };
        let state = account().with(Trails, region(), vec![signs, trail("main")]);
        let verdicts = [
            ("signs#enableLogFileValidation", Judged::Passing),
            ("main#enableLogFileValidation", Judged::Failing),
        ];
        assert_eq!(judged(&Validation, &state), verdicts.map(|(name, verdict)| (name.to_owned(), verdict)));
    }

    #[test]
    fn trails_of_others_and_accounts_without_are_not_applicable() {
        let arn = "arn:aws:cloudtrail:eu-west-1:444455556666:trail/org".to_owned();
        let org = account().with(Trails, region(), vec![Trail { arn, organization: true, ..trail("org") }]);
        assert_eq!(judge_one(&Validation, &org).verdict, Judged::NotApplicable);
        let none = account().with(Trails, region(), vec![]);
        assert_eq!(judge_one(&Validation, &none).verdict, Judged::NotApplicable);
    }

    #[test]
    fn unknown_where_trails_cannot_be_listed() {
        let one = judge_one(&Validation, &refused(account(), Trails, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["cloudtrail:DescribeTrails"]));
    }
}
