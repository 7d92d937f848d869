//! What findings are told of the daily call, day by day, by the plan of a scan.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::FutureExt as _;
use keepwatch_base::time::Timestamp;
use keepwatch_core::canary::{Canary, MISSES, begin, entry_of, explain, read, refused};
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::finding::record::{FindingStore as _, record};
use keepwatch_core::finding::{Finding, Status};
use keepwatch_core::memory::journal::Journal;
use keepwatch_core::posture::Judgement;
use keepwatch_core::posture::canary::Recorded::{self, Told, Unknown, Untold, Yes};
use keepwatch_core::posture::canary::{join, judgement};
use keepwatch_core::posture::forwarders::Home;
use keepwatch_core::posture::plan::{Emptied, Seen, plan};
use keepwatch_core::settings::Settings;
use keepwatch_core::severity::Severity;
use proptest::prelude::*;

use crate::in_memory::InMemory;

const HOME: Home<'_> =
    Home { partition: "aws", account: "111122223333", region: "us-east-1", stack: "keepwatch" };

/// An account's tables on a clock of days.
#[derive(Default)]
struct World {
    tables: InMemory,
    findings: BTreeMap<String, Finding>,
    day: i64,
}

impl World {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_772_366_400_000 + self.day * 86_400_000)
    }

    /// The number of a day's call.
    fn number(day: i64) -> String {
        format!("{day:032x}")
    }

    /// `detect` hears the call of that day.
    fn hears(&self, day: i64) {
        let at = self.now().plus(Duration::from_secs(300));
        let key = entry_of(&World::number(day));
        Journal::write(&self.tables, &key, &at, None, at).now_or_never().unwrap().unwrap();
    }

    /// The day's run, as `scan` does it.
    fn run(&mut self, recorded: Recorded) {
        self.day += 1;
        let now = self.now();
        begin(&self.tables, &World::number(self.day), now).now_or_never().unwrap().unwrap();
        let canary = read(&self.tables, now).now_or_never().unwrap().unwrap();
        let judgements: Vec<_> = judgement(&canary, recorded, &HOME, now).into_iter().collect();
        let seen = Seen {
            account: HOME.account,
            voices: &[],
            judgements: &judgements,
            whole: &BTreeMap::new(),
            silent: &BTreeSet::new(),
            emptied: &Emptied::new(),
            rules: Catalogue::default(),
            at: now,
            reported: false,
            heard: &[],
        };
        for planned in plan(&self.findings, &seen).planned {
            let settings = Settings::default();
            let id = planned.observation.finding_id();
            record(&self.tables, &settings, &planned.observation, now).now_or_never().unwrap().unwrap();
            let finding = self.tables.get(&id).now_or_never().unwrap().unwrap().unwrap();
            self.findings.insert(id, finding);
        }
        if recorded == Told && canary.misses > 0 {
            explain(&self.tables, now).now_or_never().unwrap().unwrap();
        }
    }

    fn status(&self) -> Option<Status> {
        assert!(self.findings.len() <= 1, "one finding: {:?}", self.findings.keys());
        self.findings.values().next().map(|finding| finding.status)
    }
}

#[test]
fn one_miss_is_nothing_and_two_in_a_row_are_one_high_finding() {
    let mut world = World::default();
    for back in [true, true, false, true, false, true] {
        world.run(Yes);
        if back {
            world.hears(world.day);
        }
        assert_eq!(world.status(), None);
    }
    world.run(Yes);
    world.run(Yes);
    assert_eq!(world.status(), None);
    world.run(Yes);
    assert_eq!(world.status(), Some(Status::New));
    // Longer silence is the same finding, told once.
    world.run(Yes);
    world.run(Yes);
    let finding = world.findings.values().next().unwrap();
    assert_eq!((finding.severity, finding.occurrences, finding.alert.became_due), (Severity::High, 1, 1));
    assert_eq!(finding.rule, "canary.missed");
    assert_eq!(finding.resource, "arn:aws:cloudformation:us-east-1:111122223333:stack/keepwatch");
    assert!(finding.latest().reason.contains("a trail records the call"), "{}", finding.latest().reason);
    let id = finding.finding_id.clone();
    world.hears(world.day);
    world.run(Yes);
    assert_eq!(world.status(), Some(Status::Resolved));
    world.run(Yes);
    world.run(Yes);
    assert_eq!((world.status(), world.findings.keys().next()), (Some(Status::New), Some(&id)));
}

