//! What the simulation notes of every finding's alerts, from outside: when one became due, when one was published, and
//! what happened between publish and mark.

use std::collections::{BTreeMap, BTreeSet};

use keepwatch_core::finding::{AlertReason, Finding};
use keepwatch_core::severity::Severity;

/// An alert became due.
#[derive(Clone, Debug)]
pub(super) struct DueNote {
    /// When.
    pub at: i64,
    /// Why, as the finding says.
    pub reason: Option<AlertReason>,
    /// The severity then.
    pub severity: Severity,
    /// The time of the occurrence it is for.
    pub time: i64,
    /// Severity and time of the alert before, and when the problem was gone last.
    pub before: Option<(Severity, i64)>,
    /// When the problem was last seen to be gone.
    pub gone_at: Option<i64>,
    /// The finding's witnesses, before and after.
    pub witnesses: (usize, usize),
    /// The actors that it was mailed for, before and after.
    pub actors: (usize, usize),
    /// Whether something had silenced it.
    pub was_silent: bool,
}

/// A finding was told, alone or in a digest.
#[derive(Clone, Debug)]
pub(super) struct PublishNote {
    /// When.
    pub at: i64,
    /// By which invocation.
    pub by: u64,
    /// The mark was written.
    pub marked: bool,
    /// The mark was refused because the finding had changed.
    pub superseded: bool,
    /// A crash or a lost answer fell between publish and mark.
    pub excused: bool,
}

/// All of one finding.
#[derive(Clone, Debug, Default)]
pub(super) struct Life {
    /// Alerts that became due.
    pub dues: Vec<DueNote>,
    /// Alerts that were published.
    pub publishes: Vec<PublishNote>,
    /// When a suppression last ended while the problem was there and worth a mail.
    pub woken_at: Option<i64>,
    /// Since when an alert has been waiting, whoever holds it.
    pub waiting_since: Option<i64>,
    /// Whether it was ever silenced.
    pub silenced: bool,
    /// Whether an alert was due already when the tables were restored.
    pub restored_due: bool,
}

/// One message to the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MailKind {
    /// The alert of one finding.
    Alone,
    /// A digest of deferred alerts.
    Digest,
    /// A report or an announcement.
    Letter,
}

/// Everything noted.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    /// By finding.
    pub lives: BTreeMap<String, Life>,
    /// Time and kind of each mail.
    pub mails: Vec<(i64, MailKind)>,
    /// By invocation, when it published a digest, and how many findings that one only counted.
    pub counted: BTreeMap<u64, (i64, usize)>,
    /// Time and name of each suppression that was announced.
    pub announced: Vec<(i64, String)>,
    /// Time and finding of each mail that nobody got.
    pub unheard: Vec<(i64, String)>,
    /// When a sweep first noted that the owner is subscribed to the alerts.
    pub noted_at: Option<i64>,
    /// The findings that somebody who was missing was told of when he was back, and when last.
    pub told_again: BTreeMap<String, i64>,
    /// Since when somebody was missing, as it was told over the other topic.
    pub absences: BTreeSet<i64>,
    /// What was wrong at once, and needs no end to be judged.
    pub wrong: Vec<(&'static str, String)>,
}

fn mailed_actors(finding: &Finding) -> usize {
    finding.alert.told.iter().filter(|told| !told.counted_only).count()
}

/// Whether somebody is still to be told.
pub(super) fn waits(finding: &Finding) -> bool {
    finding.alert.state.waits()
}

impl Log {
    /// Notes a write of a finding.
    pub(super) fn wrote(&mut self, before: Option<&Finding>, after: &Finding, now: i64) {
        let life = self.lives.entry(after.finding_id.clone()).or_default();
        if after.alert.became_due > before.map_or(0, |before| before.alert.became_due) {
            let alerted = before.and_then(|f| f.alert.severity.zip(f.alert.occurred_at.map(|t| t.millis())));
            life.dues.push(DueNote {
                at: now,
                reason: after.alert.reason,
                severity: after.severity,
                time: after.alert.occurred_at.map_or(0, |time| time.millis()),
                before: alerted,
                gone_at: after.passed.as_ref().map(|passed| passed.at.millis()),
                witnesses: (before.map_or(0, |f| f.witnesses.len()), after.witnesses.len()),
                actors: (before.map_or(0, mailed_actors), mailed_actors(after)),
                was_silent: before.is_some_and(|f| f.silence.is_some()),
            });
            life.waiting_since = Some(now);
        }
        if waits(after) {
            life.waiting_since.get_or_insert(now);
        } else {
            life.waiting_since = None;
        }
        life.silenced |= after.silence.is_some();
        let woken = before.is_some_and(|f| f.silence.is_some()) && after.silence.is_none();
        if woken && after.is_open() && after.severity >= keepwatch_core::severity::MAILED_FROM {
            life.woken_at = Some(now);
        } else if after.silence.is_some() {
            life.woken_at = None;
        }
    }

    /// Notes that an invocation ended before it could mark what it had published.
    pub(super) fn died(&mut self, invocation: u64) {
        for life in self.lives.values_mut() {
            for note in life.publishes.iter_mut().filter(|note| note.by == invocation) {
                note.excused |= !note.marked && !note.superseded;
            }
        }
    }

    /// A claim ends as sent without a mail that named the finding: a digest must have counted it.
    pub(super) fn told_by_count(&mut self, finding_id: &str, by: u64) {
        let life = self.lives.entry(finding_id.to_owned()).or_default();
        let Some((at, left)) = self.counted.get_mut(&by) else { return };
        if *left > 0 && life.publishes.iter().all(|note| note.by != by) {
            *left -= 1;
            life.publishes.push(PublishNote {
                at: *at,
                by,
                marked: false,
                superseded: false,
                excused: false,
            });
        }
    }

    /// The last publish of a finding by an invocation.
    pub(super) fn last_publish(&mut self, finding_id: &str, by: u64) -> Option<&mut PublishNote> {
        let life = self.lives.get_mut(finding_id)?;
        life.publishes.iter_mut().rev().find(|note| note.by == by)
    }
}
