//! The invariants, checked from what was noted and from what the tables hold in the end.

use std::collections::{BTreeMap, BTreeSet};

use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::{AlertReason, AlertState, Finding};
use keepwatch_core::settings::Silence;
use keepwatch_core::severity::MAILED_FROM;
use keepwatch_rules::registry;

use super::engine::Engine;
use super::log::{Life, Log, MailKind, waits};
use super::reference::{Expected, difference, lasting};
use super::scans::{Lamps, is_of_a_scan};
use super::world::World;
use crate::lock;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which: `I1` to `I12`; `scans`, `canary`, `suppressed`, `announced` or `panic`.
    pub invariant: &'static str,
    /// How.
    pub what: String,
}

/// Violations as they are found.
#[derive(Debug, Default)]
pub(super) struct Found(pub Vec<Violation>);

impl Found {
    fn wrong(&mut self, invariant: &'static str, what: impl Into<String>) {
        self.0.push(Violation { invariant, what: what.into() });
    }
}

/// SNS suspends an e-mail subscription that gets more in a second.
const HARD_LIMIT: usize = 10;

/// I1 and I5, before and after the redrive: `dead` is what the dead-letter queue holds.
pub(super) fn dead_letters(engine: &Engine, dead: &[usize], redriven: bool, found: &mut Found) {
    let messages = &engine.story.messages;
    for (i, message) in messages.iter().enumerate() {
        let times = dead.iter().filter(|other| **other == i).count();
        let acked = engine.acked.contains_key(&i);
        match (message.poison, times) {
            (true, 1) if !acked => {}
            (true, _) => {
                found.wrong("I5", format!("poison message {i} is {times} times in the dead-letter queue"))
            }
            (false, 0) if acked => {}
            (false, 0) => {
                found.wrong("I1", format!("message {i} is neither worked off nor in the dead-letter queue"))
            }
            (false, _) if redriven => {
                found.wrong("I1", format!("message {i} could not be worked off though nothing fails"))
            }
            (false, _) if engine.calm && !acked => {
                found.wrong("I5", format!("message {i} was given up without any fault"))
            }
            (false, _) => {}
        }
        if engine.calm && !message.poison && times == 0 && engine.late(i) {
            found.wrong("I5", format!("message {i} was delayed though nothing fails"));
        }
    }
}

/// Everything that must hold when all is quiet.
pub(super) fn at_rest(engine: &Engine, expected: &BTreeMap<String, Expected>, found: &mut Found) {
    of_alerts(engine, found);
    let world = lock(&engine.world);
    tables(&world, expected, found);
    scanned(&world, engine.lamps, found);
    told(&world, expected, found);
    heard(&world, found);
}

/// What was wrong at once, and what must hold of every finding's alerts and of all mails, whatever they are about.
pub(super) fn of_alerts(engine: &Engine, found: &mut Found) {
    let world = lock(&engine.world);
    for (invariant, what) in &world.log.wrong {
        found.wrong(invariant, what.clone());
    }
    for (id, life) in &world.log.lives {
        alerts(&world, id, life, found);
    }
    mails(&world.log, found);
}

/// What was mailed while the owner was not subscribed is mailed again, or listed for who is back. Who was never noted before is
/// not missed.
fn heard(world: &World, found: &mut Found) {
    let later = |id: &String, at: i64| {
        let again = |life: &Life| life.publishes.iter().any(|note| note.at > at && !world.was_deaf(note.at));
        let listed = world.log.told_again.get(id).is_some_and(|last| *last > at);
        listed || world.log.lives.get(id).is_some_and(again)
    };
    let seen = |at: i64| world.log.noted_at.is_some_and(|first| first < at);
    for (at, id) in world.log.unheard.iter().filter(|(at, id)| seen(*at) && !later(id, *at)) {
        let at = Timestamp::from_millis(*at);
        found.wrong("I2", format!("{id} was mailed at {at} without its owner and never again"));
    }
}

/// Whoever silences the watch is told of, each time.
pub(super) fn announced(engine: &Engine, found: &mut Found) {
    let world = lock(&engine.world);
    for (name, at) in &engine.added {
        if !world.log.announced.iter().any(|(then, told)| then >= at && told == name) {
            found.wrong("announced", format!("nobody was told that suppression {name} was added"));
        }
    }
}

