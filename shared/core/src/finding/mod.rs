//! The life of one problem: identity, fold, alert state.
//!
//! A finding is the join of its observations: what it keeps are maxima, minima and sets, so that any order, duplicate
//! or interleaving of the same failing observations gives the same finding. Good news that arrives before any bad news
//! finds nothing to resolve and is forgotten.

pub mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::observation::{Actor, Confidence, EventRef, Observation, Severity, Step, Subject, Verdict};
use crate::time::Timestamp;

/// Findings below this are kept in the table and mailed to nobody.
pub const MAILED_FROM: Severity = Severity::Medium;

/// How many witnesses a finding keeps apart; further sources of a rule share its own entry.
const KEPT_WITNESSES: usize = 20;

/// How many of the latest events a finding remembers, to recognise duplicates and bursts. It bounds the item's size.
const REMEMBERED_EVENTS: usize = 64;

/// OCSF's finding statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Open, nobody has said anything about it.
    New,
    /// Open, somebody works on it.
    InProgress,
    /// Open and silenced.
    Suppressed,
    /// Gone.
    Resolved,
}

impl Status {
    /// OCSF's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::New => "NEW",
            Status::InProgress => "IN_PROGRESS",
            Status::Suppressed => "SUPPRESSED",
            Status::Resolved => "RESOLVED",
        }
    }
}

/// Where the alert for a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AlertState {
    /// Nobody is to be told.
    None,
    /// To be told; nobody has taken it.
    Pending,
    /// Taken by a notifier until its lease ends.
    Claimed,
    /// Told.
    Sent,
}

/// What one rule saw of the problem: its strongest observation, the latest of equals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Witness {
    /// The rule.
    pub rule: String,
    /// What happened.
    pub title: String,
    /// Why the rule says so.
    pub reason: String,
    /// How bad.
    pub severity: Severity,
    /// Failing or unknown.
    pub verdict: Verdict,
    /// The event.
    pub event: EventRef,
    /// Where it happened.
    pub region: String,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// What was granted or exposed: label and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(String, String)>,
    /// What to do now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

impl Witness {
    fn of(observation: &Observation) -> Witness {
        Witness {
            rule: observation.rule.id.to_owned(),
            title: observation.title.clone(),
            reason: observation.reason.clone(),
            severity: observation.severity,
            verdict: observation.verdict,
            event: observation.event.clone(),
            region: observation.subject.region.clone(),
            actor: observation.actor.clone(),
            details: observation.details.clone(),
            steps: observation.steps.clone(),
        }
    }

    /// By time; the id decides between events of one moment.
    fn age(&self) -> (Timestamp, &str) {
        (self.event.time, &self.event.id)
    }

    /// By severity, then by time.
    fn rank(&self) -> (Severity, Timestamp, &str) {
        (self.severity, self.event.time, &self.event.id)
    }
}

/// An event that a finding remembers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seen {
    /// When.
    pub time: Timestamp,
    /// The source's own id.
    pub id: String,
    /// The rule that reported it.
    pub rule: String,
}

/// See the module. Serialised as it stands in the findings table, where people read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Rule id and a hash of rule and subject: `root-console-sign-in-3f9a2c41d07be5a8`.
    pub finding_id: String,
    /// Open or resolved.
    pub status: Status,
    /// Why it is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// How bad: the worst of its witnesses.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// What happened: the title of the strongest witness.
    pub title: String,
    /// Who did it, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Account id.
    pub account: String,
    /// Region or `global`.
    pub region: String,
    /// ARN or id of the resource.
    pub resource: String,
    /// Which part of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect: Option<String>,
    /// The rule whose finding this is.
    pub rule: String,
    /// First occurrence, by the source's clock.
    pub first_seen: Timestamp,
    /// Last occurrence.
    pub last_seen: Timestamp,
    /// How often.
    pub occurrences: u64,
    /// When it was last seen to be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_at: Option<Timestamp>,
    /// What each rule saw at its strongest, by rule id.
    pub witnesses: BTreeMap<String, Witness>,
    /// What was seen last.
    pub latest: Witness,
    /// The latest events, newest last, by time and id.
    pub events: Vec<Seen>,
    /// Severity reached because it happened often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst_severity: Option<Severity>,
    /// Where its alert stands.
    pub alert_state: AlertState,
    /// Why an alert is due: `new`, `worse`, `reopened`, `again`, `new witness`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_reason: Option<String>,
    /// Severity when the last alert became due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerted_severity: Option<Severity>,
    /// Time of the occurrence that the last alert became due for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerted_for: Option<Timestamp>,
    /// Who has claimed the alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_claim: Option<String>,
    /// Until when the claim holds, in milliseconds since 1970: the table compares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_lease: Option<i64>,
    /// Alerts sent so far.
    #[serde(default)]
    pub alerts_sent: u64,
    /// Counts writes, for optimistic locking.
    pub version: u64,
}

