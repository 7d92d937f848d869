//! What ends a suppression and is news itself is one alert, whose reason holds against what people were told before.

use futures_util::FutureExt as _;
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::record::{FindingStore as _, Recorded, Write, record};
use keepwatch_core::finding::{AlertReason, AlertState, Finding};
use keepwatch_core::observation::{Observation, Resolution, Verdict};
use keepwatch_core::settings::{Settings, Silence};
use keepwatch_core::severity::Severity;
use keepwatch_rules::testing::{call, fired, rule};
use serde_json::json;

use crate::in_memory::InMemory;

fn at(minute: usize) -> Timestamp {
    Timestamp::parse(&format!("2026-03-01T{:02}:{:02}:00Z", 12 + minute / 60, minute % 60)).unwrap()
}

/// Somebody makes bob an administrator, which the test may say is as bad as this.
fn grant(who: &str, minute: usize, severity: Severity) -> Observation {
    let document = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let changes = json!({
        "eventID": format!("{who}-{minute}"), "eventTime": at(minute).to_string(),
        "requestParameters": {"userName": "bob", "policyName": "extra", "policyDocument": document},
        "userIdentity": {"type": "IAMUser", "userName": who, "principalId": who,
            "arn": format!("arn:aws:iam::111122223333:user/{who}")},
    });
    let seen = fired(rule("admin-inline-policy"), &call("iam", "PutUserPolicy", changes));
    Observation { severity, title: format!("{who} made bob an administrator"), ..seen }
}

/// Somebody takes it away, and the account says so too.
fn revoke(minute: usize) -> Observation {
    let seen = grant("alice", minute, Severity::Critical);
    Observation { verdict: Verdict::Passing, resolution: Resolution::Fixed, confirm: None, ..seen }
}

/// A suppression until this minute, of what this one does or of everything.
fn silence(until: usize, actor: Option<&str>) -> Silence {
    Silence {
        suppression: "s".to_owned(),
        until: at(until),
        actor: actor.map(|who| format!("arn:aws:iam::*:user/{who}")),
        owner: "ann".to_owned(),
        reason: "known".to_owned(),
    }
}

#[derive(Default)]
struct World(InMemory);

impl World {
    fn hears(&self, seen: &Observation, minute: usize) -> Recorded {
        record(&self.0, &Settings::default(), seen, at(minute)).now_or_never().unwrap().unwrap()
    }

    fn finding(&self) -> Finding {
        let id = grant("alice", 0, Severity::High).finding_id();
        self.0.get(&id).now_or_never().unwrap().unwrap().unwrap()
    }

    fn change(&self, minute: usize, change: impl FnOnce(&mut Finding)) {
        let mut finding = self.finding();
        let expected = finding.version;
        change(&mut finding);
        finding.stamp(at(minute));
        let write = Write::Update { finding: &finding, expected, receipt: None };
        assert!(self.0.write(write, at(minute)).now_or_never().unwrap().unwrap());
    }

    /// The mail has gone out.
    fn tell(&self, minute: usize) {
        self.change(minute, |finding| finding.alert.state = AlertState::Sent);
    }

    fn silence(&self, minute: usize, silence: Silence) {
        self.change(minute, |finding| assert!(finding.obey(Some(silence))));
    }

    /// Hears it: whether exactly one alert became due, why, and what it tells first.
    fn one_alert(&self, seen: &Observation, minute: usize) -> (AlertReason, String) {
        let before = self.finding().alert.became_due;
        assert_eq!(self.hears(seen, minute), Recorded::Updated);
        let finding = self.finding();
        assert_eq!((finding.alert.became_due, finding.alert.state), (before + 1, AlertState::Pending));
        assert_eq!(finding.silence, None);
        (finding.alert.reason.unwrap(), finding.headline().title.clone())
    }
}

fn by(who: &str) -> String {
    format!("{who} made bob an administrator")
}

/// Told at its worst, gone, back and silenced: who then makes it as bad as it was told has not made it worse.
#[test]
fn what_is_as_bad_as_it_was_told_is_not_worse() {
    for (silenced_by, reason) in [(silence(600, Some("alice")), "mallory"), (silence(20, None), "alice")] {
        let world = World::default();
        world.hears(&grant("alice", 0, Severity::Critical), 0);
        world.tell(1);
        world.hears(&revoke(5), 5);
        world.silence(6, silenced_by);
        world.hears(&grant("alice", 10, Severity::High), 10);
        assert_eq!(world.finding().alert.became_due, 1, "it is silenced");
        let told = world.one_alert(&grant(reason, 30, Severity::Critical), 30);
        assert_eq!(told, (AlertReason::Reopened, by(reason)));
    }
}

/// Nobody was told what was silenced: what comes is compared with what was told before.
#[test]
fn what_is_worse_than_it_was_told_is_worse_once() {
    for silenced_by in [silence(600, Some("alice")), silence(20, None)] {
        let world = World::default();
        world.hears(&grant("alice", 0, Severity::Medium), 0);
        world.tell(1);
        world.silence(6, silenced_by);
        world.hears(&grant("alice", 10, Severity::High), 10);
        let told = world.one_alert(&grant("mallory", 30, Severity::High), 30);
        assert_eq!(told, (AlertReason::Worse, by("mallory")));
        assert_eq!(world.finding().alert.severity, Some(Severity::High));
    }
}

