//! Runs over a history, a queue and a journal in memory, with a clock that each page moves on.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::Event;
use crate::testing::{History, Memory, Refused, done};

/// An account: its history and clock, its queue and its journal.
#[derive(Default)]
struct World {
    history: History,
    sent: Mutex<Vec<String>>,
    journal: Memory,
}

const START: i64 = 1_772_366_400_000;
const DAY: i64 = 86_400_000;

impl World {
    fn of(events: impl IntoIterator<Item = (i64, &'static str, String)>) -> World {
        let source =
            |name: &str| if name == "PutRule" { "events.amazonaws.com" } else { "iam.amazonaws.com" };
        let record = |(second, name, id): (i64, &'static str, String)| {
            let time = Timestamp::from_millis(START + second * 1_000);
            json!({"eventID": id, "eventName": name, "eventSource": source(name), "eventTime": time})
        };
        let history = History::of(events.into_iter().map(record), Timestamp::from_millis(START));
        World { history, ..World::default() }
    }

    fn now(&self) -> Timestamp {
        self.history.now()
    }

    fn pass(&self, millis: i64) {
        self.history.pass(millis);
    }

    /// The record of this number, the latest first, of the calls of this name.
    fn record(&self, name: &str, number: usize) -> &str {
        &self.history.calls[name][0][number].1
    }

    fn reconciler<'a>(&'a self, part: Part<'a>) -> Reconciler<'a, History, World, Memory> {
        Reconciler { history: &self.history, queue: self, journal: &self.journal, part }
    }

    /// A run that may read so many pages, one a second.
    fn run_for(&self, seconds: u64) -> Reconciled {
        let regions = ["us-east-1".to_owned()];
        let run = self.reconciler(Part::Watched(&regions));
        done(run.run(|| self.now(), self.now().plus(Duration::from_secs(seconds))))
    }

    fn run(&self) -> Reconciled {
        self.run_for(600)
    }

    /// What `detect` does with the messages: it judges each and notes it.
    fn judge(&self) -> Vec<String> {
        let sent = std::mem::take(&mut *self.sent.lock().unwrap());
        let judge = |message: String| {
            let event = Event::parse(&message).unwrap();
            done(heard::note(&self.journal, &event, self.now())).unwrap();
            event.occurrence_id()
        };
        sent.into_iter().map(judge).collect()
    }
}

impl MessageQueue for World {
    type Error = Refused;

