//! What else the same access key, the same principal or the same address did within a day of a finding.
//!
//! A new administrator is one thing; a new administrator made from the address that signed in as root nine minutes earlier is
//! another. No index of the findings table knows who acted, and a mail is no reason to read all of it. So a notifier notes each
//! alert that it claims in the journal, under whoever acted: at most three reads and three writes of an entry of a few KB.

use std::net::IpAddr;
use std::time::Duration;

use keepwatch_base::hash::short_hash;
use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;
use keepwatch_base::wildcard::matches;
use keepwatch_core::finding::Finding;
use keepwatch_core::memory::journal::{Journal, change};
use keepwatch_core::severity::{MAILED_FROM, Severity};
use serde::{Deserialize, Serialize};

/// How far apart two acts may be that are told together.
const WITHIN: Duration = Duration::from_secs(86_400);

/// How long the journal keeps what was noted. Events come late.
const KEPT: Duration = Duration::from_secs(2 * 86_400);

/// How many acts are noted under one key, principal or address: the worst and latest of them.
const MAX_NOTED: usize = 16;

/// How many a mail names.
const MAX_TOLD: usize = 3;

/// The most characters of a title.
const MAX_TITLE: usize = 200;

/// What two acts have in common. The first says most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Same {
    /// The access key.
    Key,
    /// The user or role.
    Principal,
    /// The source address.
    Address,
}

impl Same {
    /// For people.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Same::Key => "access key",
            Same::Principal => "principal",
            Same::Address => "address",
        }
    }
}

/// An act that was told, or is about to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Act {
    finding_id: String,
    severity: Severity,
    title: String,
    at: Timestamp,
}

/// The journal's entry of a key, a principal or an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    #[serde(default)]
    acts: Vec<Act>,
}

/// Another finding that the same hand may have caused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Related {
    /// What it has in common.
    pub(super) same: Same,
    /// The finding.
    pub(super) finding_id: String,
    /// How bad.
    pub(super) severity: Severity,
    /// What happened.
    pub(super) title: String,
    /// How long before or after, in words.
    pub(super) when: String,
}

/// What is known of related acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelatedActs {
    /// Worst first.
    pub(super) acts: Vec<Related>,
    /// Why they could not be looked up.
    pub(super) unread: Option<String>,
}

impl RelatedActs {
    /// Those among these findings, for whoever has all of them. `automation` are the owner's patterns of those whose acts are
    /// routine.
    pub fn among<'f>(
        finding: &Finding,
        all: impl IntoIterator<Item = &'f Finding>,
        automation: &[String],
    ) -> RelatedActs {
        let own = handles(finding, automation);
        // What is silenced or minor has no mail, and so no notifier notes it.
        let told = |other: &&Finding| other.severity >= MAILED_FROM && other.silence.is_none();
        let common = |other: &Finding| {
            let theirs = handles(other, automation);
            own.iter().filter(|handle| theirs.contains(handle)).map(|(same, _)| *same).min()
        };
        let acts = all.into_iter().filter(told).filter_map(|other| Some((common(other)?, Act::of(other))));
        RelatedActs { acts: choose(finding, acts, &[]), unread: None }
    }
}

impl Act {
    fn of(finding: &Finding) -> Act {
        let headline = finding.headline();
        Act {
            finding_id: finding.finding_id.clone(),
            severity: finding.severity,
            title: clean(&headline.title, MAX_TITLE),
            at: headline.event.time,
        }
    }
}

impl Noted {
    /// Adds an act, or what is new of it; whether anything changed.
    fn note(&mut self, act: Act, now: Timestamp) -> bool {
        if self.acts.contains(&act) {
            return false;
        }
        let kept = |other: &Act| {
            other.finding_id != act.finding_id && other.at.plus(KEPT) > now && !other.at.is_ahead_of(now)
        };
        self.acts.retain(kept);
        self.acts.sort_by_key(|act| (std::cmp::Reverse(act.severity), std::cmp::Reverse(act.at)));
        self.acts.truncate(MAX_NOTED - 1);
        self.acts.push(act);
        true
    }
}

