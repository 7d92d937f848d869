//! The scheduler: one queue of events in simulated time, and the invocations that are in flight.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use fastrand::Rng;
use keepwatch_alert::in_memory::Tables;
use keepwatch_base::time::Timestamp;
use keepwatch_core::settings::Settings;
use serde_json::{Value, json};

use super::canary::{self, Daily, Day};
use super::faults::Faults;
use super::functions;
use super::log::Log;
use super::ports::Ports;
use super::queue::{Delivery, Message, Queue, VISIBILITY};
use super::sabotage::Sabotage;
use super::scans::Lamps;
use super::story::{Change, Story};
use super::stream::{SHARDS, Stream};
use super::tally::Tally;
use super::world::{Shared, World};
use crate::lock;

/// A Monday at noon, in milliseconds since 1970.
pub(super) const START: i64 = 1_772_452_800_000;

const MINUTE: i64 = 60_000;

/// The functions' timeouts.
const DETECT_TIMEOUT: i64 = 30_000;
const NOTIFY_TIMEOUT: i64 = 120_000;
const SCAN_TIMEOUT: i64 = 900_000;

/// How many batches of the queue are worked on at once.
const CONCURRENCY: usize = 5;

/// The promise: an alert is out so long after the path is healthy. One more minute is the check's own.
const PROMISE: i64 = 16 * MINUTE;

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
    /// The world of this seed, before anything has happened.
    pub(super) fn new(seed: u64, sabotage: Option<Sabotage>, trace: bool) -> Engine {
        let mut rng = Rng::with_seed(seed);
        let story = Story::random(&mut rng, START);
        let mut until = story.ends_at + rng.i64(MINUTE..90 * MINUTE);
        let (mut stream_down, mut sweeps_down) = ((0, 0), (0, 0));
        if rng.u8(..12) == 0 {
            // Longer than a stream record lives.
            let from = START + rng.i64(0..story.ends_at - START + 1);
            stream_down = (from, from + rng.i64(24 * 60 * MINUTE..31 * 60 * MINUTE));
            if rng.bool() {
                sweeps_down = (from, stream_down.1 + rng.i64(-120..120) * MINUTE);
            }
        } else if rng.u8(..4) == 0 {
            let from = START + rng.i64(0..story.ends_at - START + 1);
            sweeps_down = (from, from + rng.i64(MINUTE..180 * MINUTE));
            until = until.max(sweeps_down.1);
        }
        let (deaf, replaced) = Engine::deaf(&mut rng, &story);
        until = deaf.iter().map(|(_, to)| *to).fold(until, i64::max);
        let faults = Faults::random(&mut rng, START, until);
        let mut tally = Tally::default();
        tally.count("seeds", if faults.calm() { "calm" } else { "with faults" });
        if story.storm {
            tally.count("seeds", "floods");
        }
        if stream_down.1 > 0 {
            tally.count("outages", "stream, longer than a day");
        }
        if sweeps_down.1 > 0 {
            tally.count("outages", "sweeps");
        }
        tally.add("outages", "one call always fails for a while", faults.windows.len());
        let mut engine = Engine::of(story, rng, faults, sabotage, trace);
        tally.add("outages", "nobody was subscribed", deaf.len() - replaced.len());
        tally.add("outages", "somebody else was subscribed", replaced.len());
        {
            let mut world = lock(&engine.world);
            for (from, to) in &deaf {
                let (from, to) = (Timestamp::from_millis(*from), Timestamp::from_millis(*to));
                world.say(|| format!("the owner will not get the alerts from {from} to {to}"));
            }
            (world.tally, world.deaf, world.replaced) = (tally, deaf, replaced);
        }
        (engine.stream_down, engine.sweeps_down) = (stream_down, sweeps_down);
        engine.begin();
        engine
    }

    /// When the owner does not get the alerts: before the first confirmation, and after a link was clicked, at times for less
    /// than there is between two looks. And which of these times began with somebody else's subscription.
    fn deaf(rng: &mut Rng, story: &Story) -> (Vec<(i64, i64)>, Vec<i64>) {
        let (mut deaf, mut replaced) = (Vec::new(), Vec::new());
        if rng.u8(..6) == 0 {
            deaf.push((START, START + rng.i64(MINUTE..6 * 60 * MINUTE)));
        }
        if rng.u8(..6) == 0 {
            let (from, most) = match rng.choice(&story.messages) {
                // Just when there is something to mail.
                Some(message) if rng.bool() => (message.at, MINUTE),
                _ => (START + rng.i64(0..story.ends_at - START + 1), 30 * 60 * MINUTE),
            };
            deaf.push((from, from + rng.i64(5_000..most)));
            replaced.extend(rng.bool().then_some(from));
        }
        (deaf, replaced)
    }

    /// A world where nothing goes wrong, before anything has happened.
    pub(super) fn calm(seed: u64, story: Story) -> Engine {
        let mut engine = Engine::of(story, Rng::with_seed(seed), Faults::default(), None, false);
        engine.begin();
        engine
    }

    /// A world in which nothing happens but what is planned for it.
    pub(super) fn of_days(rng: Rng, faults: Faults, sabotage: Option<Sabotage>, trace: bool) -> Engine {
        let story = Story { ends_at: START, ..Story::default() };
        let mut engine = Engine::of(story, rng, faults, sabotage, trace);
        engine.begin();
        engine
    }

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

    fn of(story: Story, rng: Rng, faults: Faults, sabotage: Option<Sabotage>, trace: bool) -> Engine {
        let calm = faults.calm();
        let world = World {
            clock: START,
            rng,
            tables: Tables::default(),
            before: BTreeMap::new(),
            queue: Queue::default(),
            stream: Stream::default(),
            settings: Vec::new(),
            deaf: Vec::new(),
            replaced: Vec::new(),
            daily: Daily::default(),
            attacked: false,
            faults,
            log: Log::default(),
            tally: Tally::default(),
            sabotage,
            timers: Vec::new(),
            crashed: Vec::new(),
            active_at: START,
            began: BTreeMap::new(),
            trace: trace.then(Vec::new),
        };
        Engine {
            world: Arc::new(Mutex::new(world)),
            story,
            acked: BTreeMap::new(),
            snapshot: None,
            added: BTreeMap::new(),
            calm,
            stream_down: (0, 0),
            sweeps_down: (0, 0),
            events: BTreeMap::new(),
            issued: 0,
            runs: BTreeMap::new(),
            poll_at: None,
            sweep_at: None,
            stream_polls: [false; SHARDS],
            rows: BTreeMap::new(),
            gone: BTreeMap::new(),
            lamps: Lamps::default(),
        }
    }

    fn begin(&mut self) {
        let arrivals: Vec<i64> = self.story.messages.iter().map(|message| message.at).collect();
        for (i, at) in arrivals.into_iter().enumerate() {
            self.at(at, What::Arrive(i));
        }
        for (at, change) in self.story.changes.clone() {
            self.at(at, What::Change(change));
        }
        for (at, lamps) in self.story.scans.clone() {
            self.at(at, What::Scan(lamps));
        }
        let (first, snapshot) = {
            let mut world = lock(&self.world);
            (START + world.rng.i64(0..MINUTE), START + world.rng.i64(0..self.story.ends_at - START + 1))
        };
        self.want_sweep(first);
        self.at(snapshot, What::Snapshot);
        if self.stream_down.1 > 0 {
            for shard in 0..SHARDS {
                self.at(self.stream_down.1, What::PollStream(shard));
            }
        }
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

    fn want_poll(&mut self, at: i64) {
        if self.poll_at.is_none_or(|planned| at < planned) {
            self.poll_at = Some(at);
            self.at(at, What::Poll);
        }
    }

    /// Something happens: the clock that ran faster runs at its own pace again.
    pub(super) fn want_sweep(&mut self, at: i64) {
        if self.sweep_at.is_none_or(|planned| at < planned) {
            self.sweep_at = Some(at);
            self.at(at, What::Sweep);
        }
    }

    fn poll(&mut self, now: i64) {
        let busy = self.runs.values().filter(|run| matches!(run.kind, Kind::Detect(_))).count();
        if busy < CONCURRENCY {
            let mut world = lock(&self.world);
            let most = world.rng.usize(1..=10);
            let dead = world.queue.dead.len();
            let batch = world.queue.receive(most, now);
            let died = world.queue.dead.len() - dead;
            world.tally.add("queue", "moved to the dead-letter queue", died);
            if !batch.is_empty() {
                world.tally.add("queue", "deliveries", batch.len());
                let World { rng, faults, queue, tally, .. } = &mut *world;
                for delivery in &batch {
                    if now < faults.until && rng.f64() < faults.duplicate {
                        tally.count("queue", "duplicates delivered at once");
                        queue.duplicate(delivery.receipt, now + rng.i64(0..5_000));
                    }
                }
                drop(world);
                self.start_detect(batch, now);
            }
        }
        let next = lock(&self.world).queue.next_visible();
        // When all are busy, the end of one of them polls again.
        if let Some(next) = next.filter(|next| *next > now || busy + 1 < CONCURRENCY) {
            self.want_poll(next.max(now + 1));
        }
    }

    fn start_detect(&mut self, batch: Vec<Delivery>, now: i64) {
        let bodies: Vec<_> = batch
            .iter()
            .map(|delivery| (delivery.clone(), Arc::clone(&self.story.messages[delivery.message].body)))
            .collect();
        if lock(&self.world).is(Sabotage::AckBeforeRecord) {
            for delivery in &batch {
                lock(&self.world).queue.delete(delivery.receipt);
                self.acked.entry(delivery.message).or_insert(now);
            }
        }
        let known = now - lock(&self.world).rng.i64(0..60_000);
        let settings = lock(&self.world).settings_at(known);
        let names: Vec<String> = batch.iter().map(|delivery| delivery.message.to_string()).collect();
        let what = format!("detect of messages {}", names.join(" "));
        self.start(Kind::Detect(batch), now, known, DETECT_TIMEOUT, &what, |ports| {
            Box::pin(functions::detect(ports, bodies, settings))
        });
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
        match run.kind {
            Kind::Detect(batch) => {
                self.detected(&batch, outcomes, now);
                self.want_poll(now + 1);
            }
            Kind::Notify(shard, size) => {
                let first_failure = match outcomes {
                    Some(outcomes) => outcomes.iter().position(|done| !done),
                    None => Some(0),
                };
                let mut world = lock(&self.world);
                let given_up = world.stream.shards[shard].done(size, first_failure);
                world.tally.add("stream", "records given up after all retries", given_up);
                world.tally.count(
                    "stream",
                    if first_failure.is_some() { "batches tried again" } else { "batches done" },
                );
            }
            Kind::Scan => {
                let outcome = match outcomes {
                    None => "scans that died",
                    Some([true]) => "scans that worked",
                    Some(_) => "scans with a part that failed",
                };
                lock(&self.world).tally.count("scans", outcome);
            }
            Kind::Day(day, attempt) => {
                canary::ran(self, outcomes.is_some_and(|outcomes| outcomes[0]));
                let failed = outcomes.is_none_or(|outcomes| outcomes[1]);
                if let Some(pause) = canary::tried_again(attempt).filter(|_| failed) {
                    self.at(now + pause, What::Day(day, attempt + 1));
                }
            }
            Kind::Sweep => {
                let outcome = match outcomes {
                    None => "sweeps that died",
                    Some([true]) => "sweeps that worked",
                    Some(_) => "sweeps with a part that failed",
                };
                lock(&self.world).tally.count("sweeps", outcome);
            }
        }
        if lock(&self.world).log.lives.values().any(|life| life.waiting_since.is_some()) {
            self.want_sweep(now + MINUTE);
        }
    }

    fn detected(&mut self, batch: &[Delivery], outcomes: Option<&[bool]>, now: i64) {
        let mut world = lock(&self.world);
        let Some(outcomes) = outcomes else {
            world.tally.add("queue", "deliveries that died with their function", batch.len());
            return;
        };
        let spoiled = world.is(Sabotage::WholeBatch) && outcomes.contains(&false);
        for (delivery, done) in batch.iter().zip(outcomes) {
            if !*done || spoiled {
                world.tally.count("queue", "given back");
                // In a crowd of writers one may give up and come again, whatever its neighbours in the batch are.
                let message = &self.story.messages[delivery.message];
                let alone = !self.story.crowded && !message.poison;
                let now = Timestamp::from_millis(now);
                if self.calm && alone && !functions::waits_for_an_answer(&message.body, now) {
                    let what = format!("message {} was given back though nothing fails", delivery.message);
                    world.log.wrong.push(("I5", what));
                }
                continue;
            }
            if now < world.faults.until && world.rng.f64() < world.faults.duplicate * 0.3 {
                world.tally.count("queue", "duplicates because a delete was lost");
            } else {
                world.queue.delete(delivery.receipt);
            }
            self.acked.entry(delivery.message).or_insert(now);
        }
    }

    fn watch_stream(&mut self) {
        for shard in 0..SHARDS {
            let mut world = lock(&self.world);
            let now = world.clock;
            let down = (self.stream_down.0..self.stream_down.1).contains(&now);
            let waits = !world.stream.shards[shard].is_empty() && !world.stream.shards[shard].busy;
            if waits && !down && !self.stream_polls[shard] {
                let soon = now + world.rng.i64(50..2_000);
                self.stream_polls[shard] = true;
                drop(world);
                self.at(soon, What::PollStream(shard));
            }
        }
    }

    fn poll_stream(&mut self, shard: usize, now: i64) {
        self.stream_polls[shard] = false;
        let (batch, known, settings) = {
            let mut world = lock(&self.world);
            if (self.stream_down.0..self.stream_down.1).contains(&now) || world.stream.shards[shard].busy {
                return;
            }
            let expired = world.stream.shards[shard].expire(now);
            world.tally.add("stream", "records that expired unread", expired);
            let most = world.rng.usize(1..=10);
            let batch = world.stream.shards[shard].batch(most);
            world.stream.shards[shard].busy = !batch.is_empty();
            let known = now - world.rng.i64(0..30_000);
            (batch, known, world.settings_at(known))
        };
        if batch.is_empty() {
            return;
        }
        let what = format!("notify of {}", batch.join(" "));
        self.start(Kind::Notify(shard, batch.len()), now, known, NOTIFY_TIMEOUT, &what, |ports| {
            Box::pin(functions::notify(ports, batch, settings))
        });
    }

    fn scan(&mut self, lamps: Lamps, now: i64) {
        let settings = lock(&self.world).settings_at(now);
        lock(&self.world).active_at = now;
        self.start(Kind::Scan, now, now, SCAN_TIMEOUT, "scan", |ports| {
            Box::pin(async move { vec![functions::scan(ports, lamps, settings).await] })
        });
        self.want_sweep(now + MINUTE);
    }

    fn day(&mut self, day: Day, attempt: u32, now: i64) {
        let settings = lock(&self.world).settings_at(now);
        lock(&self.world).active_at = now;
        let make = |ports: Ports| -> Running { Box::pin(canary::run(ports, day.clone(), settings)) };
        self.start(Kind::Day(day.clone(), attempt), now, now, SCAN_TIMEOUT, "the daily call's run", make);
        self.want_sweep(now + MINUTE);
    }

    /// Looks at everything twice, an hour apart, so that bad news counts that came close to good; then lets it come to its end.
    pub(super) fn look_again(&mut self) {
        if self.story.scans.is_empty() {
            return;
        }
        for _ in 0..2 {
            let now = self.now() + 60 * MINUTE;
            self.run_until(now);
            self.scan(self.lamps.seen_whole(), now);
        }
        while self.runs.values().any(|run| matches!(run.kind, Kind::Scan)) && !self.events.is_empty() {
            self.step();
        }
    }

    fn sweep(&mut self, now: i64) {
        let down = (self.sweeps_down.0..self.sweeps_down.1).contains(&now);
        self.watch_promise(now);
        let (times, next) = {
            let mut world = lock(&self.world);
            let twice = now < world.faults.until && world.rng.f64() < world.faults.duplicate;
            let waiting = world.log.lives.values().any(|life| life.waiting_since.is_some());
            // Where nothing happens for long, the clock may run faster; a change of the settings counts as happening.
            let idle = !waiting && now - world.active_at > 12 * MINUTE && self.runs.is_empty();
            let expiry = world
                .settings_at(now)
                .suppressions
                .iter()
                .map(|s| s.expires_at.millis())
                .filter(|at| *at > now)
                .min();
            let far = expiry.map_or(now + 30 * MINUTE, |at| at.clamp(now + MINUTE, now + 30 * MINUTE));
            let next = if idle { far } else { now + MINUTE };
            let times = if down || world.is(Sabotage::NoSweep) { 0 } else { 1 + usize::from(twice) };
            (times, next)
        };
        self.want_sweep(next);
        for _ in 0..times {
            let settings = {
                let world = lock(&self.world);
                if world.is(Sabotage::NoSuppressions) { Arc::default() } else { world.settings_at(now) }
            };
            self.start(Kind::Sweep, now, now, NOTIFY_TIMEOUT, "sweep", |ports| {
                Box::pin(async move { vec![functions::sweep(ports, settings).await] })
            });
        }
    }

    /// I2, all the time: nobody waits longer than promised while the path is healthy.
    fn watch_promise(&mut self, now: i64) {
        let healthy = self.healthy_from();
        let mut world = lock(&self.world);
        let world = &mut *world;
        for (id, life) in &mut world.log.lives {
            let Some(since) = life.waiting_since else { continue };
            if now - since.max(healthy) > PROMISE {
                let minutes = (now - since) / MINUTE;
                world
                    .log
                    .wrong
                    .push(("I2", format!("{id} has been due for {minutes} minutes and is not told")));
                life.waiting_since = Some(now);
            }
        }
    }

    /// Whether a message was worked off later than one visibility period, and a little, after it came.
    pub(super) fn late(&self, message: usize) -> bool {
        let at = self.story.messages[message].at;
        self.acked.get(&message).is_none_or(|acked| *acked > at + VISIBILITY + MINUTE)
    }
}
