//! How much of an account a scan saw, and what would let it see the rest.
//!
//! What could not be read is no finding a resource: it is one finding for the whole scan, with the actions that are missing.

use std::collections::{BTreeMap, BTreeSet};

use keepwatch_base::partition::Partition;
use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::judgement::{Judged, Judgement};
use super::of_state;
use crate::about::{About, Docs, Reference, Standard};
use crate::observation::{RemediationStep, Subject};
use crate::severity::Severity;

/// What describes the finding.
pub static ABOUT: About =
    of_state("scan.coverage", "Scans may read everything that checks ask", Severity::Low, &["P35"]);

/// What explains it.
pub static DOCS: Docs = Docs {
    text: "## What it checks
AWS refused nothing that a check of the scan depends on.
## Why it matters
What cannot be read is unknown. An unknown practice opens no finding and closes none, so that a problem behind it stays unseen.
## What to do
Find out what takes the permission away: a service control policy, a permissions boundary, or a role that somebody has changed.
Deploying the stack again gives the role what it needs. The details have the policy that would grant the rest.
## What it costs
Nothing. The actions only read.
## What may break
Nothing.
",
    references: &[Reference::of(
        Standard::Documentation,
        &["IAM user guide: Troubleshooting access denied error messages"],
    )],
};

/// How many of the other failures are kept.
const MOST_FAILED: usize = 20;

/// How many actions one policy of the details grants: a detail has a thousand characters.
const ACTIONS_A_POLICY: usize = 20;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Judgements that say something.
    pub known: usize,
    /// Judgements that do not know.
    pub unknown: usize,
    /// For each IAM action that was refused, the checks that want it.
    pub refused: BTreeMap<String, BTreeSet<String>>,
    /// For whatever else went wrong, the checks that it concerns.
    pub failed: BTreeMap<String, BTreeSet<String>>,
    /// The worst that could be behind what is unknown because of a refusal.
    #[serde(default)]
    worst: Option<Severity>,
}

impl Coverage {
    /// Of what checks said.
    pub fn of(judgements: &[Judgement]) -> Coverage {
        let mut coverage = Coverage::default();
        for judgement in judgements {
            if judgement.verdict != Judged::Unknown {
                coverage.known += 1;
                continue;
            }
            coverage.unknown += 1;
            for missing in &judgement.unknown_because {
                let (list, key) = match &missing.action {
                    Some(action) => (&mut coverage.refused, action),
                    None => (&mut coverage.failed, &missing.why),
                };
                list.entry(key.clone()).or_default().insert(judgement.check.id.to_owned());
                if missing.action.is_some() {
                    coverage.worst = coverage.worst.max(Some(judgement.check.severity));
                }
            }
        }
        coverage
    }

    /// Adds what other checks of the same run said. What went wrong otherwise may be worded in a thousand ways; a few are
    /// kept.
    pub fn add(&mut self, other: Coverage) {
        self.known += other.known;
        self.unknown += other.unknown;
        self.worst = self.worst.max(other.worst);
        for (action, checks) in other.refused {
            self.refused.entry(action).or_default().extend(checks);
        }
        for (why, checks) in other.failed {
            if self.failed.len() < MOST_FAILED || self.failed.contains_key(&why) {
                self.failed.entry(why).or_default().extend(checks);
            }
        }
    }

    /// How much is known, in percent, rounded down: 100 is all.
    pub fn percent(&self) -> usize {
        (self.known * 100).checked_div(self.known + self.unknown).unwrap_or(0)
    }

