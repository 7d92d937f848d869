//! Which regions are heard: home's own, and those whose forwarders have sent a heartbeat.

use std::collections::BTreeMap;
use std::time::Duration;

use keepwatch_base::partition::Partition;
use keepwatch_base::time::Timestamp;
use keepwatch_collect::Fault;
use keepwatch_collect::deployed::Heard;

use super::line::{Line, known};

/// A forwarder sends a heartbeat each quarter of an hour. Three that did not come are no chance.
const SILENT: Duration = Duration::from_secs(50 * 60);

/// What is known of the regions.
pub(super) struct Facts<'f> {
    /// The stack's own region.
    pub(super) home: &'f str,
    /// The regions that are switched on in the account.
    pub(super) enabled: Result<&'f [String], &'f Fault>,
    /// The forwarders that were ever heard.
    pub(super) heard: Result<&'f BTreeMap<String, Heard>, &'f Fault>,
    /// The version of the event rules that a forwarder should have.
    pub(super) version: &'f str,
    pub(super) now: Timestamp,
}

pub(super) fn judge(facts: &Facts<'_>) -> Vec<Line> {
    let mut lines = global(facts);
    lines.extend(others(facts));
    lines
}

fn deploy(regions: &str) -> String {
    format!("make deploy-regions REGIONS={regions}")
}

fn is_fresh(facts: &Facts<'_>, heard: &Heard) -> bool {
    facts.now.since(heard.at) < SILENT
}

/// Whether anybody hears what AWS tells in one region of the partition alone: IAM, root's sign-ins, Trusted Advisor.
fn global(facts: &Facts<'_>) -> Vec<Line> {
    const CHECK: &str = "iam";
    let iam = Partition::of_region(facts.home).home_region;
    if facts.home == iam {
        return vec![Line::ok(
            CHECK,
            format!("the stack is in {iam}, where AWS tells of IAM and of root's sign-ins"),
        )];
    }
    let heard = known!(facts.heard, CHECK, &format!("whether {iam}, where AWS tells of IAM, is heard"));
    let told = format!("AWS tells of IAM and of root's sign-ins in {iam} alone");
    vec![match heard.get(iam) {
        Some(forwarder) if is_fresh(facts, forwarder) => {
            Line::ok(CHECK, format!("{told}, whose forwarder is heard"))
        }
        Some(forwarder) => {
            Line::fail(CHECK, format!("{told}, and its forwarder is silent since {}", forwarder.at))
                .mend(deploy(iam))
        }
        None => Line::fail(CHECK, format!("{told}, and it has no forwarder")).mend(deploy(iam)),
    }]
}

