use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// GuardDuty is switched on in every region that the account has enabled; a detector that is suspended is off. Regions that
    /// nobody uses and where it is off are one line together. Regions without GuardDuty are left out.
    /// ## Why it matters
    /// GuardDuty notices stolen credentials, miners and calls to known bad addresses, without any set-up. In a region that
    /// nobody uses it is the only thing that would notice the first one who does.
    /// ## What to do
    /// Switch it on in all regions; in an organization let the delegated administrator do it for all accounts at once.
    /// ## What it costs
    /// The first thirty days are free. Then it is counted by events: a few dollars a month for a small account, next to nothing in a
    /// region that nobody uses. The console shows the estimate.
    /// ## What may break
    /// Nothing: it reads copies of logs.
    GuardDuty {
        id: "guardduty.enabled",
        title: "GuardDuty is on in every region",
        severity: High,
        practices: ["P63"],
        number: 26,
        references: [security_hub(&["GuardDuty.1"]), config(&["guardduty-enabled-centralized"])],
        asks: [Detectors, Detector, NetworkInterfaces, Functions, DbInstances, Vpcs],
        finding: "audit-guardduty-disabled",
    }
}

/// What the finding of an event calls this.
const ASPECT: &str = "enabled";

impl Check for GuardDuty {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_used_region(
            |cx| {
                let region = cx.region();
                // A region has one detector; a new one has another id and is the same problem.
                let arn = cx.arn("guardduty", "detector");
                cx.about(&region, &arn, |cx| one_region(cx, &region));
                Ok(())
            },
            |cx, regions| {
                cx.failing("GuardDuty is off in regions that nobody uses")
                    .severity(Severity::Medium)
                    .because("whoever is the first to use them is not noticed")
                    .detail("Regions", regions.join(", "))
                    .step(
                        "Switch it on, region by region",
                        "guardduty create-detector --enable",
                        &[("--region", regions.first().map_or("REGION", String::as_str))],
                    )
            },
        );
        Ok(())
    }
}

fn one_region(cx: &mut Cx<'_>, region: &str) -> Outcome {
    // Absent: there is no GuardDuty in this region.
    let ids = cx.known(Detectors, region)?;
    let on: Vec<Result<bool, Stop>> = ids
        .iter()
        .map(|id| match cx.optional(Detector, (region, id.as_str())) {
            Ok(detector) => Ok(detector.is_some_and(|one| one.status == "ENABLED")),
            Err(stop) => Err(stop),
        })
        .collect();
    let at = ("--region", region);
    let seen = if any(&on)? {
        cx.passing(format!("GuardDuty is on in {region}"))
    } else if let Some(id) = ids.first() {
        cx.failing(format!("GuardDuty is suspended in {region}"))
            .because("a detector is there, and is switched off")
            .step("Switch it on", "guardduty update-detector --enable", &[("--detector-id", id), at])
    } else {
        cx.failing(format!("GuardDuty is off in {region}")).because("there is no detector").step(
            "Switch it on",
            "guardduty create-detector --enable",
            &[at],
        )
    };
    cx.report(seen.aspect(ASPECT));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::audit::Detector as Facts;
    use keepwatch_core::posture::{Place, State};

    fn state(detectors: &[(&str, &str)]) -> State {
        let used = facts::network::Vpc { id: "vpc-1".to_owned(), owner: ACCOUNT.to_owned(), default: false };
        let ids = detectors.iter().map(|(id, _)| (*id).to_owned()).collect();
        let mut state = account().with(Detectors, region(), ids).with(Vpcs, region(), vec![used]);
        for (id, status) in detectors {
            state = state.with(Detector, of(id), Facts { status: (*status).to_owned() });
        }
        state
    }

    #[test]
    fn on_suspended_and_none() {
        let on = judge_one(&GuardDuty, &state(&[("d1", "ENABLED")]));
        assert_eq!(on.verdict, Judged::Passing);
        // The same subject as the events of DeleteDetector and UpdateDetector.
        let arn = "arn:aws:guardduty:eu-west-1:111122223333:detector";
        assert_eq!((on.subject.resource.as_str(), on.subject.aspect.as_deref()), (arn, Some("enabled")));
        let suspended = judge_one(&GuardDuty, &state(&[("d1", "DISABLED")]));
        assert_eq!((suspended.verdict, suspended.severity), (Judged::Failing, Severity::High));
        let none = judge_one(&GuardDuty, &state(&[]));
        assert_eq!((none.verdict, none.severity), (Judged::Failing, Severity::High));
        assert_ne!(suspended.title, none.title);
        assert_eq!(suspended.subject, none.subject);
        // Deleted after it was listed.
        let gone = absent(state(&[("d1", "ENABLED")]), Detector, of("d1"));
        assert_eq!(judge_one(&GuardDuty, &gone).verdict, Judged::Failing);
    }

    #[test]
    fn regions_without_guardduty_and_unused_ones() {
        assert_eq!(
            judge_one(&GuardDuty, &absent(account(), Detectors, region())).verdict,
            Judged::NotApplicable
        );
        let mut two = state(&[("d1", "ENABLED")]);
        let idle = Place::region("eu-north-1");
        two.regions.push("eu-north-1".to_owned());
        let two = two
            .with(Detectors, idle.clone(), vec![])
            .with(NetworkInterfaces, idle.clone(), vec![])
            .with(Functions, idle.clone(), vec![])
            .with(DbInstances, idle.clone(), vec![])
            .with(Vpcs, idle, vec![]);
        let all = judgements(&GuardDuty, &two);
        assert_eq!(all.len(), 2);
        assert_eq!((all[1].verdict, all[1].severity), (Judged::Failing, Severity::Medium));
        assert_eq!(all[1].subject.region, "global");
    }

    #[test]
    fn refusals() {
        let one = judge_one(&GuardDuty, &refused(state(&[]), Detectors, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["guardduty:ListDetectors"]));
        let one = judge_one(&GuardDuty, &refused(state(&[("d1", "ENABLED")]), Detector, of("d1")));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["guardduty:GetDetector"]));
        // Where it cannot be told whether a region is used, it counts as used.
        let one = judge_one(&GuardDuty, &refused(state(&[]), Vpcs, region()));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::High));
    }
}
