use super::common::{Kept, covered, listed, works};
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Every management event of every region, reads and writes, is recorded by a trail that logs, covers all regions and
    /// global services, and whose log files arrive. One trail may do it, or several together. Selectors are read by what they
    /// keep, basic and advanced alike; leaving out KMS and the RDS Data API, as the console offers, is named and counts as
    /// nothing. Trails of the organization count for its members.
    /// ## Why it matters
    /// Trails are the account's memory, and they feed everything that listens: EventBridge gets API calls only while some trail
    /// records them. Intruders prefer the regions that nobody looks at.
    /// ## What to do
    /// Make one trail for all regions, or update the trail that there is. In an organization, one trail of the organization
    /// does it for every account.
    /// ## What it costs
    /// The first copy of management events in each region is free; storage in S3 is cents a month for a small account. A second
    /// trail costs 2 USD per 100,000 events.
    /// ## What may break
    /// Nothing. Recording reads as well can make the logs many times larger.
    MultiRegion {
        id: "trail.multi-region",
        title: "A trail records all management events of all regions",
        severity: High,
        practices: ["P57"],
        number: 12,
        references: [
            cis("3.0", &["3.1"]),
            cis("5.0", &["3.1"]),
            security_hub(&["CloudTrail.1", "CloudTrail.3"]),
            config(&["multi-region-cloudtrail-enabled", "cloudtrail-enabled"]),
            trusted_advisor(&["vjafUGJ9H0"]),
        ],
        asks: [Trails, TrailStatus, TrailSelectors],
    }
}

impl Check for MultiRegion {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let listed = listed(cx);
        let trails = listed.trails;
        // Each region lists the trails of all regions: where one has answered, none of these is unknown.
        if listed.unread.len() == cx.regions().len() {
            return Err(any(&listed.unread.into_iter().map(|(_, stop)| Err(stop)).collect::<Vec<_>>())
                .err()
                .unwrap_or(Stop::Gone));
        }
        if covered(cx, &trails)? {
            let mut seen = cx.passing("All management events of all regions are recorded");
            for trail in &trails {
                let selectors =
                    cx.try_known(TrailSelectors, (trail.home_region.as_str(), trail.arn.as_str()));
                let left_out = selectors.map(|all| Kept::of(all).left_out.join(", ")).unwrap_or_default();
                if !left_out.is_empty() {
                    seen = seen.detail("Left out", format!("{left_out}, by trail {}", trail.name));
                }
            }
            cx.report(seen);
            return Ok(());
        }
        let logging: Vec<Result<bool, Stop>> = trails.iter().map(|trail| works(cx, trail)).collect();
        let none = any(&logging) == Ok(false) && listed.unread.is_empty();
        let title = match trails.len() {
            0 => "There is no CloudTrail trail",
            _ if none => "No CloudTrail trail records anything",
            _ => "No CloudTrail trail records all management events of all regions",
        };
        let mut seen = cx
            .failing(title)
            .severity(if none { Severity::Critical } else { Severity::High })
            .because("what no trail records leaves no trace after 90 days, and reaches nothing that listens");
        for trail in trails {
            seen = seen.detail(&trail.name, lacks(cx, trail).join("; "));
        }
        let fix = "cloudtrail create-trail --is-multi-region-trail --enable-log-file-validation";
        let at = ("--region", cx.home());
        let seen = seen
            .step("Which trails are there?", "cloudtrail describe-trails", &[at])
            .step(
                "Make one for all regions (its bucket must let CloudTrail write)",
                fix,
                &[("--name", "management-events"), ("--s3-bucket-name", "BUCKET"), at],
            )
            .step("Start it", "cloudtrail start-logging", &[("--name", "management-events"), at]);
        cx.report(seen);
        Ok(())
    }
}

/// What keeps a trail from being enough.
fn lacks(cx: &mut Cx<'_>, trail: &facts::audit::Trail) -> Vec<String> {
    let mut lacks = Vec::new();
    if !trail.multi_region {
        lacks.push(format!("records {} only", trail.home_region));
    }
    if !trail.global_events {
        lacks.push("records no global services such as IAM".to_owned());
    }
    let place = (trail.home_region.as_str(), trail.arn.as_str());
    match cx.try_known(TrailStatus, place) {
        Ok(status) if !status.logging => lacks.push("is stopped".to_owned()),
        Ok(status) => {
            lacks
                .extend(status.delivery_error.iter().map(|why| format!("cannot write to its bucket: {why}")));
        }
        Err(_) => lacks.push("may be stopped: that could not be read".to_owned()),
    }
    match cx.try_known(TrailSelectors, place) {
        Ok(selectors) => lacks.extend(Kept::of(selectors).lack().map(str::to_owned)),
        Err(_) => lacks.push("what it records could not be read".to_owned()),
    }
    lacks
}

