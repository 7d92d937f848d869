//! An attacker with write access to the tables and the queue, once all is quiet. Whatever is planted, what really happens
//! next must be told: by a mail of its own, or by one that told of just this problem since and left nothing new to tell.

use std::sync::Arc;

use keepwatch_base::time::Timestamp;
use keepwatch_core::event::Event;
use keepwatch_core::finding::{Acknowledged, AlertState, Due, Finding, Passed};
use keepwatch_core::observation::{Observation, Resolution};
use keepwatch_core::severity::Severity;
use serde_json::json;

use super::engine::Engine;
use super::functions::{CONFIG, RULES};
use super::invariants::{Found, Violation};
use super::ports::answer;
use super::queue::Message;
use super::story;
use super::world::World;
use crate::lock;

/// New year's day of 2099.
const YEARS_AHEAD: i64 = 4_070_908_800_000;

/// Plants what would hold alerts back, forges a message, and then has a user made an administrator: an alert must follow,
/// and the finding must be open.
pub(super) fn attacked(engine: &mut Engine, found: &mut Found, rest: impl FnOnce(&mut Engine)) {
    let now = engine.now();
    // Users that the story knows, whose findings can be tampered with, and one that it does not.
    let user = ["u1", "u2", "victim"][lock(&engine.world).rng.usize(..3)];
    let forged = story::revoke("forged", YEARS_AHEAD, user);
    let real = story::grant("real", now, user);
    let Some(must) = observed(&real, now) else {
        found.0.push(Violation { invariant: "attack", what: "no rule speaks of the grant".to_owned() });
        return;
    };
    let finding_id = must.finding_id();
    let known: Vec<String>;
    {
        let mut world = lock(&engine.world);
        // What the owner has silenced stays so.
        world.settings.push((now, Arc::default()));
        known = world.tables.findings.get(&finding_id).map(Finding::actors).unwrap_or_default();
        plant(&mut world, &finding_id, now);
        world.log.lives.remove(&finding_id);
        world.attacked = true;
        world.tally.count("attacks", user);
    }
    send(engine, &forged, now);
    engine.drain();
    let quiet_until = engine.now() + 60_000;
    engine.run_until(quiet_until);
    let real_at = engine.now();
    let told_already = is_told_already(&lock(&engine.world), &must, &known);
    send(engine, &story::grant("real", real_at, user), real_at);
    engine.drain();
    rest(engine);
    let world = lock(&engine.world);
    let since = if told_already { now } else { real_at };
    let told = world
        .log
        .lives
        .get(&finding_id)
        .is_some_and(|life| life.publishes.iter().any(|note| note.at >= since));
    let row = world.tables.findings.get(&finding_id);
    let open = row.is_some_and(Finding::is_open);
    let counted = row.is_some_and(|row| row.events.iter().any(|seen| seen.id == "real"));
    if !told || !open || !counted {
        let what = format!(
            "{finding_id} of {user}: told {told}, open {open}, counted {counted}, after rows and messages were planted"
        );
        found.0.push(Violation { invariant: "attack", what });
    }
}

/// Whether the grant that is about to happen will be no news: a mail has told of just this problem since the planting, it is open
/// at its full severity, unsilenced and nothing has closed it since that mail, and the one who acts is known of old. What was
/// planted may bring such a mail early, since it can undo the good news; that is to err on the loud side.
fn is_told_already(world: &World, must: &Observation, known: &[String]) -> bool {
    let finding_id = must.finding_id();
    let Some(row) = world.tables.findings.get(&finding_id) else { return false };
    let Some(mailed) = world.log.lives.get(&finding_id).and_then(|life| life.publishes.last()) else {
        return false;
    };
    let gone_since = row.passed.as_ref().is_some_and(|gone| gone.at.millis() > mailed.at);
    row.is_open()
        && !gone_since
        && row.silence.is_none()
        && row.alert.state == AlertState::Sent
        && row.alert.severity >= Some(must.severity)
        && must.actor.as_ref().is_some_and(|actor| known.contains(&actor.identity()))
}

fn send(engine: &mut Engine, body: &str, now: i64) {
    engine.story.messages.push(Message { body: Arc::from(body), at: now, poison: false });
    let last = engine.story.messages.len() - 1;
    engine.send_again(std::iter::once(last));
}

/// What a rule sees of it that is worth an alert.
fn observed(body: &str, now: i64) -> Option<Observation> {
    let event = Event::parse(body).ok()?;
    let judged = RULES.evaluate_answering(&event, &CONFIG, Timestamp::from_millis(now), answer);
    judged.observations.into_iter().find(|o| o.severity >= Severity::High)
}

/// Rows dated years ahead, wherever a time decides.
fn plant(world: &mut World, finding_id: &str, now: i64) {
    let later = Timestamp::from_millis(YEARS_AHEAD);
    let gone = || Passed {
        at: later,
        event_id: "planted".to_owned(),
        resolution: Resolution::Fixed,
        title: "gone for good".to_owned(),
        borne_out: true,
    };
    for (key, value) in [
        ("budget", json!({"tokens": 0, "filled_at": YEARS_AHEAD})),
        ("last digest", json!({"at": YEARS_AHEAD})),
        ("audience", json!({"alerts": {"here": {}, "gone": {}, "empty": later}})),
    ] {
        let version = world.tables.journal.get(key).map_or(0, |(_, version)| *version);
        world.tables.journal.insert(key.to_owned(), (value, version + 1));
    }
    let windows: Vec<String> =
        world.tables.journal.keys().filter(|key| key.starts_with("group#")).cloned().collect();
    for key in windows {
        let planted = json!({"opened_at": YEARS_AHEAD, "told": "CRITICAL"});
        world.tables.journal.insert(key, (planted, 1));
    }
    let Some(mut finding) = world.tables.findings.get(finding_id).cloned() else {
        world.tables.passed.insert(finding_id.to_owned(), gone());
        return;
    };
    match world.rng.u8(..4) {
        0 => finding.passed = Some(gone()),
        1 => {
            let by = "mallory".to_owned();
            finding.acknowledged = Some(Acknowledged { at: later, by, note: "mine".to_owned() });
            finding.alert.occurred_at = Some(later);
            finding.alert.severity = Some(Severity::Critical);
            finding.alert.told.clear();
        }
        2 => {
            finding.alert.state = AlertState::Claimed;
            finding.alert.claim = Some("planted".to_owned());
            (finding.alert.due, finding.alert.due_at) = (Some(Due::Alert), Some(YEARS_AHEAD));
            finding.alert.occurred_at = Some(Timestamp::from_millis(now - 40 * 86_400_000));
        }
        _ => {
            finding.last_seen = later;
            for witness in finding.strongest.iter_mut().chain(finding.witnesses.values_mut()) {
                witness.event.time = later;
            }
            finding.alert.occurred_at = Some(later);
        }
    }
    finding.version += 1;
    world.put(finding);
}

/// Good news dated as little ahead as clocks may differ: nothing in it tells that Keepwatch did not write it. Only the
/// tables' policies keep that out.
pub(super) fn plausible(now: i64) -> Passed {
    let at = Timestamp::from_millis(now + 240_000);
    let title = "gone for good".to_owned();
    Passed { at, event_id: "planted".to_owned(), resolution: Resolution::Fixed, title, borne_out: true }
}
