//! Recorded events through the rules, without an account.
//!
//! Most events can be judged alone, and on any thread. What a rule makes of the others depends on those before them: how
//! many like it there were, whether its key was already known to be exposed. [`Player::play`] does all that needs no
//! memory, [`Memory::settle`] the rest, in the order of the log. The windows and sets are those of the account's journal.

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, HashMap};

use keepwatch_base::time::Timestamp;

use super::config::Config;
use super::dispatch::{Evaluation, Index, Interest, Progress};
use super::rule::Rule;
use crate::event::log::LogEntry;
use crate::event::{Event, Unreadable};
use crate::memory::first_sight::SightSet;
use crate::memory::journal::RECEIPTS_KEPT;
use crate::memory::window::{Window, WindowQuery};
use crate::observation::{Observation, Verdict};
use crate::state::{Answer, Fact, Query, Value};

/// The rules that events are played through.
pub struct Player {
    rules: Index,
    config: Config,
}

/// What a log file holds, as far as it can be judged alone.
#[derive(Debug)]
pub enum Heard<'e> {
    /// No rule has anything to say of it. Its kind; see [`Event::kind`].
    Nothing(&'static str),
    /// Only rules on keys that are known to be exposed may have.
    KeyUse(KeyUse<'e>),
    /// It was judged.
    Played(Box<Played>),
}

/// A record that matters only if its key is known to be exposed.
#[derive(Clone, Copy, Debug)]
pub struct KeyUse<'e> {
    /// The account that the record belongs to.
    pub account: &'e str,
    /// The key that signed the call.
    pub access_key_id: &'e str,
    text: &'e str,
}

impl KeyUse<'_> {
    /// The record, to be judged once it is known whether its key is exposed.
    ///
    /// # Errors
    /// [`Unreadable`] when it is no event.
    pub fn played(&self) -> Result<Played, Unreadable> {
        let key = (self.account.to_owned(), self.access_key_id.to_owned());
        Ok(Played { keys: vec![key], ..Played::of(&Event::record(self.text)?, self.text) })
    }
}

/// What is known of an event before those that came earlier are.
#[derive(Debug)]
pub struct Played {
    /// What kind of event it is; see [`Event::kind`].
    pub kind: &'static str,
    /// When it happened, by its source's clock, where it says; or what was assumed.
    pub at: Option<Timestamp>,
    /// Its own id; see [`Event::occurrence_id`].
    pub id: String,
    /// The account that it is about.
    pub account: String,
    /// The region that it is about.
    pub region: String,
    text: String,
    /// Whether it says itself when it happened.
    timed: bool,
    /// How far its judgement has come. What waits depends on earlier events: how many like it there were, or whether any.
    judged: Progress,
    /// The keys, each with its account, that it was judged by as if none of them was known to be exposed.
    keys: Vec<(String, String)>,
}

impl Played {
    fn of(event: &Event<'_>, text: &str) -> Played {
        Played {
            kind: event.kind(),
            at: event.time(),
            timed: event.time().is_some(),
            id: event.occurrence_id(),
            account: event.account().to_owned(),
            region: event.region().to_owned(),
            text: text.to_owned(),
            judged: Progress::default(),
            keys: Vec::new(),
        }
    }

    /// Takes it to have happened then, where it does not say when.
    pub fn assume(&mut self, at: Timestamp) {
        if self.at.is_none() {
            self.at = Some(at);
            self.judged.observations_mut().for_each(|seen| seen.event.time = at);
        }
    }

    /// Whether there is something to settle.
    pub fn is_quiet(&self) -> bool {
        self.judged.is_quiet() && !self.judged.waits() && self.keys.is_empty()
    }

    /// The event as it stands in the log.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What events are settled in the order of, whatever files they stand in: their time, then what tells them apart. One
    /// without a time comes last.
    pub fn order(&self) -> (bool, Option<Timestamp>, &str, &str) {
        (self.at.is_none(), self.at, &self.id, &self.text)
    }

    /// What was seen of it, before it is settled.
    pub fn observations(&self) -> impl Iterator<Item = &Observation> {
        self.judged.observations()
    }

