//! The simulation over some thousand seeds (`make sim` runs many more), and each invariant's check shown able to fail:
//! broken on purpose, the logic must be caught within a few hundred seeds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use keepwatch_tests::sim::{Options, Sabotage, Tally, Told, calm, run};

/// As many seeds as fit into this, at most [`SEEDS`].
const AT_MOST: Duration = Duration::from_secs(25);
const SEEDS: u64 = 3_000;

/// Fewer than this prove nothing, however slow the machine.
const AT_LEAST: u64 = 200;

/// Lives that once broke an invariant, of those that are too rare for the seeds below.
#[test]
fn what_once_went_wrong_does_not_again() {
    // An alert that waited long for a subscriber; somebody else's event that came late and was outdone.
    // One that was mailed seconds before the owner was back, and one whose mark was never written; good and bad news of
    // one second. Somebody whom no suppression names made a finding as bad as it had been told; a planted time outweighed
    // good news, so that the mail came before the act.
    for seed in [1_044, 8_291, 9_012, 10_524, 22_108, 28_415, 76_802, 88_308] {
        let outcome = run(seed, Options::default());
        assert!(outcome.violations.is_empty(), "seed {seed}: {:?}", outcome.violations);
    }
}

#[test]
fn all_invariants_hold() {
    let next = AtomicU64::new(0);
    let begin = Instant::now();
    let work = || {
        let mut tally = Tally::default();
        let mut seeds = 0;
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS || seed >= AT_LEAST && begin.elapsed() > AT_MOST {
                return (tally, seeds);
            }
            let outcome = run(seed, Options::default());
            assert!(
                outcome.violations.is_empty(),
                "{:?}\ncargo run --release -p keepwatch-tests --bin sim -- --seed {seed} --trace",
                outcome.violations
            );
            tally.merge(&outcome.tally);
            seeds += 1;
        }
    };
    let (tally, seeds) = std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).fold(
            (Tally::default(), 0),
            |(mut all, sum), (tally, seeds): (Tally, u64)| {
                all.merge(&tally);
                (all, sum + seeds)
            },
        )
    });
    assert!(seeds >= AT_LEAST, "{seeds} seeds in {:?}", begin.elapsed());
    for (group, name) in [
        ("queue", "redriven from the dead-letter queue"),
        ("queue", "duplicates delivered at once"),
        ("queue", "delivered again after a restore"),
        ("stream", "records that expired unread"),
        ("crashes after the effect", "publish"),
        ("crashes before the effect", "end a claim"),
        ("outages", "stream, longer than a day"),
        ("claims", "after a lease"),
        ("alerts", "digests"),
        ("scans", "opened"),
        ("scans", "reopened"),
        ("scans", "fixed"),
        ("scans", "gone"),
        ("scans", "scans that died"),
        ("alerts", "with others of one principal"),
        ("attacks", "victim"),
        ("subscribers", "told to the operators"),
        ("subscribers", "back, and told what was missed"),
        ("outages", "nobody was subscribed"),
        ("outages", "somebody else was subscribed"),
        ("subscribers", "replaced by another"),
        ("sweeps", "findings that the settings silenced or woke"),
        ("canary", "findings opened"),
        ("canary", "runs that missed none"),
        ("canary", "calls refused"),
        ("canary", "calls back hours late"),
        ("canary", "calls back days late"),
        ("canary", "calls back once more"),
        ("canary", "calls forged"),
    ] {
        assert!(tally.get(group, name) > 0, "{group}, {name}: never seen\n{tally}");
    }
}

/// Asserts that some seed shows this invariant broken.
fn caught(sabotage: Sabotage, invariant: &str, within: u64) {
    let options = Options { sabotage: Some(sabotage), trace: false };
    let mut others = std::collections::BTreeSet::new();
    for seed in 0..within {
        let outcome = run(seed, options);
        if outcome.violations.iter().any(|violation| violation.invariant == invariant) {
            return;
        }
        others.extend(outcome.violations.into_iter().map(|violation| violation.invariant));
    }
    panic!("{} was not caught as {invariant} within {within} seeds, only as {others:?}", sabotage.name());
}

#[test]
fn i1_catches_a_message_acknowledged_before_it_is_recorded() {
    caught(Sabotage::AckBeforeRecord, "I1", 200);
}

