//! The scheduler: one queue of events in simulated time, and the invocations that are in flight. How a world begins is in
//! `beginning.rs`, and what calls the functions in `callers.rs`.

mod beginning;
mod callers;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use keepwatch_alert::in_memory::Tables;
use keepwatch_base::time::Timestamp;
use keepwatch_core::settings::Settings;
use serde_json::{Value, json};

use super::canary::{self, Day};
use super::ports::Ports;
use super::queue::{Delivery, Message, VISIBILITY};
use super::scans::Lamps;
use super::story::{Change, Story};
use super::stream::SHARDS;
use super::world::{Shared, World};
use crate::lock;

/// A Monday at noon, in milliseconds since 1970.
pub(super) const START: i64 = 1_772_452_800_000;

const MINUTE: i64 = 60_000;

enum What {
    Timer(u64, Waker),
    Kill(u64),
    Arrive(usize),
    Change(Change),
    Poll,
    PollStream(usize),
    Sweep,
    Scan(Lamps),
    Day(Day, u32),
    Snapshot,
}

enum Kind {
    Detect(Vec<Delivery>),
    Notify(usize, usize),
    Sweep,
    Scan,
    Day(Day, u32),
}

type Running = Pin<Box<dyn Future<Output = Vec<bool>>>>;

struct Run {
    kind: Kind,
    future: Running,
}

/// What can be restored, with the time it is of.
#[derive(Clone)]
pub(super) struct Snapshot {
    /// The tables.
    pub tables: Tables,
    /// When it was taken.
    pub at: i64,
}

/// See the module.
pub(super) struct Engine {
    /// The world.
    pub world: Shared,
    /// What happens in it.
    pub story: Story,
    /// When each message was first worked off.
    pub acked: BTreeMap<usize, i64>,
    /// A copy of the tables from the midst of it.
    pub snapshot: Option<Snapshot>,
    /// When each row came that the settings hold.
    pub added: BTreeMap<String, i64>,
    /// Whether nothing goes wrong in this seed.
    pub calm: bool,
    /// When the stream and the sweeps are down.
    stream_down: (i64, i64),
    sweeps_down: (i64, i64),
    events: BTreeMap<(i64, u64), What>,
    issued: u64,
    runs: BTreeMap<u64, Run>,
    poll_at: Option<i64>,
    sweep_at: Option<i64>,
    stream_polls: [bool; SHARDS],
    rows: BTreeMap<String, Value>,
    gone: BTreeMap<String, Value>,
    /// The account as the last scan found it.
    pub lamps: Lamps,
}

impl Engine {
    /// Plans a day's run of the daily call.
    pub(super) fn on_day(&mut self, at: i64, day: Day) {
        self.at(at, What::Day(day, 1));
    }

    /// Plans a message, and says which it is.
    pub(super) fn send_later(&mut self, body: String, at: i64) -> usize {
        self.story.messages.push(Message { body: Arc::from(body), at, poison: false });
        let message = self.story.messages.len() - 1;
        self.at(at, What::Arrive(message));
        message
    }

    fn at(&mut self, at: i64, what: What) {
        self.issued += 1;
        self.events.insert((at, self.issued), what);
    }

    /// The clock.
    pub(super) fn now(&self) -> i64 {
        lock(&self.world).clock
    }

    /// From when on nothing goes wrong any more.
    pub(super) fn healthy_from(&self) -> i64 {
        let faults = if self.calm { START } else { lock(&self.world).faults.until };
        let heard = lock(&self.world).deaf.iter().map(|(_, to)| *to).fold(START, i64::max);
        faults.max(self.sweeps_down.1).max(heard)
    }

    /// When the story is over and nothing goes wrong any more.
    pub(super) fn over_at(&self) -> i64 {
        self.healthy_from().max(self.stream_down.1).max(self.story.ends_at)
    }

    /// Lets time pass until then.
    pub(super) fn run_until(&mut self, time: i64) {
        while let Some((&(at, _), _)) = self.events.first_key_value() {
            if at > time {
                break;
            }
            self.step();
        }
        let mut world = lock(&self.world);
        world.clock = world.clock.max(time);
    }

