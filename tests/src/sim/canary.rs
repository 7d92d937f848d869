//! The daily call in the simulated world: days on which it comes back soon, late, twice or never, is refused, or is forged.
//!
//! What is under test is core's own: what a run keeps and judges, what `detect` notes, what a finding is told. Around it are a
//! run of `scan` by the clock, which Lambda tries again twice when it dies, and what AWS does with the call. What must come out
//! follows from outside: which numbers were kept, and which of them `detect` noted by the time that the next one was kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fastrand::Rng;
use keepwatch_alert::sweep::AllFindings as _;
use keepwatch_core::canary::{Canary, ENTRY, MISSES, begin, entry_of, explain, read, refused, trail};
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::finding::Finding;
use keepwatch_core::posture::canary::{ABOUT, Recorded, judgement};
use keepwatch_core::posture::forwarders::Home;
use keepwatch_core::posture::plan::{Emptied, Seen};
use keepwatch_core::posture::tell::Teller;
use keepwatch_core::settings::Settings;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::engine::{Engine, START};
use super::faults::{Call, Faults};
use super::invariants::{self, Found, Violation};
use super::ports::Ports;
use super::sabotage::Sabotage;
use super::scans::NoHistory;
use super::story::{ACCOUNTS, record};
use super::world::World;
use crate::lock;

/// The stack whose call it is.
const HOME: Home<'_> =
    Home { partition: "aws", account: ACCOUNTS[0], region: "us-east-1", stack: "keepwatch" };

/// The role of `scan`.
pub(super) const ROLE: &str = "arn:aws:iam::111122223333:role/keepwatch-ScanRole-A1B2C3";

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The longest between a run's look for a return and its keeping of the next number: a half of each of two calls.
const LOOK: i64 = 2 * 45_000 + 1_000;

/// What becomes of a day's call, and what a scan of that day sees of the trails.
#[derive(Clone, Debug)]
pub(super) struct Day {
    /// When it comes back, in milliseconds after it was made, each time.
    back: Vec<i64>,
    /// When somebody else's call comes that is meant to stand in for it.
    forged: Vec<(i64, Forgery)>,
    /// Whether AWS refuses it.
    refused: bool,
    /// Whether a trail records it.
    recorded: Recorded,
}

/// What somebody does who wants nobody to miss the call.
#[derive(Clone, Copy, Debug)]
enum Forgery {
    /// The same call, by another role.
    OtherRole,
    /// Under the role of `scan`, which outside of its function is refused.
    Refused,
    /// In another account.
    OtherAccount,
    /// Under a number that was guessed.
    OtherNumber,
}

const FORGERIES: [Forgery; 4] =
    [Forgery::OtherRole, Forgery::Refused, Forgery::OtherAccount, Forgery::OtherNumber];

/// What is noted of the calls.
#[derive(Debug, Default)]
pub(super) struct Daily {
    /// Calls that AWS has taken or refused, and nobody has seen to yet.
    made: Vec<(String, Day)>,
    /// The number that waits, as the journal has it, and all that ever did.
    waits: Option<String>,
    kept: BTreeSet<String>,
    /// When `detect` noted the return of each number.
    noted: BTreeMap<String, i64>,
    /// Misses in a row, and how many of them are explained. More than one where a return came while a run looked for it.
    counts: BTreeSet<(u32, u32)>,
    /// Whether any call has come back by the time that the next was kept.
    ever_back: bool,
    /// Whether a trail records the calls of the run under way, and when that run began.
    run: Option<(Recorded, i64)>,
    /// When the finding was opened.
    opened: Vec<i64>,
    /// The messages that are a number's true return.
    returns: BTreeMap<String, Vec<usize>>,
}

impl Daily {
    /// Whether this number's return was noted before then.
    fn is_back(&self, number: Option<&String>, by: i64) -> bool {
        number.and_then(|number| self.noted.get(number)).is_some_and(|noted| *noted < by)
    }

    /// Notes a write of the journal.
    pub(super) fn wrote(world: &mut World, key: &str, value: &Value) {
        let now = world.clock;
        let daily = &mut world.daily;
        if let Some(number) = key.strip_prefix(&entry_of("")) {
            daily.noted.insert(number.to_owned(), now);
        }
        let Some(canary) = (key == ENTRY).then(|| Canary::deserialize(value).ok()).flatten() else { return };
        let number = canary.waits.map(|call| call.number);
        if number != daily.waits {
            daily.kept(now);
            daily.kept.extend(number.clone());
            daily.waits = number;
        } else if daily.counts.iter().any(|(misses, explained)| misses != explained)
            && canary.explained == canary.misses
            && canary.misses > 0
            && daily.run.is_some_and(|(recorded, _)| recorded == Recorded::Told)
        {
            daily.counts = daily.counts.iter().map(|(misses, _)| (*misses, *misses)).collect();
        }
    }