    /// The keys that it shows to be exposed: the account and the id of each.
    pub fn exposes(&self) -> impl Iterator<Item = (&str, &str)> {
        let exposed = self.observations().filter(|seen| is_exposure(seen));
        exposed.map(|seen| (seen.subject.account.as_str(), seen.subject.resource.as_str()))
    }
}

/// Whether it says that a key is exposed.
fn is_exposure(seen: &Observation) -> bool {
    seen.rule.finding == "exposed-access-key" && seen.verdict != Verdict::Passing
}

impl Player {
    /// Plays events through these rules.
    pub fn new(rules: &'static [&'static dyn Rule], config: Config) -> Player {
        Player { rules: Index::switched_on(rules, &config), config }
    }

    /// Judges what a log file holds as far as it can be judged alone, on any thread.
    ///
    /// # Errors
    /// [`Unreadable`] when it is no event.
    pub fn hear<'e>(&self, entry: &'e LogEntry<'_>) -> Result<Heard<'e>, Unreadable> {
        let (text, listening) = match entry {
            LogEntry::Record(outline, text) => match self.rules.interest(&outline.header()) {
                // Most calls interest no rule, and nothing else of them needs to be read.
                Interest::Nobody => return Ok(Heard::Nothing("cloudtrail")),
                Interest::ExposedKeysOnly => {
                    let header = outline.header();
                    let (account, access_key_id) = (header.account, header.access_key_id);
                    return Ok(Heard::KeyUse(KeyUse { account, access_key_id, text }));
                }
                Interest::Somebody(listening) => (text, Some(listening)),
            },
            LogEntry::Other(text) => (text, None),
        };
        Ok(Heard::Played(Box::new(self.judge(&entry.event()?, text, listening)?)))
    }

    /// Judges what a log file holds, and keeps what depends on its key.
    ///
    /// # Errors
    /// [`Unreadable`] when it is no event.
    pub fn play(&self, entry: &LogEntry<'_>) -> Result<Played, Unreadable> {
        match self.hear(entry)? {
            Heard::Played(played) => Ok(*played),
            Heard::KeyUse(used) => used.played(),
            Heard::Nothing(_) => {
                let text = entry.text();
                Ok(Played::of(&Event::parse(text)?, text))
            }
        }
    }

    /// Judges once more what was judged before and put aside as text.
    ///
    /// # Errors
    /// [`Unreadable`] when it is no event.
    pub fn again(&self, text: &str) -> Result<Played, Unreadable> {
        self.judge(&Event::parse(text)?, text, None)
    }

    /// `listening` is who listens to it, if that is known.
    fn judge(
        &self,
        event: &Event<'_>,
        text: &str,
        listening: Option<Vec<usize>>,
    ) -> Result<Played, Unreadable> {
        if event.kind() == "other" && event.envelope.detail_type.get().is_none() {
            return Err(Unreadable::NoKind);
        }
        let keys = RefCell::new(Vec::new());
        let answer = |question: &Query| match question {
            Query::ExposedKey { account, access_key_id } => {
                keys.borrow_mut().push((account.clone(), access_key_id.clone()));
                Some(Fact::Known(Value::Flag(false)))
            }
            Query::Window(_) | Query::Earlier(_) | Query::FirstSeen(_) => None,
            _ => Some(unasked()),
        };
        let listening = listening.unwrap_or_else(|| self.rules.listening(event));
        let received = Timestamp::default();
        let judged = self.rules.begin_knowing((event, listening), &self.config, received, answer);
        Ok(Played { judged, keys: keys.into_inner(), ..Played::of(event, text) })
    }
}

fn unasked() -> Answer {
    Fact::Unavailable("replay does not ask the account".to_owned())
}

/// What the events so far have told; on an account the tables know it.
#[derive(Debug, Default)]
pub struct Memory {
    /// Accounts and ids of keys that are known to be exposed, and since when.
    exposed: BTreeMap<(String, String), Timestamp>,
    windows: RefCell<HashMap<String, Window>>,
    /// Sets, and when the journal forgets each.
    seen: RefCell<HashMap<String, (SightSet, Timestamp)>>,
    /// How many windows and sets were kept when some were last forgotten.
    kept: usize,
}