fn others(facts: &Facts<'_>) -> Vec<Line> {
    const CHECK: &str = "regions";
    let heard = known!(facts.heard, CHECK, "the heartbeats of other regions");
    let mut lines = Vec::new();
    let (mut fresh, mut outdated) = (Vec::new(), Vec::new());
    for (region, forwarder) in heard {
        if !is_fresh(facts, forwarder) {
            let text = format!("the forwarder in {region} is silent since {}", forwarder.at);
            lines.push(Line::fail(CHECK, text).mend(deploy(region)));
        } else if forwarder.version == facts.version {
            fresh.push(region.as_str());
        } else {
            outdated.push(region.as_str());
        }
    }
    if !outdated.is_empty() {
        let named = outdated.join(",");
        let text = format!("the forwarders in {named} have the event rules of another version");
        lines.push(Line::warn(CHECK, text).mend(deploy(&named)));
    }
    if !fresh.is_empty() {
        lines.push(Line::ok(CHECK, format!("forwarders are heard from {}", fresh.join(", "))));
    }
    match facts.enabled {
        Err(fault) => lines.push(Line::unread(CHECK, "which regions are switched on", fault)),
        Ok(enabled) => {
            let unheard = |region: &&String| region.as_str() != facts.home && !heard.contains_key(*region);
            let unheard: Vec<&str> = enabled.iter().filter(unheard).map(String::as_str).collect();
            if !unheard.is_empty() {
                let text = format!("nobody hears what happens in {}", unheard.join(", "));
                lines.push(Line::warn(CHECK, text).mend(deploy(&unheard.join(","))));
            } else if lines.is_empty() {
                lines.push(Line::ok(CHECK, format!("no region but {} is switched on", facts.home)));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::line::Standing::{self, Fail, Ok as Well, Warn};
    use crate::doctor::line::tests::{refused, standings};

    const VERSION: &str = "0123456789abcdef";

    fn now() -> Timestamp {
        Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
    }

    fn heard(minutes_ago: u64, version: &str) -> Heard {
        Heard { version: version.to_owned(), at: now().minus(Duration::from_secs(minutes_ago * 60)) }
    }

    fn judged(home: &str, enabled: &[&str], all: &[(&str, Heard)]) -> Vec<Line> {
        let enabled: Vec<String> = enabled.iter().map(|region| (*region).to_owned()).collect();
        let all = all.iter().map(|(region, heard)| ((*region).to_owned(), heard.clone())).collect();
        judge(&Facts { home, enabled: Ok(&enabled), heard: Ok(&all), version: VERSION, now: now() })
    }

    fn stand(home: &str, enabled: &[&str], all: &[(&str, Heard)]) -> Vec<Standing> {
        standings(&judged(home, enabled, all))
    }

    #[test]
    fn iam_is_heard_at_home_in_us_east_1_or_by_its_forwarder() {
        assert_eq!(stand("us-east-1", &["us-east-1"], &[]), [Well, Well]);
        let with = |heard| stand("eu-west-1", &["eu-west-1", "us-east-1"], &[("us-east-1", heard)]);
        assert_eq!(with(heard(20, VERSION)), [Well, Well]);
        assert_eq!(with(heard(60, VERSION)), [Fail, Fail]);
        let without = judged("eu-west-1", &["eu-west-1", "us-east-1"], &[]);
        assert_eq!(standings(&without), [Fail, Warn]);
        assert_eq!(without[0].mend.as_deref(), Some("make deploy-regions REGIONS=us-east-1"));
    }

    #[test]
    fn a_region_is_heard_silent_outdated_or_not_heard_at_all() {
        let enabled = ["us-east-1", "eu-west-1"];
        let with = |heard| judged("us-east-1", &enabled, &[("eu-west-1", heard)]);
        assert_eq!(standings(&with(heard(20, VERSION))), [Well, Well]);
        let silent = with(heard(60, VERSION));
        assert_eq!(standings(&silent), [Well, Fail]);
        assert!(silent[1].text.contains("eu-west-1 is silent since 2026-03-01T11:00:00Z"), "{silent:?}");
        assert_eq!(standings(&with(heard(5, "fedcba9876543210"))), [Well, Warn]);
        let unheard = judged("us-east-1", &enabled, &[]);
        assert_eq!(standings(&unheard), [Well, Warn]);
        assert_eq!(unheard[1].mend.as_deref(), Some("make deploy-regions REGIONS=eu-west-1"));
    }

    #[test]
    fn what_may_not_be_read_is_not_well() {
        let (list, item) = (refused("ec2:DescribeRegions"), refused("dynamodb:GetItem"));
        let nobody = BTreeMap::new();
        let facts = Facts {
            home: "us-east-1",
            enabled: Err(&list),
            heard: Ok(&nobody),
            version: VERSION,
            now: now(),
        };
        let lines = judge(&facts);
        assert_eq!(standings(&lines), [Well, Warn]);
        assert!(lines[1].text.contains("ec2:DescribeRegions"));
        let lines = judge(&Facts { home: "eu-west-1", heard: Err(&item), ..facts });
        assert_eq!(standings(&lines), [Warn, Warn]);
        assert!(lines.iter().all(|line| line.text.contains("dynamodb:GetItem")));
    }
}
