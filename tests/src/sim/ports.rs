//! Core's ports over the world's tables. Every call takes time and may fail or crash its caller, before its effect or
//! after.

use std::collections::BTreeMap;

use keepwatch_alert::Alert;
use keepwatch_alert::outbox::{DueAlert, Outbox, Outcome, Subscribers, Topic};
use keepwatch_alert::sweep::AllFindings;
use keepwatch_base::time::Timestamp;
use keepwatch_core::canary;
use keepwatch_core::finding::record::{FindingStore, Receipt, Write};
use keepwatch_core::finding::{AlertState, Due, Finding, Passed, Step, Stepped};
use keepwatch_core::memory::journal::{Entry, Journal};
use keepwatch_core::settings::Silence;
use keepwatch_core::state::{AccountState, Answer, Fact, Holdings, PolicyText, Query, Value as Known};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::attack;
use super::canary::Daily;
use super::faults::{Call, Fate};
use super::log::{MailKind, PublishNote};
use super::sabotage::Sabotage;
use super::world::{Pause, Shared, World};
use crate::lock;

/// All ports, as one invocation has them.
#[derive(Clone)]
pub(super) struct Ports {
    /// The world.
    pub world: Shared,
    /// The invocation.
    pub by: u64,
    /// Whether the topic is that of the alarms about Keepwatch itself.
    pub operations: bool,
}

