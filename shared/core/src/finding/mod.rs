//! The life of one problem: identity, fold, alert state.
//!
//! A finding is the join of its observations: what it keeps are maxima, minima and bounded sets with an order of their
//! own, so that any order, duplicate or interleaving of the same observations gives the same finding. Only what has been
//! mailed depends on what had arrived by then.

mod actors;
mod alert;
mod fold;
mod future;
mod operator;
pub mod record;
mod stored;
mod witness;

use std::collections::BTreeMap;

use keepwatch_base::hash::short_hash;
use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::confirm::CONFIRMED_FROM;
use crate::observation::{Actor, Observation, Resolution, Subject};
use crate::settings::Silence;
use crate::severity::{Confidence, Severity};

pub use actors::KnownActor;
pub use alert::{AlertLife, AlertReason, AlertState, Due, LONGEST_WAIT, Step, Stepped};
pub use witness::{Age, SeenEvent, Witness};

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

/// The latest news that the problem is gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Passed {
    /// When, by the source's clock.
    pub at: Timestamp,
    /// The event, which decides between two of one moment.
    pub event_id: String,
    /// How the problem went away.
    pub resolution: Resolution,
    /// What happened.
    pub title: String,
    /// Whether the account was asked and says so too, or there is nothing that it could be asked; see [`crate::confirm`].
    /// Older versions wrote no other.
    #[serde(default = "is_borne_out", skip_serializing_if = "Clone::clone")]
    pub borne_out: bool,
}

fn is_borne_out() -> bool {
    true
}

impl Passed {
    /// What a passing observation says.
    pub fn of(observation: &Observation) -> Passed {
        Passed {
            at: observation.event.time,
            event_id: observation.event.id.clone(),
            resolution: observation.resolution,
            title: observation.title.clone(),
            borne_out: observation.confirm.is_none(),
        }
    }

    /// Whether this good news came after bad news of that time. CloudTrail has whole seconds, and nobody knows the order within
    /// one: then the bad news counts as the later, so that a person is told. Whoever mended it is seen by the next look at the
    /// account.
    pub fn is_after(&self, bad_news: Timestamp) -> bool {
        self.at > bad_news
    }
}

/// A person has taken the finding on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What they say.
    pub note: String,
}

/// A severity reached because it happened often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// How bad that is.
    pub severity: Severity,
    /// When the event came that made it often.
    pub at: Timestamp,
}

/// See the module. Serialised as it stands in the findings table, where people read it; see `stored`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Finding {
    /// Rule id and a hash of rule and subject: `root-console-sign-in-3f9a2c41d07be5a8`.
    pub finding_id: String,
    /// Open or resolved.
    pub status: Status,
    /// Why it has this status, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// How bad: the worst since it was last gone.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// What happened: the title of the strongest witness.
    pub title: String,
    /// Why it is a problem, in the words of the strongest witness. A finding that was last written before this was kept
    /// has none; the same is true of the next two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do first: what for, and the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
    /// Who did it, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The address that they came from, or the name of an AWS service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
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
    /// How many events told of it.
    pub occurrences: u64,
    /// When and how it was last seen to be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<Passed>,
    /// Who has taken it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
    /// What silences it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<Silence>,
    /// For each severity the latest observation, unless something worse came later. Worst first, never empty.
    #[serde(deserialize_with = "some_witnesses")]
    pub strongest: Vec<Witness>,
    /// What each rule, or each source of a rule, saw last.
    pub witnesses: BTreeMap<String, Witness>,
    /// The latest events, newest last.
    pub events: Vec<SeenEvent>,
    /// Severities reached because it happened often, worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bursts: Vec<Reached>,
    /// Where its alert stands, and what a sweep has to do with the finding.
    #[serde(flatten)]
    pub alert: AlertLife,
    /// When it was first recorded. The source's clock may be far behind: events come late.
    pub created_at: Timestamp,
    /// When it was last recorded.
    pub updated_at: Timestamp,
    /// When it was recorded that it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    /// When the table forgets a finding that is resolved or minor, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// Counts writes, for optimistic locking.
    pub version: u64,
}