    /// When a rest may end that lasts at least this long: not just after a suppression has ended.
    pub(super) fn rested_at(&self, rest: i64) -> i64 {
        let world = lock(&self.world);
        let mut until = world.clock + rest;
        let settings = world.settings_at(world.clock);
        let mut ends: Vec<i64> = settings.suppressions.iter().map(|s| s.expires_at.millis()).collect();
        ends.sort_unstable();
        for end in ends {
            if (until - rest..until).contains(&end) {
                until = end + rest;
            }
        }
        until
    }

    /// Lets time pass until the queue is empty. `false` when that never happens.
    pub(super) fn drain(&mut self) -> bool {
        let limit = self.now() + 24 * 60 * MINUTE;
        while !self.drained() {
            if self.now() > limit || self.events.is_empty() {
                return false;
            }
            self.step();
        }
        true
    }

    fn drained(&self) -> bool {
        lock(&self.world).queue.is_empty()
            && !self.runs.values().any(|run| matches!(run.kind, Kind::Detect(_)))
    }

    /// Sends messages of the story again; says how many.
    pub(super) fn send_again(&mut self, messages: impl Iterator<Item = usize>) -> usize {
        let now = self.now();
        let mut sent = 0;
        for message in messages {
            lock(&self.world).queue.send(message, now);
            sent += 1;
        }
        self.want_poll(now);
        self.want_sweep(now + MINUTE);
        sent
    }

    /// Puts the tables back to what they were, with an empty stream, as a restore does.
    pub(super) fn restore(&mut self, tables: Tables) {
        let dead: Vec<u64> = self.runs.keys().copied().collect();
        for by in dead {
            self.finish(by, None);
        }
        let mut guard = lock(&self.world);
        let world = &mut *guard;
        world.tables = tables;
        world.before.clear();
        for shard in &mut world.stream.shards {
            shard.clear();
        }
        let old = std::mem::take(&mut world.log);
        let now = world.clock;
        world.active_at = now;
        let World { tables, log, .. } = world;
        for finding in tables.findings.values() {
            let life = log.lives.entry(finding.finding_id.clone()).or_default();
            life.waiting_since = super::log::waits(finding).then_some(now);
            life.restored_due = life.waiting_since.is_some();
            let once = old.lives.get(&finding.finding_id).is_some_and(|life| life.silenced);
            life.silenced = once || finding.silence.is_some();
        }
        drop(guard);
        self.want_sweep(now + MINUTE);
    }

    fn step(&mut self) {
        let Some(((at, _), what)) = self.events.pop_first() else { return };
        lock(&self.world).clock = at;
        match what {
            What::Timer(by, waker) => {
                waker.wake();
                self.advance(by);
            }
            What::Kill(by) => {
                if self.runs.contains_key(&by) {
                    let mut world = lock(&self.world);
                    world.tally.count("crashes by timeout", "at the function's timeout");
                    world.say(|| format!("  #{by} timed out"));
                    drop(world);
                    self.finish(by, None);
                }
            }
            What::Arrive(message) => {
                let mut world = lock(&self.world);
                world.active_at = at;
                world.tally.count("queue", "messages");
                world.queue.send(message, at);
                let body = &self.story.messages[message].body;
                world.say(|| format!("message {message} arrives: {body}"));
                let soon = at + world.rng.i64(0..2_000);
                drop(world);
                self.want_poll(soon);
                self.want_sweep(soon + MINUTE);
            }
            What::Change(change) => self.change(change, at),
            What::Poll => {
                if self.poll_at == Some(at) {
                    self.poll_at = None;
                }
                self.poll(at);
            }
            What::PollStream(shard) => self.poll_stream(shard, at),
            What::Scan(lamps) => {
                self.lamps = lamps;
                self.scan(lamps, at);
            }
            What::Day(day, attempt) => self.day(day, attempt, at),
            What::Sweep => {
                if self.sweep_at == Some(at) {
                    self.sweep_at = None;
                    self.sweep(at);
                }
            }
            What::Snapshot => {
                let tables = lock(&self.world).tables.clone();
                self.snapshot = Some(Snapshot { tables, at });
            }
        }
        self.watch_stream();
        canary::answer(self);
    }

