//! What sweeps tell of forwarders that fall silent and are heard again, on a clock that the tests move.

use std::time::Duration;

use futures_util::FutureExt as _;
use keepwatch_base::time::Timestamp;
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::finding::record::record;
use keepwatch_core::finding::{Finding, Status};
use keepwatch_core::observation::Observation;
use keepwatch_core::posture::forwarders::{Home, sweep};
use keepwatch_core::regions::{Forwarder, Heartbeat};
use keepwatch_core::settings::Settings;
use keepwatch_core::severity::Severity;
use keepwatch_rules::testing::{call, observe, rule};
use serde_json::json;

use crate::RelatedActs;
use crate::check::sender;
use crate::in_memory::{GROUP_WINDOW, InMemory, Mail};
use crate::outbox::Notifier;
use crate::report::Calendar;

const HOME: Home<'_> =
    Home { partition: "aws", account: "111122223333", region: "us-east-1", stack: "keepwatch" };
const MINUTE: i64 = 60_000;

/// An account's tables, and its clock in minutes.
#[derive(Default)]
struct World(InMemory);

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(1_772_366_400_000 + minute * MINUTE)
}

impl World {
    fn beat(&self, region: &str, minute: i64) {
        let forwarder = Forwarder { version: "0123456789abcdef".to_owned(), at: at(minute) };
        let heartbeat = Heartbeat { region: region.to_owned(), forwarder };
        heartbeat.note(&self.0, at(minute)).now_or_never().unwrap().unwrap();
    }

    /// How many findings a sweep told something.
    fn sweep(&self, minute: i64) -> usize {
        self.found(minute).len()
    }

    fn found(&self, minute: i64) -> Vec<String> {
        let settings = Settings::default();
        sweep(&self.0, &self.0, &settings, &HOME, at(minute)).now_or_never().unwrap().unwrap()
    }

    /// What `notify` does by the clock, and of what the stream brings then. `early` of that comes before the sweep has told.
    fn notify(&self, minute: i64, window: Duration, early: usize) {
        let settings = Settings::default();
        let notifier = Notifier {
            findings: &self.0,
            journal: &self.0,
            topic: &self.0,
            operations: &self.0,
            settings: &settings,
            catalogue: Catalogue::default(),
            sender: sender(),
            group_window: window,
        };
        self.0.set_clock(at(minute));
        let found = self.found(minute);
        let stream = self.0.take_stream();
        let bring = |(i, id): (usize, &String)| {
            let token = format!("stream {minute} {i}");
            notifier.deliver(id, &token, at(minute)).now_or_never().unwrap().unwrap();
            // The records of a stream come in batches, and what is late is sent along with each.
            let token = format!("late {minute} {i}");
            notifier.catch_up(&token, at(minute)).now_or_never().unwrap().1.unwrap();
        };
        stream.iter().enumerate().take(early).for_each(bring);
        let calendar = Calendar { account: HOME.account.to_owned(), hour: 7 };
        let token = format!("sweep {minute}");
        notifier.sweep(&token, at(minute), &calendar).now_or_never().unwrap().1.unwrap();
        notifier.tell(found, &token, at(minute)).now_or_never().unwrap().1.unwrap();
        stream.iter().enumerate().skip(early).for_each(bring);
    }

    /// The alerts that went out.
    fn mails(self) -> Vec<Mail> {
        self.0.into_parts().1.into_iter().filter(|mail| mail.severity.is_some()).collect()
    }

    fn findings(self) -> Vec<Finding> {
        self.0.into_parts().0.findings.into_values().collect()
    }
}

#[test]
fn a_region_that_is_heard_is_no_finding() {
    let world = World::default();
    assert_eq!(world.sweep(0), 0);
    for minute in (0..300).step_by(15) {
        world.beat("eu-west-1", minute);
        assert_eq!(world.sweep(minute + 14), 0);
    }
    assert!(world.findings().is_empty());
}

#[test]
fn silence_is_told_once_after_an_hour_and_ends_with_the_next_heartbeat() {
    let world = World::default();
    world.beat("eu-west-1", 0);
    world.beat("sa-east-1", 0);
    world.beat("sa-east-1", 15);
    world.beat("sa-east-1", 30);
    assert_eq!(world.sweep(59), 0);
    assert_eq!(world.sweep(60), 1);
    assert!((61..90).all(|minute| world.sweep(minute) == 0));
    assert_eq!(world.sweep(90), 1);
    world.beat("eu-west-1", 90);
    assert_eq!((world.sweep(91), world.sweep(92)), (1, 0));
    let findings = world.findings();
    let of = |region: &str| findings.iter().find(|one| one.region == region).unwrap();
    let (back, silent) = (of("eu-west-1"), of("sa-east-1"));
    assert_eq!(findings.len(), 2);
    assert_eq!((back.status, silent.status), (Status::Resolved, Status::New));
    assert_eq!((silent.rule.as_str(), silent.severity), ("forwarder.silent", Severity::High));
    assert_eq!(silent.resource, "arn:aws:cloudformation:sa-east-1:111122223333:stack/keepwatch-forwarder");
    assert_eq!(silent.occurrences, 1);
}

#[test]
fn a_region_that_falls_silent_again_is_the_same_finding() {
    let world = World::default();
    world.beat("eu-west-1", 0);
    world.sweep(60);
    world.beat("eu-west-1", 70);
    world.sweep(71);
    assert_eq!(world.sweep(130), 1);
    let findings = world.findings();
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!((finding.status, finding.occurrences), (Status::New, 2));
}

const TEN: [&str; 10] = [
    "af-south-1",
    "ap-northeast-1",
    "ap-south-1",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "sa-east-1",
    "us-west-2",
];

