//! Good news about a finding of HIGH or above is believed when the account's live state bears it out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use keepwatch_base::time::Timestamp;
use keepwatch_core::engine::Config;
use keepwatch_core::engine::dispatch::Index;
use keepwatch_core::engine::intake::{Intake, IntakeError, IntakeOutcome, LAG};
use keepwatch_core::event::Event;
use keepwatch_core::finding::record::{FindingStore, Receipt, Write};
use keepwatch_core::finding::{Finding, Passed, Status};
use keepwatch_core::settings::Settings;
use keepwatch_core::state::{AccountState, Answer, Fact, Holdings, PolicyText, Query, Value};
use keepwatch_core::testing::done;
use keepwatch_rules::registry::RULES;
use keepwatch_rules::testing::call;
use serde_json::json;

const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
const READ: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

/// Findings in memory, written by one at a time.
#[derive(Default)]
struct Store {
    findings: Mutex<BTreeMap<String, Finding>>,
    passed: Mutex<BTreeMap<String, Passed>>,
}

impl FindingStore for Store {
    type Error = io::Error;

    async fn get(&self, id: &str) -> Result<Option<Finding>, io::Error> {
        Ok(self.findings.lock().unwrap().get(id).cloned())
    }

    async fn receipt(&self, _: &str) -> Result<Receipt, io::Error> {
        Ok(Receipt::new())
    }

    async fn passed(&self, id: &str) -> Result<Option<Passed>, io::Error> {
        Ok(self.passed.lock().unwrap().get(id).cloned())
    }

    async fn write(&self, write: Write<'_>, _: Timestamp) -> Result<bool, io::Error> {
        match write {
            Write::Open { finding, .. } | Write::Update { finding, .. } => {
                self.findings.lock().unwrap().insert(finding.finding_id.clone(), finding.clone());
            }
            Write::Note { finding_id, passed, .. } => {
                self.passed.lock().unwrap().insert(finding_id.to_owned(), passed.clone());
            }
        }
        Ok(true)
    }

    async fn back_off(&self, _: usize) {}
}

/// An account that answers, and notes what it is asked.
struct Account<'a> {
    answer: &'a (dyn Fn(&Query) -> Result<Answer, String> + Sync),
    asked: Mutex<Vec<Query>>,
}

impl AccountState for Account<'_> {
    async fn answer(&self, query: &Query) -> Result<Answer, String> {
        self.asked.lock().unwrap().push(query.clone());
        (self.answer)(query)
    }
}

/// The pipeline from an event to the findings.
struct World {
    rules: Index,
    store: Store,
    ahead: Duration,
}

impl World {
    fn new() -> World {
        World { rules: Index::new(RULES), store: Store::default(), ahead: Duration::ZERO }
    }

    /// Judges the event `after` it happened; what came of it, and what the account was asked.
    fn judge(
        &self,
        event: &str,
        after: Duration,
        answer: impl Fn(&Query) -> Result<Answer, String> + Sync,
    ) -> (Result<IntakeOutcome, IntakeError<io::Error>>, Vec<Query>) {
        let (settings, config) = (Settings::default(), Config::default());
        let intake = Intake { rules: &self.rules, store: &self.store, settings: &settings, config: &config };
        let account = Account { answer: &answer, asked: Mutex::default() };
        let event = Event::parse(event).unwrap();
        let now = event.time().unwrap().plus(after).minus(self.ahead);
        let judged = done(intake.judge(&event, &account, now));
        (judged, account.asked.into_inner().unwrap())
    }

    /// Has what is judged next be dated ahead by so much.
    fn dated_ahead(&mut self, ahead: Duration) -> &mut World {
        self.ahead = ahead;
        self
    }

    fn finding(&self, rule: &str) -> Finding {
        let findings = self.store.findings.lock().unwrap();
        findings.values().find(|finding| finding.rule == rule).expect(rule).clone()
    }
}

fn at(minute: u32, event: &str, request: serde_json::Value) -> String {
    let time = format!("2026-03-01T12:{minute:02}:00Z");
    let id = format!("6b2a5e0c-0000-4000-8000-0000000000{minute:02}");
    call("iam", event, json!({"eventTime": time, "eventID": id, "requestParameters": request}))
}