#[test]
fn i2_catches_a_missing_sweep() {
    caught(Sabotage::NoSweep, "I2", 200);
}

#[test]
fn i2_catches_a_claim_without_a_lease() {
    caught(Sabotage::NoLease, "I2", 200);
}

#[test]
fn i2_catches_a_suppression_whose_end_wakes_nobody() {
    caught(Sabotage::NoWaking, "suppressed", 400);
}

#[test]
fn i2_catches_mails_that_nobody_gets() {
    caught(Sabotage::AlwaysHeard, "I2", 200);
}

#[test]
fn i2_catches_a_subscription_that_is_taken_for_an_earlier_one() {
    caught(Sabotage::SameSubscription, "I2", 300);
}

#[test]
fn i3_catches_a_mark_that_is_never_written() {
    caught(Sabotage::NoSentMark, "I3", 200);
}

#[test]
fn i3_catches_claims_that_are_always_granted() {
    caught(Sabotage::AlwaysClaimed, "I3", 200);
}

#[test]
fn i4_catches_a_forgotten_window() {
    caught(Sabotage::NoWindow, "I4", 200);
}

#[test]
fn i4_catches_events_counted_twice() {
    caught(Sabotage::NoReceipts, "I4", 200);
}

#[test]
fn i5_catches_a_batch_that_fails_as_one() {
    caught(Sabotage::WholeBatch, "I5", 400);
}

#[test]
fn i6_catches_good_news_that_is_thrown_away() {
    caught(Sabotage::NoGoodNews, "I6", 400);
}

#[test]
fn i6_catches_lost_updates() {
    caught(Sabotage::BlindWrites, "I6", 400);
}

#[test]
fn i9_catches_a_budget_that_is_always_full() {
    caught(Sabotage::FullBudget, "I9", 1_000);
}

#[test]
fn i12_catches_a_restore_that_forgets_what_was_sent() {
    caught(Sabotage::RestoreUnsent, "I12", 400);
}

#[test]
fn an_attack_that_holds_mails_back_is_caught() {
    caught(Sabotage::PlausibleRows, "attack", 200);
}

#[test]
fn a_mail_about_a_suppressed_finding_is_caught() {
    caught(Sabotage::NoSuppressions, "suppressed", 200);
}

#[test]
fn somebody_elses_call_in_place_of_the_daily_one_is_caught() {
    caught(Sabotage::AnybodysCall, "canary", 200);
}

#[test]
fn a_return_of_the_daily_call_that_is_not_noted_is_caught() {
    caught(Sabotage::NoReturns, "canary", 200);
}

#[test]
fn an_alarm_after_one_missed_call_is_caught() {
    caught(Sabotage::HastyAlarm, "canary", 200);
}

#[test]
fn a_seed_is_always_the_same() {
    let options = Options { sabotage: None, trace: true };
    assert_eq!(run(7, options).trace, run(7, options).trace);
}

/// What a replay counts is what the deployed functions send. Only the moment of a sweep differs, and with it, in a flood, how
/// many alerts fit into a mail.
#[test]
fn a_replay_counts_the_mails_of_what_is_deployed() {
    let (mut mails, mut floods, mut different) = (0, 0, 0);
    for seed in 0..400 {
        let (deployed, replayed) = calm(seed);
        assert_eq!(deployed.findings, replayed.findings, "seed {seed}");
        let counts = |told: &Told| (told.alerts, told.digests);
        if deployed.digests == 0 && replayed.digests == 0 {
            // Two acts within the moment that a mail takes to go out are told by one mail or by two.
            let apart = deployed.alerts.abs_diff(replayed.alerts);
            assert!(apart <= 1, "seed {seed}: {:?} and {:?}", counts(&deployed), counts(&replayed));
            different += apart;
            mails += replayed.alerts;
        } else {
            let apart =
                deployed.alerts.abs_diff(replayed.alerts) + deployed.digests.abs_diff(replayed.digests);
            assert!(apart <= 3, "seed {seed}: {:?} and {:?}", counts(&deployed), counts(&replayed));
            floods += 1;
        }
    }
    assert!(mails > 1_000 && floods > 1, "{mails} mails, {floods} floods");
    assert!(different * 200 < mails, "{different} of {mails} mails");
}