/// Identity of the finding that a rule's observations of a subject belong to.
pub fn finding_id(rule: &str, subject: &Subject) -> String {
    let mut hash = Sha256::new();
    let aspect = subject.aspect.as_deref().unwrap_or_default();
    for part in [rule, &subject.account, &subject.region, &subject.resource, aspect] {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let short: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{rule}-{short}")
}

impl Observation {
    /// Identity of the finding this observation belongs to.
    pub fn finding_id(&self) -> String {
        finding_id(self.rule.finding, &self.subject)
    }
}

impl Finding {
    /// The finding that begins with this observation; none begins with a passing one.
    pub fn open(observation: &Observation) -> Option<Finding> {
        if observation.verdict == Verdict::Passing {
            return None;
        }
        let mut finding = Finding {
            finding_id: observation.finding_id(),
            status: Status::New,
            status_reason: None,
            severity: Severity::Informational,
            confidence: observation.rule.confidence,
            title: String::new(),
            who: None,
            account: observation.subject.account.clone(),
            region: observation.subject.region.clone(),
            resource: observation.subject.resource.clone(),
            aspect: observation.subject.aspect.clone(),
            rule: observation.rule.finding.to_owned(),
            first_seen: observation.event.time,
            last_seen: observation.event.time,
            occurrences: 0,
            passed_at: None,
            witnesses: BTreeMap::new(),
            latest: Witness::of(observation),
            events: Vec::new(),
            burst_severity: None,
            alert_state: AlertState::None,
            alert_reason: None,
            alerted_severity: None,
            alerted_for: None,
            alert_claim: None,
            alert_lease: None,
            alerts_sent: 0,
            version: 0,
        };
        finding.apply(observation);
        Some(finding)
    }

    /// Folds an observation in. Returns whether anything changed: a duplicate changes nothing.
    pub fn apply(&mut self, observation: &Observation) -> bool {
        match observation.verdict {
            Verdict::Passing => self.pass(observation),
            Verdict::Failing | Verdict::Unknown => self.fail(observation),
        }
    }

    fn pass(&mut self, observation: &Observation) -> bool {
        if self.passed_at >= Some(observation.event.time) {
            return false;
        }
        self.passed_at = Some(observation.event.time);
        let was = self.status;
        self.settle();
        if self.status == Status::Resolved && was != Status::Resolved {
            self.status_reason = Some(observation.title.clone());
        }
        true
    }

    fn fail(&mut self, observation: &Observation) -> bool {
        let event = &observation.event;
        let rule = observation.rule.id;
        let same_event = |seen: &&Seen| seen.id == event.id;
        if self.events.iter().filter(same_event).any(|seen| seen.rule == rule) {
            return false;
        }
        // Two rules that witness one event have seen one occurrence.
        if !self.events.iter().any(|seen| same_event(&seen)) {
            self.occurrences += 1;
        }
        let seen = Seen { time: event.time, id: event.id.clone(), rule: rule.to_owned() };
        let place = self.events.partition_point(|other| *other < seen);
        self.events.insert(place, seen);
        if self.events.len() > REMEMBERED_EVENTS {
            self.events.remove(0);
        }
        let was_resolved = self.status == Status::Resolved;
        let key = if self.witnesses.len() < KEPT_WITNESSES { observation.witness.as_str() } else { rule };
        let first_of_source = !self.witnesses.contains_key(key);
        self.first_seen = self.first_seen.min(event.time);
        self.last_seen = self.last_seen.max(event.time);
        self.confidence = self.confidence.max(observation.rule.confidence);
        self.witness(key, observation);
        if let Some(burst) = observation.burst
            && self.most_within(rule, burst.window) >= burst.count
        {
            self.burst_severity = self.burst_severity.max(Some(burst.severity));
        }
        self.settle();
        let quiet = observation.covered_by.is_some()
            || self.status == Status::Resolved
            || self.severity < MAILED_FROM;
        let due = if quiet {
            None
        } else if was_resolved {
            Some("reopened")
        } else if self.alerted_severity.is_none() {
            Some("new")
        } else if self.alerted_severity < Some(self.severity) {
            Some("worse")
        } else if first_of_source && observation.rule.wakes {
            Some("new witness")
        } else {
            let pause = Duration::from_secs(u64::from(observation.rule.repeat_hours) * 3_600);
            let again = self.alerted_for.is_some_and(|last| event.time.since(last) >= pause);
            again.then_some("again")
        };
        if let Some(reason) = due {
            self.alert_state = AlertState::Pending;
            self.alert_reason = Some(reason.to_owned());
            self.alert_claim = None;
            self.alert_lease = None;
            self.alerted_severity = Some(self.severity);
            self.alerted_for = self.alerted_for.max(Some(event.time));
        }
        true
    }

    fn witness(&mut self, key: &str, observation: &Observation) {
        let new = Witness::of(observation);
        if self.latest.age() < new.age() {
            self.latest = new.clone();
        }
        if self.witnesses.get(key).is_none_or(|old| old.rank() < new.rank()) {
            self.witnesses.insert(key.to_owned(), new);
        }
    }

    /// Derives what follows from the witnesses and from the times.
    fn settle(&mut self) {
        let gone = self.passed_at >= Some(self.last_seen);
        if !gone && self.passed_at.is_some() {
            // What was true before the problem went away says nothing of the problem that came back.
            let passed_at = self.passed_at;
            let before = self.witnesses.len();
            self.witnesses.retain(|_, witness| Some(witness.event.time) > passed_at);
            if self.witnesses.len() < before {
                self.burst_severity = None;
                self.witnesses.entry(self.latest.rule.clone()).or_insert_with(|| self.latest.clone());
            }
        }
        let strongest = self.strongest();
        let (title, severity) = (strongest.title.clone(), strongest.severity);
        self.who = strongest.actor.as_ref().map(|actor| actor.name.clone());
        self.title = title;
        self.severity = Some(severity).max(self.burst_severity).unwrap_or(severity);
        self.status = match (gone, self.status) {
            (true, _) => Status::Resolved,
            (false, Status::Resolved) => Status::New,
            (false, open) => open,
        };
        if !gone {
            self.status_reason = None;
        }
    }

    /// The strongest witness; of equals the one that acted last.
    pub fn strongest(&self) -> &Witness {
        self.witnesses.values().max_by_key(|witness| witness.rank()).unwrap_or(&self.latest)
    }

    /// What the alert that is due tells first: what is new. An alert because it happens again, came back or has a new
    /// witness tells the latest, all others the worst.
    pub fn headline(&self) -> &Witness {
        match self.alert_reason.as_deref() {
            Some("again" | "reopened" | "new witness") => &self.latest,
            _ => self.strongest(),
        }
    }

    /// The most events of this rule, of those remembered, within any window of this length.
    fn most_within(&self, rule: &str, window: Duration) -> usize {
        let times: Vec<Timestamp> =
            self.events.iter().filter(|seen| seen.rule == rule).map(|seen| seen.time).collect();
        let ends = |start: &Timestamp| {
            times.iter().filter(|end| *end >= start && end.since(*start) <= window).count()
        };
        times.iter().map(ends).max().unwrap_or(0)
    }
}
