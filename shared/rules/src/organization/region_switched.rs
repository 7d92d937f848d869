use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A region was switched on or off for an account. Switching it back closes the finding.
    /// ## Why it matters
    /// A region that nobody looks at is a good place to mine coins or to keep stolen data: trail, detectors and
    /// Keepwatch's forwarder are not there yet. Switching a region off takes everything in it out of reach.
    /// ## What to do
    /// If nobody meant it, switch it back. If it was meant, set up the detectors there and deploy Keepwatch's forwarder.
    /// ## False positives
    /// A move to a new region. Regions in the list `expected-regions` are LOW when they are switched on.
    RegionSwitched {
        id: "organization-region-switched",
        title: "A region was switched on or off",
        severity: Medium,
        confidence: High,
        catalogue: ["ORG-05"],
        references: [attack(&["T1535"]), doc(&["AWS Account Management API: EnableRegion, DisableRegion"])],
        on: [On::Call("account.amazonaws.com", &["EnableRegion", "DisableRegion"])],
    }
}

impl Rule for RegionSwitched {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(region) = record.param(&["RegionName"]) else { return Ok(()) };
        let who = caller_name(record);
        let other = record.param(&["AccountId"]).filter(|account| *account != record.account());
        let account = other.unwrap_or(record.account());
        let expected = cx.config.expected_regions.iter().any(|name| name == region);
        let on = record.event_name.or_empty() == "EnableRegion";
        let did = if on { "on" } else { "off" };
        let (undo, why, severity) = match (on, expected) {
            (true, true) => {
                ("disable-region", "It is one of the regions that you have listed.", Severity::Low)
            }
            (true, false) => ("disable-region", "Nothing watches a new region yet.", Severity::Medium),
            (false, true) => {
                ("enable-region", "It is a region in use: what it holds is out of reach.", Severity::High)
            }
            (false, false) => (
                "enable-region",
                "What the region holds is out of reach, and goes on costing.",
                Severity::Medium,
            ),
        };
        let mut options = vec![("--region-name", region)];
        options.extend(other.map(|account| ("--account-id", account)));
        let title = format!("{who} switched region {region} {did} for account {account}");
        let seen = cx
            .failing(account, &title)
            .aspect(did)
            .severity(severity)
            .because(why)
            .detail("Region", region)
            .step(
                "How do the regions stand?",
                "account list-regions",
                &[("--region-opt-status-contains", "ENABLED")],
            )
            .step("Switch it back", &format!("account {undo}"), &options);
        let back = cx.passing(account, title).aspect(if on { "off" } else { "on" });
        let seen = cx.tempered(stop_caller(in_region(seen, region), record));
        cx.report(seen);
        cx.report(in_region(back, region));
        Ok(())
    }
}

/// The problem is where the region is, not where the call was logged.
fn in_region(mut seen: Observation, region: &str) -> Observation {
    seen.subject.region = keepwatch_base::text::clean(region, 32);
    seen
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn switched(event: &str) -> String {
        call("account", event, json!({"requestParameters": {"RegionName": "af-south-1"}}))
    }

    /// What fails; the other half closes the opposite finding.
    fn fires_at(rule: &'static dyn Rule, severity: Severity, event: &str) -> Observation {
        let mut seen = observe(rule, event);
        assert_eq!(seen.iter().map(|o| o.verdict).collect::<Vec<_>>(), [Verdict::Failing, Verdict::Passing]);
        assert_eq!(seen[0].severity, severity);
        seen.remove(0)
    }

    #[test]
    fn fires() {
        let seen = fires_at(&RegionSwitched, Severity::Medium, &switched("EnableRegion"));
        assert_eq!(seen.title, "alice switched region af-south-1 on for account 111122223333");
        assert_eq!(seen.subject.region, "af-south-1");
        fires_at(&RegionSwitched, Severity::Medium, &switched("DisableRegion"));
        let other = json!({"requestParameters": {"regionName": "af-south-1", "accountId": "444455556666"}});
        let seen = fires_at(&RegionSwitched, Severity::Medium, &call("account", "EnableRegion", other));
        assert_eq!(seen.subject.resource, "444455556666");
        assert!(seen.steps.iter().any(|step| step.command.ends_with("--account-id 444455556666")));
    }

    #[test]
    fn each_closes_the_other() {
        let (on, off) = (
            observe(&RegionSwitched, &switched("EnableRegion")),
            observe(&RegionSwitched, &switched("DisableRegion")),
        );
        assert_eq!(on[1].subject, off[0].subject);
        assert_eq!(off[1].subject, on[0].subject);
        assert_ne!(on[0].subject, off[0].subject);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &RegionSwitched,
            &[
                call("account", "EnableRegion", json!({"requestParameters": {"RegionName": 1}})),
                call(
                    "account",
                    "EnableRegion",
                    json!({"errorCode": "AccessDeniedException", "requestParameters": {"RegionName": "af-south-1"}}),
                ),
                call("account", "ListRegions", json!({"requestParameters": {"RegionName": "af-south-1"}})),
            ],
        );
    }
}