    /// Another number is kept: the one before it has come back, or is a miss.
    fn kept(&mut self, now: i64) {
        let Some(before) = self.waits.clone() else {
            self.counts = BTreeSet::from([(0, 0)]);
            return;
        };
        let missed = self.counts.iter().map(|(misses, explained)| (misses + 1, *explained));
        let back = self.noted.contains_key(&before);
        self.ever_back |= back;
        self.counts = match (back, self.is_back(Some(&before), now - LOOK)) {
            (true, true) => BTreeSet::from([(0, 0)]),
            (true, false) => missed.chain([(0, 0)]).collect(),
            (false, _) => missed.collect(),
        };
    }

    /// Notes a write of the finding. It may open only after two misses in a row that nothing explains.
    pub(super) fn told(world: &mut World, before: Option<&Finding>, after: &Finding) {
        if after.rule != ABOUT.id || before.is_some_and(Finding::is_open) || !after.is_open() {
            return;
        }
        world.tally.count("canary", "findings opened");
        let daily = &mut world.daily;
        daily.opened.push(world.clock);
        let missed = daily.counts.iter().any(|(misses, explained)| misses - explained >= MISSES);
        let (recorded, began) = daily.run.unwrap_or((Recorded::Yes, 0));
        if !missed || recorded == Recorded::Told || daily.is_back(daily.waits.as_ref(), began) {
            let what = format!("a false alarm: {:?} calls were missed, and {recorded:?}", daily.counts);
            world.log.wrong.push(("canary", what));
        }
    }

    /// Whether the finding must be open after a run that began then; nothing where it stays what it is, or where a return
    /// came while the run looked for it.
    fn must_be_open(&self, recorded: Recorded, began: i64) -> Option<bool> {
        let waits = self.waits.as_ref();
        if self.is_back(waits, began) {
            return Some(false);
        }
        if waits.is_some_and(|number| self.noted.contains_key(number)) {
            return None;
        }
        let mut all = self.counts.iter().map(|(misses, explained)| match *misses {
            0 => self.ever_back.then_some(false),
            _ if recorded == Recorded::Told => Some(false),
            _ => (misses - explained >= MISSES).then_some(true),
        });
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)?
    }
}

/// So many days.
fn days(rng: &mut Rng, count: i64) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    // What is broken stays so for some days.
    let (mut broken, mut recorded) = (0, Recorded::Yes);
    for _ in 0..count {
        if broken == 0 {
            recorded = Recorded::Yes;
            if rng.u8(..4) == 0 {
                broken = rng.u8(1..5);
                let seen =
                    [Recorded::Yes, Recorded::Yes, Recorded::Told, Recorded::Untold, Recorded::Unknown];
                recorded = seen[rng.usize(..seen.len())];
            }
        }
        let soon = rng.i64(MINUTE..15 * MINUTE);
        let late = rng.i64(HOUR..22 * HOUR);
        let back = match rng.u8(..16) {
            _ if broken > 0 => Vec::new(),
            0..=6 => vec![soon],
            7..=8 => vec![soon, late],
            9..=10 => vec![late],
            11 => vec![DAY + late],
            12 => vec![DAY + late, 2 * DAY + late],
            // Just when the next run looks for it.
            13 => vec![DAY + rng.i64(-2 * MINUTE..MINUTE)],
            _ => Vec::new(),
        };
        broken = broken.saturating_sub(1);
        let many = if rng.u8(..3) == 0 { rng.usize(1..3) } else { 0 };
        let forge = |_| (rng.i64(MINUTE..DAY), FORGERIES[rng.usize(..FORGERIES.len())]);
        let forged = (0..many).map(forge).collect();
        let refused = rng.u8(..16) == 0;
        days.push(Day { back: if refused { Vec::new() } else { back }, forged, refused, recorded });
    }
    days
}