fn policy(minute: u32, verb: &str, arn: &str) -> String {
    at(minute, &format!("{verb}UserPolicy"), json!({"userName": "bob", "policyArn": arn}))
}

fn holds(managed: &[&str]) -> impl Fn(&Query) -> Result<Answer, String> + Sync {
    let managed: Vec<String> = managed.iter().map(|arn| (*arn).to_owned()).collect();
    move |query| {
        Ok(match query {
            Query::Principal { .. } => {
                Fact::Known(Value::Holdings(Holdings { managed: managed.clone(), ..Holdings::default() }))
            }
            Query::ExposedKey { .. } => Fact::Known(Value::Flag(false)),
            Query::ManagedPolicy { .. } => {
                Fact::Known(Value::Policy(PolicyText { name: "p".to_owned(), text: "{}".to_owned() }))
            }
            _ => Fact::Unavailable("AccessDenied".to_owned()),
        })
    }
}

const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_policy_that_is_gone_is_good_news() {
    let world = World::new();
    world.judge(&policy(0, "Attach", ADMIN), SOON, holds(&[ADMIN])).0.unwrap();
    world.judge(&policy(1, "Detach", ADMIN), SOON, holds(&[READ])).0.unwrap();
    assert_eq!(world.finding("admin-managed-policy-attached").status, Status::Resolved);
}

/// IAM's lists are behind its events for seconds; the queue delivers the event again after minutes.
#[test]
fn what_the_account_still_shows_is_asked_again_and_then_is_somebodys_claim() {
    let world = World::new();
    world.judge(&policy(0, "Attach", ADMIN), SOON, holds(&[ADMIN])).0.unwrap();
    let forged = policy(1, "Detach", ADMIN);
    let (judged, _) = world.judge(&forged, SOON, holds(&[ADMIN]));
    assert!(matches!(judged, Err(IntakeError::Unconfirmed { .. })), "{judged:?}");
    assert_eq!(world.finding("admin-managed-policy-attached").status, Status::New);
    world.judge(&forged, LAG, holds(&[ADMIN])).0.unwrap();
    let finding = world.finding("admin-managed-policy-attached");
    assert_eq!(finding.status, Status::New);
    let claim = &finding.witnesses["admin-managed-policy-attached unconfirmed"];
    assert_eq!(claim.title, "alice detached AdministratorAccess from user bob");
    assert!(claim.reason.contains("the account shows that it is not so"), "{}", claim.reason);
    // And it does not make the finding look harmless.
    assert_eq!(finding.severity, keepwatch_core::severity::Severity::Critical);
    assert!(!finding.title.contains("detached"), "{}", finding.title);
    // When it is really gone, it is good news.
    world.judge(&policy(3, "Detach", ADMIN), SOON, holds(&[])).0.unwrap();
    assert_eq!(world.finding("admin-managed-policy-attached").status, Status::Resolved);
}

#[test]
fn where_nobody_can_say_the_finding_stays_open_and_says_so() {
    let world = World::new();
    world.judge(&policy(0, "Attach", ADMIN), SOON, holds(&[ADMIN])).0.unwrap();
    let refused = |query: &Query| match query {
        Query::Principal { .. } => Ok(Fact::Unavailable("AccessDenied".to_owned())),
        other => holds(&[])(other),
    };
    world.judge(&policy(1, "Detach", ADMIN), SOON, refused).0.unwrap();
    let finding = world.finding("admin-managed-policy-attached");
    assert_eq!(finding.status, Status::New);
    let claim = &finding.witnesses["admin-managed-policy-attached unconfirmed"];
    assert!(claim.reason.contains("could not be asked (AccessDenied)"), "{}", claim.reason);
    // Throttled is no answer at all: the event is tried again.
    let throttled = |query: &Query| match query {
        Query::Principal { .. } => Err("Throttling".to_owned()),
        other => holds(&[])(other),
    };
    let (judged, _) = world.judge(&policy(2, "Detach", ADMIN), SOON, throttled);
    assert!(matches!(judged, Err(IntakeError::Unasked { .. })), "{judged:?}");
}

