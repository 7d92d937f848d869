//! A world in a box: queue, tables, stream, topic and clock, deterministic from one seed.
//!
//! The code under test is core's own: [`keepwatch_core::engine::intake::Intake`] and [`keepwatch_alert::outbox::Notifier`], with
//! all rules, on real events. Every call of a port is a step before and after which the function may crash, be throttled
//! or never hear the answer. Messages come twice, late and in any order, poison among them; stream and sweeps are down for
//! a while, or for longer than stream records live. Meanwhile a few lamps are scanned (`scans.rs`). When the story is over nothing fails any more, the dead-letter queue
//! is redriven, and the invariants must hold. Some seeds go on in a second world, whose days have nothing but the daily call
//! (`canary.rs`).

mod attack;
mod calm;
mod canary;
mod conforms;
mod engine;
mod faults;
mod functions;
mod invariants;
mod log;
mod ports;
mod queue;
mod reference;
mod sabotage;
mod scans;
mod story;
mod stream;
mod tally;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use engine::{Engine, Snapshot};
use invariants::Found;
use keepwatch_core::finding::AlertState;

use crate::lock;

pub use calm::{Told, calm};
pub use conforms::conforms;
pub use invariants::Violation;
pub use sabotage::Sabotage;
pub use tally::Tally;

/// How long after the last message everything has to be told.
const REST: i64 = 30 * 60_000;

/// One seed in so many lives some days with the daily call as well, which takes as long as several others.
const LIVES_FOR_DAYS: u64 = 8;

/// How to run a seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// What to break on purpose.
    pub sabotage: Option<Sabotage>,
    /// Whether to write down everything that happens.
    pub trace: bool,
}

/// What came of a seed.
#[derive(Debug)]
pub struct Outcome {
    /// What it covered.
    pub tally: Tally,
    /// What did not hold; empty when all is well.
    pub violations: Vec<Violation>,
    /// What happened, if that was asked for.
    pub trace: Vec<String>,
}

/// Runs one seed. A panic is a violation like any other.
pub fn run(seed: u64, options: Options) -> Outcome {
    std::panic::catch_unwind(|| one(seed, options)).unwrap_or_else(|_| Outcome {
        tally: Tally::default(),
        violations: vec![Violation { invariant: "panic", what: "see the message above".to_owned() }],
        trace: Vec::new(),
    })
}

fn one(seed: u64, options: Options) -> Outcome {
    let mut engine = Engine::new(seed, options.sabotage, options.trace);
    let mut found = Found::default();
    let expected = reference::expected(&engine.story.messages);
    engine.run_until(engine.over_at());
    redrive(&mut engine, &mut found);
    rest(&mut engine);
    invariants::at_rest(&engine, &expected, &mut found);
    invariants::announced(&engine, &mut found);
    if found.0.is_empty() && lock(&engine.world).rng.bool() {
        again(&mut engine, &expected, &mut found);
    }
    if found.0.is_empty()
        && let Some(snapshot) = engine.snapshot.take()
    {
        restored(&mut engine, snapshot, &expected, &mut found);
    }
    if found.0.is_empty() {
        attack::attacked(&mut engine, &mut found, rest);
    }
    let mut world = lock(&engine.world);
    let mut tally = std::mem::take(&mut world.tally);
    tally.add("findings", "in the tables at the end", world.tables.findings.len());
    let mut trace = world.trace.take().unwrap_or_default();
    drop(world);
    if found.0.is_empty() && seed.is_multiple_of(LIVES_FOR_DAYS) {
        let engine = canary::lived(seed, options.sabotage, options.trace, &mut found);
        let mut world = lock(&engine.world);
        tally.merge(&world.tally);
        trace.extend(world.trace.take().unwrap_or_default());
    }
    Outcome { tally, violations: found.0, trace }
}

fn rest(engine: &mut Engine) {
    // A last look at everything, when nothing fails any more: the findings must be the state then.
    engine.look_again();
    // What a sweep may have left half done is not to wait for the next of a quiet time's rare sweeps.
    let now = engine.now();
    lock(&engine.world).active_at = now;
    engine.want_sweep(now + 60_000);
    let until = engine.rested_at(REST);
    engine.run_until(until);
}

/// Lets the queue run empty, redrives what died, and lets it run empty again: then only poison may be dead.
fn redrive(engine: &mut Engine, found: &mut Found) {
    for redriven in [false, true] {
        if !engine.drain() {
            found.0.push(Violation { invariant: "I1", what: "the queue never runs empty".to_owned() });
            return;
        }
        let dead = lock(&engine.world).queue.dead.clone();
        invariants::dead_letters(engine, &dead, redriven, found);
        if !redriven && !dead.is_empty() {
            lock(&engine.world).queue.dead.clear();
            let sent = engine.send_again(dead.into_iter());
            lock(&engine.world).tally.add("queue", "redriven from the dead-letter queue", sent);
        }
    }
}

/// I12: messages that were worked off long ago are delivered once more, and nothing changes.
fn again(engine: &mut Engine, expected: &BTreeMap<String, reference::Expected>, found: &mut Found) {
    let (count, first) = {
        let mut world = lock(&engine.world);
        let count = engine.story.messages.len();
        (count, world.rng.usize(..=count))
    };
    let before = invariants::dues(engine);
    let good = (first..count).filter(|i| !engine.story.messages[*i].poison).collect::<Vec<_>>();
    let sent = engine.send_again(good.into_iter());
    lock(&engine.world).tally.add("queue", "delivered again when all was settled", sent);
    engine.drain();
    rest(engine);
    invariants::nothing_new(&before, engine, |_| true, found);
    invariants::at_rest(engine, expected, found);
}

/// I12: the tables are put back to an earlier copy, what came since is delivered again, and the same comes of it.
fn restored(
    engine: &mut Engine,
    snapshot: Snapshot,
    expected: &BTreeMap<String, reference::Expected>,
    found: &mut Found,
) {
    let Snapshot { mut tables, at } = snapshot;
    if lock(&engine.world).rng.u8(..3) > 0 {
        return;
    }
    let unsent = lock(&engine.world).is(Sabotage::RestoreUnsent);
    // Found that were told of in the copy, and that know all events already.
    let settled: BTreeSet<String> = tables
        .findings
        .iter()
        .filter(|(id, finding)| {
            finding.alert.state == AlertState::Sent
                && expected.get(*id).is_some_and(|must| {
                    finding.occurrences == must.occurrences && finding.is_open() == must.open
                })
        })
        .map(|(id, _)| id.clone())
        .collect();
    if unsent {
        for finding in tables.findings.values_mut() {
            finding.alert.occurred_at = None;
            finding.alert.severity = None;
            finding.events.clear();
        }
        tables.receipts.clear();
    }
    engine.restore(tables);
    lock(&engine.world).tally.count("restores", "from a copy of the tables");
    let lost: Vec<usize> = (0..engine.story.messages.len())
        .filter(|i| engine.acked.get(i).is_some_and(|acked| *acked >= at))
        .collect();
    let sent = engine.send_again(lost.into_iter());
    lock(&engine.world).tally.add("queue", "delivered again after a restore", sent);
    engine.drain();
    rest(engine);
    invariants::nothing_new(&BTreeMap::new(), engine, |id| settled.contains(id), found);
    invariants::at_rest(engine, expected, found);
}
