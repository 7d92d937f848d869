use super::common::{covered, each_trail, listed, works};
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Each trail of the account records, and its log files arrive in its bucket. A trail that is stopped while others record
    /// everything is named and is no failure.
    /// ## Why it matters
    /// A trail that stands there and records nothing looks like protection. A bucket that was deleted, or whose policy changed,
    /// silences a trail that still says that it logs.
    /// ## What to do
    /// Start the trail, or repair its bucket's policy. Find out who stopped it, and since when; delete it if another has taken
    /// its place.
    /// ## What it costs
    /// Nothing for the first trail of a region.
    /// ## What may break
    /// Nothing.
    Logging {
        id: "trail.logging",
        title: "Every trail records and delivers",
        severity: Critical,
        practices: ["P57"],
        references: [cis("3.0", &["3.1"]), cis("5.0", &["3.1"]), security_hub(&["CloudTrail.1"])],
        asks: [Trails, TrailStatus, TrailSelectors],
        finding: "audit-trail-stopped",
        closes: [Closes::Listed("arn:*:cloudtrail:*:trail/*")],
    }
}

impl Check for Logging {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let trails = listed(cx).trails;
        let covered = covered(cx, &trails);
        let logging: Vec<Result<bool, Stop>> = trails.iter().map(|trail| works(cx, trail)).collect();
        let none = any(&logging) == Ok(false);
        each_trail(cx, |cx, trail| {
            let (name, region) = (trail.name.as_str(), trail.home_region.as_str());
            let status = cx.known(TrailStatus, (region, trail.arn.as_str()))?;
            let title = match &status.delivery_error {
                None if status.logging => {
                    cx.report(cx.passing(format!("Trail {name} records")));
                    return Ok(());
                }
                Some(why) if status.logging => format!("Trail {name} cannot write to its bucket: {why}"),
                _ => format!("Trail {name} is stopped"),
            };
            if covered.clone()? {
                let seen = cx.informational(title);
                cx.report(seen.because("other trails record everything: delete it, or start it again"));
                return Ok(());
            }
            let at = [("--name", trail.arn.as_str()), ("--region", region)];
            let seen = cx
                .failing(title)
                .severity(if none { Severity::Critical } else { Severity::High })
                .because("what happens meanwhile is not written, and no other trail records all of it")
                .step("How does it stand?", "cloudtrail get-trail-status", &at)
                .step("Start it again", "cloudtrail start-logging", &at);
            cx.report(seen);
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
    use facts::audit::TrailStatus as Status;

    #[test]
    fn a_stopped_trail_fails_where_it_is_missed() {
        let alone = state(vec![(trail("main"), false, basic("All"))]);
        let one = judge_one(&Logging, &alone);
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Critical));
        // The same subject as the event of StopLogging.
        assert_eq!(
            (one.subject.resource.as_str(), one.subject.region.as_str()),
            (trail("main").arn.as_str(), REGION)
        );
        let other = state(vec![(trail("main"), true, basic("All")), (trail("old"), false, basic("All"))]);
        assert_eq!(
            judged(&Logging, &other),
            [("main".to_owned(), Judged::Passing), ("old".to_owned(), Judged::Informational)]
        );
        let half =
            state(vec![(trail("main"), true, basic("WriteOnly")), (trail("old"), false, basic("All"))]);
        let all = judgements(&Logging, &half);
        assert_eq!((all[1].verdict, all[1].severity), (Judged::Failing, Severity::High));
    }

    #[test]
    fn an_error_of_delivery_counts() {
        let status = Status { logging: true, delivery_error: Some("AccessDenied".to_owned()) };
        let lost =
            state(vec![(trail("main"), true, basic("All"))]).with(TrailStatus, at(&trail("main")), status);
        let one = judge_one(&Logging, &lost);
        assert_eq!(one.verdict, Judged::Failing);
        assert!(one.title.contains("AccessDenied"));
    }

    #[test]
    fn trails_of_others_and_accounts_without_are_not_judged() {
        let arn = "arn:aws:cloudtrail:eu-west-1:444455556666:trail/org".to_owned();
        let org = facts::audit::Trail { arn, organization: true, ..trail("org") };
        assert_eq!(
            judge_one(&Logging, &state(vec![(org, false, basic("All"))])).verdict,
            Judged::NotApplicable
        );
        assert_eq!(judge_one(&Logging, &state(vec![])).verdict, Judged::NotApplicable);
    }

    #[test]
    fn unknown_where_it_cannot_be_read() {
        let main = || state(vec![(trail("main"), true, basic("All"))]);
        let one = judge_one(&Logging, &refused(main(), TrailStatus, at(&trail("main"))));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["cloudtrail:GetTrailStatus"]));
        let one = judge_one(&Logging, &refused(account(), Trails, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["cloudtrail:DescribeTrails"]));
        // Whether a stopped trail is missed depends on what the others record.
        let two = state(vec![(trail("main"), true, basic("All")), (trail("old"), false, basic("All"))]);
        let all = judgements(&Logging, &refused(two, TrailSelectors, at(&trail("main"))));
        assert_eq!(
            (all[1].verdict, missing(&all[1])),
            (Judged::Unknown, vec!["cloudtrail:GetEventSelectors"])
        );
        // Deleted after it was listed: no word.
        let gone = absent(main(), TrailStatus, at(&trail("main")));
        assert_eq!(judge_one(&Logging, &gone).verdict, Judged::NotApplicable);
    }
}