/// By what the acts of a finding are known again. None of AWS's services, which act for everybody, nor of the owner's automation,
/// which acts all day.
fn handles(finding: &Finding, automation: &[String]) -> Vec<(Same, String)> {
    let mut handles = Vec::new();
    // Of a key that was found exposed, nobody has acted yet.
    if is_key(&finding.resource) {
        handles.push((Same::Key, finding.resource.clone()));
    }
    let Some(actor) = finding.headline().actor.as_ref() else { return handles };
    let identity = actor.identity();
    let listed = |name: &str| automation.iter().any(|pattern| matches(pattern, name));
    if actor.kind.as_deref() == Some("AWSService")
        || listed(&identity)
        || actor.arn.as_deref().is_some_and(listed)
    {
        return handles;
    }
    handles.extend(actor.access_key_id.iter().filter(|key| is_key(key)).map(|key| (Same::Key, key.clone())));
    if actor.arn.is_some() {
        handles.push((Same::Principal, identity));
    }
    // A service that calls for somebody is named instead of an address.
    let address = actor.source_ip.as_deref().and_then(|address| address.parse::<IpAddr>().ok());
    handles.extend(address.map(|address| (Same::Address, address.to_string())));
    handles.sort();
    handles.dedup();
    handles
}

/// A key's id, of a user's or of a session's (IAM user guide, "IAM identifiers").
fn is_key(text: &str) -> bool {
    let id = text.strip_prefix("AKIA").or_else(|| text.strip_prefix("ASIA"));
    id.is_some_and(|id| (12..=124).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The acts that a mail names: within a day, each finding once, worst first and then nearest. `told` are the findings that the
/// mail tells anyway.
fn choose(finding: &Finding, acts: impl IntoIterator<Item = (Same, Act)>, told: &[&str]) -> Vec<Related> {
    let here = finding.headline().event.time;
    let apart = |act: &Act| act.at.since(here).max(here.since(act.at));
    let mut acts: Vec<(Same, Act)> = acts
        .into_iter()
        .filter(|(_, act)| act.finding_id != finding.finding_id && !told.contains(&act.finding_id.as_str()))
        .filter(|(_, act)| apart(act) <= WITHIN)
        .collect();
    acts.sort_by(|(one, a), (other, b)| {
        let order = b.severity.cmp(&a.severity).then(apart(a).cmp(&apart(b)));
        order.then(a.finding_id.cmp(&b.finding_id)).then(a.at.cmp(&b.at)).then(one.cmp(other))
    });
    let mut related: Vec<Related> = Vec::new();
    for (same, act) in acts {
        match related.iter_mut().find(|known| known.finding_id == act.finding_id) {
            Some(known) => known.same = known.same.min(same),
            None => related.push(Related {
                same,
                when: distance(act.at, here),
                finding_id: act.finding_id,
                severity: act.severity,
                title: act.title,
            }),
        }
    }
    related.truncate(MAX_TOLD);
    related
}

/// `9 minutes earlier`.
fn distance(at: Timestamp, here: Timestamp) -> String {
    let (apart, direction) = if at < here { (here.since(at), "earlier") } else { (at.since(here), "later") };
    let (count, unit) = match apart.as_secs() {
        0 => return "at the same time".to_owned(),
        seconds @ 1..60 => (seconds, "second"),
        seconds @ 60..3_600 => (seconds / 60, "minute"),
        seconds => (seconds / 3_600, "hour"),
    };
    format!("{count} {unit}{} {direction}", if count == 1 { "" } else { "s" })
}

/// Notes a finding that is told under whoever acted, and says what else they did. A mail goes out whether or not that can be
/// looked up, and says so.
pub(super) async fn note<J: Journal>(
    journal: &J,
    finding: &Finding,
    automation: &[String],
    told: &[&str],
    now: Timestamp,
) -> RelatedActs {
    let mut acts = Vec::new();
    let mut unread = None;
    for (same, handle) in handles(finding, automation) {
        let key = format!("acts#{}", short_hash(&[same.as_str(), &handle]));
        let noted = change(journal, &key, now, KEPT, |noted: &mut Noted| {
            let others = noted.acts.clone();
            (others, noted.note(Act::of(finding), now))
        });
        match noted.await {
            Ok(others) => acts.extend(others.into_iter().map(|act| (same, act))),
            Err(why) => unread = Some(why),
        }
    }
    RelatedActs { acts: choose(finding, acts, told), unread }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use keepwatch_core::observation::{Actor, Observation};
    use keepwatch_rules::testing::*;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::check::finding;
    use crate::in_memory::InMemory;

    const NOON: i64 = 1_772_366_400_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(NOON + seconds * 1_000)
    }

    fn observation(id: &str, time: Timestamp, actor: Option<Actor>) -> Observation {
        let document = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
        let request = json!({"userName": id, "policyName": "p", "policyDocument": document});
        let mut seen = fired(
            rule("admin-inline-policy"),
            &call("iam", "PutUserPolicy", json!({"requestParameters": request})),
        );
        (seen.event.time, seen.actor) = (time, actor);
        seen
    }

    fn by(user: &str, key: &str, address: &str) -> Option<Actor> {
        Some(Actor {
            name: user.to_owned(),
            kind: Some("IAMUser".to_owned()),
            arn: Some(format!("arn:aws:iam::111122223333:user/{user}")),
            access_key_id: Some(key.to_owned()),
            source_ip: Some(address.to_owned()),
            ..Actor::default()
        })
    }

    fn act(id: &str, seconds: i64, actor: Option<Actor>) -> Finding {
        finding(&[observation(id, at(seconds), actor)])
    }

    const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
    const OTHER_KEY: &str = "AKIAI44QH8DHBEXAMPLE";

    /// What a mail about the first says of the others: what is the same, and when.
    fn said(all: &[Finding], automation: &[String]) -> Vec<String> {
        let related = RelatedActs::among(&all[0], all, automation);
        related.acts.iter().map(|act| format!("{}, {}", act.same.as_str(), act.when)).collect()
    }

    #[test]
    fn the_same_key_principal_or_address_is_told_with_the_time_between() {
        let first = act("a", 0, by("alice", KEY, "203.0.113.7"));
        let with = |seconds, actor| said(&[first.clone(), act("b", seconds, actor)], &[]);
        assert_eq!(with(-540, by("bob", OTHER_KEY, "203.0.113.7")), ["address, 9 minutes earlier"]);
        assert_eq!(with(-1, by("alice", OTHER_KEY, "198.51.100.1")), ["principal, 1 second earlier"]);
        assert_eq!(with(7_200, by("bob", KEY, "198.51.100.1")), ["access key, 2 hours later"]);
        // What says most is said.
        assert_eq!(with(0, by("alice", KEY, "203.0.113.7")), ["access key, at the same time"]);
        assert_eq!(with(-86_400, by("alice", KEY, "203.0.113.7")), ["access key, 24 hours earlier"]);
        for (seconds, actor) in [
            (-86_401, by("alice", KEY, "203.0.113.7")),
            (-60, by("bob", OTHER_KEY, "198.51.100.1")),
            (-60, None),
        ] {
            assert_eq!(with(seconds, actor), [""; 0]);
        }
    }

    #[test]
    fn neither_a_service_nor_automation_relates_what_it_does() {
        let pair = |actor: Option<Actor>| [act("a", 0, actor.clone()), act("b", -60, actor)];
        let mut service = by("config", KEY, "config.amazonaws.com").unwrap();
        service.kind = Some("AWSService".to_owned());
        assert_eq!(said(&pair(Some(service)), &[]), [""; 0]);
        // One that a service calls for has no address, and is somebody all the same.
        let through = by("alice", "", "cloudformation.amazonaws.com");
        assert_eq!(said(&pair(through), &[]), ["principal, 1 minute earlier"]);
        let ci = by("ci", KEY, "203.0.113.7");
        assert_eq!(said(&pair(ci.clone()), &["arn:aws:iam::111122223333:user/ci*".to_owned()]), [""; 0]);
        assert_eq!(said(&pair(ci), &["arn:aws:iam::111122223333:user/cd".to_owned()]).len(), 1);
    }

    #[test]
    fn an_exposed_key_and_its_use_belong_together() {
        let mut exposed = observation("x", at(-3_700), None);
        exposed.subject.resource = KEY.to_owned();
        let all = [act("a", 0, by("alice", KEY, "203.0.113.7")), finding(&[exposed])];
        assert_eq!(said(&all, &[]), ["access key, 1 hour earlier"]);
    }

    fn noted(journal: &InMemory, finding: &Finding, now: Timestamp) -> RelatedActs {
        note(journal, finding, &[], &[], now).now_or_never().unwrap()
    }

    #[test]
    fn what_a_notifier_notes_is_what_all_findings_would_say() {
        let journal = InMemory::default();
        let all: Vec<Finding> = (0..30)
            .map(|i| {
                let key = [KEY, OTHER_KEY][i % 2];
                act(&format!("u{i}"), i as i64 * 60, by("alice", key, &format!("203.0.113.{}", i % 3)))
            })
            .collect();
        for (i, finding) in all.iter().enumerate() {
            let now = at(i as i64 * 60 + 5);
            let related = noted(&journal, finding, now);
            assert_eq!(related, RelatedActs::among(finding, &all[..=i], &[]), "{i}");
            // Again, as a sweep does: nothing is written, and the answer is the same.
            assert_eq!(noted(&journal, finding, now), related);
        }
        let (tables, _) = journal.into_parts();
        // Two keys, a principal, three addresses, each with no more than its worst and latest.
        assert_eq!(tables.journal.len(), 6);
        for (entry, _) in tables.journal.values() {
            assert!(entry["acts"].as_array().unwrap().len() <= MAX_NOTED);
        }
    }

    #[test]
    fn a_journal_entry_that_is_no_list_of_acts_keeps_no_mail_back() {
        let journal = InMemory::default();
        let finding = act("a", 0, by("alice", KEY, "203.0.113.7"));
        let key = format!("acts#{}", short_hash(&["address", "203.0.113.7"]));
        let planted = json!({"acts": "all of them"});
        assert!(journal.write(&key, &planted, None, at(1)).now_or_never().unwrap().unwrap());
        let related = noted(&journal, &finding, at(5));
        assert!(related.unread.is_some());
        let mail = crate::Alert::of(
            &finding,
            keepwatch_rules::registry::DOCUMENTED,
            crate::check::sender(),
            &related,
        );
        assert_eq!(crate::check::faults(&mail), [""; 0], "{}", mail.text);
        let words: Vec<&str> = mail.text.split_whitespace().collect();
        assert!(words.join(" ").contains("in the last 24 hours could not be looked up"), "{}", mail.text);
    }

    proptest! {
        /// At most three, each once, never the finding itself, within a day, worst first; whatever the order they come in.
        #[test]
        fn the_worst_and_nearest_are_named(
            acts in proptest::collection::vec((0u8..12, 0usize..4, -200_000i64..200_000, 0usize..3), 0..40),
            turn in any::<usize>(),
        ) {
            let here = act("here", 0, by("alice", KEY, "203.0.113.7"));
            let severities = [Severity::Medium, Severity::High, Severity::Critical, Severity::Low];
            let mut acts: Vec<(Same, Act)> = acts
                .into_iter()
                .map(|(id, severity, seconds, same)| {
                    let finding_id = if id == 0 { here.finding_id.clone() } else { format!("f-{id}") };
                    let act = Act { finding_id, severity: severities[severity], title: "x".to_owned(), at: at(seconds) };
                    ([Same::Key, Same::Principal, Same::Address][same], act)
                })
                .collect();
            let chosen = choose(&here, acts.clone(), &["f-1"]);
            prop_assert!(chosen.len() <= MAX_TOLD);
            let mut ids: Vec<&str> = chosen.iter().map(|one| one.finding_id.as_str()).collect();
            prop_assert!(!ids.contains(&here.finding_id.as_str()) && !ids.contains(&"f-1"));
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), chosen.len());
            prop_assert!(chosen.is_sorted_by(|a, b| a.severity >= b.severity));
            let fits = |act: &Act| {
                act.at.since(at(0)).max(at(0).since(act.at)) <= WITHIN
                    && act.finding_id != here.finding_id
                    && act.finding_id != "f-1"
            };
            let worst = acts.iter().map(|(_, act)| act).filter(|act| fits(act)).map(|act| act.severity).max();
            prop_assert_eq!(chosen.first().map(|one| one.severity), worst);
            if !acts.is_empty() {
                let turn = turn % acts.len();
                acts.rotate_left(turn);
            }
            prop_assert_eq!(choose(&here, acts, &["f-1"]), chosen);
        }
    }
}
