//! The four functions, as thin around core as the real ones.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use keepwatch_alert::Sender;
use keepwatch_alert::in_memory::GROUP_WINDOW;
use keepwatch_alert::outbox::Notifier;
use keepwatch_alert::report::Calendar;
use keepwatch_base::time::Timestamp;
use keepwatch_core::canary;
use keepwatch_core::engine::Config;
use keepwatch_core::engine::dispatch::Index;
use keepwatch_core::engine::given_back::{Fate, Fault};
use keepwatch_core::engine::intake::{Intake, IntakeOutcome, LAG};
use keepwatch_core::event::Event;
use keepwatch_core::settings::Settings;
use keepwatch_rules::registry;

use super::ports::{Ports, answer};
use super::queue::Delivery;
use super::scans::{self, Lamps};
use super::story::ACCOUNTS;
use super::world::Pause;
use crate::lock;

/// How long a message of a batch may take; the functions' own constant.
const DEADLINE: i64 = 20_000;

/// All rules.
pub(super) static RULES: LazyLock<Index> = LazyLock::new(|| Index::new(registry::RULES));

/// What the template says: the stack's name and its own role that makes the daily call.
pub(super) static CONFIG: LazyLock<Config> = LazyLock::new(|| Config {
    stack: "keepwatch".to_owned(),
    own_arns: vec![super::canary::ROLE.to_owned()],
    ..Config::default()
});

/// One batch of the intake queue: whether each message was worked off. One that is given up is out of the queue, and one that
/// waits for something comes back later.
pub(super) async fn detect(
    ports: Ports,
    batch: Vec<(Delivery, Arc<str>)>,
    settings: Arc<Settings>,
) -> Vec<bool> {
    let judged = join_all(batch.iter().map(|(_, body)| message(&ports, body, &settings))).await;
    let now = ports.now();
    let mut world = lock(&ports.world);
    for ((delivery, _), judged) in batch.iter().zip(&judged) {
        let Err(fault) = judged else { continue };
        let age = now.since(Timestamp::from_millis(delivery.sent_at));
        let spread = world.rng.f64();
        match Fate::of(*fault, delivery.receives, age, spread) {
            Fate::GivenUp => {
                world.tally.count("queue", "given up");
                world.queue.give_up(delivery.receipt);
            }
            Fate::Again(pause) => {
                let millis = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
                world.queue.hide(delivery.receipt, millis, now.millis());
            }
        }
    }
    judged.iter().map(|judged| *judged == Ok(true)).collect()
}

/// Whether a message is worked off; it is not when an earlier event may still be on its way.
async fn message(ports: &Ports, body: &str, settings: &Settings) -> Result<bool, Fault> {
    let event = Event::parse(body).map_err(|_| Fault::Poison)?;
    let noted = canary::note(ports, &event, ACCOUNTS[0], &CONFIG, ports.now()).await;
    noted.map_err(|_| Fault::Dependency)?;
    let intake = Intake { rules: &RULES, store: ports, settings, config: &CONFIG };
    let judged = Box::pin(intake.judge(&event, ports, ports.now()));
    match select(judged, Pause::new(&ports.world, ports.by, DEADLINE)).await {
        Either::Left((judged, _)) => {
            judged.map(|judged| judged != IntakeOutcome::Later).map_err(|error| error.fault())
        }
        Either::Right(_) => Err(Fault::Dependency),
    }
}

/// Whether the message is good news of which the account is asked later; it comes again for that.
pub(super) fn waits_for_an_answer(body: &str, now: Timestamp) -> bool {
    let Ok(event) = Event::parse(body) else { return false };
    // It was judged a moment ago.
    let judged_by = |time: Timestamp| now.since(time) < LAG + Duration::from_millis(DEADLINE.unsigned_abs());
    event.time().is_some_and(judged_by)
        && RULES
            .evaluate_answering(&event, &CONFIG, now, answer)
            .observations
            .iter()
            .any(|o| o.confirm.is_some())
}

/// One batch of the stream: whether each record was worked off.
pub(super) async fn notify(ports: Ports, finding_ids: Vec<String>, settings: Arc<Settings>) -> Vec<bool> {
    let notifier = Notifier {
        findings: &ports,
        journal: &ports,
        topic: &ports,
        operations: &ports.operations(),
        settings: &settings,
        catalogue: registry::DOCUMENTED,
        sender: &Sender::default(),
        group_window: GROUP_WINDOW,
    };
    let mut done = Vec::new();
    for (i, finding_id) in finding_ids.iter().enumerate() {
        let token = format!("inv-{}-{i}", ports.by);
        done.push(notifier.deliver(finding_id, &token, ports.now()).await.is_ok());
    }
    let token = format!("inv-{}-late", ports.by);
    let (_, caught_up) = notifier.catch_up(&token, ports.now()).await;
    lock(&ports.world).tally.count("stream", if caught_up.is_ok() { "caught up" } else { "not caught up" });
    done
}

/// One scan: whether all of it worked.
pub(super) async fn scan(ports: Ports, lamps: Lamps, settings: Arc<Settings>) -> bool {
    let told = scans::scan(&ports, lamps, &settings).await;
    let mut world = lock(&ports.world);
    let Some(told) = told else {
        world.tally.count("scans", "the findings could not be read");
        return false;
    };
    if let Some(planned) =
        told.plan.planned.iter().find(|one| lamps.is_refused(&one.observation.subject.resource))
    {
        let what = format!("what was refused was taken for an answer: {:?}", planned.why);
        world.log.wrong.push(("scans", what));
    }
    for (why, count) in &told.told {
        world.tally.add("scans", why.as_str(), *count);
    }
    world.tally.add("scans", "not written", told.unwritten.len());
    told.unwritten.is_empty()
}

/// One sweep: whether all of it worked.
pub(super) async fn sweep(ports: Ports, settings: Arc<Settings>) -> bool {
    let notifier = Notifier {
        findings: &ports,
        journal: &ports,
        topic: &ports,
        operations: &ports.operations(),
        settings: &settings,
        catalogue: registry::DOCUMENTED,
        sender: &Sender::default(),
        group_window: GROUP_WINDOW,
    };
    let calendar = Calendar { account: ACCOUNTS[0].to_owned(), hour: 7 };
    let token = format!("inv-{}-sweep", ports.by);
    let (swept, outcome) = notifier.sweep(&token, ports.now(), &calendar).await;
    let mut world = lock(&ports.world);
    world.tally.add("sweeps", "findings that the settings silenced or woke", swept.settled);
    world.tally.add("sweeps", "alerts sent alone", swept.sent);
    outcome.is_ok()
}
