//! The plan of a scan: which observations, and that no order of events and scans makes another finding.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use keepwatch_base::time::Timestamp;
use keepwatch_core::about::{About, Origin};
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::event::Event;
use keepwatch_core::finding::{AlertReason, AlertState, Finding, Status};
use keepwatch_core::observation::{Actor, Observation, Occurrence, Resolution, Subject, Verdict};
use keepwatch_core::posture::plan::{Closes, Emptied, Part, Plan, Seen, Voice, Why, plan};
use keepwatch_core::posture::touched::Touched;
use keepwatch_core::posture::{Judged, Judgement, Missing, NEVER_AGAIN};
use keepwatch_core::severity::{Confidence, Severity};
use proptest::prelude::*;
use serde_json::json;

const ACCOUNT: &str = "111122223333";
const ROOT: &str = "arn:aws:iam::111122223333:root";
const REGION: &str = "eu-west-1";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

const fn about(id: &'static str, finding: &'static str, origin: Origin) -> About {
    About {
        id,
        title: "A door is shut",
        severity: Severity::High,
        confidence: Confidence::High,
        catalogue: &["P40"],
        origin,
        finding,
        general: false,
        repeat_hours: NEVER_AGAIN,
        alerts_as_witness: false,
        opt_in: false,
    }
}

/// A rule that hears doors being opened, a check that looks at all doors and speaks on the rule's finding, and two checks on their own.
static RULE: About = about("door-opened", "door-opened", Origin::Event);
static OTHER_RULE: About = about("window-opened", "window-opened", Origin::Event);
static JOINED: About = about("door.open", "door-opened", Origin::State);
static OWN: About = about("lamp.on", "lamp.on", Origin::State);
static AGES: About = about("lamp.old", "lamp.old", Origin::State);
static RULES: [&About; 2] = [&RULE, &OTHER_RULE];
const VOICES: &[Voice] = &[
    Voice {
        about: &JOINED,
        closes: &[Closes::Listed("door-? *"), Closes::Listed("door-?"), Closes::All("window-opened")],
        ages: false,
    },
    Voice { about: &OWN, closes: &[], ages: false },
    Voice { about: &AGES, closes: &[], ages: true },
];

fn start() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
}

fn after(minutes: u32) -> Timestamp {
    start().plus(MINUTE * minutes)
}

fn subject(resource: &str) -> Subject {
    let region = if resource == ROOT { "global" } else { REGION };
    Subject {
        account: ACCOUNT.to_owned(),
        region: region.to_owned(),
        resource: resource.to_owned(),
        aspect: None,
    }
}

fn judgement(check: &'static About, resource: &str, verdict: Judged, as_of: Timestamp) -> Judgement {
    let title = format!("{resource} is {}", verdict.as_str());
    Judgement {
        practices: check.catalogue,
        unknown_because: match verdict {
            Judged::Unknown => {
                vec![Missing { action: Some("door:Look".to_owned()), why: "refused".to_owned() }]
            }
            _ => Vec::new(),
        },
        ..Judgement::new(check, subject(resource), verdict, Some(as_of), title)
    }
}

/// Somebody opens or shuts a door.
fn event(rule: &'static About, id: &str, resource: &str, verdict: Verdict, time: Timestamp) -> Observation {
    let actor = Actor { name: "alice".to_owned(), ..Actor::default() };
    Observation {
        rule,
        subject: subject(resource),
        verdict,
        resolution: Resolution::Fixed,
        severity: rule.severity,
        event: Occurrence::new(id, "OpenDoor", time),
        title: format!("alice: {resource}"),
        reason: String::new(),
        actor: Some(actor),
        details: Vec::new(),
        steps: Vec::new(),
        burst: None,
        witness: rule.id.to_owned(),
        covered_by: None,
        confirm: None,
    }
}

/// The table.
#[derive(Clone, Default)]
struct Table(BTreeMap<String, Finding>);

impl Table {
    /// As the recording does it, but for early good news.
    fn take(&mut self, observation: &Observation) -> bool {
        let id = observation.finding_id();
        if let Some(finding) = self.0.get_mut(&id) {
            return finding.apply(observation);
        }
        let Some(finding) = Finding::open(observation, None, None) else { return false };
        self.0.insert(id, finding);
        true
    }

    fn scan(&mut self, scan: &Scan) -> Plan {
        let plan = scan.plan(self);
        for planned in &plan.planned {
            assert!(self.take(&planned.observation), "{:?} changes nothing", planned.why);
        }
        plan
    }

