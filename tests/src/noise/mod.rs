//! How much noise Keepwatch makes in an ordinary account: four weeks of five people and a dozen machines at work, played
//! through the real rules, the real fold, the real grouping of mails and the real mail budget, on the mix's own clock.
//!
//! What EventBridge would not bring is not judged, and what the account tells is answered as the account of the mix is.

mod account;
mod cast;
mod history;
mod machines;
mod mix;
mod people;
mod store;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt as _;
use keepwatch_alert::Sender;
use keepwatch_alert::in_memory::{GROUP_WINDOW, InMemory};
use keepwatch_alert::outbox::Notifier;
use keepwatch_alert::report::Calendar;
use keepwatch_base::time::Timestamp;
use keepwatch_core::engine::Config;
use keepwatch_core::engine::dispatch::Index;
use keepwatch_core::engine::intake::Intake;
use keepwatch_core::engine::patterns::{EventRule, event_rules};
use keepwatch_core::event::Event;
use keepwatch_core::history::reconcile::{Part, Reconciler};
use keepwatch_core::history::seed::Seeder;
use keepwatch_core::posture::run as scans;
use keepwatch_core::settings::Settings;
use keepwatch_core::severity::Severity;
use keepwatch_rules::registry;

use self::store::{Account, Mailbox};

/// The mails name no stack.
static SENDER: Sender = Sender::none();

/// A Monday at midnight, in milliseconds since 1970.
const START: i64 = 1_772_409_600_000;
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// How long the mix is.
pub const WEEKS: usize = 4;
/// The minute of the day at which the scan runs: the template's 04:23.
const SCAN: i64 = 4 * 60 + 23;
/// How long after an event it is judged.
const LATE: i64 = 20_000;

/// A mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The week that it came in, from 0.
    pub week: usize,
    /// When.
    pub at: Timestamp,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// Whether it is one of the calendar's: the daily digest, the weekly report.
    pub letter: bool,
}

/// What came of the mix.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Events that happened.
    pub events: usize,
    /// Events that EventBridge brought.
    pub brought: usize,
    /// How many findings there are at the end, by severity, the worst first, and rule.
    pub findings: BTreeMap<(Reverse<Severity>, String), usize>,
    /// Every mail, in order.
    pub mails: Vec<Mail>,
    /// What went wrong; nothing should.
    pub errors: Vec<String>,
}

impl Outcome {
    /// The alerts of a week.
    pub fn alerts(&self, week: usize) -> impl Iterator<Item = &Mail> {
        self.mails.iter().filter(move |mail| mail.week == week && !mail.letter)
    }
}

/// The stack that is played.
const STACK: &str = "keepwatch";

/// Plays the mix, with nothing set by the owner.
pub fn run() -> Outcome {
    let mut played = Played {
        rules: Index::new(registry::RULES),
        patterns: event_rules(registry::RULES, STACK),
        config: Config { stack: STACK.to_owned(), ..Config::default() },
        settings: Settings::default(),
        store: InMemory::default(),
        mailbox: Mailbox::default(),
        outcome: Outcome::default(),
        swept: START,
    };
    played.seed();
    for (at, text) in mix::events() {
        played.sweep_until(at);
        played.event(at, &text);
    }
    played.sweep_until(START + 7 * DAY * WEEKS as i64);
    let Played { mut outcome, store, mailbox, .. } = played;
    for finding in store.into_parts().0.findings.into_values() {
        *outcome.findings.entry((Reverse(finding.severity), finding.rule)).or_default() += 1;
    }
    outcome.mails = mailbox.into_mails();
    outcome
}

/// The events of the mix that EventBridge brings, in order.
pub fn brought() -> Vec<String> {
    let patterns = event_rules(registry::RULES, STACK);
    let comes = |text: &String| {
        let event = serde_json::from_str(text).unwrap_or_default();
        patterns.iter().any(|rule| rule.brings(&event))
    };
    mix::events().into_iter().map(|(_, text)| text).filter(comes).collect()
}

struct Played {
    rules: Index,
    patterns: Vec<EventRule>,
    config: Config,
    settings: Settings,
    store: InMemory,
    mailbox: Mailbox,
    outcome: Outcome,
    /// When the last sweep was.
    swept: i64,
}