impl Memory {
    /// What the rules make of an event that was played, given those before it.
    pub fn settle(&mut self, player: &Player, played: Played) -> Evaluation {
        let Played { text, keys, mut judged, at, timed, .. } = played;
        let exposed = keys.iter().any(|key| self.exposed.contains_key(key));
        if timed && !exposed {
            // Most refused calls are one of a few, and need not be read once more to know that nothing is said of them.
            judged.count(|asked, needed| self.window(asked).has_many(asked, needed));
        }
        // It has been read before, from the same text.
        let event = (exposed || judged.waits()).then(|| Event::parse(&text).ok()).flatten();
        let judged = match &event {
            Some(event) => self.judge(player, event, at, (!exposed).then_some(judged)),
            None => judged,
        };
        let evaluation = judged.end();
        self.learn(&evaluation.observations);
        self.forget(at);
        evaluation
    }

    /// Judges an event by what is known now: goes on with how far it was judged, or begins anew.
    fn judge(
        &self,
        player: &Player,
        event: &Event<'_>,
        at: Option<Timestamp>,
        judged: Option<Progress>,
    ) -> Progress {
        let answer = |question: &Query| Some(self.answer(question, event, at));
        let (rules, config) = (&player.rules, &player.config);
        let timed = event.time().is_some();
        // No event of a log came so soon that others are on their way.
        let received = at.filter(|_| !timed).unwrap_or_default();
        // Where it does not say when it happened, all that was told of it is to tell the time that was assumed.
        match judged.filter(|_| timed) {
            Some(judged) => rules.go_on_knowing((event, judged), config, received, answer),
            None => rules.begin_knowing((event, rules.listening(event)), config, received, answer),
        }
    }

    fn answer(&self, question: &Query, event: &Event<'_>, assumed: Option<Timestamp>) -> Answer {
        match question {
            Query::ExposedKey { account, access_key_id } => {
                // A log need not be in order: what a key did before it leaked is no sign of the thief.
                let since = self.exposed.get(&(account.clone(), access_key_id.clone()));
                Fact::Known(Value::Flag(since.is_some_and(|since| event.time().or(assumed) >= Some(*since))))
            }
            Query::Window(asked) => {
                let mut window = self.window(asked);
                Fact::Known(Value::WindowCount(
                    window.add(&asked.member, asked.time, asked.span, asked.enough).0,
                ))
            }
            Query::Earlier(asked) => {
                let windows = self.windows.borrow();
                let last =
                    windows.get(&asked.key).and_then(|window| window.last_before(asked.time, asked.span));
                last.map_or(Fact::Missing, |at| Fact::Known(Value::Time(at)))
            }
            Query::FirstSeen(asked) => {
                let mut all = self.seen.borrow_mut();
                let (seen, forgotten) = all.entry(asked.key.clone()).or_default();
                *forgotten = asked.time.plus(asked.kept).max(*forgotten);
                Fact::Known(Value::FirstSeen(seen.add(&asked.member, asked.time).0))
            }
            _ => unasked(),
        }
    }

    fn window(&self, asked: &WindowQuery) -> RefMut<'_, Window> {
        RefMut::map(self.windows.borrow_mut(), |windows| windows.entry(asked.key.clone()).or_default())
    }

    fn learn(&mut self, observations: &[Observation]) {
        for seen in observations.iter().filter(|seen| seen.rule.finding == "exposed-access-key") {
            let key = (seen.subject.account.clone(), seen.subject.resource.clone());
            if is_exposure(seen) {
                self.exposed.entry(key).or_insert(seen.event.time);
            } else {
                self.exposed.remove(&key);
            }
        }
    }

    /// Forgets windows and sets that the journal would have forgotten by now, each time there are twice as many as were kept.
    fn forget(&mut self, now: Option<Timestamp>) {
        const FEW: usize = 4_096;
        let (windows, seen) = (self.windows.get_mut(), self.seen.get_mut());
        let Some(now) = now.filter(|_| windows.len() + seen.len() >= 2 * self.kept.max(FEW)) else { return };
        windows.retain(|_, window| window.last().is_some_and(|last| now.since(last) <= RECEIPTS_KEPT));
        seen.retain(|_, (_, forgotten)| *forgotten > now);
        self.kept = windows.len() + seen.len();
    }
}
