//! What `scan` looks up for the welcome mail: the trails, the regions, and who in the event history acts like a machine.
//!
//! `notify` asks for it when the first subscription is confirmed, by a message of the delay queue; the answer is an entry of the
//! journal.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::decisive::Lookup;
use super::progress::Span;
use super::reconcile::EventHistory;
use crate::event::{Body, Event, is_long_term_key};
use crate::memory::journal::{Journal, RECEIPTS_KEPT, change};
use crate::observation::Actor;

/// The message that asks for it.
pub const MESSAGE: &str = r#"{"keepwatch": "first look"}"#;

/// The journal's key.
const ENTRY: &str = "first look";

/// How far back the history is read.
const BACK: Duration = Duration::from_secs(14 * 86_400);

/// How many pages one call takes at most, the latest events first: 150 events.
const PAGES: usize = 3;

/// The most callers that are kept.
const MOST: usize = 20;

/// Calls that deployments make every few days, and that rules mail about.
const CALLS: [&str; 10] = [
    "AttachRolePolicy",
    "AttachUserPolicy",
    "AuthorizeSecurityGroupIngress",
    "CreatePolicyVersion",
    "CreateRole",
    "PutBucketPolicy",
    "PutRolePolicy",
    "PutUserPolicy",
    "UpdateAssumeRolePolicy",
    "UpdateFunctionCode20150331v2",
];

/// Somebody in the event history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Who, at his latest call.
    pub actor: Actor,
    /// How many of the calls were his.
    pub calls: usize,
    /// On how many days.
    pub days: usize,
    /// From how many networks.
    pub networks: usize,
    /// When the first of these calls came; the history was read two weeks back at most. An older version's entry does not say.
    #[serde(default)]
    pub since: Timestamp,
    /// How many of the calls came from an address of the internet. The others came from a service of AWS's or from inside a
    /// network of the account's.
    #[serde(default)]
    pub from_outside: usize,
    /// Whether one of those was signed with an access key of a user's.
    #[serde(default)]
    pub key_outside: bool,
    /// Whether somebody gave it a policy meanwhile.
    #[serde(default)]
    pub granted: bool,
}

/// What a check says of the account's trails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfTrails {
    /// The check.
    pub check: String,
    /// `passing`, `failing` or `unknown`.
    pub verdict: String,
    /// What is so.
    pub title: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstLook {
    /// When.
    #[serde(default)]
    pub at: Timestamp,
    /// The region that Keepwatch is deployed in.
    #[serde(default)]
    pub home: String,
    /// The regions that the account has enabled.
    #[serde(default)]
    pub regions: Vec<String>,
    /// The trails.
    #[serde(default)]
    pub trails: Vec<OfTrails>,
    /// Who made calls in the last two weeks that deployments make, most first.
    #[serde(default)]
    pub callers: Vec<Caller>,
}

impl FirstLook {
    /// What was found, if somebody has looked.
    ///
    /// # Errors
    /// The journal's.
    pub async fn read<J: Journal>(journal: &J) -> Result<Option<FirstLook>, J::Error> {
        Ok(journal.read(ENTRY).await?.map(|entry| entry.value))
    }

    /// Remembers it.
    ///
    /// # Errors
    /// As [`change`].
    pub async fn note<J: Journal>(self, journal: &J, now: Timestamp) -> Result<(), String> {
        change(journal, ENTRY, now, RECEIPTS_KEPT, |kept: &mut FirstLook| {
            kept.clone_from(&self);
            ((), true)
        })
        .await
    }
}

/// Everybody, by identity, and whose policies were changed: `user/NAME` or `role/NAME` in lower case, as IAM does not tell
/// names apart by case.
#[derive(Default)]
struct History {
    seen: BTreeMap<String, Seen>,
    granted: BTreeSet<String>,
}

#[derive(Default)]
struct Seen {
    latest: Timestamp,
    since: Option<Timestamp>,
    from_outside: usize,
    key_outside: bool,
    actor: Actor,
    calls: usize,
    days: BTreeSet<String>,
    networks: BTreeSet<String>,
}