    fn one(&self) -> &Finding {
        assert_eq!(self.0.len(), 1);
        self.0.values().next().unwrap()
    }

    fn open(&self) -> Vec<&str> {
        self.0.values().filter(|one| one.is_open()).map(|one| one.resource.as_str()).collect()
    }
}

/// A scan that saw everything whole, unless it says otherwise.
#[derive(Clone)]
struct Scan {
    at: Timestamp,
    judgements: Vec<Judgement>,
    whole: BTreeMap<Part, Timestamp>,
    emptied: Emptied,
    reported: bool,
    heard: Vec<Touched>,
}

fn scan(at: Timestamp, judgements: Vec<Judgement>) -> Scan {
    let parts = VOICES.iter().flat_map(|voice| {
        [REGION, "global"].map(|region| Part { check: voice.about.id.to_owned(), region: region.to_owned() })
    });
    let whole = parts.map(|part| (part, at)).collect();
    Scan { at, judgements, whole, emptied: Emptied::new(), reported: false, heard: Vec::new() }
}

impl Scan {
    fn plan(&self, table: &Table) -> Plan {
        let seen = Seen {
            account: ACCOUNT,
            voices: VOICES,
            judgements: &self.judgements,
            whole: &self.whole,
            silent: &BTreeSet::new(),
            emptied: &self.emptied,
            rules: Catalogue::new(&RULES),
            at: self.at,
            reported: self.reported,
            heard: &self.heard,
        };
        plan(&table.0, &seen)
    }
}

fn whys(plan: &Plan) -> Vec<Why> {
    plan.planned.iter().map(|planned| planned.why).collect()
}

#[test]
fn a_second_scan_that_sees_the_same_tells_nothing_and_a_week_later_one_word() {
    let mut table = Table::default();
    let seen = |days: u32| {
        let at = start().plus(DAY * days);
        let mut lamp = judgement(&OWN, "lamp-1", Judged::Failing, at);
        lamp.title = format!("lamp-1 is on for {days} days");
        let door = judgement(&JOINED, "door-1", Judged::Passing, at);
        scan(at, vec![lamp, door])
    };
    assert_eq!(whys(&table.scan(&seen(0))), [Why::Opened]);
    let mut told = Vec::new();
    for days in 1..=30 {
        told.extend(table.scan(&seen(days)).planned.iter().map(|planned| (days, planned.why)));
    }
    assert!((3..=6).contains(&told.len()), "{told:?}");
    assert!(told.iter().all(|(_, why)| *why == Why::Refreshed) && told[0].0 >= 5, "{told:?}");
    let finding = table.one();
    assert_eq!(finding.alert.became_due, 1, "nothing is mailed again");
}

#[test]
fn what_changes_is_told_at_once() {
    let mut table = Table::default();
    table.scan(&scan(after(0), vec![judgement(&OWN, "lamp-1", Judged::Failing, after(0))]));
    let worse = judgement(&OWN, "lamp-1", Judged::Failing, after(60)).severity(Severity::Critical);
    assert_eq!(whys(&table.scan(&scan(after(60), vec![worse]))), [Why::Changed]);
    assert_eq!(table.one().alert.reason, Some(AlertReason::Worse));
    // A severity that falls is written, and nobody is mailed.
    let better = judgement(&OWN, "lamp-1", Judged::Failing, after(120)).severity(Severity::Low);
    assert_eq!(whys(&table.scan(&scan(after(120), vec![better]))), [Why::Changed]);
    assert_eq!(table.one().alert.became_due, 2);
}

#[test]
fn event_and_state_are_one_finding_that_keeps_the_actor_and_closes_when_the_state_is_right() {
    let mut table = Table::default();
    table.take(&event(&RULE, "e-1", "door-1", Verdict::Failing, after(0)));
    let confirmed = scan(after(10), vec![judgement(&JOINED, "door-1", Judged::Failing, after(10))]);
    assert_eq!(whys(&table.scan(&confirmed)), [Why::Confirmed]);
    let finding = table.one();
    assert_eq!((finding.who.as_deref(), finding.occurrences), (Some("alice"), 2));
    assert_eq!(finding.alert.became_due, 1, "a confirmation is no news");
    let right = scan(after(20), vec![judgement(&JOINED, "door-1", Judged::Passing, after(20))]);
    assert_eq!(whys(&table.scan(&right)), [Why::Fixed]);
    assert_eq!(table.one().status, Status::Resolved);
}

