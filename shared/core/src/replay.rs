//! Recorded events through the rules, without an account.
//!
//! Most events can be judged alone, and on any thread. What a rule makes of the others depends on those before them: how
//! many like it there were, whether its key was already known to be exposed. [`Player::play`] does all that needs no
//! memory, [`Memory::settle`] the rest, in the order of the log. The windows and sets are those of the account's journal.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use crate::event::log::Entry;
use crate::event::{Event, Unreadable};
use crate::observation::{Observation, Verdict};
use crate::rules::dispatch::{Evaluation, Hearing, Index};
use crate::rules::{Config, Rule};
use crate::seen::Seen;
use crate::state::{Answer, Fact, Query, Value};
use crate::time::Timestamp;
use crate::window::Window;

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
        let Evaluation { observations, errors } = &self.evaluation;
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
    Company,
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
    pub fn play(&self, entry: &Entry<'_>) -> Result<Played, Unreadable> {
        let text = match entry {
            Entry::Record(outline, text) => match self.rules.hears(&outline.heading()) {
                // Most calls interest no rule, and nothing else of them needs to be read.
                Hearing::Nobody => return Ok(Played::new("cloudtrail")),
                Hearing::OfExposedKeys => {
                    let heading = outline.heading();
                    let key = (heading.account.to_owned(), heading.access_key_id.to_owned());
                    let open = Some(Open { text: (*text).to_owned(), depends: Depends::Exposed(vec![key]) });
                    return Ok(Played { open, ..Played::new("cloudtrail") });
                }
                Hearing::Somebody => text,
            },
            Entry::Other(text) => text,
        };
        let event = entry.event()?;
        if event.kind() == "other" && event.envelope.detail_type.get().is_none() {
            let reason = "neither a CloudTrail record nor an EventBridge envelope".to_owned();
            return Err(Unreadable { reason });
        }
        let keys = RefCell::new(Vec::new());
        let evaluation = self.evaluate(&event, |question| match question {
            Query::ExposedKey { account, access_key_id } => {
                keys.borrow_mut().push((account.clone(), access_key_id.clone()));
                Some(Fact::Known(Value::Flag(false)))
            }
            Query::Window(_) | Query::FirstSeen(_) => None,
            _ => Some(unasked()),
        });
        let depends = match (&evaluation, keys.into_inner()) {
            (None, _) => Some(Depends::Company),
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
    seen: RefCell<HashMap<String, Seen>>,
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
            Depends::Company => true,
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
                Fact::Known(Value::Crowd(window.add(&asked.member, asked.time, asked.span).0))
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::log::entries;
    use crate::rules::registry::RULES;
    use crate::rules::testing::{call, envelope, switched_on};

    /// Rules that fired, event by event. All events are played before the first is settled, as threads may do.
    fn replay(log: &[String]) -> Vec<Vec<&'static str>> {
        replay_with(Config::default(), log)
    }

    fn replay_with(config: Config, log: &[String]) -> Vec<Vec<&'static str>> {
        let player = Player::new(RULES, config);
        let mut played = Vec::new();
        for text in log {
            entries(text, &mut |entry| played.push(player.play(&entry.unwrap()).unwrap()));
        }
        let mut memory = Memory::default();
        let settle = |played| {
            let seen = memory.settle(&player, played).observations;
            seen.iter().map(|seen| seen.rule.id).collect()
        };
        played.into_iter().map(settle).collect()
    }

    const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

    fn exposed(time: &str) -> String {
        let detail = json!({"eventTypeCode": "AWS_RISK_CREDENTIALS_EXPOSED", "service": "RISK",
            "eventTypeCategory": "issue", "startTime": time, "affectedEntities": [{"entityValue": KEY}]});
        envelope("aws.health", "AWS Health Event", detail)
    }

    fn used(time: &str) -> String {
        call("sts", "GetCallerIdentity", json!({"userIdentity": {"accessKeyId": KEY}, "eventTime": time}))
    }

    #[test]
    fn a_key_is_known_to_be_exposed_from_then_on() {
        let (leak, before, after) = (
            exposed("Sun, 01 Mar 2026 12:00:00 GMT"),
            used("2026-03-01T11:59:59Z"),
            used("2026-03-01T12:00:01Z"),
        );
        let at_work = |seen: &Vec<&str>| seen.contains(&"exposed-access-key-in-use");
        let seen = replay(&[after.clone(), leak, before, after]);
        assert_eq!(seen.iter().map(at_work).collect::<Vec<_>>(), [false, false, false, true]);
    }

    #[test]
    fn events_are_counted_once_and_in_order() {
        let refused = |i: usize| {
            call("ec2", "RunInstances", json!({"errorCode": "AccessDenied", "eventID": format!("e{i}")}))
        };
        let mut log: Vec<String> = (0..24).map(refused).collect();
        log.extend((0..24).map(refused));
        let burst = |seen: &Vec<&str>| seen.contains(&"iam-access-denied-burst");
        assert_eq!(replay(&log).iter().filter(|seen| burst(seen)).count(), 0, "duplicates count once");
        log.push(refused(24));
        assert!(replay(&log).last().is_some_and(burst));
    }

    #[test]
    fn first_sights_are_remembered_if_the_rule_is_switched_on() {
        let id = "access-key-new-address";
        let from = |day: usize, address: &str| {
            call(
                "iam",
                "CreateUser",
                json!({"userIdentity": {"accessKeyId": KEY}, "sourceIPAddress": address,
                "eventTime": format!("2026-03-{day:02}T12:00:00Z")}),
            )
        };
        let new = from(3, "198.51.100.9");
        let log = [from(1, "203.0.113.7"), new.clone(), new, from(4, "198.51.100.9"), from(5, "203.0.113.7")];
        let told = |seen: Vec<Vec<&str>>| seen.iter().map(|ids| ids.contains(&id)).collect::<Vec<_>>();
        let config = || {
            let rule = RULES.iter().find(|rule| rule.meta().id == id).unwrap();
            Config { overrides: switched_on(*rule), ..Config::default() }
        };
        assert_eq!(told(replay_with(config(), &log)), [false, true, true, false, false]);
        assert_eq!(told(replay(&log)), [false; 5]);
    }

    #[test]
    fn what_no_rule_hears_is_quiet_and_what_is_no_event_is_said() {
        let player = Player::new(RULES, Config::default());
        let play = |text: &str| {
            let mut all = Vec::new();
            entries(text, &mut |entry| all.push(entry.and_then(|entry| player.play(&entry))));
            all
        };
        let quiet = play(&call("kms", "Decrypt", json!({"readOnly": true})));
        assert!(quiet[0].as_ref().unwrap().is_quiet());
        let reason = play("{\"event\":1}")[0].as_ref().unwrap_err().reason.clone();
        assert!(reason.contains("neither a CloudTrail record"), "{reason}");
    }
}
