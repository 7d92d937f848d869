//! What must come out: every accepted event judged once, in the order of its source, with nothing going wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use keepwatch_base::time::Timestamp;
use keepwatch_core::event::Event;
use keepwatch_core::finding::{AlertLife, Finding, Passed};
use keepwatch_core::observation::{Actor, Observation, Verdict};
use keepwatch_core::severity::MAILED_FROM;
use keepwatch_core::severity::Severity;
use serde_json::Value;

use super::functions::{CONFIG, RULES};
use super::ports::answer;
use super::queue::Message;

/// What is known of one finding without core's fold.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// The same by core's fold, in order and without faults.
    pub folded: Finding,
    /// All who acted: what was outdone by something later and worse is forgotten by the finding.
    pub actors: BTreeSet<String>,
    /// Distinct events that saw the problem.
    pub occurrences: u64,
    /// First and last of these.
    pub seen: (Timestamp, Timestamp),
    /// Whether it is there at the end.
    pub open: bool,
    /// The worst since it was last gone.
    pub severity: Severity,
    /// Whether somebody has to be told, whatever came first.
    pub told: bool,
    /// What is right as well: of good and bad news of one moment the account has said that the good came later. It is asked if
    /// the bad news was there by then, for each such good news.
    pub otherwise: Vec<Expected>,
}

/// All findings that these messages must lead to.
pub(super) fn expected(messages: &[Message]) -> BTreeMap<String, Expected> {
    let mut bodies: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut observations: BTreeMap<String, Vec<Observation>> = BTreeMap::new();
    for message in messages.iter().filter(|message| !message.poison) {
        if !bodies.insert(Arc::clone(&message.body)) {
            continue;
        }
        let Ok(event) = Event::parse(&message.body) else { continue };
        let judged = RULES.evaluate_answering(&event, &CONFIG, Timestamp::from_millis(message.at), answer);
        for observation in judged.observations {
            observations.entry(observation.finding_id()).or_default().push(observation);
        }
    }
    observations.into_iter().filter_map(|(id, all)| Some((id, either(&all)?))).collect()
}

fn either(all: &[Observation]) -> Option<Expected> {
    let is_bad = |time: Timestamp| all.iter().any(|o| o.verdict != Verdict::Passing && o.event.time == time);
    let is_asked =
        |o: &Observation| o.confirm.is_some() && o.verdict == Verdict::Passing && is_bad(o.event.time);
    let asked: Vec<usize> = (0..all.len()).filter(|i| is_asked(&all[*i])).take(6).collect();
    let which = 1..1_usize << asked.len();
    let otherwise = which.filter_map(|which| {
        let mut all = all.to_vec();
        for (bit, i) in asked.iter().enumerate() {
            if which >> bit & 1 == 1 {
                all[*i].event.time = all[*i].event.time.plus(Duration::from_millis(1));
            }
        }
        fold(all)
    });
    Some(Expected { otherwise: otherwise.collect(), ..fold(all.to_vec())? })
}

fn fold(mut all: Vec<Observation>) -> Option<Expected> {
    // Whoever says that something is gone is right, and the account says so too.
    all.iter_mut().for_each(|observation| observation.confirm = None);
    all.sort_by(|a, b| {
        let age = |o: &Observation| (o.event.time, o.event.id.clone(), o.rule.id);
        age(a).cmp(&age(b))
    });
    let mut finding: Option<Finding> = None;
    let mut early: Option<Passed> = None;
    for observation in &all {
        match &mut finding {
            Some(finding) => {
                finding.apply(observation);
            }
            None if observation.verdict == Verdict::Passing => {
                early = Some(Passed {
                    at: observation.event.time,
                    event_id: observation.event.id.clone(),
                    resolution: observation.resolution,
                    title: observation.title.clone(),
                    borne_out: true,
                });
            }
            None => finding = Finding::open(observation, early.take(), None),
        }
    }
    let folded = finding?;
    let failing: Vec<&Observation> = all.iter().filter(|o| o.verdict != Verdict::Passing).collect();
    let events: BTreeSet<&str> = failing.iter().map(|o| o.event.id.as_str()).collect();
    let times = || failing.iter().map(|o| o.event.time);
    let seen = (times().min()?, times().max()?);
    let gone = all.iter().filter(|o| o.verdict == Verdict::Passing).map(|o| o.event.time).max();
    let open = gone.is_none_or(|gone| gone <= seen.1);
    let counts = |time: Timestamp| !open || gone.is_none_or(|gone| gone <= time);
    let worst = failing.iter().filter(|o| counts(o.event.time)).map(|o| o.severity).max()?;
    let severity = worst.max(burst(&failing, counts).unwrap_or(worst));
    // With nothing that ends it, the worst observation is worth a mail in any order.
    let told = failing.iter().any(|o| o.covered_by.is_none() && o.severity >= MAILED_FROM)
        && (gone.is_none() || failing.iter().all(|o| o.severity >= MAILED_FROM && o.covered_by.is_none()));
    let actors = failing.iter().filter_map(|o| o.actor.as_ref()).map(Actor::identity).collect();
    let occurrences = u64::try_from(events.len()).ok()?;
    Some(Expected { folded, actors, occurrences, seen, open, severity, told, otherwise: Vec::new() })
}

/// The severity of the worst burst that counts: so many events within the window that ends with one of them.
fn burst(failing: &[&Observation], counts: impl Fn(Timestamp) -> bool) -> Option<Severity> {
    let reached = failing.iter().filter(|o| counts(o.event.time)).filter_map(|end| {
        let burst = end.burst?;
        let within = failing.iter().filter(|start| {
            start.rule.id == end.rule.id
                && start.event.time <= end.event.time
                && end.event.time.since(start.event.time) <= burst.window
        });
        (within.count() >= burst.count).then_some(burst.severity)
    });
    reached.max()
}

/// What the table says of a finding, apart from the bookkeeping of alerts, writes and the writers' clocks.
pub(super) fn lasting(finding: &Finding) -> Value {
    let mut value = serde_json::to_value(finding).unwrap_or_default();
    if let Some(map) = value.as_object_mut() {
        const CLOCKS: [&str; 5] = ["created_at", "updated_at", "resolved_at", "version", "silence"];
        for key in AlertLife::ATTRIBUTES.iter().chain(&CLOCKS) {
            map.remove(*key);
        }
        // Of what is of little weight nobody is asked, unless it came too early to know that.
        if let Some(passed) = map.get_mut("passed").and_then(Value::as_object_mut) {
            passed.remove("borne_out");
        }
    }
    value
}

/// The first attribute in which two of these differ.
pub(super) fn difference(a: &Value, b: &Value) -> Option<String> {
    let (a, b) = (a.as_object()?, b.as_object()?);
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let key = keys.into_iter().find(|key| a.get(*key) != b.get(*key))?;
    let show = |side: Option<&Value>| side.map_or_else(|| "nothing".to_owned(), Value::to_string);
    Some(format!("{key} is {} and must be {}", show(a.get(key)), show(b.get(key))))
}
