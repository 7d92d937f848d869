//! A rule's view of the world while it looks at one event, and the place where it reports.

use std::time::Duration;

use keepwatch_base::hash::short_hash;
use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;

use super::config::Config;
use crate::about::About;
use crate::event::{Body, Event};
use crate::memory::doers;
use crate::memory::first_sight::FirstSeen;
use crate::memory::journal::RECEIPTS_KEPT;
use crate::memory::window::{ENOUGH, WindowCount, WindowQuery};
use crate::observation::{Actor, Observation, Occurrence, Resolution, Subject, Verdict};
use crate::severity::Severity;
use crate::state::{EarlierQuery, Fact, Facts, FirstSeenQuery, Interrupt};

/// Events come in any order. By so long after an event, those of the moments before it have mostly come. It is less than
/// the intake queue's visibility timeout in template.yaml, so that an event waits once.
const SETTLED: Duration = Duration::from_secs(150);

/// A rule's view of the world while it looks at one event, and the place where it reports.
pub struct Cx<'c> {
    /// The event, envelope included.
    pub event: &'c Event<'c>,
    /// Answers about live state.
    pub facts: &'c Facts<'c>,
    /// Settings.
    pub config: &'c Config,
    ids: &'c [&'static str],
    about: &'static About,
    received: Timestamp,
    observations: &'c mut Vec<Observation>,
}

impl<'c> Cx<'c> {
    pub(super) fn new(
        (event, facts, config): (&'c Event<'c>, &'c Facts<'c>, &'c Config),
        ids: &'c [&'static str],
        about: &'static About,
        received: Timestamp,
        observations: &'c mut Vec<Observation>,
    ) -> Cx<'c> {
        Cx { event, facts, config, ids, about, received, observations }
    }
}

