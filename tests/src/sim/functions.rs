//! The three functions, as thin around core as the real ones.

use std::sync::{Arc, LazyLock};

use futures_util::future::{Either, join_all, select};
use keepwatch_alert::in_memory::GROUP_WINDOW;
use keepwatch_alert::outbox::Notifier;
use keepwatch_alert::report::Calendar;
use keepwatch_core::engine::Config;
use keepwatch_core::engine::dispatch::Index;
use keepwatch_core::engine::intake::{Intake, Judged};
use keepwatch_core::event::Event;
use keepwatch_core::settings::Settings;
use keepwatch_rules::registry;

use super::ports::Ports;
use super::world::Pause;
use crate::lock;

/// How long a message of a batch may take; the functions' own constant.
const DEADLINE: i64 = 20_000;

/// All rules.
pub(super) static RULES: LazyLock<Index> = LazyLock::new(|| Index::new(registry::RULES));

/// What the owner has set in the template.
pub(super) static CONFIG: LazyLock<Config> = LazyLock::new(Config::default);

/// One batch of the intake queue: whether each message was worked off.
pub(super) async fn detect(ports: Ports, bodies: Vec<Arc<str>>, settings: Arc<Settings>) -> Vec<bool> {
    join_all(bodies.iter().map(|body| message(&ports, body, &settings))).await
}

async fn message(ports: &Ports, body: &str, settings: &Settings) -> bool {
    let Ok(event) = Event::parse(body) else { return false };
    let intake = Intake { rules: &RULES, store: ports, settings, config: &CONFIG };
    let judged = Box::pin(intake.judge(&event, ports, ports.now()));
    match select(judged, Pause::new(&ports.world, ports.by, DEADLINE)).await {
        Either::Left((judged, _)) => judged.is_ok_and(|judged| judged != Judged::Later),
        Either::Right(_) => false,
    }
}

/// One batch of the stream: whether each record was worked off.
pub(super) async fn notify(ports: Ports, finding_ids: Vec<String>, settings: Arc<Settings>) -> Vec<bool> {
    let notifier = Notifier {
        findings: &ports,
        journal: &ports,
        topic: &ports,
        settings: &settings,
        catalogue: registry::DOCUMENTED,
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

/// One sweep: whether all of it worked.
pub(super) async fn sweep(ports: Ports, settings: Arc<Settings>) -> bool {
    let notifier = Notifier {
        findings: &ports,
        journal: &ports,
        topic: &ports,
        settings: &settings,
        catalogue: registry::DOCUMENTED,
        group_window: GROUP_WINDOW,
    };
    let calendar = Calendar { account: super::story::ACCOUNTS[0].to_owned(), hour: 7 };
    let token = format!("inv-{}-sweep", ports.by);
    let (swept, outcome) = notifier.sweep(&token, ports.now(), &calendar).await;
    let mut world = lock(&ports.world);
    world.tally.add("sweeps", "findings that the settings silenced or woke", swept.settled);
    world.tally.add("sweeps", "alerts sent alone", swept.sent);
    outcome.is_ok()
}