/// I1, I4 and I6: the table holds what a plain count of the events and an orderly fold of them say.
fn tables(world: &World, expected: &BTreeMap<String, Expected>, found: &mut Found) {
    let ids: BTreeSet<&String> = expected.keys().chain(world.tables.findings.keys()).collect();
    for id in ids.into_iter().filter(|id| !is_of_a_scan(id)) {
        let (row, must) = match (world.tables.findings.get(id), expected.get(id)) {
            (Some(row), Some(must)) => (row, must),
            (None, _) => {
                found.wrong("I1", format!("{id} is missing"));
                continue;
            }
            (_, None) => {
                found.wrong("I1", format!("{id} is there and no message says so"));
                continue;
            }
        };
        let must = must.otherwise.iter().find(|other| other.folded.passed == row.passed).unwrap_or(must);
        if row.occurrences != must.occurrences {
            found.wrong("I4", format!("{id} counts {} events of {}", row.occurrences, must.occurrences));
        }
        if (row.first_seen, row.last_seen) != must.seen || row.is_open() != must.open {
            found.wrong("I6", format!("{id} has other times than its events"));
        }
        if row.severity != must.severity {
            let (is, must) = (row.severity.as_str(), must.severity.as_str());
            found.wrong("I6", format!("{id} is {is} and must be {must}"));
        }
        let silence =
            world.settings_at(world.clock).silence(&row.rule, &row.subject(), &row.actors(), world.now());
        // Whoever else acted wakes it, also when his event came late and was outdone by a silenced one.
        let others = |silence: &Silence| must.actors.iter().any(|actor| !silence.names(Some(actor)));
        let silence = silence.filter(|silence| row.silence.is_some() || !others(silence));
        if row.is_open() && row.silence != silence {
            found.wrong("suppressed", format!("{id} does not obey the settings"));
        }
        let mut folded = must.folded.clone();
        folded.obey(if row.is_open() { silence } else { None });
        if let Some(difference) = difference(&lasting(row), &lasting(&folded)) {
            found.wrong("I6", format!("{id}: {difference}"));
        }
    }
}

/// After a scan that saw everything, the open findings are the state.
fn scanned(world: &World, lamps: Lamps, found: &mut Found) {
    let of_scans = world.tables.findings.values().filter(|finding| is_of_a_scan(&finding.finding_id));
    let open: BTreeSet<String> =
        of_scans.filter(|finding| finding.is_open()).map(|finding| finding.resource.clone()).collect();
    if open != lamps.burning() {
        found.wrong("scans", format!("open are {open:?}, and on are {:?}", lamps.burning()));
    }
}

/// I2, I3 and I4 for one finding.
fn alerts(world: &World, id: &str, life: &Life, found: &mut Found) {
    let Some(finding) = world.tables.findings.get(id) else { return };
    if waits(finding) {
        found.wrong("I2", format!("{id} is still due an alert"));
    }
    let last_publish = life.publishes.iter().map(|note| note.at).max();
    if finding.alert.state == AlertState::Sent {
        let last_due = life.dues.last().map(|due| due.at);
        if last_due.is_some() && last_publish < last_due {
            found.wrong("I2", format!("{id} is marked as sent and was not"));
        }
    }
    if life.woken_at.is_some() && finding.is_open() && last_publish < life.woken_at {
        found.wrong("I2", format!("the suppression of {id} ended and nobody was told"));
    }
    let excused = life.publishes.iter().filter(|note| note.excused).count();
    let most = life.dues.len() + excused + usize::from(life.restored_due);
    if life.publishes.len() > most {
        let (sent, due) = (life.publishes.len(), life.dues.len());
        found.wrong(
            "I3",
            format!("{id} was mailed {sent} times for {due} alerts, {excused} of them after a fault"),
        );
    }
    window(id, finding, life, found);
}

