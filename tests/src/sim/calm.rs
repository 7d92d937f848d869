//! A story in which every event comes at once and nothing goes wrong, told by the simulation of what is deployed and by the
//! pipeline in memory that replays a log.

use std::collections::{BTreeMap, BTreeSet};

use keepwatch_alert::in_memory::{MailKind as Kind, Pipeline};
use keepwatch_alert::report::Calendar;
use keepwatch_base::time::Timestamp;
use keepwatch_core::event::Event;
use keepwatch_core::settings::Settings;
use keepwatch_rules::registry;

use super::engine::{Engine, START};
use super::functions::{CONFIG, RULES};
use super::log::MailKind;
use super::ports::answer;
use super::queue::Message;
use super::story::{ACCOUNTS, Story};
use crate::lock;

/// What was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Mails that tell of findings, each alone or with others of one principal.
    pub alerts: usize,
    /// Mails that tell what the mail budget did not let out.
    pub digests: usize,
    /// How many alerts became due for each finding, and how many events told of it.
    pub findings: BTreeMap<String, (u64, u64)>,
}

/// What the simulation tells of the story of this seed, and what the pipeline in memory does.
///
/// # Panics
/// When the pipeline in memory fails.
pub fn calm(seed: u64) -> (Told, Told) {
    let story = story(seed);
    let replayed = replayed(&story.messages);
    let mut engine = Engine::calm(seed, story);
    let over = engine.story.ends_at;
    engine.run_until(over);
    engine.drain();
    super::rest(&mut engine);
    let world = lock(&engine.world);
    let mut deployed = Told::default();
    for (_, kind) in &world.log.mails {
        match kind {
            MailKind::Alone => deployed.alerts += 1,
            MailKind::Digest => deployed.digests += 1,
            MailKind::Letter => {}
        }
    }
    for (id, finding) in &world.tables.findings {
        deployed.findings.insert(id.clone(), (finding.alert.became_due, finding.occurrences));
    }
    (deployed, replayed)
}

/// The events of a seed, each once, and each at its own time.
fn story(seed: u64) -> Story {
    let random = Story::random(&mut fastrand::Rng::with_seed(seed), START);
    let mut bodies = BTreeSet::new();
    let mut messages: Vec<Message> = Vec::new();
    for message in random.messages {
        let at = Event::parse(&message.body).ok().and_then(|event| event.time()).map_or(0, Timestamp::millis);
        if at >= START && bodies.insert(message.body.clone()) {
            messages.push(Message { at, ..message });
        }
    }
    messages.sort_by_key(|message| message.at);
    let ends_at = messages.last().map_or(START, |message| message.at);
    Story { messages, ends_at, ..Story::default() }
}

fn replayed(messages: &[Message]) -> Told {
    let calendar = Calendar { account: ACCOUNTS[0].to_owned(), hour: 7 };
    let mut pipeline = Pipeline::new(Settings::default(), registry::DOCUMENTED, calendar);
    for message in messages {
        let at = Timestamp::from_millis(message.at);
        let Ok(event) = Event::parse(&message.body) else { continue };
        let seen = RULES.evaluate_answering(&event, &CONFIG, at, answer).observations;
        let heard = pipeline.hear(&seen, at);
        assert_eq!(heard, Ok(()));
    }
    let (tables, mails) = pipeline.finish().unwrap_or_else(|error| unreachable!("{error}"));
    let count = |kind| mails.iter().filter(|mail| mail.kind == kind).count();
    let findings = tables.findings.into_iter();
    let findings = findings.map(|(id, finding)| (id, (finding.alert.became_due, finding.occurrences)));
    Told { alerts: count(Kind::Alert), digests: count(Kind::Digest), findings: findings.collect() }
}