#[test]
fn time_is_the_data_s_time() {
    let mut table = Table::default();
    table.take(&event(&RULE, "e-1", "door-1", Verdict::Failing, after(60)));
    // A report that was made before the event says nothing of it, whenever it is read.
    for verdict in [Judged::Passing, Judged::Failing] {
        let old = scan(after(90), vec![judgement(&JOINED, "door-1", verdict, after(30))]);
        assert_eq!(whys(&table.scan(&old)), []);
    }
    // Data that AWS may not have caught up with yet counts later.
    let mut soon = scan(after(60).plus(MINUTE / 2), vec![]);
    soon.judgements = vec![judgement(&JOINED, "door-1", Judged::Passing, soon.at)];
    let plan = table.scan(&soon);
    assert_eq!((whys(&plan).len(), plan.unsettled.len()), (0, 1));
    let late = scan(after(62), vec![judgement(&JOINED, "door-1", Judged::Passing, after(62))]);
    assert_eq!(whys(&table.scan(&late)), [Why::Fixed]);
    // And so does bad news after good.
    let soon =
        scan(after(62), vec![judgement(&JOINED, "door-1", Judged::Failing, after(62).plus(MINUTE / 2))]);
    assert_eq!(whys(&table.scan(&soon)), []);
    let back = scan(after(65), vec![judgement(&JOINED, "door-1", Judged::Failing, after(65))]);
    assert_eq!(whys(&table.scan(&back)), [Why::Reopened]);
    assert_eq!(table.one().alert.reason, Some(AlertReason::Reopened));
}

#[test]
fn what_is_unknown_opens_and_closes_nothing() {
    let mut table = Table::default();
    let unknown = |at| scan(at, vec![judgement(&OWN, "lamp-1", Judged::Unknown, at)]);
    assert_eq!(whys(&table.scan(&unknown(after(0)))), []);
    table.scan(&scan(after(10), vec![judgement(&OWN, "lamp-1", Judged::Failing, after(10))]));
    assert_eq!(whys(&table.scan(&unknown(after(20)))), []);
    assert_eq!(table.open(), ["lamp-1"]);
}

#[test]
fn only_what_was_looked_at_whole_is_gone() {
    let both = |at| {
        let each = |name: &str| judgement(&OWN, name, Judged::Failing, at);
        scan(at, vec![each("lamp-1"), each("lamp-2")])
    };
    let mut table = Table::default();
    table.scan(&both(after(0)));
    let mut without = both(after(60));
    without.judgements.remove(0);
    let mut in_part = without.clone();
    in_part.whole.clear();
    assert_eq!(whys(&table.clone().scan(&in_part)), []);
    let plan = table.scan(&without);
    assert_eq!(whys(&plan), [Why::Gone]);
    assert_eq!(plan.planned[0].observation.resolution, Resolution::Deleted);
    assert_eq!(table.open(), ["lamp-2"]);
}

#[test]
fn what_only_an_event_told_of_is_gone_where_the_check_lists_all_such() {
    let mut table = Table::default();
    table.take(&event(&RULE, "e-1", "door-1", Verdict::Failing, after(0)));
    table.take(&event(&RULE, "e-2", "gate", Verdict::Failing, after(0)));
    let other = scan(after(60), vec![judgement(&JOINED, "door-2", Judged::Passing, after(60))]);
    assert_eq!(whys(&table.scan(&other)), [Why::Gone]);
    assert_eq!(table.open(), ["gate"]);
}

#[test]
fn a_pass_closes_what_the_check_says_it_closes() {
    let mut table = Table::default();
    table.take(&event(&OTHER_RULE, "e-1", "window-1", Verdict::Failing, after(0)));
    assert_eq!(
        whys(&table.scan(&scan(after(60), vec![judgement(&JOINED, "door-2", Judged::Unknown, after(60))]))),
        []
    );
    let right = scan(after(60), vec![judgement(&JOINED, "door-2", Judged::Passing, after(60))]);
    assert_eq!(whys(&table.scan(&right)), [Why::Fixed]);
    assert_eq!(table.open(), Vec::<&str>::new());
}