#[test]
fn a_call_that_comes_back_days_late_counts_for_nothing() {
    let mut world = World::default();
    for _ in 0..3 {
        world.run(Yes);
    }
    assert_eq!(world.status(), Some(Status::New));
    world.hears(1);
    world.hears(2);
    world.run(Yes);
    assert_eq!(world.status(), Some(Status::New));
}

#[test]
fn where_no_trail_records_it_the_check_on_trails_tells_alone() {
    let mut world = World::default();
    for _ in 0..6 {
        world.run(Told);
        assert_eq!(world.status(), None);
    }
    // A trail was made. The calls of before it are no news, those after it are.
    world.run(Yes);
    assert_eq!(world.status(), None);
    world.run(Yes);
    assert_eq!(world.status(), Some(Status::New));
    // And is deleted: its finding takes over.
    world.run(Told);
    assert_eq!(world.status(), Some(Status::Resolved));
    // Nobody would be told of a trail whose check is off.
    world.run(Untold);
    world.run(Untold);
    assert_eq!(world.status(), Some(Status::New));
    let mut unknown = World::default();
    (0..3).for_each(|_| unknown.run(Unknown));
    assert_eq!(unknown.status(), Some(Status::New));
}

#[test]
fn the_finding_of_the_check_on_trails_says_that_nothing_comes_back() {
    let plain = |world: &World| {
        let missed = Canary { misses: MISSES, ..Canary::default() };
        let failing = judgement(&missed, Untold, &HOME, world.now()).unwrap();
        Judgement { details: Vec::new(), ..failing }
    };
    let details = |world: &World| {
        let canary = read(&world.tables, world.now()).now_or_never().unwrap().unwrap();
        join(plain(world), &canary).details
    };
    let mut world = World::default();
    world.run(Told);
    assert_eq!(details(&world), []);
    let begun = world.now();
    world.run(Told);
    let label = "Last return of Keepwatch's daily call".to_owned();
    // The same every day, or the finding would change every day.
    assert_eq!(details(&world), [(label.clone(), format!("none since {begun}"))]);
    world.run(Told);
    assert_eq!(details(&world), [(label.clone(), format!("none since {begun}"))]);
    world.hears(world.day);
    world.run(Told);
    assert_eq!(details(&world), []);
}

#[test]
fn a_row_from_the_future_puts_off_no_call_and_is_no_return() {
    let mut world = World { day: 9_000, ..World::default() };
    begin(&world.tables, &World::number(9_000), world.now()).now_or_never().unwrap().unwrap();
    world.hears(9_000);
    world.day = 0;
    for misses in 1..=2 {
        world.run(Yes);
        let canary = read(&world.tables, world.now()).now_or_never().unwrap().unwrap();
        assert_eq!((canary.misses, canary.waits.unwrap().number), (misses, World::number(world.day)));
    }
    assert_eq!(world.status(), Some(Status::New));
}

#[test]
fn a_second_run_of_the_day_makes_no_second_call() {
    let world = World::default();
    let first = begin(&world.tables, &World::number(1), world.now()).now_or_never().unwrap().unwrap();
    let later = world.now().plus(Duration::from_secs(120));
    let second = begin(&world.tables, &World::number(2), later).now_or_never().unwrap().unwrap();
    assert_eq!((first, second), (true, false));
    refused(&world.tables, &World::number(2), "of another call", later).now_or_never().unwrap().unwrap();
    let canary = read(&world.tables, later).now_or_never().unwrap().unwrap();
    assert_eq!(canary.waits.unwrap().refused, None);
}

proptest! {
    /// Days of losses, of returns that come late or twice, and of runs that are tried again: the finding is open from the second
    /// miss in a row on until a call comes back, and never otherwise.
    #[test]
    fn the_finding_is_what_the_days_say(days in prop::collection::vec((0..5_u8, any::<prop::sample::Index>()), 1..60)) {
        let (mut world, mut in_a_row) = (World::default(), 0);
        for (what, late) in days {
            world.run(Yes);
            prop_assert_eq!(world.status() == Some(Status::New), in_a_row >= MISSES, "day {}", world.day);
            let is_back = what < 2;
            if is_back {
                world.hears(world.day);
            }
            match what {
                1 => world.hears(world.day),
                2 => world.hears(i64::try_from(late.index(usize::try_from(world.day).unwrap())).unwrap()),
                3 => {
                    let again = world.now().plus(Duration::from_secs(60));
                    begin(&world.tables, &World::number(1 << 40), again).now_or_never().unwrap().unwrap();
                }
                _ => {}
            }
            in_a_row = if is_back { 0 } else { in_a_row + 1 };
        }
    }
}
