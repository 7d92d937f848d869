//! How a world begins: the story, the faults and the outages that its seed gives it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use keepwatch_alert::in_memory::Tables;
use keepwatch_base::time::Timestamp;

use super::{Engine, MINUTE, START, What};
use crate::lock;
use crate::sim::canary::Daily;
use crate::sim::faults::Faults;
use crate::sim::log::Log;
use crate::sim::queue::Queue;
use crate::sim::sabotage::Sabotage;
use crate::sim::scans::Lamps;
use crate::sim::story::Story;
use crate::sim::stream::{SHARDS, Stream};
use crate::sim::tally::Tally;
use crate::sim::world::World;

impl Engine {
    /// The world of this seed, before anything has happened.
    pub(in crate::sim) fn new(seed: u64, sabotage: Option<Sabotage>, trace: bool) -> Engine {
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
    pub(in crate::sim) fn calm(seed: u64, story: Story) -> Engine {
        let mut engine = Engine::of(story, Rng::with_seed(seed), Faults::default(), None, false);
        engine.begin();
        engine
    }

    /// A world in which nothing happens but what is planned for it.
    pub(in crate::sim) fn of_days(
        rng: Rng,
        faults: Faults,
        sabotage: Option<Sabotage>,
        trace: bool,
    ) -> Engine {
        let story = Story { ends_at: START, ..Story::default() };
        let mut engine = Engine::of(story, rng, faults, sabotage, trace);
        engine.begin();
        engine
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
}
