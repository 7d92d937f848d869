//! What is deployed, on a clock of one's own: findings are recorded, each alert that is due is told as the stream brings it,
//! and a sweep comes every minute.

use std::time::Duration;

use futures_util::FutureExt as _;
use keepwatch_base::time::Timestamp;
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::engine::intake::keep;
use keepwatch_core::observation::Observation;
use keepwatch_core::settings::Settings;
use keepwatch_core::state::{AccountState, Answer, Fact, Query};

use super::{InMemory, Mail, Tables};
use crate::outbox::Notifier;
use crate::report::Calendar;
use crate::sender::Sender;

/// How often a sweep comes, in milliseconds; as the template has it.
const SWEEP: i64 = 60_000;

/// The first sweeps, which compare findings with the settings until these have been the same for some minutes.
const FIRST_SWEEPS: i64 = 6;

/// The template's default of `MailWindowMinutes`.
pub const GROUP_WINDOW: Duration = Duration::from_secs(600);

/// See the module. Events are handed in by the order of their times.
#[derive(Debug)]
pub struct Pipeline {
    store: InMemory,
    settings: Settings,
    catalogue: Catalogue,
    calendar: Calendar,
    /// A log has no stack.
    sender: Sender,
    /// The present; none before the first event.
    now: Option<Timestamp>,
    /// The first sweep and the last, in minutes since 1970.
    sweeps: Option<(i64, i64)>,
    invocations: u64,
}

/// The account as a log tells it: its good news is true, and nobody else can be asked.
struct AsToldByTheLog;

impl AccountState for AsToldByTheLog {
    async fn answer(&self, _: &Query) -> Result<Answer, String> {
        // What is asked here is whether something is still there that the log says is gone.
        Ok(Fact::Missing)
    }
}

impl Pipeline {
    /// One with empty tables, these settings and reports by this calendar. The catalogue explains the rules in the mails.
    pub fn new(settings: Settings, catalogue: Catalogue, calendar: Calendar) -> Pipeline {
        let store = InMemory::default();
        store.greet();
        let sender = Sender::default();
        Pipeline { store, settings, catalogue, calendar, sender, now: None, sweeps: None, invocations: 0 }
    }

    /// Records what the rules saw of one event, at its time. What happens at one moment is one batch of the stream.
    ///
    /// # Errors
    /// A sentence on what could not be recorded or told; nothing in memory fails but what is a bug.
    pub fn hear(&mut self, observations: &[Observation], now: Timestamp) -> Result<(), String> {
        self.go_on_to(now)?;
        let kept = keep(&self.store, &self.settings, observations, &AsToldByTheLog, now);
        at_once(kept)?.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Goes on until everything is told, and the next report by the calendar as well. Returns what then stands in the tables,
    /// and the mails that went out, in order.
    ///
    /// # Errors
    /// As above.
    pub fn finish(mut self) -> Result<(Tables, Vec<Mail>), String> {
        if let Some(last) = self.now {
            self.tell_all(last)?;
        }
        Ok(self.store.into_parts())
    }

    fn tell_all(&mut self, last: Timestamp) -> Result<(), String> {
        self.deliver()?;
        self.sweep_until(self.next_report(last))?;
        // That may come before the last alert is out.
        while let Some(due) = self.store.next_alert() {
            let swept = Timestamp::from_millis(self.sweeps.map_or(0, |(_, last)| last) * SWEEP);
            self.sweep_until(due.max(swept).plus(Duration::from_millis(SWEEP.unsigned_abs())))?;
        }
        Ok(())
    }

    fn go_on_to(&mut self, now: Timestamp) -> Result<(), String> {
        if self.now.is_some_and(|before| before >= now) {
            return Ok(());
        }
        self.deliver()?;
        self.sweep_until(now)?;
        self.set_clock(now);
        Ok(())
    }

    fn set_clock(&mut self, now: Timestamp) {
        self.now = self.now.max(Some(now));
        self.store.set_clock(now);
    }

    /// What the stream brings.
    fn deliver(&mut self) -> Result<(), String> {
        let Some(now) = self.now else { return Ok(()) };
        loop {
            let stream = self.store.take_stream();
            if stream.is_empty() {
                return Ok(());
            }
            for id in &stream {
                let token = self.token();
                at_once(self.notifier().deliver(id, &token, now))?.map_err(|error| error.to_string())?;
            }
            let token = self.token();
            let (_, late) = at_once(self.notifier().catch_up(&token, now))?;
            late.map_err(|error| error.to_string())?;
        }
    }

    /// The sweeps until then. One that would find nothing to do is left out.
    fn sweep_until(&mut self, until: Timestamp) -> Result<(), String> {
        let end = until.millis().div_euclid(SWEEP);
        let (first, mut last) = *self.sweeps.get_or_insert((end, end - 1));
        while let Some(next) = self.next_sweep(first, last).filter(|next| *next <= end) {
            let now = Timestamp::from_millis(next * SWEEP);
            self.set_clock(now);
            let token = self.token();
            let (_, outcome) = at_once(self.notifier().sweep(&token, now, &self.calendar))?;
            outcome.map_err(|error| error.to_string())?;
            last = next;
            self.sweeps = Some((first, last));
            self.deliver()?;
        }
        Ok(())
    }

    /// The minute of the next sweep that has something to do.
    fn next_sweep(&self, first: i64, last: i64) -> Option<i64> {
        if last - first < FIRST_SWEEPS {
            return Some(last + 1);
        }
        let report = self.next_report(Timestamp::from_millis(last * SWEEP)).millis();
        let due = self.store.next_due().map_or(i64::MAX, Timestamp::millis);
        // Ceiling: a sweep before its time finds nothing.
        Some((report.min(due).saturating_add(SWEEP - 1)).div_euclid(SWEEP).max(last + 1))
    }

    /// When reports are next sent after this time: the calendar knows which have been due by then.
    fn next_report(&self, after: Timestamp) -> Timestamp {
        const DAY: i64 = 86_400_000;
        let hour = i64::from(self.calendar.hour) * 3_600_000;
        let days = (after.millis() - hour).div_euclid(DAY) + 1;
        Timestamp::from_millis(days * DAY + hour)
    }

    fn notifier(&self) -> Notifier<'_, InMemory, InMemory, InMemory> {
        Notifier {
            findings: &self.store,
            journal: &self.store,
            topic: &self.store,
            operations: &self.store,
            settings: &self.settings,
            catalogue: self.catalogue,
            sender: &self.sender,
            group_window: GROUP_WINDOW,
        }
    }

    /// No other invocation's.
    fn token(&mut self) -> String {
        self.invocations += 1;
        self.invocations.to_string()
    }
}

/// What a future comes to that never waits.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Result<T, String> {
    future.now_or_never().ok_or_else(|| "a port in memory has waited".to_owned())
}