impl Played {
    /// What the first run of `scan` reads of the two weeks before.
    fn seed(&mut self) {
        let history = history::History(mix::history());
        let regions = [cast::REGION.to_owned()];
        let seeder =
            Seeder { history: &history, journal: &self.store, regions: &regions, account: cast::ACCOUNT };
        let now = Timestamp::from_millis(START);
        match seeder.run(|| now, now.plus(GROUP_WINDOW)).now_or_never() {
            Some(seeded) => self.outcome.errors.extend(seeded.failures),
            None => self.outcome.errors.push("the seeding waited for something".to_owned()),
        }
    }

    fn event(&mut self, at: i64, text: &str) {
        self.outcome.events += 1;
        let json = serde_json::from_str(text).unwrap_or_default();
        if !self.patterns.iter().any(|rule| rule.brings(&json)) {
            return;
        }
        self.outcome.brought += 1;
        let event = match Event::parse(text) {
            Ok(event) => event,
            Err(error) => return self.outcome.errors.push(error.to_string()),
        };
        let now = Timestamp::from_millis(at + LATE);
        self.set_clock(now);
        let intake =
            Intake { rules: &self.rules, store: &self.store, settings: &self.settings, config: &self.config };
        // A message that is given back is delivered again.
        for minute in 0..5 {
            let later = now.plus(Duration::from_secs(180 * minute));
            let account = Account { journal: &self.store, now: later };
            match intake.judge(&event, &account, later).now_or_never() {
                Some(Ok(keepwatch_core::engine::intake::IntakeOutcome::Later)) => {}
                Some(Ok(_)) => break,
                Some(Err(error)) => return self.outcome.errors.push(error.to_string()),
                None => return self.outcome.errors.push("the engine waited for something".to_owned()),
            }
        }
        for id in self.store.take_stream() {
            let delivered = self.notifier().deliver(&id, &format!("{at}-{id}"), now).now_or_never();
            if !matches!(delivered, Some(Ok(_))) {
                self.outcome.errors.push(format!("{id} could not be delivered"));
            }
        }
    }

    /// The day's run of `scan`: it finds nothing that was not heard, and an account in which nothing fails.
    fn scan(&mut self, now: Timestamp) {
        let (history, queue) = (history::History(Vec::new()), history::NothingMissed);
        let regions = [cast::REGION.to_owned()];
        let reconciler = Reconciler {
            history: &history,
            queue: &queue,
            journal: &self.store,
            part: Part::Watched(&regions),
        };
        let looked = reconciler.run(|| now, now.plus(GROUP_WINDOW)).now_or_never();
        self.outcome.errors.extend(looked.map(|looked| looked.failures).into_iter().flatten());
        let begun = scans::begin(&self.store, false, now).now_or_never();
        let Some(Ok(Some((run, emptied)))) = begun else {
            return self.outcome.errors.push("no scan could begin".to_owned());
        };
        let noted = scans::note(&self.store, &run, &emptied, true, now).now_or_never();
        if !matches!(noted, Some(Ok(()))) {
            self.outcome.errors.push("no scan could end".to_owned());
        }
    }

    fn set_clock(&self, now: Timestamp) {
        self.store.set_clock(now);
        self.mailbox.set_clock(now);
    }

    fn notifier(&self) -> Notifier<'_, InMemory, InMemory, Mailbox> {
        Notifier {
            findings: &self.store,
            journal: &self.store,
            topic: &self.mailbox,
            operations: &self.mailbox,
            settings: &self.settings,
            catalogue: registry::DOCUMENTED,
            sender: &SENDER,
            group_window: GROUP_WINDOW,
        }
    }

    /// A sweep each minute, of which those are left out that have nothing to do.
    fn sweep_until(&mut self, time: i64) {
        let calendar = Calendar { account: cast::ACCOUNT.to_owned(), hour: 7 };
        while self.swept + MINUTE <= time {
            self.swept += MINUTE;
            let now = Timestamp::from_millis(self.swept);
            let minute = (self.swept - START) % DAY / MINUTE;
            if minute == SCAN {
                self.scan(now);
            }
            let report = minute == 7 * 60 + 1;
            if !report && self.store.next_due().is_none_or(|due| due > now) {
                continue;
            }
            self.set_clock(now);
            let swept =
                self.notifier().sweep(&format!("sweep-{}", self.swept), now, &calendar).now_or_never();
            if !matches!(swept, Some((_, Ok(())))) {
                self.outcome.errors.push(format!("the sweep at {now} failed"));
            }
        }
    }
}