    /// The same as a judgement about the account. What failed without a refusal (a throttled call, an outage) is another
    /// scan's to read, and neither opens nor closes anything.
    pub fn judgement(&self, account: &str, root_arn: &str, at: Timestamp) -> Judgement {
        let verdict = match (self.refused.is_empty(), self.failed.is_empty()) {
            (false, _) => Judged::Failing,
            (true, true) => Judged::Passing,
            (true, false) => Judged::Unknown,
        };
        let actions: Vec<&str> = self.refused.keys().map(String::as_str).collect();
        let title = match verdict {
            Judged::Failing => format!("AWS refuses scans {} of the actions that they need", actions.len()),
            _ => "AWS refuses scans nothing that they need".to_owned(),
        };
        // Review this week what may hide something to act on.
        let severity = if self.worst >= Some(Severity::High) { Severity::Medium } else { Severity::Low };
        let subject = Subject {
            account: account.to_owned(),
            region: "global".to_owned(),
            resource: root_arn.to_owned(),
            aspect: None,
        };
        let judgement = Judgement::new(&ABOUT, subject, verdict, Some(at), title);
        let mut judgement = Judgement { practices: ABOUT.catalogue, severity, ..judgement };
        if verdict != Judged::Failing {
            return judgement;
        }
        judgement = judgement.because("what rests on them is unknown: it is neither told nor taken for well");
        let parts: Vec<&[&str]> = actions.chunks(ACTIONS_A_POLICY).collect();
        for (number, part) in parts.iter().enumerate() {
            let label = match parts.len() {
                1 => "Policy that grants them".to_owned(),
                all => format!("Policy that grants them, {} of {all}", number + 1),
            };
            judgement = judgement.detail(&label, grant(part));
        }
        let mut services: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (service, name) in actions.iter().filter_map(|action| action.split_once(':')) {
            services.entry(service).or_default().push(name);
        }
        let checks: BTreeSet<&str> = self.refused.values().flatten().map(String::as_str).collect();
        let checks: Vec<&str> = checks.into_iter().collect();
        judgement = judgement.detail("Checks that rest on them", checks.join(", "));
        for (service, names) in services {
            judgement = judgement.detail(&format!("Refused of {service}"), names.join(", "));
        }
        let home = Partition::home_of(root_arn.split(':').nth(1).unwrap_or_default());
        judgement.steps.push(RemediationStep::aws(
            "Which policy refuses them? (repeat in every enabled region)",
            "cloudtrail lookup-events",
            &[
                ("--region", home),
                ("--lookup-attributes", "AttributeKey=Username,AttributeValue=SCAN_FUNCTION"),
            ],
        ));
        judgement
    }
}

/// The IAM policy that allows these actions and nothing else.
pub fn grant(actions: &[&str]) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}],
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refused_action_is_in_a_policy_that_can_be_copied() {
        let actions: Vec<String> = (0..70)
            .map(|number| format!("service-{}:DescribeSomethingWithALongName{number}", number % 24))
            .collect();
        let mut coverage = Coverage { known: 900, unknown: 100, ..Coverage::default() };
        for action in &actions {
            coverage.refused.entry(action.clone()).or_default().insert("a.check".to_owned());
        }
        assert_eq!(coverage.percent(), 90);
        let root = "arn:aws:iam::111122223333:root";
        let told = coverage.judgement("111122223333", root, Timestamp::default());
        let mut granted = BTreeSet::new();
        for (_, policy) in told.details.iter().filter(|(label, _)| label.starts_with("Policy")) {
            let policy: serde_json::Value = serde_json::from_str(policy).unwrap();
            let actions = policy["Statement"][0]["Action"].as_array().unwrap().clone();
            granted.extend(actions.iter().map(|action| action.as_str().unwrap().to_owned()));
        }
        assert_eq!(granted, actions.iter().cloned().collect());
        assert_eq!(told.verdict, Judged::Failing);
    }

    #[test]
    fn what_failed_without_a_refusal_is_no_good_news_and_no_bad() {
        let mut coverage = Coverage::default();
        let verdict = |coverage: &Coverage| coverage.judgement("", "", Timestamp::default()).verdict;
        assert_eq!((coverage.percent(), verdict(&coverage)), (0, Judged::Passing));
        coverage.failed.entry("throttled".to_owned()).or_default().insert("a.check".to_owned());
        assert_eq!(verdict(&coverage), Judged::Unknown);
    }
}