/// A finding without a witness is none: somebody has edited the item.
fn some_witnesses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Witness>, D::Error> {
    let witnesses = Vec::deserialize(deserializer)?;
    if witnesses.is_empty() {
        return Err(serde::de::Error::custom("`strongest` is empty"));
    }
    Ok(witnesses)
}

/// Identity of the finding that a rule's observations of a subject belong to.
pub fn finding_id(rule: &str, subject: &Subject) -> String {
    let aspect = subject.aspect.as_deref().unwrap_or_default();
    format!("{rule}-{}", short_hash(&[rule, &subject.account, &subject.region, &subject.resource, aspect]))
}

impl Observation {
    /// Identity of the finding this observation belongs to.
    pub fn finding_id(&self) -> String {
        finding_id(self.rule.finding, &self.subject)
    }
}

impl Finding {
    /// What it is about.
    pub fn subject(&self) -> Subject {
        Subject {
            account: self.account.clone(),
            region: self.region.clone(),
            resource: self.resource.clone(),
            aspect: self.aspect.clone(),
        }
    }

    /// Those who acted on it, as far as it knows them; see [`crate::observation::Actor::identity`].
    pub fn actors(&self) -> Vec<String> {
        let witnesses = self.strongest.iter().chain(self.witnesses.values());
        let witnessed = witnesses.filter_map(|witness| witness.actor.as_ref()).map(Actor::identity);
        let mut actors: Vec<String> =
            witnessed.chain(self.alert.told.iter().map(KnownActor::identity)).collect();
        actors.sort();
        actors.dedup();
        actors
    }

    /// Whether the problem is there, silenced or not.
    pub fn is_open(&self) -> bool {
        !self.was_gone_after(self.last_seen)
    }

    /// Whether it was ever so bad that nothing closes it but good news that is borne out.
    pub fn is_grave(&self) -> bool {
        // The first of the strongest is the worst of all.
        self.severity.max(self.strongest[0].severity) >= CONFIRMED_FROM
    }

    /// The witness that gives the finding its title: the worst since it was last gone; of equals the latest.
    pub fn strongest(&self) -> &Witness {
        self.current().next().unwrap_or_else(|| self.latest())
    }

    /// The latest witness. Nothing outdoes it, so it is always among the strongest.
    pub fn latest(&self) -> &Witness {
        // A finding begins with a witness, and none is ever taken away without a later one in its place.
        let mut latest = &self.strongest[0];
        for witness in &self.strongest {
            if witness.age() > latest.age() {
                latest = witness;
            }
        }
        latest
    }

    /// The strongest witnesses that count: what was true before the problem went away says nothing of one that is back.
    fn current(&self) -> impl Iterator<Item = &Witness> {
        self.strongest.iter().filter(|witness| self.counts(witness.event.time))
    }

    /// Who did it: whom the strongest witness names. A scan names nobody: then whom the latest event names.
    pub fn actor(&self) -> Option<&Actor> {
        let strongest = self.strongest();
        if strongest.actor.is_some() || !strongest.event.is_scan() {
            return strongest.actor.as_ref();
        }
        let named = self.current_witnesses().filter(|witness| witness.actor.is_some());
        named.max_by_key(|witness| witness.age())?.actor.as_ref()
    }

    /// What each rule and source saw, as far as it counts.
    pub fn current_witnesses(&self) -> impl Iterator<Item = &Witness> {
        self.witnesses.values().filter(|witness| self.counts(witness.event.time))
    }

    fn counts(&self, time: Timestamp) -> bool {
        !self.is_open() || !self.was_gone_after(time)
    }

    /// Whether the problem was seen to be gone after what happened at that time; see [`Passed::is_after`].
    fn was_gone_after(&self, time: Timestamp) -> bool {
        self.passed.as_ref().is_some_and(|passed| passed.is_after(time))
    }

    /// What the alert that is due tells first: what is new. An alert for what somebody else did tells that; one because it
    /// happens again, came back or has a new witness tells the latest, all others the worst.
    pub fn headline(&self) -> &Witness {
        use AlertReason::{Again, NewWitness, Reopened, SomebodyElse};
        match (&self.alert.about, self.alert.reason) {
            (Some(about), _) => about,
            (None, Some(Again | NewWitness | Reopened | SomebodyElse)) => self.latest(),
            (None, _) => self.strongest(),
        }
    }
}