#[test]
fn a_list_that_is_empty_all_at_once_is_believed_the_next_day() {
    let mut table = Table::default();
    table.scan(&scan(after(0), vec![judgement(&OWN, "lamp-1", Judged::Failing, after(0))]));
    let first = table.scan(&scan(after(60), vec![]));
    assert_eq!((whys(&first).len(), first.emptied.len()), (0, 1));
    // A second scan at once is the same wrong answer.
    let mut again = scan(after(70), vec![]);
    again.emptied = first.emptied.clone();
    let second = table.scan(&again);
    assert_eq!((whys(&second).len(), &second.emptied), (0, &first.emptied));
    // A scan that sees something forgets it.
    let full = scan(after(80), vec![judgement(&OWN, "lamp-1", Judged::Failing, after(80))]);
    assert!(table.clone().scan(&full).emptied.is_empty());
    let mut next_day = scan(after(60).plus(DAY), vec![]);
    next_day.emptied = second.emptied;
    assert_eq!(whys(&table.scan(&next_day)), [Why::Gone]);
}

/// A call on a security group of this id.
fn heard(call: &str, group: &str) -> Touched {
    let message = json!({
        "source": "aws.ec2", "detail-type": "AWS API Call via CloudTrail", "region": REGION, "account": ACCOUNT,
        "detail": {"eventID": "e-1", "eventName": call, "eventSource": "ec2.amazonaws.com", "awsRegion": REGION,
            "eventTime": "2026-03-01T12:00:00Z", "recipientAccountId": ACCOUNT,
            "userIdentity": {"type": "IAMUser", "userName": "alice"}, "requestParameters": {"groupId": group}},
    });
    Touched::of(&Event::parse(&message.to_string()).unwrap()).unwrap()
}

#[test]
fn a_list_that_somebody_was_heard_to_empty_is_believed_at_once() {
    let mut table = Table::default();
    table.scan(&scan(after(0), vec![judgement(&OWN, "lamp-1", Judged::Failing, after(0))]));
    // Another one was taken away, or this one was changed.
    for (call, group) in [("DeleteSecurityGroup", "lamp-2"), ("AuthorizeSecurityGroupIngress", "lamp-1")] {
        let mut look = scan(after(60), vec![]);
        look.heard = vec![heard(call, group)];
        assert_eq!(whys(&table.clone().scan(&look)), [], "{call} {group}");
    }
    let mut look = scan(after(60), vec![]);
    look.heard = vec![heard("DeleteSecurityGroup", "lamp-1")];
    assert_eq!(whys(&table.scan(&look)), [Why::Gone]);
}

#[test]
fn what_a_report_tells_has_no_mail_and_what_gets_worse_has() {
    let mut table = Table::default();
    let mut first = scan(after(0), vec![judgement(&OWN, "lamp-1", Judged::Failing, after(0))]);
    first.reported = true;
    first.judgements.push(judgement(&AGES, "lamp-2", Judged::Failing, after(0)));
    table.scan(&first);
    assert!(table.0.values().all(|one| one.alert.state == AlertState::None && one.is_open()));
    // Not by the weekly word either.
    let weeks = start().plus(DAY * 15);
    let mut later = scan(weeks, vec![judgement(&OWN, "lamp-1", Judged::Failing, weeks)]);
    later.judgements.push(judgement(&AGES, "lamp-2", Judged::Failing, weeks));
    assert_eq!(whys(&table.scan(&later)), [Why::Refreshed, Why::Refreshed]);
    assert!(table.0.values().all(|one| one.alert.state == AlertState::None));
    let at = weeks.plus(DAY);
    let worse = judgement(&OWN, "lamp-1", Judged::Failing, at).severity(Severity::Critical);
    table.scan(&scan(at, vec![worse, judgement(&AGES, "lamp-2", Judged::Failing, at)]));
    let mailed: Vec<&str> = table
        .0
        .values()
        .filter(|one| one.alert.state == AlertState::Pending)
        .map(|one| one.resource.as_str())
        .collect();
    assert_eq!(mailed, ["lamp-1"]);
}

/// What happens in a little world of two doors.
#[derive(Clone, Debug)]
enum Act {
    /// Somebody opens a door, and the event comes.
    Open(usize),
    /// Somebody shuts a door, and the event comes.
    Shut(usize),
    /// The same, and no event comes.
    OpenUnheard(usize),
    /// The same, and no event comes.
    ShutUnheard(usize),
    /// Everything is looked at; `true` is refused.
    Scan([bool; 2]),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        (0..2_usize).prop_map(Act::Open),
        (0..2_usize).prop_map(Act::Shut),
        (0..2_usize).prop_map(Act::OpenUnheard),
        (0..2_usize).prop_map(Act::ShutUnheard),
        any::<[bool; 2]>().prop_map(Act::Scan),
    ];
    prop::collection::vec(act, 1..14)
}

