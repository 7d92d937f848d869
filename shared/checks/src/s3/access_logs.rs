use std::collections::BTreeSet;

use super::common::{each_bucket, place};
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Each bucket writes server access logs. The bucket of a trail has to (low); for others it is a line only, unless
    /// `require-bucket-logs` is 1, and none at all where there are more buckets than the parameter `bucket-details` says. Buckets
    /// that other buckets' logs go to are left out: they would log themselves.
    /// ## Why it matters
    /// Unless the trail records data events of the bucket, the access log is the only record of who read an object.
    /// ## What to do
    /// Name a bucket for logs, or let the trail record data events of the buckets that matter, which is the better record.
    /// ## What it costs
    /// The logs' storage, little for most buckets. Data events cost 0.10 USD for 100,000.
    /// ## What may break
    /// Nothing. Let a lifecycle rule delete the logs after some months.
    AccessLogs {
        id: "s3.access-logs",
        title: "Buckets write access logs",
        severity: Low,
        practices: ["P64"],
        references: [
            cis("3.0", &["3.4"]),
            security_hub(&["S3.9"]),
            config(&["s3-bucket-logging-enabled"]),
            trusted_advisor(&["BueAdJ7NrP"]),
        ],
        asks: [Buckets, BucketLogging, Trails],
        finding: "audit-s3-access-logging-off",
        closes: [Closes::Listed("arn:*:s3:::*")],
    }
}

impl Check for AccessLogs {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let mut targets: BTreeSet<&str> = BTreeSet::new();
        for bucket in cx.known(Buckets, GLOBAL)? {
            // What is refused here is told of its own bucket.
            if let Ok(logging) = cx.try_known(BucketLogging, place(bucket)) {
                targets.extend(logging.target.as_deref());
            }
        }
        let mut passed_over = 0;
        each_bucket(cx, |cx, bucket| {
            let name = bucket.name.as_str();
            if !cx.was_asked(BucketLogging, place(bucket)) {
                passed_over += 1;
                return Ok(());
            }
            let seen = match &cx.known(BucketLogging, place(bucket))?.target {
                Some(target) => {
                    cx.passing(format!("Bucket {name} writes access logs")).detail("Logs in", target)
                }
                None if targets.contains(name) => {
                    cx.not_applicable(format!("Bucket {name} holds the access logs of others"))
                }
                None if cx.parameters.require_bucket_logs > 0 => without_logs(cx, name),
                None if holds_trail(cx, name)? => without_logs(cx, name)
                    .detail("Holds", "the logs of a trail: who reads or deletes them matters"),
                None => cx
                    .informational(format!("Bucket {name} writes no access logs"))
                    .because("unless a trail records its data events, nothing shows who read an object"),
            };
            cx.report(seen);
            Ok(())
        })?;
        if passed_over > 0 {
            let title = format!("Whether {passed_over} buckets write access logs was not looked at");
            let seen = cx.informational(title);
            cx.report(
                seen.because(
                    "there are more buckets than the parameter bucket-details, and they hold no trail",
                ),
            );
        }
        Ok(())
    }
}

fn without_logs(cx: &Cx<'_>, name: &str) -> Judgement {
    cx.failing(format!("Bucket {name} writes no access logs"))
        .because("who reads the bucket's objects is written nowhere, unless a trail records its data events")
        .step(
            "Name a bucket for its logs",
            "s3api put-bucket-logging",
            &[
                ("--bucket", name),
                ("--bucket-logging-status", "LoggingEnabled={TargetBucket=LOG_BUCKET,TargetPrefix=s3/}"),
            ],
        )
}

/// Whether a trail writes into the bucket.
fn holds_trail(cx: &mut Cx<'_>, name: &str) -> Result<bool, Stop> {
    let mut holds = Vec::new();
    for region in cx.regions() {
        let trails = cx.try_known(Trails, region.as_str());
        holds.push(trails.map(|all| all.iter().any(|trail| trail.bucket.as_deref() == Some(name))));
    }
    any(&holds)
}

#[cfg(test)]
mod tests {
    use super::super::common::fixtures::*;
    use super::*;
    use crate::parameters::{Parameters, Profile};
    use crate::testing::*;
    use facts::audit::Trail;
    use keepwatch_core::posture::State;

    fn logging(names: &[&str], to: &[(&str, &str)]) -> State {
        let mut state = buckets(names).with(Trails, region(), vec![trail()]);
        for name in names {
            let target = to.iter().find(|(from, _)| from == name).map(|(_, target)| (*target).to_owned());
            state = state.with(BucketLogging, at(name), facts::s3::BucketLogging { target });
        }
        state
    }

    fn trail() -> Trail {
        Trail {
            arn: "arn:aws:cloudtrail:eu-west-1:111122223333:trail/main".to_owned(),
            name: "main".to_owned(),
            home_region: REGION.to_owned(),
            bucket: Some("trail".to_owned()),
            multi_region: true,
            global_events: true,
            organization: false,
            kms_key: None,
            validation: true,
            log_group: None,
        }
    }

    #[test]
    fn a_trails_bucket_has_to_and_others_are_told() {
        let state = logging(&["logged", "logs", "trail", "plain"], &[("logged", "logs")]);
        assert_eq!(
            judged(&AccessLogs, &state),
            [
                ("logged".to_owned(), Judged::Passing),
                ("logs".to_owned(), Judged::NotApplicable),
                ("trail".to_owned(), Judged::Failing),
                ("plain".to_owned(), Judged::Informational),
            ]
        );
        let mut strict = Parameters::of(Profile::Default);
        strict.require_bucket_logs = 1;
        assert_eq!(judgements_with(&AccessLogs, &state, &strict)[3].verdict, Judged::Failing);
    }

    #[test]
    fn many_are_one_line() {
        let one = judge_one(&AccessLogs, &buckets(&["a", "b"]).with(Trails, region(), vec![]));
        assert_eq!(one.verdict, Judged::Informational);
        assert!(one.title.contains("2 buckets"), "{}", one.title);
    }

    #[test]
    fn unknown_where_it_decides() {
        let one = judge_one(&AccessLogs, &refused(logging(&["a"], &[]), BucketLogging, at("a")));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["s3:GetBucketLogging"]));
        let one = judge_one(&AccessLogs, &refused(logging(&["a"], &[]), Trails, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["cloudtrail:DescribeTrails"]));
        // One that logs needs no trail.
        let logs = refused(logging(&["a"], &[("a", "b")]), Trails, region());
        assert_eq!(judge_one(&AccessLogs, &logs).verdict, Judged::Passing);
    }
}