/// I4: each alert after the first has a reason that holds.
fn window(id: &str, finding: &Finding, life: &Life, found: &mut Found) {
    let hours = registry::CATALOGUE.find(&finding.rule).map_or(24, |rule| rule.repeat_hours);
    // Several rules may witness one finding; the shortest window of any counts.
    let hours = finding
        .witnesses
        .values()
        .filter_map(|w| registry::CATALOGUE.find(&w.rule))
        .map(|m| m.repeat_hours)
        .fold(hours, u32::min);
    for (i, due) in life.dues.iter().enumerate() {
        let before = life.dues[..i].last().map(|before| (before.severity, before.time)).or(due.before);
        let holds = match (due.reason, before) {
            (Some(AlertReason::New), None) => true,
            (Some(AlertReason::Worse), Some((severity, _))) => due.severity > severity,
            (Some(AlertReason::Reopened), Some((_, time))) => due.gone_at.is_some_and(|gone| time < gone),
            (Some(AlertReason::Again), Some((_, time))) => due.time - time >= i64::from(hours) * 3_600_000,
            (Some(AlertReason::NewWitness), Some(_)) => due.witnesses.1 > due.witnesses.0,
            (Some(AlertReason::SomebodyElse), Some(_)) => due.actors.1 > due.actors.0,
            // Whoever finds the suppression ended may have a reason of his own as well; that is one alert.
            _ if due.was_silent => true,
            _ => false,
        };
        if !holds {
            found.wrong(
                "I4",
                format!(
                    "{id} became due again because `{}`, which is not so",
                    due.reason.map_or("", AlertReason::as_str)
                ),
            );
        }
    }
}

/// I2: who has to be told in any order of arrival was told, alone or in a digest.
fn told(world: &World, expected: &BTreeMap<String, Expected>, found: &mut Found) {
    let must_know = |must: &Expected| must.told && must.severity >= MAILED_FROM;
    for id in expected.iter().filter(|(_, must)| must_know(must)).map(|(id, _)| id) {
        let Some(life) = world.log.lives.get(id) else { continue };
        let sent = world.tables.findings.get(id).is_some_and(|finding| finding.alert.sent > 0);
        if !life.silenced && life.publishes.is_empty() && !sent {
            found.wrong("I2", format!("nobody was ever told of {id}"));
        }
    }
}

/// I9: never more mails than SNS bears, and alone only what the budget allows.
fn mails(log: &Log, found: &mut Found) {
    let times: Vec<i64> = log.mails.iter().map(|(at, _)| *at).collect();
    let burst = times.windows(HARD_LIMIT + 1).any(|some| some[HARD_LIMIT] - some[0] < 1_000);
    if burst {
        found.wrong("I9", "more than ten mails within a second");
    }
    let alone: Vec<i64> =
        log.mails.iter().filter(|(_, kind)| *kind == MailKind::Alone).map(|(at, _)| *at).collect();
    // A full bucket, what it gains, and what a few notifiers may have taken out and not sent yet.
    let slack = i64::from(keepwatch_alert::budget::CAPACITY) + 1 + 5;
    for (i, first) in alone.iter().enumerate() {
        for (n, last) in (1_i64..).zip(&alone[i..]) {
            if n > slack + (last - first) / keepwatch_alert::budget::REFILL_MILLIS {
                let from = Timestamp::from_millis(*first);
                found.wrong("I9", format!("{n} mails alone from {from} on, more than the budget has"));
                return;
            }
        }
    }
}

/// I12: nothing became due but what a suppression's end woke.
pub(super) fn nothing_new(
    before: &BTreeMap<String, usize>,
    engine: &Engine,
    settled: impl Fn(&str) -> bool,
    found: &mut Found,
) {
    let world = lock(&engine.world);
    for (id, life) in &world.log.lives {
        let had = before.get(id).copied().unwrap_or(0);
        let new = life
            .dues
            .iter()
            .skip(had)
            .filter(|due| due.reason != Some(AlertReason::SuppressionEnded))
            .count();
        if new > 0 && settled(id) {
            found.wrong("I12", format!("{id} became due again by what had been delivered before"));
        }
    }
}

/// How many alerts became due of each finding so far.
pub(super) fn dues(engine: &Engine) -> BTreeMap<String, usize> {
    let world = lock(&engine.world);
    world.log.lives.iter().map(|(id, life)| (id.clone(), life.dues.len())).collect()
}
