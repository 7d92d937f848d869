//! The world of one seed: the clock, the dice, the tables, the queue, the stream, and what is known of them.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use fastrand::Rng;
use keepwatch_alert::in_memory::Tables;
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::{AlertState, Finding};
use keepwatch_core::settings::Settings;

use super::canary::Daily;
use super::faults::{Call, Fate, Faults};
use super::log::Log;
use super::queue::Queue;
use super::sabotage::Sabotage;
use super::stream::Stream;
use super::tally::Tally;
use crate::lock;

/// What a row of the findings table was before it was last written, for readers that are behind.
#[derive(Clone, Debug)]
pub(super) struct Before {
    /// When it was written.
    pub written_at: i64,
    /// What it was; nothing where it was not there.
    pub finding: Option<Finding>,
}

/// See the module.
pub(super) struct World {
    /// Milliseconds since 1970.
    pub clock: i64,
    /// All chance comes from here.
    pub rng: Rng,
    /// The tables, which a restore puts back.
    pub tables: Tables,
    /// What the findings were before.
    pub before: BTreeMap<String, Before>,
    /// The intake queue.
    pub queue: Queue,
    /// The findings' stream.
    pub stream: Stream,
    /// The settings, each version with the time it came.
    pub settings: Vec<(i64, Arc<Settings>)>,
    /// What goes wrong.
    pub faults: Faults,
    /// What was noted.
    pub log: Log,
    /// What was covered.
    pub tally: Tally,
    /// When the owner is not subscribed to the alerts.
    pub deaf: Vec<(i64, i64)>,
    /// Which of these began with somebody else's subscription.
    pub replaced: Vec<i64>,
    /// What is noted of the daily calls.
    pub daily: Daily,
    /// Whether an attacker is at work.
    pub attacked: bool,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
    /// Timers that were set since the scheduler looked last.
    pub timers: Vec<(i64, u64, Waker)>,
    /// Invocations that have just crashed.
    pub crashed: Vec<u64>,
    /// When anything last happened.
    pub active_at: i64,
    /// When each invocation in flight began.
    pub began: BTreeMap<u64, i64>,
    /// Everything that happens, for people.
    pub trace: Option<Vec<String>>,
}

/// Shared by the scheduler and all ports.
pub(super) type Shared = Arc<Mutex<World>>;

impl World {
    /// The clock, as core reads it.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock)
    }

    /// Whether the owner does not get the alerts now.
    pub(super) fn is_deaf(&self) -> bool {
        self.was_deaf(self.clock)
    }

    /// Whether the owner did not get the alerts at this time.
    pub(super) fn was_deaf(&self, at: i64) -> bool {
        self.deaf.iter().any(|(from, to)| (*from..*to).contains(&at))
    }

    /// Whether this is broken.
    pub(super) fn is(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// Adds a line to the trace.
    pub(super) fn say(&mut self, line: impl FnOnce() -> String) {
        let now = self.now();
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now} {}", line()));
        }
    }

    /// The settings as they stood then.
    pub(super) fn settings_at(&self, time: i64) -> Arc<Settings> {
        let known = self.settings.iter().rev().find(|(at, _)| *at <= time);
        known.map(|(_, settings)| Arc::clone(settings)).unwrap_or_default()
    }

    /// Decides what becomes of a call.
    pub(super) fn fate(&mut self, by: u64, call: Call, write: bool) -> Fate {
        let fate = self.faults.fate(&mut self.rng, call, write, self.clock);
        let kind = match fate {
            Fate::Fine => return fate,
            Fate::ErrorBefore => "faults: error before the effect",
            Fate::ErrorAfter => "faults: error after the effect",
            Fate::CrashBefore => "crashes before the effect",
            Fate::CrashAfter => "crashes after the effect",
            Fate::Refused => "faults: refused, nothing written",
            Fate::RefusedAfter => "faults: refused, yet written",
        };
        self.tally.count(kind, call.name());
        self.say(|| format!("  #{by} {}: {kind}", call.name()));
        fate
    }

    /// How far behind the next read of an index is.
    pub(super) fn behind(&mut self) -> i64 {
        let stale = self.faults.stale;
        if self.clock < self.faults.until && self.rng.f64() < stale {
            self.tally.count("faults: reads", "behind");
            return self.rng.i64(0..20_000);
        }
        0
    }

    /// All findings as a reader knows them who is behind by so many milliseconds.
    pub(super) fn seen(&self, behind: i64) -> impl Iterator<Item = &Finding> {
        let fresh = move |before: &&Before| before.written_at + behind > self.clock;
        self.tables.findings.iter().filter_map(move |(id, finding)| match self.before.get(id).filter(fresh) {
            Some(before) => before.finding.as_ref(),
            None => Some(finding),
        })
    }

    /// Writes a finding, and appends it to the stream when somebody is to be told.
    pub(super) fn put(&mut self, finding: Finding) {
        let before = self.tables.findings.remove(&finding.finding_id);
        self.log.wrote(before.as_ref(), &finding, self.clock);
        Daily::told(self, before.as_ref(), &finding);
        self.active_at = self.clock;
        if finding.alert.state == AlertState::Pending {
            self.stream.append(&finding.finding_id, self.clock);
        }
        self.say(|| {
            format!(
                "    {} v{} {} {} {} due {} times",
                finding.finding_id,
                finding.version,
                finding.status.as_str(),
                finding.severity.as_str(),
                finding.alert.state.as_str(),
                finding.alert.became_due,
            )
        });
        let id = finding.finding_id.clone();
        self.before.insert(id.clone(), Before { written_at: self.clock, finding: before });
        self.tables.findings.insert(id, finding);
    }
}

/// Waits by the world's clock.
pub(super) struct Pause {
    world: Shared,
    by: u64,
    millis: i64,
    until: Option<i64>,
}

impl Pause {
    /// So long.
    pub(super) fn new(world: &Shared, by: u64, millis: i64) -> Pause {
        Pause { world: Arc::clone(world), by, millis, until: None }
    }
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (by, millis) = (self.by, self.millis);
        let mut set = None;
        {
            let mut world = lock(&self.world);
            match self.until {
                Some(until) if until <= world.clock => return Poll::Ready(()),
                Some(_) => {}
                None => {
                    let until = world.clock + millis;
                    world.timers.push((until, by, cx.waker().clone()));
                    set = Some(until);
                }
            }
        }
        if set.is_some() {
            self.until = set;
        }
        Poll::Pending
    }
}