#[test]
fn what_is_of_little_weight_is_believed_without_a_question() {
    let world = World::new();
    let full = "arn:aws:iam::aws:policy/AmazonEC2FullAccess";
    world.judge(&policy(0, "Attach", full), SOON, holds(&[full])).0.unwrap();
    let (judged, asked) = world.judge(&policy(1, "Detach", full), SOON, holds(&[full]));
    judged.unwrap();
    assert!(!asked.iter().any(|query| matches!(query, Query::Principal { .. })), "{asked:?}");
    assert_eq!(world.finding("admin-managed-policy-attached").status, Status::Resolved);
}

/// A forged event that says that the policy is gone, before the real one that attaches it is heard.
#[test]
fn good_news_that_comes_first_closes_nothing_until_the_account_says_so() {
    let world = World::new();
    let gone = policy(1, "Detach", ADMIN);
    let (judged, asked) = world.judge(&gone, SOON, holds(&[]));
    assert_eq!((judged.unwrap(), asked.len()), (IntakeOutcome::Later, 0), "it is too early to ask");
    world.judge(&policy(0, "Attach", ADMIN), SOON, holds(&[ADMIN])).0.unwrap();
    assert_eq!(world.finding("admin-managed-policy-attached").status, Status::New);
    // The queue brings it again.
    world.judge(&gone, LAG, holds(&[ADMIN])).0.unwrap();
    assert_eq!(world.finding("admin-managed-policy-attached").status, Status::New);
    world.judge(&gone, LAG, holds(&[])).0.unwrap();
    assert_eq!(world.finding("admin-managed-policy-attached").status, Status::Resolved);
}

#[test]
fn good_news_that_comes_first_is_borne_out_before_the_bad_news_comes() {
    for (answer, status) in
        [(Ok(&[] as &[&str]), Status::Resolved), (Ok(&[ADMIN]), Status::New), (Err(()), Status::New)]
    {
        let world = World::new();
        let gone = policy(1, "Detach", ADMIN);
        for after in [SOON, LAG] {
            let judged = world.judge(&gone, after, |query| match answer {
                Ok(held) => holds(held)(query),
                Err(()) => Ok(Fact::Unavailable("AccessDenied".to_owned())),
            });
            assert_eq!(
                judged.0.unwrap(),
                if after == SOON { IntakeOutcome::Later } else { IntakeOutcome::Quiet }
            );
        }
        assert!(world.store.findings.lock().unwrap().is_empty(), "a claim about nothing is none");
        world.judge(&policy(0, "Attach", ADMIN), SOON, holds(&[ADMIN])).0.unwrap();
        assert_eq!(world.finding("admin-managed-policy-attached").status, status, "{answer:?}");
    }
}

/// What the account has not said closes what is of little weight, and nothing once that gets worse.
#[test]
fn unasked_good_news_closes_only_what_is_of_little_weight() {
    let full = "arn:aws:iam::aws:policy/AmazonEC2FullAccess";
    let world = World::new();
    world.judge(&policy(1, "Detach", full), SOON, holds(&[])).0.unwrap();
    world.judge(&policy(0, "Attach", full), SOON, holds(&[full])).0.unwrap();
    let mut finding = world.finding("admin-managed-policy-attached");
    assert_eq!((finding.status, finding.passed.as_ref().unwrap().borne_out), (Status::Resolved, false));
    let stored = serde_json::to_value(&finding).unwrap();
    assert_eq!(serde_json::from_value::<Finding>(stored).unwrap(), finding);
    let grave = World::new();
    grave.judge(&policy(0, "Attach", ADMIN), SOON, holds(&[ADMIN])).0.unwrap();
    finding.strongest = grave.finding("admin-managed-policy-attached").strongest;
    assert!(finding.is_grave());
    world.store.findings.lock().unwrap().insert(finding.finding_id.clone(), finding);
    let again = policy(0, "Attach", full).replace("6b2a5e0c", "6b2a5e0d");
    world.judge(&again, SOON, holds(&[full])).0.unwrap();
    assert_eq!(world.finding("admin-managed-policy-attached").status, Status::New);
}