/// Who has made such calls in this region, most first. Begins no page after the deadline. What fails is left out: the mail
/// can do without.
pub async fn callers<H: EventHistory>(
    history: &H,
    region: &str,
    clock: impl Fn() -> Timestamp,
    deadline: Timestamp,
) -> Vec<Caller> {
    let mut found = History::default();
    let to = clock();
    let span = Span { from: to.minus(BACK), to };
    for name in CALLS {
        let mut next: Option<String> = None;
        for _ in 0..PAGES {
            if clock() >= deadline {
                break;
            }
            let Ok(page) = history.page(region, Lookup::Call(name), span, next.as_deref()).await else {
                break;
            };
            for text in &page.events {
                found.see(text);
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
    }
    let History { seen, granted } = found;
    let mut callers: Vec<Caller> = seen
        .into_iter()
        .map(|(identity, seen)| Caller {
            granted: principal(&seen.actor, &identity).is_some_and(|name| granted.contains(&name)),
            actor: seen.actor,
            calls: seen.calls,
            days: seen.days.len(),
            networks: seen.networks.len(),
            since: seen.since.unwrap_or_default(),
            from_outside: seen.from_outside,
            key_outside: seen.key_outside,
        })
        .collect();
    callers.sort_by_key(|caller| std::cmp::Reverse(caller.calls));
    callers.truncate(MOST);
    callers
}

/// What IAM calls a caller, as [`History`] has it.
fn principal(actor: &Actor, identity: &str) -> Option<String> {
    let kind = match actor.kind.as_deref() {
        Some("IAMUser") => "user",
        Some("AssumedRole") => "role",
        _ => return None,
    };
    let arn = if kind == "user" { actor.arn.as_deref()? } else { identity };
    let name = arn.rsplit('/').next()?;
    Some(format!("{kind}/{name}").to_ascii_lowercase())
}

impl History {
    /// Adds a call. A refused one speaks for nobody.
    fn see(&mut self, text: &str) {
        let Ok(event) = Event::parse(text) else { return };
        let Body::CloudTrail(record) = &event.body else { return };
        let Some(time) = event.time().filter(|_| !record.header().failed()) else { return };
        if record.event_name.or_empty().ends_with("Policy") {
            let given = |kind: &str| {
                Some(format!("{kind}/{}", record.param(&[&format!("{kind}Name")])?).to_ascii_lowercase())
            };
            self.granted.extend(["user", "role"].into_iter().filter_map(given));
        }
        let actor = Actor::of(record);
        let one = self.seen.entry(actor.identity()).or_default();
        one.calls += 1;
        one.since = Some(one.since.map_or(time, |since| since.min(time)));
        if actor.is_from_outside() {
            one.from_outside += 1;
            one.key_outside |= actor.access_key_id.as_deref().is_some_and(is_long_term_key);
        }
        one.days.insert(time.date());
        one.networks.extend(actor.network());
        if time >= one.latest {
            (one.latest, one.actor) = (time, actor);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{History, done};

    fn call(name: &str, who: &str, day: u32, error: bool) -> Value {
        let mut record = json!({
            "eventVersion": "1.10", "eventSource": "iam.amazonaws.com", "eventName": name,
            "eventTime": format!("2026-03-{day:02}T12:00:00Z"), "eventID": format!("{who}-{day}"),
            "awsRegion": "us-east-1", "recipientAccountId": "111122223333", "sourceIPAddress": "198.51.100.7",
            "userIdentity": {"type": "IAMUser", "userName": who, "principalId": format!("AIDA{who}"),
                "arn": format!("arn:aws:iam::111122223333:user/{who}"), "accountId": "111122223333",
                "accessKeyId": if who == "bob" { "AKIAIOSFODNN7EXAMPLE" } else { "ASIAIOSFODNN7EXAMPLE" }},
            "requestParameters": {"userName": "CI", "roleName": "app"},
        });
        if error {
            record["errorCode"] = json!("AccessDenied");
        }
        record
    }

    #[test]
    fn who_acts_is_counted_by_calls_days_and_networks() {
        let now = Timestamp::parse("2026-03-06T00:00:00Z").unwrap();
        let later = now.plus(Duration::from_secs(60));
        let calls = [
            call("CreateRole", "ci", 3, false),
            call("CreateRole", "ci", 2, false),
            call("CreateRole", "bob", 2, false),
            call("PutRolePolicy", "ci", 4, false),
            call("PutRolePolicy", "bob", 5, true),
        ];
        let history = History::of(calls, now);
        let found = done(callers(&history, "us-east-1", || now, later));
        let counts: Vec<_> =
            found.iter().map(|one| (one.actor.name.as_str(), one.calls, one.days, one.networks)).collect();
        let outside: Vec<_> =
            found.iter().map(|one| (one.from_outside, one.key_outside, one.granted)).collect();
        // IAM does not tell `CI` from `ci`, and who was given a policy is known.
        assert_eq!(outside, [(3, false, true), (1, true, false)]);
        assert_eq!(found[0].since, Timestamp::parse("2026-03-02T12:00:00Z").unwrap());
        // What was refused to bob is none of his routine.
        assert_eq!(counts, [("ci", 3, 3, 1), ("bob", 1, 1, 1)]);
        assert_eq!(done(callers(&history, "us-east-1", || now, now)), []);
    }
}