impl Cx<'_> {
    /// Begins an observation that the problem is there: about `resource`, told by `title`.
    pub fn failing(&self, resource: impl AsRef<str>, title: impl AsRef<str>) -> Observation {
        self.observe(Verdict::Failing, resource.as_ref(), title.as_ref())
    }

    /// Begins an observation that something happened whose meaning could not be found out.
    pub fn unknown(&self, resource: impl AsRef<str>, title: impl AsRef<str>) -> Observation {
        self.observe(Verdict::Unknown, resource.as_ref(), title.as_ref())
    }

    /// Begins an observation that the problem is gone.
    pub fn passing(&self, resource: impl AsRef<str>, title: impl AsRef<str>) -> Observation {
        self.observe(Verdict::Passing, resource.as_ref(), title.as_ref())
    }

    /// How many events are too many for this rule: what the owner has set, or the rule's own number, which is at most
    /// [`ENOUGH`].
    pub fn threshold(&self, own: usize) -> usize {
        debug_assert!(own <= ENOUGH, "a window may leave out what lies among {ENOUGH} others");
        self.config.overrides.get(self.about.id).and_then(|set| set.threshold).unwrap_or(own)
    }

    /// How many events of this rule with this key lie within `span` of each other, this one included. `member` tells the
    /// events apart: usually each counts (see [`Cx::count`]), but different names or addresses may be what matters.
    ///
    /// # Errors
    /// [`Interrupt`] until it is counted.
    pub fn count_distinct(&self, key: &str, member: &str, span: Duration) -> Result<WindowCount, Interrupt> {
        let (key, time) = (self.key_of(self.about.id, key), self.time());
        let enough = self.threshold(ENOUGH).max(ENOUGH);
        self.facts.window_count(WindowQuery { key, member: member.to_owned(), time, span, enough })
    }

    /// How many events of this rule with this key lie within `span` of each other, this one included.
    ///
    /// # Errors
    /// [`Interrupt`] until it is counted.
    pub fn count(&self, key: &str, span: Duration) -> Result<WindowCount, Interrupt> {
        self.count_distinct(key, &self.event.occurrence_id(), span)
    }

    /// [`Cx::count_distinct`] for a rule that has nothing to say of fewer than its [`Cx::threshold`]: nothing where there
    /// are fewer.
    ///
    /// # Errors
    /// [`Interrupt`] until it is counted.
    pub fn many_distinct(
        &self,
        own_threshold: usize,
        key: &str,
        member: &str,
        span: Duration,
    ) -> Result<Option<WindowCount>, Interrupt> {
        let needed = self.threshold(own_threshold);
        let counted = self.count_distinct(key, member, span).map_err(|asks| asks.for_many(needed))?;
        Ok(Some(counted).filter(|counted| counted.count >= needed))
    }

    /// [`Cx::count`] for a rule that has nothing to say of fewer than its [`Cx::threshold`]: nothing where there are fewer.
    ///
    /// # Errors
    /// [`Interrupt`] until it is counted.
    pub fn many(
        &self,
        own_threshold: usize,
        key: &str,
        span: Duration,
    ) -> Result<Option<WindowCount>, Interrupt> {
        self.many_distinct(own_threshold, key, &self.event.occurrence_id(), span)
    }

    /// Whether this event is the first sight of a member in a set of this rule with this key, and since when others of
    /// the set have been seen. The first members of a set are nothing new; see [`crate::memory::first_sight::LEARNING`].
    ///
    /// # Errors
    /// [`Interrupt`] until it is noted.
    pub fn first_sight(&self, key: &str, member: &str) -> Result<Option<Timestamp>, Interrupt> {
        let seen = self.first_seen(self.about.id, key, member, RECEIPTS_KEPT)?;
        Ok(seen.is_new_member(self.time()).then_some(seen.any))
    }

    /// Since when a member of a set of a rule's with this key has been seen, and since when any has. The set is remembered
    /// for `kept` after its last member came.
    ///
    /// # Errors
    /// [`Interrupt`] until it is noted.
    pub fn first_seen(
        &self,
        rule: &str,
        key: &str,
        member: &str,
        kept: Duration,
    ) -> Result<FirstSeen, Interrupt> {
        let (key, time) = (self.key_of(rule, key), self.time());
        self.facts.first_seen(FirstSeenQuery { key, member: member.to_owned(), time, kept })
    }

    /// Since when it is watched who makes this call in the account, if the caller is the first sight of somebody new; see
    /// [`crate::memory::doers`].
    ///
    /// # Errors
    /// [`Interrupt`] until it is noted.
    pub fn first_time_of_caller(&self) -> Result<Option<Timestamp>, Interrupt> {
        let Body::CloudTrail(record) = &self.event.body else { return Ok(None) };
        let Some(asked) = doers::question(record, self.event.account(), self.time()) else { return Ok(None) };
        let time = asked.time;
        let seen = self.facts.first_seen(asked)?;
        Ok(seen.is_new_member(time).then_some(seen.any))
    }

    /// Whether a rule has counted an event with this key, not longer than `span` before this one. Asking counts nothing.
    ///
    /// # Errors
    /// [`Interrupt`] until it is known.
    pub fn counted_before(&self, rule: &str, key: &str, span: Duration) -> Result<bool, Interrupt> {
        let (key, time) = (self.key_of(rule, key), self.time());
        Ok(matches!(self.facts.earlier(EarlierQuery { key, time, span })?, Fact::Known(_)))
    }

    /// Has an event judged again that came so soon that earlier ones may still be on their way. To be called where one of
    /// them would have made a difference.
    ///
    /// # Errors
    /// [`Interrupt::Later`] for such an event.
    pub fn let_earlier_events_come(&self) -> Result<(), Interrupt> {
        let soon = |time| self.received >= time && self.received.since(time) < SETTLED;
        if self.event.time().is_some_and(soon) { Err(Interrupt::Later) } else { Ok(()) }
    }

    fn time(&self) -> Timestamp {
        self.event.time().unwrap_or(self.received)
    }

    fn key_of(&self, rule: &str, key: &str) -> String {
        format!("{rule}#{}", short_hash(&[self.event.account(), key]))
    }

    /// Whether one of the rules that events are judged by has this id.
    pub fn knows_rule(&self, id: &str) -> bool {
        self.ids.contains(&id)
    }

    /// Reports an observation.
    pub fn report(&mut self, observation: Observation) {
        self.observations.push(observation);
    }

    fn observe(&self, verdict: Verdict, resource: &str, title: &str) -> Observation {
        let actor = match &self.event.body {
            Body::CloudTrail(record) => Some(Actor::of(record)),
            _ => None,
        };
        Observation {
            rule: self.about,
            subject: Subject {
                account: clean(self.event.account(), 32),
                // IAM is global: its events' region says where AWS logged them, not where the problem is.
                region: if resource.contains(":iam::") {
                    "global".to_owned()
                } else {
                    clean(self.event.region(), 32)
                },
                resource: clean(resource, 512),
                aspect: None,
            },
            verdict,
            resolution: if self.event.name().starts_with("Delete") {
                Resolution::Deleted
            } else {
                Resolution::Fixed
            },
            severity: if verdict == Verdict::Passing { Severity::Informational } else { self.about.severity },
            event: Occurrence::of(self.event, self.received),
            title: clean(title, 300),
            reason: String::new(),
            actor,
            details: Vec::new(),
            steps: Vec::new(),
            burst: None,
            witness: self.about.id.to_owned(),
            covered_by: None,
            confirm: None,
        }
    }
}
