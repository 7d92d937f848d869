//! What calls the functions: the poller of the queue, that of the stream, and the schedules; and what each of them makes of the
//! answer.

use std::sync::Arc;

use keepwatch_base::time::Timestamp;

use super::{Engine, Kind, MINUTE, Running, What};
use crate::lock;
use crate::sim::canary::{self, Day};
use crate::sim::functions;
use crate::sim::ports::Ports;
use crate::sim::queue::Delivery;
use crate::sim::sabotage::Sabotage;
use crate::sim::scans::Lamps;
use crate::sim::stream::SHARDS;
use crate::sim::world::World;

/// The functions' timeouts.
const DETECT_TIMEOUT: i64 = 30_000;
const NOTIFY_TIMEOUT: i64 = 120_000;
const SCAN_TIMEOUT: i64 = 900_000;

/// How many batches of the queue are worked on at once.
const CONCURRENCY: usize = 5;

/// The promise: an alert is out so long after the path is healthy. One more minute is the check's own.
const PROMISE: i64 = 16 * MINUTE;

impl Engine {
    pub(super) fn want_poll(&mut self, at: i64) {
        if self.poll_at.is_none_or(|planned| at < planned) {
            self.poll_at = Some(at);
            self.at(at, What::Poll);
        }
    }

    /// Something happens: the clock that ran faster runs at its own pace again.
    pub(in crate::sim) fn want_sweep(&mut self, at: i64) {
        if self.sweep_at.is_none_or(|planned| at < planned) {
            self.sweep_at = Some(at);
            self.at(at, What::Sweep);
        }
    }

    pub(super) fn poll(&mut self, now: i64) {
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

    /// What an invocation has come to, with an outcome for each of its records, or dead.
    pub(super) fn ended(&mut self, kind: Kind, outcomes: Option<&[bool]>, now: i64) {
        match kind {
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
                let message = &self.story.messages[delivery.message];
                let now = Timestamp::from_millis(now);
                if self.calm && !message.poison && !functions::waits_for_an_answer(&message.body, now) {
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

    pub(super) fn watch_stream(&mut self) {
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

    pub(super) fn poll_stream(&mut self, shard: usize, now: i64) {
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

    pub(super) fn scan(&mut self, lamps: Lamps, now: i64) {
        let settings = lock(&self.world).settings_at(now);
        lock(&self.world).active_at = now;
        self.start(Kind::Scan, now, now, SCAN_TIMEOUT, "scan", |ports| {
            Box::pin(async move { vec![functions::scan(ports, lamps, settings).await] })
        });
        self.want_sweep(now + MINUTE);
    }

    pub(super) fn day(&mut self, day: Day, attempt: u32, now: i64) {
        let settings = lock(&self.world).settings_at(now);
        lock(&self.world).active_at = now;
        let make = |ports: Ports| -> Running { Box::pin(canary::run(ports, day.clone(), settings)) };
        self.start(Kind::Day(day.clone(), attempt), now, now, SCAN_TIMEOUT, "the daily call's run", make);
        self.want_sweep(now + MINUTE);
    }

    /// Looks at everything twice, an hour apart, so that bad news counts that came close to good; then lets it come to its end.
    pub(in crate::sim) fn look_again(&mut self) {
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

    pub(super) fn sweep(&mut self, now: i64) {
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
}