    async fn send(&self, message: &str) -> Result<(), Refused> {
        if self.history.refused.lock().unwrap().contains("messages") {
            return Err(Refused);
        }
        self.sent.lock().unwrap().push(message.to_owned());
        Ok(())
    }
}

/// Events of one name, a second apart, the last of them now.
fn many(name: &'static str, count: i64) -> impl Iterator<Item = (i64, &'static str, String)> {
    (0..count).map(move |i| (-i, name, format!("{name}-{i}")))
}

#[test]
fn what_was_lost_is_sent_and_what_was_heard_is_not() {
    let world = World::of([(-60, "CreateUser", "lost".to_owned()), (-90, "CreateUser", "heard".to_owned())]);
    let heard = world.record("CreateUser", 1);
    done(heard::note(&world.journal, &Event::parse(heard).unwrap(), world.now())).unwrap();
    let run = world.run();
    assert_eq!((run.found, run.sent.len(), run.failures, run.left), (2, 1, vec![], vec![]));
    assert_eq!(world.judge(), ["lost"]);
    // Every question was asked, once.
    assert_eq!(run.pages, Lookup::all().count());
    // The next run looks at it again, and sends nothing.
    world.pass(3_600_000);
    assert_eq!((world.run().found, world.judge()), (2, vec![]));
}

#[test]
fn a_forged_message_with_its_id_does_not_hide_an_event() {
    let world = World::of([(-60, "CreateUser", "real".to_owned())]);
    let real = world.record("CreateUser", 0);
    for (says, instead) in
        [("CreateUser", "CreateRole"), ("\"eventID\"", "\"errorCode\":\"AccessDenied\",\"eventID\"")]
    {
        let forged = real.replacen(says, instead, 1);
        done(heard::note(&world.journal, &Event::parse(&forged).unwrap(), world.now())).unwrap();
    }
    world.run();
    assert_eq!(world.judge(), ["real"]);
}

#[test]
fn calls_of_that_name_at_other_services_are_not_sent() {
    // The history of this world has every name but PutRule at IAM.
    let world = World::of([(-60, "DisableRule", "x".to_owned())]);
    assert_eq!(world.run().found, 0);
}

#[test]
fn pages_are_followed_to_the_end() {
    let world = World::of(many("PutRule", 130));
    let run = world.run();
    assert_eq!((run.found, run.sent.len()), (130, 130));
    assert_eq!(run.pages, Lookup::all().count() + 2);
}

#[test]
fn more_than_one_turns_worth_waits_until_the_others_had_theirs() {
    let world = World::of(many("PutRule", 5_000).chain([(-5, "CreateUser", "quick".to_owned())]));
    let run = world.run();
    assert_eq!(run.left, [""; 0]);
    let asked = world.history.asked.lock().unwrap();
    let last_of = |wanted: &str| asked.iter().rposition(|(_, name, _)| *name == wanted).unwrap();
    assert!(last_of("PutRule") > last_of("CreateUser"));
    drop(asked);
    assert_eq!(world.judge().into_iter().collect::<BTreeSet<_>>().len(), 5_001);
}

#[test]
fn what_a_run_has_no_time_for_the_next_goes_on_with() {
    let world = World::of(many("PutRule", 4_000));
    let questions = Lookup::all().count();
    // Enough for every question and for half of the events.
    let run = world.run_for(questions as u64 + 40);
    assert_eq!(run.left, ["PutRule in us-east-1"]);
    let told = done(progress::troubles(&world.journal, world.now())).unwrap();
    assert!(
        matches!(&told[..], [progress::Trouble::Left(name, _)] if name == "PutRule in us-east-1"),
        "{told:?}"
    );
    let mut judged: BTreeSet<String> = world.judge().into_iter().collect();
    assert!((1_900..2_200).contains(&judged.len()), "{}", judged.len());
    world.pass(DAY);
    assert_eq!(world.run().left, [""; 0]);
    judged.extend(world.judge());
    assert_eq!(judged.len(), 4_000);
    assert_eq!(done(progress::troubles(&world.journal, world.now())).unwrap(), []);
}

#[test]
fn without_time_the_questions_that_waited_longest_come_first() {
    let world = World::of([]);
    let half = Lookup::all().count() / 2;
    assert_eq!(world.run_for(half as u64).left.len(), Lookup::all().count() - half);
    let first: BTreeSet<String> =
        world.history.asked.lock().unwrap().drain(..).map(|(_, name, _)| name).collect();
    world.run_for(half as u64);
    let second: BTreeSet<String> =
        world.history.asked.lock().unwrap().drain(..).map(|(_, name, _)| name).collect();
    assert!(first.is_disjoint(&second), "{first:?} {second:?}");
}

#[test]
fn a_refused_question_is_said_and_stops_no_other_and_nothing_of_it_is_skipped() {
    let world = World::of([(-60, "CreateUser", "a".to_owned()), (-60, "CreateRole", "b".to_owned())]);
    world.history.refused.lock().unwrap().insert("CreateUser");
    let run = world.run();
    assert_eq!(run.failures, ["CreateUser in us-east-1: AccessDeniedException: no"]);
    assert_eq!(world.judge(), ["b"]);
    // Eighteen hours later it is allowed again: the question goes back to where it was last answered.
    world.history.refused.lock().unwrap().clear();
    world.pass(3 * DAY / 4);
    assert_eq!(world.run().failures, [""; 0]);
    assert_eq!(world.judge(), ["a"]);
}

#[test]
fn an_event_that_the_queue_does_not_take_is_sent_by_a_later_run() {
    let world = World::of([(-60, "CreateUser", "a".to_owned()), (-90, "CreateRole", "b".to_owned())]);
    world.history.refused.lock().unwrap().insert("messages");
    assert_eq!(world.run().failures.len(), 2);
    world.history.refused.lock().unwrap().clear();
    assert_eq!(world.run().failures, [""; 0]);
    assert_eq!(world.judge().into_iter().collect::<BTreeSet<_>>().len(), 2);
}

#[test]
fn a_question_that_keeps_failing_is_told() {
    let world = World::of([]);
    world.run();
    world.history.refused.lock().unwrap().insert("CreateUser");
    for _ in 0..2 {
        world.pass(DAY);
        world.run();
    }
    assert_eq!(done(progress::troubles(&world.journal, world.now())).unwrap(), []);
    world.pass(DAY / 24 * 2);
    let told = done(progress::troubles(&world.journal, world.now())).unwrap();
    assert!(
        matches!(&told[..], [progress::Trouble::Silent(name, _)] if name == "CreateUser in us-east-1"),
        "{told:?}"
    );
}

#[test]
fn an_unreadable_record_is_said_and_the_others_are_sent() {
    struct Odd(World);
    impl EventHistory for Odd {
        type Error = Refused;
        async fn page(
            &self,
            at: &str,
            lookup: Lookup<'_>,
            span: Span,
            next: Option<&str>,
        ) -> Result<Page, Refused> {
            let mut page = self.0.history.page(at, lookup, span, next).await?;
            if lookup == Lookup::Call("CreateUser") {
                page.events.insert(0, "{".to_owned());
                page.missing = 2;
            }
            Ok(page)
        }
    }
    let odd = Odd(World::of([(-60, "CreateUser", "a".to_owned())]));
    let regions = ["us-east-1".to_owned()];
    let run =
        Reconciler { history: &odd, queue: &odd.0, journal: &odd.0.journal, part: Part::Watched(&regions) };
    let run = done(run.run(|| odd.0.now(), odd.0.now().plus(Duration::from_secs(600))));
    let [unreadable, missing] = &run.failures[..] else { panic!("{:?}", run.failures) };
    assert!(unreadable.starts_with("CreateUser in us-east-1: this is not an event"), "{unreadable}");
    assert_eq!(missing, "CreateUser in us-east-1: 2 events of a page have no record");
    assert_eq!(odd.0.judge(), ["a"]);
}

/// So many events of one second, and one before it.
fn crowd(count: usize) -> World {
    let crowd = (0..count).map(|i| (-20, "PutRule", format!("crowd-{i}")));
    World::of(crowd.chain([(-40, "PutRule", "earlier".to_owned())]))
}

#[test]
fn more_of_one_second_than_others_take_is_read_to_its_end() {
    let world = crowd(50 * PAGES + 500);
    assert_eq!(world.run().left, [""; 0]);
    assert_eq!(world.judge().into_iter().collect::<BTreeSet<_>>().len(), 50 * PAGES + 501);
    assert_eq!(done(progress::troubles(&world.journal, world.now())).unwrap(), []);
}

#[test]
fn more_of_one_second_than_is_read_at_all_is_told_as_lost() {
    let world = crowd(50 * MOST_PAGES + 500);
    let run = world.run();
    assert_eq!((run.left, run.failures), (vec![], vec![]));
    let told = done(progress::troubles(&world.journal, world.now())).unwrap();
    let [progress::Trouble::Lost(name, span)] = &told[..] else { panic!("{told:?}") };
    let second = Timestamp::from_millis(START - 20_000);
    assert_eq!((name.as_str(), span.to), ("PutRule in us-east-1", second));
    assert_eq!(span.to.since(span.from), Duration::from_secs(1));
    assert!(world.judge().contains(&"earlier".to_owned()));
    // It is told until a run no longer looks at it.
    for _ in 0..2 {
        world.pass(DAY);
        world.run();
    }
    assert_eq!(done(progress::troubles(&world.journal, world.now())).unwrap(), []);
}

#[test]
fn what_stands_behind_many_unreadable_records_is_found() {
    let mut world = crowd(50 * PAGES + 500);
    let told = &mut world.history.calls.get_mut("PutRule").unwrap()[0];
    for (_, record) in told.iter_mut().take(50 * PAGES + 500) {
        "{".clone_into(record);
    }
    let run = world.run();
    assert_eq!((run.left, run.failures.len()), (vec![], 50 * PAGES + 500));
    assert_eq!(world.judge(), ["earlier"]);
}

/// A run that ends after a page gives nothing up: the next one begins there.
#[test]
fn a_short_run_loses_nothing_of_a_second() {
    let world = crowd(120);
    let mut judged = BTreeSet::new();
    let count = Lookup::all().count() as u64;
    for seconds in [count + 1, 600] {
        world.run_for(seconds);
        judged.extend(world.judge());
        world.pass(DAY / 8);
    }
    assert_eq!(judged.len(), 121);
    assert_eq!(done(progress::troubles(&world.journal, world.now())).unwrap(), []);
}

#[test]
fn each_region_is_asked() {
    let world = World::of([]);
    let regions = ["us-east-1".to_owned(), "eu-central-1".to_owned()];
    let run = world.reconciler(Part::Watched(&regions));
    let run = done(run.run(|| world.now(), world.now().plus(Duration::from_secs(600))));
    assert_eq!(run.pages, 2 * Lookup::all().count());
    let asked = world.history.asked.lock().unwrap();
    assert_eq!(asked.iter().filter(|(region, ..)| region == "eu-central-1").count(), Lookup::all().count());
}

#[test]
fn a_region_with_a_forwarder_is_asked_what_was_done_to_event_rules_and_nothing_else() {
    let world = World::of([(-60, "PutRule", "lost".to_owned()), (-60, "CreateUser", "elsewhere".to_owned())]);
    let run = || {
        let run = world.reconciler(Part::Forwarder("eu-west-1"));
        done(run.run(|| world.now(), world.now().plus(Duration::from_secs(600))))
    };
    assert_eq!(run().pages, 6);
    assert_eq!(world.judge(), ["lost"]);
    let asked: BTreeSet<(String, String)> = world
        .history
        .asked
        .lock()
        .unwrap()
        .iter()
        .map(|(region, name, _)| (region.clone(), name.clone()))
        .collect();
    let expected = ["DeleteRule", "DeleteStack", "DisableRule", "PutRule", "PutTargets", "RemoveTargets"];
    assert!(
        asked
            .iter()
            .map(|(region, name)| (region.as_str(), name.as_str()))
            .eq(expected.map(|name| ("eu-west-1", name)))
    );
    // Neither run forgets how far the other came.
    world.run();
    world.pass(DAY);
    run();
    world.run();
    let from = |at: &str| {
        let asked = world.history.asked.lock().unwrap();
        asked.iter().rev().find(|(region, name, _)| region == at && name == "PutRule").unwrap().2.from
    };
    let six_hours = Duration::from_secs(6 * 3_600);
    for region in ["eu-west-1", "us-east-1"] {
        assert!(
            world.now().since(from(region))
                < Duration::from_secs(86_400) + six_hours + Duration::from_secs(300)
        );
    }
}

#[test]
fn a_region_that_refuses_is_told_when_it_was_silent_for_two_days() {
    let world = World::of([]);
    let beat = crate::regions::Heartbeat {
        region: "eu-west-1".to_owned(),
        forwarder: crate::regions::Forwarder { version: "0123456789abcdef".to_owned(), at: world.now() },
    };
    done(beat.note(&world.journal, world.now())).unwrap();
    let run = || {
        let run = world.reconciler(Part::Forwarder("eu-west-1"));
        done(run.run(|| world.now(), world.now().plus(Duration::from_secs(600))))
    };
    let troubles = || done(progress::troubles(&world.journal, world.now())).unwrap();
    run();
    world.history.refused.lock().unwrap().insert("PutRule");
    for _ in 0..3 {
        world.run();
        world.pass(DAY);
        assert_eq!(run().failures.len(), 1);
    }
    world.history.refused.lock().unwrap().clear();
    world.run();
    let told = troubles();
    let [progress::Trouble::Silent(name, _)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(name, "PutRule in eu-west-1");
    run();
    assert_eq!(troubles(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// However short the runs are and whichever questions fail for a while, in the end each event has been judged.
    #[test]
    fn nothing_within_a_week_is_skipped(
        runs in prop::collection::vec((1_u64..120, any::<bool>()), 1..5),
        events in prop::collection::vec(0_i64..80_000, 1..300),
        crowd in 0_i64..2_500,
    ) {
        let some = events.iter().enumerate().map(|(i, ago)| (-ago, "CreateUser", format!("e{i}")));
        let world = World::of(some.chain(many("PutRule", crowd)));
        let judged = Cell::new(BTreeSet::new());
        let judge = || {
            let mut all = judged.take();
            all.extend(world.judge());
            judged.set(all);
        };
        for (seconds, refused) in runs {
            *world.history.refused.lock().unwrap() = refused.then_some("CreateUser").into_iter().collect();
            world.run_for(seconds);
            judge();
            world.pass(DAY / 8);
        }
        world.history.refused.lock().unwrap().clear();
        for _ in 0..6 {
            world.run();
            judge();
        }
        prop_assert_eq!(judged.take().len(), events.len() + usize::try_from(crowd).unwrap());
    }
}