/// His act is weaker than what is silenced, and came late: the alert tells of him all the same, and of nobody twice.
#[test]
fn whoever_is_not_silenced_is_what_the_first_alert_tells() {
    let world = World::default();
    world.hears(&grant("alice", 0, Severity::Informational), 0);
    world.silence(1, silence(600, Some("alice")));
    world.hears(&grant("alice", 10, Severity::Critical), 10);
    let told = world.one_alert(&grant("mallory", 9, Severity::High), 11);
    assert_eq!(told, (AlertReason::New, by("mallory")));
    world.tell(12);
    for (who, minute) in [("alice", 20), ("mallory", 21)] {
        world.hears(&grant(who, minute, Severity::High), minute);
        assert_eq!(world.finding().alert.state, AlertState::Sent, "{who} is known");
    }
}

/// What is worth no mail by itself still ends the suppression of what is.
#[test]
fn a_minor_act_of_somebody_else_tells_of_him() {
    let world = World::default();
    world.hears(&grant("alice", 0, Severity::High), 0);
    world.tell(1);
    world.silence(6, silence(600, Some("alice")));
    let told = world.one_alert(&grant("mallory", 30, Severity::Low), 30);
    assert_eq!(told, (AlertReason::SomebodyElse, by("mallory")));
    // He is known from then on.
    world.tell(31);
    world.hears(&grant("mallory", 40, Severity::High), 40);
    assert_eq!(world.finding().alert.state, AlertState::Sent);
}

/// Mails have told of mallory already: he is nobody else, and the suppression does not name him all the same.
#[test]
fn whoever_is_known_ends_a_suppression_that_does_not_name_him() {
    let world = World::default();
    world.hears(&grant("alice", 0, Severity::High), 0);
    world.tell(1);
    world.hears(&grant("mallory", 2, Severity::High), 2);
    world.tell(3);
    world.silence(6, silence(600, Some("alice")));
    let told = world.one_alert(&grant("mallory", 30, Severity::High), 30);
    assert_eq!(told, (AlertReason::SuppressionEnded, by("mallory")));
}

#[test]
fn a_suppression_that_ran_out_wakes_what_is_there_and_not_what_is_gone() {
    let begun = || {
        let world = World::default();
        world.hears(&grant("alice", 0, Severity::High), 0);
        world.tell(1);
        world.silence(6, silence(20, None));
        world
    };
    let there = begun();
    let told = there.one_alert(&grant("alice", 30, Severity::High), 30);
    assert_eq!(told, (AlertReason::SuppressionEnded, by("alice")));
    let old_good_news = begun();
    old_good_news.hears(&grant("alice", 12, Severity::High), 12);
    let told = old_good_news.one_alert(&revoke(11), 30);
    assert_eq!(told, (AlertReason::SuppressionEnded, by("alice")));
    let gone = begun();
    assert_eq!(gone.hears(&revoke(25), 30), Recorded::Updated);
    let finding = gone.finding();
    assert_eq!((finding.alert.became_due, finding.is_open(), finding.silence), (1, false, None));
    // A suppression in its place silences it on.
    let on = begun();
    let mut settings = Settings::default();
    settings.suppressions.extend(suppression());
    let worse = grant("alice", 30, Severity::Critical);
    let outcome = record(&on.0, &settings, &worse, at(30));
    assert_eq!(outcome.now_or_never().unwrap().unwrap(), Recorded::Updated);
    let finding = on.finding();
    assert_eq!(
        (finding.alert.became_due, finding.silence.map(|silence| silence.suppression)),
        (1, Some("next".to_owned()))
    );
}

fn suppression() -> Vec<keepwatch_core::settings::Suppression> {
    let row = json!({"setting_id": "suppression#next", "rule": "*", "resource": "*", "owner": "ann", "reason": "known",
        "created_at": at(0), "expires_at": at(300)});
    Settings::read([&row], keepwatch_rules::registry::CATALOGUE).suppressions
}

/// Of a flood on a silenced finding nothing more is counted, but somebody whom the suppression does not name.
#[test]
fn somebody_else_is_told_of_in_a_flood() {
    let world = World::default();
    world.hears(&grant("alice", 0, Severity::Informational), 0);
    world.silence(1, silence(600, Some("alice")));
    for number in 0..70 {
        let mut seen = grant("alice", 2, Severity::High);
        seen.event.id = format!("flood-{number}");
        world.hears(&seen, 2);
    }
    let mut known = grant("alice", 2, Severity::High);
    known.event.id = "one more".to_owned();
    assert_eq!(world.hears(&known, 2), Recorded::Unchanged, "it is a flood");
    let told = world.one_alert(&grant("mallory", 2, Severity::High), 2);
    assert_eq!(told, (AlertReason::New, by("mallory")));
}
