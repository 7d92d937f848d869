//! Recorded events through the rules, without an account.
//!
//! Most events can be judged alone, and on any thread. What a rule makes of the others depends on those before them: how
//! many like it there were, whether its key was already known to be exposed. [`Player::play`] does all that needs no
//! memory, [`Memory::settle`] the rest, in the order of the log. The windows and sets are those of the account's journal.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use keepwatch_base::time::Timestamp;

use super::config::Config;
use super::dispatch::{Evaluation, Index, Interest};
use super::rule::Rule;
use crate::event::log::LogEntry;
use crate::event::{Event, Unreadable};
use crate::memory::first_sight::SightSet;
use crate::memory::window::Window;
use crate::observation::{Observation, Verdict};
use crate::state::{Answer, Fact, Query, Value};

/// The rules that events are played through.
pub struct Player {
    rules: Index,
    config: Config,
}

/// What is known of an event before those that came earlier are.
#[derive(Debug)]
pub struct Played {
    /// What kind of event it is; see [`Event::kind`].
    pub kind: &'static str,
    evaluation: Evaluation,
    /// The event once more, where its judgement depends on earlier ones.
    open: Option<Open>,
}

impl Played {
    fn new(kind: &'static str) -> Played {
        Played { kind, evaluation: Evaluation::default(), open: None }
    }

    /// Whether there is something to settle.
    pub fn is_quiet(&self) -> bool {
        let Evaluation { observations, errors, .. } = &self.evaluation;
        observations.is_empty() && errors.is_empty() && self.open.is_none()
    }
}

#[derive(Debug)]
struct Open {
    text: String,
    depends: Depends,
}

#[derive(Debug, PartialEq, Eq)]
enum Depends {
    /// On whether one of these keys, each with its account, is known to be exposed. It was judged as if none was.
    Exposed(Vec<(String, String)>),
    /// On how many like it there were, or whether there were any.
    EarlierEvents,
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
    pub fn play(&self, entry: &LogEntry<'_>) -> Result<Played, Unreadable> {
        let text = match entry {
            LogEntry::Record(outline, text) => match self.rules.interest(&outline.header()) {
                // Most calls interest no rule, and nothing else of them needs to be read.
                Interest::Nobody => return Ok(Played::new("cloudtrail")),
                Interest::ExposedKeysOnly => {
                    let header = outline.header();
                    let key = (header.account.to_owned(), header.access_key_id.to_owned());
                    let open = Some(Open { text: (*text).to_owned(), depends: Depends::Exposed(vec![key]) });
                    return Ok(Played { open, ..Played::new("cloudtrail") });
                }
                Interest::Somebody => text,
            },
            LogEntry::Other(text) => text,
        };
        let event = entry.event()?;
        if event.kind() == "other" && event.envelope.detail_type.get().is_none() {
            return Err(Unreadable::NoKind);
        }
        let keys = RefCell::new(Vec::new());
        let evaluation = self.evaluate(&event, |question| match question {
            Query::ExposedKey { account, access_key_id } => {
                keys.borrow_mut().push((account.clone(), access_key_id.clone()));
                Some(Fact::Known(Value::Flag(false)))
            }
            Query::Window(_) | Query::Earlier(_) | Query::FirstSeen(_) => None,
            _ => Some(unasked()),
        });
        let depends = match (&evaluation, keys.into_inner()) {
            (None, _) => Some(Depends::EarlierEvents),
            (Some(_), keys) => (!keys.is_empty()).then_some(Depends::Exposed(keys)),
        };
        let open = depends.map(|depends| Open { text: (*text).to_owned(), depends });
        Ok(Played { kind: event.kind(), evaluation: evaluation.unwrap_or_default(), open })
    }

    fn evaluate(&self, event: &Event<'_>, answer: impl Fn(&Query) -> Option<Answer>) -> Option<Evaluation> {
        self.rules.evaluate_knowing(event, &self.config, Timestamp::default(), answer)
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
    seen: RefCell<HashMap<String, SightSet>>,
}

impl Memory {
    /// What the rules make of an event that was played, given those before it.
    pub fn settle(&mut self, player: &Player, played: Played) -> Evaluation {
        let again = played.open.filter(|open| self.matters(&open.depends)).and_then(|open| {
            // It has been read before, from the same text.
            let event = Event::parse(&open.text).ok()?;
            player.evaluate(&event, |question| Some(self.answer(question, &event)))
        });
        let evaluation = again.unwrap_or(played.evaluation);
        self.learn(&evaluation.observations);
        evaluation
    }

    fn matters(&self, depends: &Depends) -> bool {
        match depends {
            Depends::Exposed(keys) => keys.iter().any(|key| self.exposed.contains_key(key)),
            Depends::EarlierEvents => true,
        }
    }

    fn answer(&self, question: &Query, event: &Event<'_>) -> Answer {
        match question {
            Query::ExposedKey { account, access_key_id } => {
                // A log need not be in order: what a key did before it leaked is no sign of the thief.
                let since = self.exposed.get(&(account.clone(), access_key_id.clone()));
                Fact::Known(Value::Flag(since.is_some_and(|since| event.time() >= Some(*since))))
            }
            Query::Window(asked) => {
                let mut windows = self.windows.borrow_mut();
                let window = windows.entry(asked.key.clone()).or_default();
                Fact::Known(Value::WindowCount(window.add(&asked.member, asked.time, asked.span).0))
            }
            Query::Earlier(asked) => {
                let windows = self.windows.borrow();
                let last =
                    windows.get(&asked.key).and_then(|window| window.last_before(asked.time, asked.span));
                last.map_or(Fact::Missing, |at| Fact::Known(Value::Time(at)))
            }
            Query::FirstSeen(asked) => {
                let mut all = self.seen.borrow_mut();
                let seen = all.entry(asked.key.clone()).or_default();
                Fact::Known(Value::FirstSeen(seen.add(&asked.member, asked.time).0))
            }
            _ => unasked(),
        }
    }

    fn learn(&mut self, observations: &[Observation]) {
        for seen in observations.iter().filter(|seen| seen.rule.finding == "exposed-access-key") {
            let key = (seen.subject.account.clone(), seen.subject.resource.clone());
            if seen.verdict == Verdict::Passing {
                self.exposed.remove(&key);
            } else {
                self.exposed.entry(key).or_insert(seen.event.time);
            }
        }
    }
}