#[cfg(test)]
mod tests {
    use super::super::common::fixtures::*;
    use super::*;
    use crate::testing::*;
    use facts::audit::{TrailSelectors as Selectors, TrailStatus as Status};
    use keepwatch_core::posture::{Place, State};

    fn verdict(state: &State) -> (Judged, Severity) {
        let one = judge_one(&MultiRegion, state);
        (one.verdict, one.severity)
    }

    #[test]
    fn one_trail_or_two_together() {
        let main = state(vec![(trail("main"), true, basic("All"))]);
        assert_eq!(verdict(&main).0, Judged::Passing);
        let halves = |other| {
            state(vec![(trail("r"), true, basic("ReadOnly")), (trail("w"), other, basic("WriteOnly"))])
        };
        assert_eq!(verdict(&halves(true)).0, Judged::Passing);
        assert_eq!(verdict(&halves(false)), (Judged::Failing, Severity::High));
    }

    #[test]
    fn what_is_not_enough() {
        assert_eq!(verdict(&state(vec![])), (Judged::Failing, Severity::Critical));
        assert_eq!(
            verdict(&state(vec![(trail("main"), false, basic("All"))])),
            (Judged::Failing, Severity::Critical)
        );
        assert_eq!(
            verdict(&state(vec![(trail("main"), true, basic("WriteOnly"))])),
            (Judged::Failing, Severity::High)
        );
        let one_region = facts::audit::Trail { multi_region: false, ..trail("main") };
        assert_eq!(
            verdict(&state(vec![(one_region, true, basic("All"))])),
            (Judged::Failing, Severity::High)
        );
        let no_iam = facts::audit::Trail { global_events: false, ..trail("main") };
        assert_eq!(verdict(&state(vec![(no_iam, true, basic("All"))])), (Judged::Failing, Severity::High));
    }

    /// A bucket that is gone makes a trail that logs worth nothing.
    #[test]
    fn an_error_of_delivery_counts() {
        let status = Status { logging: true, delivery_error: Some("NoSuchBucket".to_owned()) };
        let lost =
            state(vec![(trail("main"), true, basic("All"))]).with(TrailStatus, at(&trail("main")), status);
        let one = judge_one(&MultiRegion, &lost);
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Critical));
        assert!(one.details[0].1.contains("NoSuchBucket"), "{:?}", one.details);
    }

    #[test]
    fn what_is_left_out_is_named() {
        let mut selectors = basic("All");
        selectors.basic[0].excluded = vec!["kms.amazonaws.com".to_owned()];
        let one = judge_one(&MultiRegion, &state(vec![(trail("main"), true, selectors)]));
        assert_eq!(one.verdict, Judged::Passing);
        assert!(one.details[0].1.starts_with("kms.amazonaws.com"));
    }

    #[test]
    fn a_trail_of_the_organization_covers_its_member() {
        let arn = "arn:aws:cloudtrail:eu-west-1:444455556666:trail/org".to_owned();
        let org = facts::audit::Trail { arn, organization: true, ..trail("org") };
        let all = state(vec![(org.clone(), true, basic("All"))]);
        assert_eq!(verdict(&all).0, Judged::Passing);
        // Its selectors may be the management account's alone to see.
        let one = judge_one(&MultiRegion, &refused(all, TrailSelectors, at(&org)));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["cloudtrail:GetEventSelectors"]));
    }

    #[test]
    fn refusals_decide_only_what_they_can() {
        let main = || state(vec![(trail("main"), true, basic("All"))]);
        let one = judge_one(&MultiRegion, &refused(main(), TrailStatus, at(&trail("main"))));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["cloudtrail:GetTrailStatus"]));
        let one = judge_one(&MultiRegion, &refused(account(), Trails, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["cloudtrail:DescribeTrails"]));
        // A stopped trail is not enough whatever its selectors say, and a good one is whatever the other does.
        let stopped =
            refused(state(vec![(trail("main"), false, basic("All"))]), TrailSelectors, at(&trail("main")));
        assert_eq!(verdict(&stopped), (Judged::Failing, Severity::Critical));
        let two = state(vec![(trail("main"), true, basic("All")), (trail("x"), true, Selectors::default())]);
        assert_eq!(verdict(&refused(two, TrailStatus, at(&trail("x")))).0, Judged::Passing);
    }

    /// Every region lists the trails of all regions, so that a region which is closed to everybody hides none of them.
    #[test]
    fn one_region_that_answers_is_enough() {
        let mut two = state(vec![(trail("main"), true, basic("All"))]);
        two.regions.push("us-east-1".to_owned());
        let two = refused(two, Trails, Place::region("us-east-1"));
        assert_eq!(verdict(&two).0, Judged::Passing);
        // A trail of that region alone may log.
        let mut none = state(vec![]);
        none.regions.push("us-east-1".to_owned());
        assert_eq!(
            verdict(&refused(none, Trails, Place::region("us-east-1"))),
            (Judged::Failing, Severity::High)
        );
    }
}