/// Lives some days in a world of its own, in which nothing but the daily call happens.
pub(super) fn lived(seed: u64, sabotage: Option<Sabotage>, trace: bool, found: &mut Found) -> Engine {
    let mut rng = Rng::with_seed(seed ^ 0xCA7A_2100);
    let (count, quiet) = (rng.i64(4..9), 4);
    let faults = Faults::random(&mut rng, START, START + count * DAY - HOUR);
    // An outage of days may last into the quiet ones: as many are added.
    let count = (faults.until - START) / DAY + 1 + quiet;
    let plan = days(&mut rng, count);
    let mut engine = Engine::of_days(rng, faults, sabotage, trace);
    for (at, day) in (0..).map(|day| START + day * DAY + MINUTE).zip(plan) {
        engine.on_day(at, day);
    }
    engine.run_until(START + count * DAY);
    engine.drain();
    let until = engine.rested_at(30 * MINUTE);
    engine.run_until(until);
    invariants::of_alerts(&engine, found);
    at_rest(&engine, found);
    lock(&engine.world).tally.count("canary", "lives");
    engine
}

/// What must hold when all is quiet.
fn at_rest(engine: &Engine, found: &mut Found) {
    let world = lock(&engine.world);
    let mut wrong = |what: String| found.0.push(Violation { invariant: "canary", what });
    let daily = &world.daily;
    // A number that was never kept may be noted; nobody asks for it.
    for (number, noted) in daily.noted.iter().filter(|(number, _)| daily.kept.contains(*number)) {
        let messages = daily.returns.get(number);
        let came = messages.is_some_and(|all| all.iter().any(|i| engine.story.messages[*i].at <= *noted));
        if !came {
            wrong(format!("the return of {number} was noted, and nothing of it came"));
        }
    }
    for (number, messages) in &daily.returns {
        for message in messages {
            match engine.acked.get(message) {
                Some(_) if daily.noted.contains_key(number) => {}
                Some(_) => wrong(format!("the return of {number} was worked off and not noted")),
                None if engine.story.messages[*message].at <= world.clock => {
                    wrong(format!("the return of {number} was never worked off"));
                }
                None => {}
            }
        }
    }
    let lives = world.log.lives.iter().filter(|(id, _)| is_of_the_call(id));
    let due: usize = lives.map(|(_, life)| life.dues.len()).sum();
    if due != daily.opened.len() {
        wrong(format!("{due} alerts became due of {} times that calls were missed", daily.opened.len()));
    }
    let rows = world.tables.findings.keys().filter(|id| is_of_the_call(id)).count();
    if rows > 1 {
        wrong(format!("{rows} findings of one call"));
    }
}

fn is_of_the_call(finding_id: &str) -> bool {
    finding_id.strip_prefix(ABOUT.id).is_some_and(|rest| rest.starts_with('-'))
}

/// A run of `scan` by the clock is over.
pub(super) fn ran(engine: &mut Engine, worked: bool) {
    let mut world = lock(&engine.world);
    let world = &mut *world;
    let Some((recorded, began)) = world.daily.run.take() else { return };
    if !worked {
        if began >= world.faults.until {
            world.log.wrong.push(("canary", "a run did not work though nothing fails".to_owned()));
        }
        return;
    }
    let Some(must) = world.daily.must_be_open(recorded, began) else { return };
    world.tally.count("canary", if must { "runs that found calls missed" } else { "runs that missed none" });
    let of_the_call = |finding: &&Finding| finding.rule == ABOUT.id;
    let is = world.tables.findings.values().find(of_the_call).is_some_and(Finding::is_open);
    if is != must {
        let what = format!("the finding is open: {is}, and after {:?} must be: {must}", world.daily.counts);
        world.log.wrong.push(("canary", what));
    }
}

/// What AWS does with the calls that were made just now.
pub(super) fn answer(engine: &mut Engine) {
    let made = std::mem::take(&mut lock(&engine.world).daily.made);
    for (number, day) in made {
        let now = engine.now();
        let anybody = lock(&engine.world).is(Sabotage::AnybodysCall);
        for (i, after) in day.back.iter().enumerate() {
            let body = returned(&format!("{number}-{}", if i == 0 { "a" } else { "b" }), now, &number, None);
            let message = engine.send_later(body, now + after);
            lock(&engine.world).daily.returns.entry(number.clone()).or_default().push(message);
        }
        for (i, (after, how)) in day.forged.iter().enumerate() {
            let id = format!("forged-{number}-{i}");
            let body = returned(&id, now, &number, Some(*how).filter(|_| !anybody));
            engine.send_later(body, now + after);
        }
        let mut world = lock(&engine.world);
        let name = match (day.refused, day.back.first()) {
            (true, _) => "calls refused",
            (_, None) => "calls lost",
            (_, Some(after)) if *after >= DAY => "calls back days late",
            (_, Some(after)) if *after >= HOUR => "calls back hours late",
            _ => "calls back soon",
        };
        world.tally.count("canary", name);
        world.tally.add("canary", "calls forged", day.forged.len());
        world.tally.add("canary", "calls back once more", day.back.len().saturating_sub(1));
    }
}