/// Whoever attaches it again and says at once that it is gone must not keep a finding closed that was.
#[test]
fn what_is_closed_stays_closed_by_good_news_that_is_borne_out() {
    for (held, status) in [(&[ADMIN] as &[&str], Status::New), (&[], Status::Resolved)] {
        let world = World::new();
        world.judge(&policy(0, "Attach", ADMIN), SOON, holds(&[ADMIN])).0.unwrap();
        world.judge(&policy(1, "Detach", ADMIN), SOON, holds(&[])).0.unwrap();
        let forged = policy(9, "Detach", ADMIN);
        assert_eq!(world.judge(&forged, SOON, holds(&[])).0.unwrap(), IntakeOutcome::Later);
        world.judge(&forged, LAG, holds(held)).0.unwrap();
        world.judge(&policy(8, "Attach", ADMIN), SOON, holds(&[ADMIN])).0.unwrap();
        assert_eq!(world.finding("admin-managed-policy-attached").status, status, "{held:?}");
    }
}

#[test]
fn of_two_in_one_second_the_account_says_which_came_last() {
    for (held, status) in [(&[ADMIN] as &[&str], Status::New), (&[], Status::Resolved)] {
        let world = World::new();
        world.judge(&policy(0, "Attach", ADMIN), SOON, holds(&[ADMIN])).0.unwrap();
        let gone = policy(0, "Detach", ADMIN).replace("6b2a5e0c", "6b2a5e0d");
        assert_eq!(world.judge(&gone, SOON, holds(&[])).0.unwrap(), IntakeOutcome::Later);
        assert_eq!(world.finding("admin-managed-policy-attached").status, Status::New);
        world.judge(&gone, LAG, holds(held)).0.unwrap();
        assert_eq!(world.finding("admin-managed-policy-attached").status, status, "{held:?}");
    }
}

/// Clocks differ by seconds, and good news may be dated ahead by as much. It says nothing of what is yet to come.
#[test]
fn good_news_closes_nothing_before_its_time() {
    let mut world = World::new();
    let trail = |minute: u32, name: &str| {
        let request = json!({"name": "arn:aws:cloudtrail:us-east-1:111122223333:trail/main"});
        at(minute, name, request)
            .replace("iam.amazonaws.com", "cloudtrail.amazonaws.com")
            .replace("aws.iam", "aws.cloudtrail")
    };
    let rule = "audit-trail-stopped";
    world
        .dated_ahead(Duration::from_secs(299))
        .judge(&trail(5, "StartLogging"), Duration::ZERO, holds(&[]))
        .0
        .unwrap();
    world.dated_ahead(Duration::ZERO).judge(&trail(2, "StopLogging"), SOON, holds(&[])).0.unwrap();
    assert_eq!(world.finding(rule).status, Status::New);
    // The same of a finding that is there.
    world
        .dated_ahead(Duration::from_secs(299))
        .judge(&trail(9, "StartLogging"), Duration::ZERO, holds(&[]))
        .0
        .unwrap();
    assert_eq!(world.finding(rule).status, Status::Resolved);
    world.dated_ahead(Duration::ZERO).judge(&trail(6, "StopLogging"), SOON, holds(&[])).0.unwrap();
    assert_eq!(world.finding(rule).status, Status::New);
}

/// Trusted Advisor forgets a key that was reported; that the key still works is what counts.
#[test]
fn an_exposed_key_stays_open_while_it_works() {
    let listed = |status: &str, minute: u32| {
        json!({"source": "aws.trustedadvisor", "detail-type": "Trusted Advisor Check Item Refresh Notification",
            "account": "111122223333", "region": "us-east-1", "time": format!("2026-03-01T12:{minute:02}:00Z"),
            "id": format!("6b2a5e0c-0000-4000-8000-0000000000{minute:02}"), "resources": [],
            "detail": {"check-name": "Exposed Access Keys", "status": status, "resource_id": KEY,
                "uuid": format!("u-{minute}"),
                "check-item-detail": {"Access Key ID": KEY, "User Name (IAM or Root)": "bob", "Fraud Type": "Exposed"}}})
        .to_string()
    };
    let world = World::new();
    let works = |works: bool| {
        move |query: &Query| match query {
            Query::ActiveKey { .. } => Ok(Fact::Known(Value::Flag(works))),
            other => holds(&[])(other),
        }
    };
    world.judge(&listed("ERROR", 0), SOON, works(true)).0.unwrap();
    world.judge(&listed("OK", 1), LAG, works(true)).0.unwrap();
    assert_eq!(world.finding("exposed-access-key").status, Status::New);
    world.judge(&listed("OK", 2), SOON, works(false)).0.unwrap();
    assert_eq!(world.finding("exposed-access-key").status, Status::Resolved);
}
