//! What a log would have told: each event folded into findings and mails as what is deployed does it, on the log's own clock.

use std::collections::{BTreeMap, HashMap};

use anyhow::anyhow;
use keepwatch_alert::in_memory::{Mail, MailKind, Pipeline};
use keepwatch_alert::report::Calendar;
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::Finding;
use keepwatch_core::observation::{Actor, Observation, Verdict};
use keepwatch_core::settings::Settings;
use keepwatch_core::severity::Severity;
use keepwatch_rules::registry::DOCUMENTED;

/// Hour of the day, UTC, of the daily digest: the template's default.
const REPORT_HOUR: i8 = 7;

/// How many principals, and how many resources of a rule, are told apart.
const TOLD_APART: usize = 10_000;

/// What a log tells, event by event.
pub(super) struct LogReplay {
    pipeline: Pipeline,
    now: Timestamp,
    sightings: AllSightings,
}

/// What came of a log.
pub(super) struct Outcome {
    /// The findings, by id.
    pub(super) findings: BTreeMap<String, Finding>,
    /// The mails.
    pub(super) mails: Mails,
    /// What the rules saw.
    pub(super) sightings: AllSightings,
}

/// What the rules saw.
#[derive(Default)]
pub(super) struct AllSightings {
    /// How often any rule saw something, good news included.
    pub(super) detections: usize,
    /// By rule.
    pub(super) rules: BTreeMap<&'static str, Sightings>,
    /// How many problems were seen of each principal's doing, with one of its names.
    pub(super) principals: HashMap<String, (usize, String)>,
}

/// What a rule saw.
#[derive(Default)]
pub(super) struct Sightings {
    /// How often it saw a problem.
    pub(super) times: usize,
    /// How often it could not find out whether it is one.
    pub(super) unsure: usize,
    /// The worst.
    pub(super) worst: Option<Severity>,
    /// How often each principal did it.
    pub(super) actors: HashMap<String, (usize, Actor)>,
    /// How often it was about each resource.
    pub(super) resources: HashMap<String, (usize, ())>,
}

/// The mails that a log would have caused.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mails {
    /// That tell of findings.
    pub(super) alerts: usize,
    /// That tell what the mail budget did not let out one by one.
    pub(super) digests: usize,
    /// By the calendar.
    pub(super) reports: usize,
    /// The day with the most alerts and digests, and how many.
    pub(super) worst_day: Option<(String, usize)>,
}

impl LogReplay {
    /// Nothing yet. The settings are the owner's.
    pub(super) fn new(settings: Settings, account: &str) -> LogReplay {
        let calendar = Calendar { account: account.to_owned(), hour: REPORT_HOUR };
        LogReplay {
            pipeline: Pipeline::new(settings, DOCUMENTED, calendar),
            now: Timestamp::default(),
            sightings: AllSightings::default(),
        }
    }

    /// Takes in what rules saw of an event that happened then. One without a time happened when the one before it did.
    ///
    /// # Errors
    /// A bug.
    pub(super) fn take_in(
        &mut self,
        at: Option<Timestamp>,
        observations: &mut [Observation],
    ) -> anyhow::Result<()> {
        self.now = at.unwrap_or(self.now).max(self.now);
        if at.is_none() {
            observations.iter_mut().for_each(|seen| seen.event.time = self.now);
        }
        observations.iter().for_each(|seen| self.sightings.count(seen));
        if observations.is_empty() {
            return Ok(());
        }
        self.pipeline.hear(observations, self.now).map_err(|error| anyhow!("{error}"))
    }

    /// Lets the clock go on until all is told, and says what it came to.
    ///
    /// # Errors
    /// A bug.
    pub(super) fn finish(self) -> anyhow::Result<Outcome> {
        let LogReplay { pipeline, sightings, .. } = self;
        let (tables, mails) = pipeline.finish().map_err(|error| anyhow!("{error}"))?;
        Ok(Outcome { findings: tables.findings, mails: Mails::of(&mails), sightings })
    }
}

impl AllSightings {
    fn count(&mut self, seen: &Observation) {
        self.detections += 1;
        if seen.verdict == Verdict::Passing {
            return;
        }
        let rule = self.rules.entry(seen.rule.id).or_default();
        rule.times += 1;
        rule.unsure += usize::from(seen.verdict == Verdict::Unknown);
        rule.worst = rule.worst.max(Some(seen.severity));
        tally(&mut rule.resources, &seen.subject.resource, || ());
        if let Some(actor) = &seen.actor {
            let who = actor.identity();
            tally(&mut self.principals, &who, || actor.name.clone());
            // What several sessions of a role did is the role's.
            if let Some((_, name)) = self.principals.get_mut(&who).filter(|(_, name)| *name != actor.name) {
                name.truncate(name.find('/').unwrap_or(name.len()));
            }
            tally(&mut rule.actors, &who, || actor.clone());
        }
    }
}

impl Mails {
    fn of(all: &[Mail]) -> Mails {
        let mut mails = Mails::default();
        let mut days: BTreeMap<String, usize> = BTreeMap::new();
        for mail in all {
            match mail.kind {
                MailKind::Alert => mails.alerts += 1,
                MailKind::Digest => mails.digests += 1,
                MailKind::Letter => mails.reports += 1,
            }
            if mail.kind != MailKind::Letter {
                *days.entry(mail.at.date()).or_default() += 1;
            }
        }
        // Of equal days the first.
        mails.worst_day = days.into_iter().rev().max_by_key(|(_, mails)| *mails);
        mails
    }
}

impl Sightings {
    /// Who did it far more often than all others together, if somebody did.
    pub(super) fn mostly_by(&self) -> Option<&Actor> {
        let (times, actor) = self.actors.values().max_by_key(|(times, _)| *times)?;
        (times * 3 > self.times * 2).then_some(actor)
    }

    /// Who did nine of ten at least, if somebody did, by its ARN: a pattern that names nobody else.
    pub(super) fn nearly_all_by(&self) -> Option<&str> {
        let (who, (times, _)) = self.actors.iter().max_by_key(|(_, (times, _))| *times)?;
        let is_one = who.starts_with("arn:") && !who.contains(['*', '?']);
        (is_one && times * 10 >= self.times * 9).then_some(who)
    }

    /// What it was about far more often than all others together, if there is such a thing.
    pub(super) fn mostly_on(&self) -> Option<&str> {
        let (resource, (times, ())) = self.resources.iter().max_by_key(|(_, (times, ()))| *times)?;
        (times * 3 > self.times * 2).then_some(resource)
    }
}

/// Counts one more, as long as not too many are told apart.
fn tally<T>(all: &mut HashMap<String, (usize, T)>, name: &str, about: impl FnOnce() -> T) {
    if let Some((times, _)) = all.get_mut(name) {
        *times += 1;
    } else if all.len() < TOLD_APART {
        all.insert(name.to_owned(), (1, about()));
    }
}