/// Ten regions that fall silent at one moment: their clocks go at different minutes.
fn ten_fall_silent() -> World {
    let world = World::default();
    world.0.greet();
    for (minute, region) in (0..).zip(TEN) {
        world.beat(region, minute);
    }
    assert_eq!(world.sweep(59), 0);
    world
}

#[test]
fn ten_regions_that_fall_silent_together_are_one_mail_with_one_list() {
    for early in [0, 4, 10] {
        let world = ten_fall_silent();
        // Nothing is told twice while their own hours pass.
        (60..120).for_each(|minute| world.notify(minute, GROUP_WINDOW, early));
        let mails = world.mails();
        let [mail] = &mails[..] else { panic!("{mails:?}") };
        assert_eq!((mail.at, mail.findings, mail.severity), (at(60), 10, Some(Severity::High)));
        assert!(mail.subject.starts_with("[HIGH] 10 regions: The forwarder in "), "{}", mail.subject);
        let mut ids = mail.finding_ids.clone();
        ids.dedup();
        assert_eq!(ids.len(), 10);
    }
}

/// The call that deletes the forwarder of a region, as `detect` tells it.
fn deletes(region: &str, minute: i64, name: &str) -> Observation {
    let request = json!({"requestParameters": {"stackName": "keepwatch-forwarder"}, "awsRegion": region});
    let event = call("cloudformation", name, request);
    let mut seen = observe(rule("self-stack-changed"), &event);
    let mut seen = seen.swap_remove(0);
    seen.event.time = at(minute);
    seen.event.id = format!("{name} {region} {minute}");
    seen
}

#[test]
fn the_silence_of_a_region_that_was_told_to_be_taken_away_is_not_told() {
    let hear = |world: &World, seen: &Observation, minute| {
        let settings = Settings::default();
        record(&world.0, &settings, seen, at(minute)).now_or_never().unwrap().unwrap();
    };
    // Its last heartbeat may come after the call.
    for last in [0, 14, 20] {
        let world = World::default();
        world.beat("eu-west-1", last);
        hear(&world, &deletes("eu-west-1", 3, "DeleteStack"), 4);
        assert!((4..400).all(|minute| world.sweep(minute) == 0), "{last}");
    }
    // One that goes on is silent for another reason, and so is one that was deployed again or is not the one that was deleted.
    for (last, region, again) in [(45, "eu-west-1", false), (14, "eu-west-1", true), (14, "eu-west-2", false)]
    {
        let world = World::default();
        world.beat("eu-west-1", last);
        hear(&world, &deletes(region, 3, "DeleteStack"), 4);
        if again {
            hear(&world, &deletes("eu-west-1", 5, "CreateStack"), 6);
        }
        assert_eq!(world.sweep(last + 60), 1, "{last} {region} {again}");
    }
    // Nor does it take others with it.
    let world = World::default();
    world.beat("eu-west-1", 0);
    world.beat("sa-east-1", 14);
    hear(&world, &deletes("eu-west-1", 3, "DeleteStack"), 4);
    assert_eq!((world.sweep(60), world.sweep(74)), (0, 1));
}

#[test]
fn what_a_crash_kept_from_being_told_is_told_by_a_later_sweep_in_one_mail_too() {
    let world = ten_fall_silent();
    assert_eq!(world.sweep(60), 10);
    world.0.take_stream();
    (61..64).for_each(|minute| world.notify(minute, GROUP_WINDOW, 0));
    let mails = world.mails();
    let [mail] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!(mail.findings, 10);
}

#[test]
fn who_wants_a_mail_for_each_finding_gets_ten() {
    let world = ten_fall_silent();
    world.notify(60, Duration::ZERO, 0);
    let mails = world.mails();
    // What the mail budget does not let out at once, the next sweep has.
    assert!(mails.len() > 1 && mails.iter().all(|mail| mail.findings == 1), "{mails:?}");
}

#[test]
fn the_list_names_each_region_and_one_command_for_all() {
    let world = ten_fall_silent();
    assert_eq!(world.sweep(60), 10);
    let findings = world.findings();
    let all = findings.iter().collect::<Vec<_>>();
    let related = RelatedActs::default();
    let alert = crate::group::alert(&all, Catalogue::default(), sender(), &related).unwrap();
    assert_eq!(crate::check::faults(&alert), [""; 0], "{}", alert.text);
    assert!(alert.subject.ends_with(" (111122223333)"), "{}", alert.subject);
    let silenced = alert.text.lines().filter(|line| line.starts_with("  keepwatch ")).collect::<Vec<_>>();
    assert!(
        !silenced.is_empty()
            && silenced.iter().all(|line| line.ends_with(" --stack keepwatch --region us-east-1")),
        "{silenced:?}"
    );
    assert!(alert.text.contains("\nTHE KEEPWATCH COMMAND\n"), "{}", alert.text);
    for region in TEN {
        assert!(
            alert.text.contains(&format!("  {region}: The forwarder in {region} has sent no")),
            "{region}"
        );
    }
    let all = format!("make deploy-regions REGIONS={}", TEN.join(","));
    assert!(alert.text.contains(&all), "{}", alert.text);
    assert_eq!(alert.json["unmapped"]["group"]["regions"].as_array().map(Vec::len), Some(10));
}

#[test]
fn an_old_heartbeat_that_comes_late_is_no_sign_of_life() {
    let world = World::default();
    world.beat("eu-west-1", 0);
    world.sweep(60);
    world.beat("eu-west-1", 2);
    assert_eq!(world.sweep(63), 0);
    assert!(world.findings().iter().all(Finding::is_open));
}

#[test]
fn the_home_region_needs_no_forwarder() {
    let world = World::default();
    world.beat("us-east-1", 0);
    assert_eq!(world.sweep(600), 0);
    assert!(world.findings().is_empty());
}