/// What CloudTrail tells of the call, or of what somebody else does.
fn returned(id: &str, at: i64, number: &str, forged: Option<Forgery>) -> String {
    let guessed = "0".repeat(32);
    let (mut role, mut error, mut account, mut number) =
        (ROLE, "TrailNotFoundException", ACCOUNTS[0], number);
    match forged {
        None => {}
        Some(Forgery::OtherRole) => role = "arn:aws:iam::111122223333:role/admin",
        Some(Forgery::Refused) => error = "AccessDenied",
        Some(Forgery::OtherAccount) => account = ACCOUNTS[1],
        Some(Forgery::OtherNumber) => number = &guessed,
    }
    let name = role.rsplit('/').next().unwrap_or_default();
    record(
        id,
        at,
        account,
        "cloudtrail",
        "StartLogging",
        false,
        json!({
            "errorCode": error, "requestParameters": {"name": trail(HOME.stack, number)},
            "userIdentity": {
                "type": "AssumedRole", "accountId": account, "principalId": "AROAEXAMPLE:keepwatch-scan",
                "arn": format!("arn:aws:sts::{account}:assumed-role/{name}/keepwatch-scan"),
                "sessionContext": {"sessionIssuer": {"type": "Role", "arn": role, "userName": name}},
            },
        }),
    )
}

/// One run of `scan` by the clock, as far as it is about the call: whether all of it worked, and whether it failed so that Lambda
/// tries it again.
pub(super) async fn run(ports: Ports, day: Day, settings: Arc<Settings>) -> Vec<bool> {
    let began = ports.now();
    let number = {
        let mut world = lock(&ports.world);
        world.daily.run = Some((day.recorded, began.millis()));
        format!("{:032x}", world.rng.u128(..))
    };
    // What goes wrong with the call fails no run.
    if begin(&ports, &number, began).await == Ok(true)
        && let Err(why) = start_nothing(&ports, &number, &day).await
        && refused(&ports, &number, &why, began).await.is_err()
    {
        lock(&ports.world).tally.count("canary", "refusals that were not noted");
    }
    let at = ports.now();
    let mut findings = BTreeMap::new();
    let keep = |finding: Finding| {
        findings.insert(finding.finding_id.clone(), finding);
    };
    if ports.visit(keep).await.is_err() {
        return vec![false, true];
    }
    let Ok(canary) = read(&ports, ports.now()).await else { return vec![false, false] };
    let judgements: Vec<_> = judgement(&canary, day.recorded, &HOME, at).into_iter().collect();
    let seen = Seen {
        account: HOME.account,
        voices: &[],
        judgements: &judgements,
        whole: &BTreeMap::new(),
        silent: &BTreeSet::new(),
        emptied: &Emptied::new(),
        rules: Catalogue::default(),
        at,
        reported: false,
        heard: &[],
    };
    let teller =
        Teller { store: &ports, history: &NoHistory, settings: &settings, asks: &|_| &[], home: HOME.region };
    let told = teller.tell(&findings, &seen, &mut 0, ports.now()).await;
    if day.recorded == Recorded::Told && canary.misses > 0 && explain(&ports, ports.now()).await.is_err() {
        return vec![false, true];
    }
    vec![told.unwritten.is_empty(), false]
}

/// The call itself.
async fn start_nothing(ports: &Ports, number: &str, day: &Day) -> Result<(), String> {
    let made = (number.to_owned(), day.clone());
    let refused = day.refused;
    let answer = ports.call(Call::Start, None, |world, _| {
        world.daily.made.push(made);
        if refused {
            Err("cloudtrail:StartLogging: a service control policy denies it".to_owned())
        } else {
            Ok(())
        }
    });
    answer.await.map_err(|failed| failed.to_string())?
}

/// When the day's run may be tried again, of one that has died or failed for so many times.
pub(super) fn tried_again(attempt: u32) -> Option<i64> {
    // Lambda waits a minute and then two (Lambda developer guide, "Error handling for asynchronous invocation").
    (attempt < 3).then(|| i64::from(attempt) * MINUTE)
}