/// The service did not do it, or did not say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} failed")]
pub(super) struct Failed(&'static str);

impl Ports {
    /// The same with the other topic.
    pub(super) fn operations(&self) -> Ports {
        Ports { operations: true, ..self.clone() }
    }

    /// The clock.
    pub(super) fn now(&self) -> Timestamp {
        lock(&self.world).now()
    }

    async fn half_way(&self) {
        let millis = {
            let mut world = lock(&self.world);
            let World { faults, rng, clock, .. } = &mut *world;
            faults.latency(rng, *clock)
        };
        Pause::new(&self.world, self.by, millis).await;
    }

    /// One call: a while, the effect, a while. `refusal` is what a write answers whose condition does not hold.
    pub(super) async fn call<T>(
        &self,
        call: Call,
        refusal: Option<T>,
        effect: impl FnOnce(&mut World, Fate) -> T,
    ) -> Result<T, Failed> {
        self.half_way().await;
        let (outcome, crashed) = {
            let mut world = lock(&self.world);
            let fate = world.fate(self.by, call, refusal.is_some());
            let outcome = match (fate, refusal) {
                (Fate::ErrorBefore | Fate::CrashBefore, _) => Err(Failed(call.name())),
                (Fate::Refused, Some(refusal)) => Ok(refusal),
                (Fate::RefusedAfter, Some(refusal)) => {
                    effect(&mut world, fate);
                    Ok(refusal)
                }
                (Fate::ErrorAfter | Fate::CrashAfter, _) => {
                    effect(&mut world, fate);
                    Err(Failed(call.name()))
                }
                _ => Ok(effect(&mut world, fate)),
            };
            let crashed = matches!(fate, Fate::CrashBefore | Fate::CrashAfter);
            if crashed {
                world.crashed.push(self.by);
            }
            (outcome, crashed)
        };
        if crashed {
            // The scheduler drops the invocation before it could go on.
            std::future::pending::<()>().await;
        }
        self.half_way().await;
        outcome
    }
}

impl FindingStore for Ports {
    type Error = Failed;

    async fn get(&self, finding_id: &str) -> Result<Option<Finding>, Failed> {
        self.call(Call::Get, None, |world, _| {
            let mut finding = world.tables.findings.get(finding_id).cloned()?;
            if world.is(Sabotage::NoWindow) {
                (finding.alert.occurred_at, finding.alert.severity) = (None, None);
            }
            if world.is(Sabotage::NoReceipts) {
                finding.events.clear();
            }
            if world.is(Sabotage::PlausibleRows) && world.attacked {
                finding.passed = Some(attack::plausible(world.clock));
            }
            Some(finding)
        })
        .await
    }

    async fn receipt(&self, key: &str) -> Result<Receipt, Failed> {
        self.call(Call::Receipt, None, |world, _| {
            if world.is(Sabotage::NoReceipts) {
                return Receipt::new();
            }
            world.tables.receipts.get(key).cloned().unwrap_or_default()
        })
        .await
    }

    async fn passed(&self, finding_id: &str) -> Result<Option<Passed>, Failed> {
        self.call(Call::Passed, None, |world, _| world.tables.passed.get(finding_id).cloned()).await
    }

    async fn write(&self, write: Write<'_>, _now: Timestamp) -> Result<bool, Failed> {
        self.call(Call::Write, Some(false), |world, _| {
            let made = wrote(world, &write);
            world.tally.count("writes", if made { "made" } else { "refused: somebody else wrote" });
            made
        })
        .await
    }

    async fn back_off(&self, attempt: usize) {
        let millis = lock(&self.world).rng.i64(5..50) * i64::try_from(attempt).unwrap_or(1);
        Pause::new(&self.world, self.by, millis).await;
    }
}

fn wrote(world: &mut World, write: &Write<'_>) -> bool {
    let is_note = matches!(write, Write::Note { .. });
    if world.is(Sabotage::NoReceipts) {
        world.tables.receipts.clear();
    }
    if !world.tables.allow(write) && (is_note || !world.is(Sabotage::BlindWrites)) {
        return false;
    }
    if is_note && world.is(Sabotage::NoGoodNews) {
        return true;
    }
    if let Some(finding) = world.tables.note(write) {
        world.put(finding.clone());
    }
    true
}

impl Outbox for Ports {
    type Error = Failed;

    async fn step(&self, finding_id: &str, step: Step<'_>) -> Result<Outcome, Failed> {
        match step {
            Step::Claim { token, .. } => self.claim(finding_id, step, token).await,
            Step::MarkSent { .. } | Step::Defer { .. } => self.end(finding_id, step).await,
        }
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<DueAlert>, Failed> {
        self.call(Call::Due, None, |world, _| {
            let behind = world.behind();
            world.seen(behind).filter_map(|finding| DueAlert::of(finding, now)).collect()
        })
        .await
    }
}

impl Ports {
    async fn claim(&self, finding_id: &str, step: Step<'_>, token: &str) -> Result<Outcome, Failed> {
        let by = self.by;
        // Others who keep writing the item keep a claim from being written.
        let busy = Outcome { stepped: Stepped::Busy, finding: None };
        self.call(Call::Claim, Some(busy), |world, _| {
            let Some(mut finding) = world.tables.findings.get(finding_id).cloned() else {
                return Outcome { stepped: Stepped::Nothing, finding: None };
            };
            let stands = finding.alert.state;
            if world.is(Sabotage::AlwaysClaimed) && finding.alert.claim.as_deref() != Some(token) {
                finding.alert.state = AlertState::Pending;
            }
            let held = world.is(Sabotage::NoLease) && stands == AlertState::Claimed;
            let stepped = if held { Stepped::Busy } else { finding.alert.step(step) };
            if stepped == Stepped::Changed {
                finding.version += 1;
                let how = if stands == AlertState::Claimed { "after a lease" } else { "taken" };
                world.tally.count("claims", how);
                world.put(finding.clone());
            } else {
                world.say(|| format!("  #{by} claim of {finding_id}: {}", stands.as_str()));
            }
            Outcome { stepped, finding: Some(Ok(Box::new(finding))) }
        })
        .await
    }

    async fn end(&self, finding_id: &str, step: Step<'_>) -> Result<Outcome, Failed> {
        let by = self.by;
        let sent = matches!(step, Step::MarkSent { .. });
        let mut happened = false;
        let ended = self
            .call(Call::End, None, |world, _| {
                happened = true;
                if world.is(Sabotage::NoSentMark) && sent {
                    return Outcome { stepped: Stepped::Nothing, finding: None };
                }
                let outcome = world.tables.stepped(finding_id, step);
                let ours = outcome.stepped == Stepped::Changed;
                if sent {
                    world.log.told_by_count(finding_id, by);
                }
                if let Some(note) = world.log.last_publish(finding_id, by) {
                    note.marked |= ours && sent;
                    note.superseded |= !ours;
                }
                if ours && let Some(Ok(finding)) = &outcome.finding {
                    if !sent {
                        world.tally.count("alerts", "deferred");
                    }
                    world.put(Finding::clone(finding));
                }
                outcome
            })
            .await;
        if !happened {
            // The mark was lost on its way: a second mail may follow.
            if let Some(note) = lock(&self.world).log.last_publish(finding_id, by) {
                note.excused = true;
            }
        }
        ended
    }
}

impl AllFindings for Ports {
    type Error = Failed;

    async fn visit(&self, mut visit: impl FnMut(Finding) + Send) -> Result<usize, Failed> {
        self.call(Call::Visit, None, |world, _| {
            if world.is(Sabotage::NoWaking) {
                return 0;
            }
            let behind = world.behind();
            world.seen(behind).cloned().for_each(&mut visit);
            0
        })
        .await
    }

    async fn waking(&self, now: Timestamp) -> Result<Vec<String>, Failed> {
        self.call(Call::Waking, None, |world, _| {
            if world.is(Sabotage::NoWaking) {
                return Vec::new();
            }
            let behind = world.behind();
            let due = world
                .seen(behind)
                .filter(|f| f.alert.due == Some(Due::Wake) && f.alert.due_at <= Some(now.millis()));
            due.map(|finding| finding.finding_id.clone()).collect()
        })
        .await
    }
}

impl Journal for Ports {
    type Error = Failed;

    async fn read<T: DeserializeOwned + Send>(&self, key: &str) -> Result<Option<Entry<T>>, Failed> {
        let stored = self
            .call(Call::Read, None, |world, _| {
                if world.is(Sabotage::FullBudget) && key == "budget" {
                    world.tables.journal.remove(key);
                }
                let mut stored = world.tables.journal.get(key).cloned();
                if let Some((value, _)) = &mut stored
                    && world.is(Sabotage::HastyAlarm)
                    && key == canary::ENTRY
                    && value["misses"] == json!(1)
                {
                    value["misses"] = json!(2);
                }
                stored
            })
            .await?;
        let Some((value, version)) = stored else { return Ok(None) };
        let value = serde_json::from_value(value).map_err(|_| Failed("the journal holds something else"))?;
        Ok(Some(Entry { value, version }))
    }

    async fn write<T: Serialize + Sync>(
        &self,
        key: &str,
        value: &T,
        expected: Option<u64>,
        _expires: Timestamp,
    ) -> Result<bool, Failed> {
        let value = serde_json::to_value(value).map_err(|_| Failed("the value is no JSON"))?;
        let here = if key == "audience" { value["alerts"]["here"].as_object() } else { None };
        let ann = here.is_some_and(|here| here.keys().any(|who| who.contains("ann@")));
        let (by, audience) = (self.by, (key == "audience").then(|| value["alerts"].to_string()));
        self.call(Call::Mark, Some(false), |world, _| {
            if world.is(Sabotage::NoReturns) && key.starts_with(&canary::entry_of("")) {
                return true;
            }
            let entered = world.tables.enter(key, value.clone(), expected);
            if entered {
                Daily::wrote(world, key, &value);
            }
            if let Some(alerts) = audience.filter(|_| entered) {
                world.say(|| format!("  #{by} who gets the alerts: {alerts}"));
            }
            if entered && ann {
                world.log.noted_at.get_or_insert(world.clock);
            }
            entered
        })
        .await
    }

    async fn count(&self, _: &str, _: &[(&str, u64)], _: Timestamp) -> Result<(), Failed> {
        self.call(Call::Counts, None, |_, _| ()).await
    }

    async fn counts(&self, _: &str) -> Result<BTreeMap<String, u64>, Failed> {
        self.call(Call::Counts, None, |_, _| BTreeMap::new()).await
    }
}

impl Topic for Ports {
    type Error = Failed;

    async fn publish(&self, finding: Option<&Finding>, alert: &Alert) -> Result<(), Failed> {
        let by = self.by;
        if self.operations {
            return self
                .call(Call::Publish, None, |world, _| {
                    world.say(|| format!("  #{by} MAIL to the operators: {}", alert.subject));
                    world.tally.count("subscribers", "told to the operators");
                    let since = alert.json["audience"]["since"].as_str().and_then(Timestamp::parse);
                    world.log.absences.extend(since.map(Timestamp::millis));
                })
                .await;
        }
        self.call(Call::Publish, None, |world, fate| {
            let unheard = world.is_deaf();
            let replaced = unheard && world.replaced.iter().any(|from| *from <= world.clock);
            if let Some(ids) = alert.json["back"]["finding_ids"].as_array() {
                let whom = if unheard {
                    "told to another what was missed"
                } else {
                    "back, and told what was missed"
                };
                world.tally.count("subscribers", whom);
                let ids = ids
                    .iter()
                    .filter(|_| !unheard)
                    .filter_map(|id| Some((id.as_str()?.to_owned(), world.clock)));
                world.log.told_again.extend(ids);
            }
            let (kind, told) = told(world, by, finding, alert);
            world.say(|| format!("  #{by} MAIL {}", alert.subject));
            let now = world.clock;
            world.log.mails.push((now, kind));
            let name = match kind {
                MailKind::Alone if told.len() > 1 => "with others of one principal",
                MailKind::Alone => "sent alone",
                MailKind::Digest => "digests",
                MailKind::Letter => "letters",
            };
            world.tally.count("alerts", name);
            if kind == MailKind::Digest {
                world.tally.add("alerts", "told in digests", told.len());
            }
            if kind == MailKind::Letter
                && let Some(added) = alert.json["settings"]["suppressions"].as_array()
            {
                let added = added.iter().filter_map(|name| Some((now, name.as_str()?.to_owned())));
                world.log.announced.extend(added);
            }
            let lost = fate != Fate::Fine;
            for finding_id in told {
                silent(world, by, &finding_id);
                if unheard {
                    let why =
                        if replaced { "replaced by another" } else { "gone between the look and the mail" };
                    world.tally.count("subscribers", why);
                    world.log.unheard.push((now, finding_id.clone()));
                }
                let life = world.log.lives.entry(finding_id).or_default();
                let note = PublishNote { at: now, by, marked: false, superseded: false, excused: lost };
                life.publishes.push(note);
            }
        })
        .await
    }

    async fn confirmed(&self) -> Result<Subscribers, Failed> {
        self.subscribers().await
    }
}

impl Ports {
    /// One person is subscribed to both topics, and clicks what is under the alerts now and then. At times somebody else
    /// takes her place meanwhile, and she comes back at another address.
    async fn subscribers(&self) -> Result<Subscribers, Failed> {
        let operations = self.operations;
        self.call(Call::Subscribers, None, |world, _| {
            let mut there = Subscribers::new();
            if operations || world.is(Sabotage::AlwaysHeard) {
                there.insert("email ann@example.com".to_owned(), String::new());
                return there;
            }
            let replaced = world.replaced.iter().any(|from| *from <= world.clock);
            if replaced {
                there.insert("email mallory@example.com".to_owned(), String::new());
            }
            if !world.is_deaf() {
                let ann = if replaced { "email ann@example.org" } else { "email ann@example.com" };
                let times = world.deaf.iter().filter(|(_, to)| *to <= world.clock).count();
                let times = if world.is(Sabotage::SameSubscription) { 0 } else { times };
                there.insert(ann.to_owned(), times.to_string());
            }
            there
        })
        .await
    }
}

/// What a mail is, and the findings it tells of.
fn told(world: &mut World, by: u64, finding: Option<&Finding>, alert: &Alert) -> (MailKind, Vec<String>) {
    if let Some(finding) = finding {
        let group = alert.json["unmapped"]["group"]["finding_ids"].as_array();
        let told = group.map(|ids| ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect());
        return (MailKind::Alone, told.unwrap_or_else(|| vec![finding.finding_id.clone()]));
    }
    let digest = &alert.json["digest"];
    let Some(ids) = digest["finding_ids"].as_array() else { return (MailKind::Letter, Vec::new()) };
    let told: Vec<String> = ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect();
    let count = digest["findings"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    // Beyond what a digest names, it counts. Which those are is seen when their claims end.
    world.log.counted.insert(by, (world.clock, count.saturating_sub(told.len())));
    (MailKind::Digest, told)
}

/// Notes it when a finding is mailed that the owner had silenced before the mailer began.
fn silent(world: &mut World, by: u64, finding_id: &str) {
    let Some(finding) = world.tables.findings.get(finding_id) else { return };
    let began = world.began.get(&by).copied().unwrap_or(world.clock);
    let (rule, subject, actors) = (finding.rule.clone(), finding.subject(), finding.actors());
    let then = world.settings_at(began).silence(&rule, &subject, &actors, Timestamp::from_millis(began));
    let now = world.settings_at(world.clock).silence(&rule, &subject, &actors, world.now());
    let name = |silence: Option<Silence>| silence.map(|silence| silence.suppression);
    let (then, now) = (name(then), name(now));
    if then.is_some() && then == now {
        let what = format!("{finding_id} was mailed by #{by} while suppressed");
        world.log.wrong.push(("suppressed", what));
    }
}

impl AccountState for Ports {
    async fn answer(&self, query: &Query) -> Result<Answer, String> {
        let answer = answer(query);
        self.call(Call::Answer, None, |_, _| answer).await.map_err(|failed| failed.to_string())
    }
}

/// What is true of the account, always the same.
pub(super) fn answer(query: &Query) -> Answer {
    let arn = "arn:aws:iam::aws:policy/AmazonEC2FullAccess";
    match query {
        Query::Principal { .. } => {
            Fact::Known(Known::Holdings(Holdings { managed: vec![arn.to_owned()], ..Holdings::default() }))
        }
        Query::ManagedPolicy { .. } => Fact::Known(Known::Policy(PolicyText {
            name: "AmazonEC2FullAccess".to_owned(),
            text: r#"{"Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*"}}"#.to_owned(),
        })),
        // Who says that an exposed key is gone or switched off is right.
        Query::ExposedKey { .. } | Query::ActiveKey { .. } => Fact::Known(Known::Flag(false)),
        _ => Fact::Unavailable("AccessDenied".to_owned()),
    }
}