    fn change(&mut self, change: Change, at: i64) {
        match change {
            Change::Add { name, rule, resource, actor, lasts } => {
                let time = |at: i64| Timestamp::from_millis(at).to_string();
                let key = format!("suppression#{name}");
                let mut row = json!({"setting_id": key, "rule": rule, "resource": resource, "owner": "ann",
                    "reason": "the simulation", "created_at": time(at), "expires_at": time(at + lasts)});
                if let Some(actor) = actor {
                    row["actor"] = json!(actor);
                }
                self.added.insert(name.clone(), at);
                self.rows.insert(name, row);
            }
            Change::Restore { name } => {
                if let Some(mut row) = self.gone.remove(&name) {
                    let until = row["expires_at"].as_str().and_then(Timestamp::parse);
                    if until.is_none_or(|until| until.millis() <= at) {
                        return;
                    }
                    row["created_at"] = json!(Timestamp::from_millis(at));
                    self.added.insert(name.clone(), at);
                    self.rows.insert(name, row);
                }
            }
            Change::Remove { name } => {
                self.added.remove(&name);
                if let Some(row) = self.rows.remove(&name) {
                    self.gone.insert(name, row);
                }
            }
        }
        let settings = Arc::new(Settings::read(self.rows.values(), keepwatch_rules::registry::CATALOGUE));
        let mut world = lock(&self.world);
        world.active_at = at;
        world.tally.count("settings", "changes");
        world.tally.add("settings", "rows that cannot be used", settings.invalid.len());
        world.say(|| format!("settings: {} suppressions", settings.suppressions.len()));
        world.settings.push((at, settings));
        let soon = at + world.rng.i64(0..MINUTE);
        drop(world);
        self.want_sweep(soon);
    }

    fn start(
        &mut self,
        kind: Kind,
        now: i64,
        known: i64,
        timeout: i64,
        what: &str,
        make: impl FnOnce(Ports) -> Running,
    ) {
        self.issued += 1;
        let by = self.issued;
        {
            let mut world = lock(&self.world);
            world.began.insert(by, known);
            world.say(|| format!("#{by} {what}"));
        }
        let future = make(Ports { world: Arc::clone(&self.world), by, operations: false });
        self.runs.insert(by, Run { kind, future });
        self.at(now + timeout, What::Kill(by));
        self.advance(by);
    }

    /// Polls an invocation once, and drops it when it has crashed.
    fn advance(&mut self, by: u64) {
        let Some(run) = self.runs.get_mut(&by) else { return };
        let polled = run.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let (timers, crashed) = {
            let mut world = lock(&self.world);
            (std::mem::take(&mut world.timers), std::mem::take(&mut world.crashed))
        };
        for (at, by, waker) in timers {
            self.at(at, What::Timer(by, waker));
        }
        if crashed.contains(&by) {
            self.finish(by, None);
        } else if let Poll::Ready(outcomes) = polled {
            self.finish(by, Some(&outcomes));
        }
    }

    /// An invocation is over: with an outcome for each of its records, or dead.
    fn finish(&mut self, by: u64, outcomes: Option<&[bool]>) {
        let Some(run) = self.runs.remove(&by) else { return };
        let now = self.now();
        {
            let mut world = lock(&self.world);
            world.began.remove(&by);
            if outcomes.is_none() {
                world.log.died(by);
                world.say(|| format!("#{by} is dead"));
            }
        }
        self.ended(run.kind, outcomes, now);
        if lock(&self.world).log.lives.values().any(|life| life.waiting_since.is_some()) {
            self.want_sweep(now + MINUTE);
        }
    }

    /// Whether a message was worked off later than one visibility period, and a little, after it came.
    pub(super) fn late(&self, message: usize) -> bool {
        let at = self.story.messages[message].at;
        self.acked.get(&message).is_none_or(|acked| *acked > at + VISIBILITY + MINUTE)
    }
}
