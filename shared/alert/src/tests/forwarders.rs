//! What sweeps tell of forwarders that fall silent and are heard again, on a clock that the tests move.

use futures_util::FutureExt as _;
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::{Finding, Status};
use keepwatch_core::posture::forwarders::{Home, sweep};
use keepwatch_core::regions::{Forwarder, Heartbeat};
use keepwatch_core::settings::Settings;
use keepwatch_core::severity::Severity;

use crate::in_memory::InMemory;

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
        let settings = Settings::default();
        sweep(&self.0, &self.0, &settings, &HOME, at(minute)).now_or_never().unwrap().unwrap()
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
    assert_eq!(world.sweep(59), 0);
    assert_eq!(world.sweep(60), 1);
    assert!((61..75).all(|minute| world.sweep(minute) == 0));
    assert_eq!(world.sweep(75), 1);
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