const DOORS: [&str; 2] = ["door-1", "door-2"];

fn look(doors: [bool; 2], refused: [bool; 2], at: Timestamp) -> Scan {
    let verdict = |door: usize| match (refused[door], doors[door]) {
        (true, _) => Judged::Unknown,
        (false, true) => Judged::Failing,
        (false, false) => Judged::Passing,
    };
    scan(at, (0..2).map(|door| judgement(&JOINED, DOORS[door], verdict(door), at)).collect())
}

/// Acts that are ten minutes apart. Returns the table and everything that it was told.
fn live(acts: &[Act]) -> (Table, Vec<Observation>, [bool; 2], Timestamp) {
    let (mut table, mut told, mut doors) = (Table::default(), Vec::new(), [false; 2]);
    let mut at = start();
    for (number, act) in acts.iter().enumerate() {
        at = at.plus(MINUTE * 10);
        let heard = match act {
            Act::Open(door) => Some((door, Verdict::Failing)),
            Act::Shut(door) => Some((door, Verdict::Passing)),
            _ => None,
        };
        match act {
            Act::Open(door) | Act::OpenUnheard(door) => doors[*door] = true,
            Act::Shut(door) | Act::ShutUnheard(door) => doors[*door] = false,
            Act::Scan(refused) => {
                let plan = table.scan(&look(doors, *refused, at));
                told.extend(plan.planned.into_iter().map(|planned| planned.observation));
            }
        }
        if let Some((door, verdict)) = heard {
            let seen = event(&RULE, &format!("e-{number}"), DOORS[*door], verdict, at);
            table.take(&seen);
            told.push(seen);
        }
    }
    (table, told, doors, at)
}

/// What of a finding may not hang on the order in which it was told.
type Lasting = (String, Status, Timestamp, Timestamp, u64, Severity, Option<String>);

/// Of all findings.
fn lasting(table: &Table) -> Vec<Lasting> {
    let of = |one: &Finding| {
        let Finding { finding_id, status, first_seen, last_seen, occurrences, severity, who, .. } =
            one.clone();
        (finding_id, status, first_seen, last_seen, occurrences, severity, who)
    };
    table.0.values().map(of).collect()
}

proptest! {
    /// Whatever happened and whatever of it was heard: after one look at everything the findings are what is so, and a second look
    /// has nothing to tell.
    #[test]
    fn after_a_scan_the_findings_are_the_state(acts in acts()) {
        let (mut table, _, doors, at) = live(&acts);
        let at = at.plus(MINUTE * 10);
        table.scan(&look(doors, [false; 2], at));
        let open: Vec<&str> = (0..2).filter(|door| doors[*door]).map(|door| DOORS[door]).collect();
        let mut found = table.open();
        found.sort_unstable();
        prop_assert_eq!(found, open);
        let again = table.scan(&look(doors, [false; 2], at.plus(MINUTE * 10)));
        prop_assert_eq!(again.planned.len(), 0);
    }

    /// Events and scans come in any order, and twice.
    #[test]
    fn no_order_of_events_and_scans_makes_another_finding(acts in acts(), seed in any::<prop::sample::Index>()) {
        let (table, told, _, _) = live(&acts);
        let mut other: Vec<&Observation> = told.iter().chain(&told).collect();
        // Good news about nothing is the journal's; the order begins with what opens.
        let turn = if other.is_empty() { 0 } else { seed.index(other.len()) };
        other.rotate_left(turn);
        other.sort_by_key(|one| one.verdict == Verdict::Passing);
        let mut mixed = Table::default();
        for observation in other {
            mixed.take(observation);
        }
        prop_assert_eq!(lasting(&mixed), lasting(&table));
    }

    /// A scan without permissions, in part or in whole, closes nothing that is so, whatever happened.
    #[test]
    fn a_refusal_is_no_good_news(acts in acts(), refused in any::<[bool; 2]>()) {
        let (table, _, doors, at) = live(&acts);
        let plan = look(doors, refused, at.plus(MINUTE * 10)).plan(&table);
        for planned in &plan.planned {
            let door = DOORS.iter().position(|door| *door == planned.observation.subject.resource).unwrap();
            prop_assert!(!refused[door]);
        }
    }
}
