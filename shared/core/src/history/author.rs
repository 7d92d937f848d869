//! Who brought about what only a scan saw: the event history is asked for the latest call on the resource.
//!
//! It has ninety days of management events, and answers two questions a second; so only the worst of a run's new findings are
//! asked about. A question has one attribute. Asked for a resource, the history tells of everybody who read it too; where reads
//! fill the pages, it is asked for the calls that change the resource, one by one.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use keepwatch_base::time::Timestamp;

use super::decisive::Lookup;
use super::progress::Span;
use super::reconcile::{EventHistory, Page};
use crate::event::{Event, is_long_term_key};
use crate::observation::{Observation, Verdict};
use crate::posture::Question;
use crate::posture::changes;
use crate::posture::plan::{Planned, Why};
use crate::posture::touched::{Touched, identifier};

/// How far back the history goes (CloudTrail user guide, "Viewing events with Event history").
const KEPT: Duration = Duration::from_secs(90 * 86_400);

/// How many findings of a run are asked about, where the resource is enough to ask for.
pub const MOST: usize = 20;

/// How many pages about a resource are read. A page has fifty events.
const PAGES: usize = 3;

/// How many pages about calls are read besides the first one of each call.
const MORE_PAGES: usize = 12;

/// Names who acted on what the plan opens or reopens, where the history knows. `asks` has the questions of a check, whose
/// calls are looked for; `home` is the region of what has none; `most` says how many are asked about. Returns how many were,
/// and what went wrong: such a finding is told without a name. One that took more than [`PAGES`] pages counts as several.
pub async fn name<H: EventHistory>(
    history: &H,
    planned: &mut [Planned],
    asks: &(dyn Fn(&str) -> &'static [Question] + Sync),
    home: &str,
    most: usize,
    now: Timestamp,
) -> (usize, Vec<String>) {
    let is_new = |one: &&mut Planned| {
        matches!(one.why, Why::Opened | Why::Reopened)
            && one.observation.verdict == Verdict::Failing
            && one.observation.actor.is_none()
    };
    let mut new: Vec<&mut Planned> = planned.iter_mut().filter(is_new).collect();
    new.sort_by_key(|one| std::cmp::Reverse(one.observation.severity));
    let (mut asked, mut failures) = (0, Vec::new());
    for one in new {
        if asked >= most {
            break;
        }
        asked += 1;
        let seen = &mut one.observation;
        let Some(name) = resource_name(seen) else { continue };
        let region = match seen.subject.region.as_str() {
            "global" => home,
            region => region,
        };
        let span = Span { from: now.minus(KEPT), to: now };
        let asks = asks(seen.rule.id);
        let resource = seen.subject.resource.as_str();
        let mut asking = Asking { history, region, span, name: &name, resource, asks, pages: 0 };
        let found = asking.latest().await;
        asked += asking.pages.saturating_sub(1) / PAGES;
        match found {
            Ok(Some(call)) => {
                seen.details.insert(0, ("Changed last".to_owned(), call.told));
                seen.actor = Some(call.actor);
            }
            Ok(None) => {}
            Err(why) => failures.push(format!("{}: {why}", seen.subject.resource)),
        }
    }
    (asked, failures)
}

/// Who changed one resource.
struct Asking<'a, H> {
    history: &'a H,
    region: &'a str,
    span: Span,
    /// What CloudTrail calls the resource.
    name: &'a str,
    /// Its ARN.
    resource: &'a str,
    /// The questions whose answers changed.
    asks: &'a [Question],
    /// How many pages were read.
    pages: usize,
}

impl<H: EventHistory> Asking<'_, H> {
    /// The latest call that changed what a check asks about the resource: who made it, and which it was.
    async fn latest(&mut self) -> Result<Option<Touched>, String> {
        let mut next = None;
        for _ in 0..PAGES {
            let page = self.page(Lookup::Resource(self.name), self.span, next.as_deref()).await?;
            // An ARN is nothing else's. A name may be that of another resource as well, or be in the call for another reason.
            let is_it = |call: &Touched| self.name.starts_with("arn:") || self.names(call);
            if let Some(call) = page.events.iter().find_map(|text| self.changes(text).filter(is_it)) {
                return Ok(Some(call));
            }
            next = page.next;
            if next.is_none() {
                return Ok(None);
            }
        }
        self.latest_of_calls().await
    }

    /// The same, asked by the calls that can be it, in turn: the history has the latest call of a name first.
    async fn latest_of_calls(&mut self) -> Result<Option<Touched>, String> {
        let calls = changes::calls(self.asks.iter().copied());
        let names: BTreeSet<&str> = calls.iter().map(|(_, name)| *name).collect();
        let most = self.pages + names.len() + MORE_PAGES;
        let mut open: VecDeque<_> = names.into_iter().map(|name| (name, None)).collect();
        let mut latest: Option<Touched> = None;
        while let Some((name, begun)) = open.pop_front() {
            if self.pages >= most {
                return Err(format!(
                    "the event history has too many events on it and too many calls of {name} to tell who changed it"
                ));
            }
            // What is older than the latest that is known matters no more. A token is good for its own question only.
            let (span, token) = begun.unwrap_or_else(|| {
                let from = latest.as_ref().map_or(self.span.from, |call| call.at);
                (Span { from, to: self.span.to }, None)
            });
            let page = self.page(Lookup::Call(name), span, token.as_deref()).await?;
            let found =
                page.events.iter().find_map(|text| self.changes(text).filter(|call| self.names(call)));
            match found {
                Some(call) if latest.as_ref().is_none_or(|latest| latest.at < call.at) => latest = Some(call),
                Some(_) => {}
                None if latest.as_ref().is_some_and(|latest| ends_before(&page, latest.at)) => {}
                None => open.extend(page.next.map(|next| (name, Some((span, Some(next)))))),
            }
        }
        Ok(latest)
    }

    async fn page(&mut self, lookup: Lookup<'_>, span: Span, next: Option<&str>) -> Result<Page, String> {
        self.pages += 1;
        self.history.page(self.region, lookup, span, next).await.map_err(|error| error.to_string())
    }

    /// Whether the call is on the very resource.
    fn names(&self, call: &Touched) -> bool {
        call.is_on(self.name) || call.is_on(self.resource)
    }

    /// The call that this record tells of, if it changed what is asked.
    fn changes(&self, record: &str) -> Option<Touched> {
        let event = Event::record(record).ok()?;
        Touched::of(&event).filter(|call| self.asks.iter().any(|question| call.questions.contains(question)))
    }
}

/// Whether all further pages are of an earlier time than this.
fn ends_before(page: &Page, time: Timestamp) -> bool {
    let last = page.events.last().and_then(|record| Event::record(record).ok()?.time());
    last.is_some_and(|last| last < time)
}

/// What CloudTrail calls the resource: an access key by its id, a KMS key by its ARN, all others by whole name or id. The account
/// itself is no resource.
fn resource_name(observation: &Observation) -> Option<String> {
    let subject = &observation.subject;
    let key = subject.aspect.as_deref().filter(|aspect| is_long_term_key(aspect));
    let arn = subject.resource.as_str();
    if let Some(key) = key {
        return Some(key.to_owned());
    }
    if arn.ends_with(":root") {
        return None;
    }
    if arn.contains(":kms:") {
        return Some(arn.to_owned());
    }
    Some(identifier(arn)).filter(|name| !name.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::observation::{Occurrence, Resolution, Subject};
    use crate::posture::coverage;
    use crate::severity::Severity;
    use crate::testing::{History, Records, done, pages};

    fn now() -> Timestamp {
        Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
    }

    fn new(resource: &str, severity: Severity) -> Planned {
        let observation = Observation {
            rule: &coverage::ABOUT,
            subject: Subject {
                account: "111122223333".to_owned(),
                region: "eu-west-1".to_owned(),
                resource: resource.to_owned(),
                aspect: None,
            },
            verdict: Verdict::Failing,
            resolution: Resolution::Fixed,
            severity,
            event: Occurrence::new("scan", "scan", now()),
            title: String::new(),
            reason: String::new(),
            actor: None,
            details: Vec::new(),
            steps: Vec::new(),
            burst: None,
            witness: "w".to_owned(),
            covered_by: None,
            confirm: None,
        };
        Planned { observation, why: Why::Opened }
    }

    fn event(name: &str, who: &str, error: Option<&str>) -> Value {
        json!({"eventID": format!("e-{who}"), "eventName": name, "eventSource": "s3.amazonaws.com",
            "eventTime": "2026-02-01T12:00:00Z", "errorCode": error, "requestParameters": {"bucketName": "files"},
            "userIdentity": {"type": "IAMUser", "userName": who, "arn": format!("arn:aws:iam::111122223333:user/{who}")}})
    }

    /// The same at this hour, on this bucket.
    fn at(hour: u32, bucket: &str, name: &str, who: &str) -> Value {
        let mut event = event(name, who, None);
        event["eventTime"] = json!(format!("2026-02-01T{hour:02}:00:00Z"));
        event["requestParameters"]["bucketName"] = json!(bucket);
        event
    }

    /// Pages that tell of reads alone.
    fn reads(count: usize) -> Vec<Records> {
        pages(&vec![vec![event("GetBucketPolicy", "reader", None); 50]; count])
    }

    fn calls<const N: usize>(told: [(&str, Vec<Vec<Value>>); N]) -> BTreeMap<String, Vec<Records>> {
        told.into_iter().map(|(name, told)| (name.to_owned(), pages(&told))).collect()
    }

    fn named(history: &History, planned: &mut [Planned]) -> Vec<String> {
        done(name(history, planned, &|_| &[Question::BucketPolicy], "us-east-1", MOST, now())).1
    }

    #[test]
    fn the_latest_call_that_changed_it_names_who() {
        let history = History {
            resources: pages(&[
                vec![
                    event("GetBucketPolicy", "reader", None),
                    event("PutBucketPolicy", "refused", Some("AccessDenied")),
                ],
                vec![event("PutBucketTagging", "tagger", None), event("PutBucketPolicy", "mallory", None)],
                vec![event("PutBucketPolicy", "earlier", None)],
            ]),
            ..History::default()
        };
        let mut planned = [new("arn:aws:s3:::files", Severity::High)];
        assert_eq!(named(&history, &mut planned), Vec::<String>::new());
        let seen = &planned[0].observation;
        assert_eq!(seen.actor.as_ref().unwrap().name, "mallory");
        assert_eq!(seen.details[0].1, "PutBucketPolicy at 2026-02-01T12:00:00Z, event e-mallory");
        let (region, name, _) = &history.asked.lock().unwrap()[0];
        assert_eq!((region.as_str(), name.as_str()), ("eu-west-1", "files"));
    }

    /// Whoever makes `evil/app` after somebody has opened `app` does not take his name away, nor lend his own.
    #[test]
    fn a_call_on_what_only_ends_alike_names_nobody() {
        let of = |hour, repository: &str, who: &str| {
            let mut event = at(hour, repository, "PutBucketPolicy", who);
            event["requestParameters"] = json!({"repositoryName": repository});
            event
        };
        let both = vec![of(14, "evil/app", "mallory"), of(11, "app", "alice")];
        let resource = "arn:aws:ecr:eu-west-1:111122223333:repository/app";
        for history in [
            History { resources: pages(std::slice::from_ref(&both)), ..History::default() },
            History {
                resources: reads(4),
                calls: calls([("PutBucketPolicy", vec![both.clone()])]),
                ..History::default()
            },
        ] {
            let mut planned = [new(resource, Severity::High)];
            assert_eq!(named(&history, &mut planned), Vec::<String>::new());
            assert_eq!(planned[0].observation.actor.as_ref().unwrap().name, "alice");
        }
        let history = History { resources: pages(&[both]), ..History::default() };
        let mut planned = [new("arn:aws:ecr:eu-west-1:111122223333:repository/evil/app", Severity::High)];
        named(&history, &mut planned);
        assert_eq!(planned[0].observation.actor.as_ref().unwrap().name, "mallory");
        assert_eq!(history.asked.lock().unwrap()[0].1, "evil/app");
    }

    #[test]
    fn the_worst_are_asked_about_and_not_more_than_a_run_has_time_for() {
        let history = History::default();
        let mut planned: Vec<Planned> =
            (0..50).map(|number| new(&format!("arn:aws:s3:::low-{number}"), Severity::Low)).collect();
        planned.push(new("arn:aws:s3:::worst", Severity::Critical));
        planned.push(new("arn:aws:iam::111122223333:root", Severity::Critical));
        named(&history, &mut planned);
        let asked = history.asked.lock().unwrap();
        assert_eq!((asked.len(), asked[0].1.as_str()), (MOST - 1, "worst"));
    }

    #[test]
    fn reads_hide_nobody() {
        let history = History {
            resources: reads(4),
            calls: calls([
                (
                    "PutBucketPolicy",
                    vec![
                        vec![
                            at(14, "other", "PutBucketPolicy", "alice"),
                            at(13, "other", "PutBucketPolicy", "bob"),
                        ],
                        vec![at(11, "files", "PutBucketPolicy", "mallory")],
                        vec![at(9, "files", "PutBucketPolicy", "earlier")],
                    ],
                ),
                ("DeleteBucketPolicy", vec![vec![at(10, "files", "DeleteBucketPolicy", "carol")]]),
            ]),
            ..History::default()
        };
        let mut planned = [new("arn:aws:s3:::files", Severity::High)];
        assert_eq!(named(&history, &mut planned), Vec::<String>::new());
        let seen = &planned[0].observation;
        assert_eq!(seen.actor.as_ref().unwrap().name, "mallory");
        assert_eq!(seen.details[0].1, "PutBucketPolicy at 2026-02-01T11:00:00Z, event e-mallory");
        let asked = history.asked.lock().unwrap();
        let of_calls = asked.iter().filter(|(_, name, _)| name.ends_with("BucketPolicy")).count();
        assert_eq!((asked.len(), of_calls), (PAGES + 3, 3), "{asked:?}");
        assert!(asked.iter().all(|(region, ..)| region == "eu-west-1"));
    }

    #[test]
    fn who_cannot_be_told_from_the_crowd_is_said_and_costs_no_more_than_it_may() {
        let crowd = vec![vec![at(14, "other", "PutBucketPolicy", "alice"); 50]; 100];
        let history = History {
            resources: reads(100),
            calls: calls([("PutBucketPolicy", crowd)]),
            ..History::default()
        };
        let mut planned: Vec<Planned> =
            (0..30).map(|number| new(&format!("arn:aws:s3:::files-{number}"), Severity::High)).collect();
        let failures = named(&history, &mut planned);
        assert!(failures[0].contains("too many calls of PutBucketPolicy"), "{failures:?}");
        assert!(planned.iter().all(|one| one.observation.actor.is_none()));
        // As many pages as the findings of a run may take that are told by their resource, and one that was begun.
        let one = PAGES + MORE_PAGES + 2;
        assert!(history.asked.lock().unwrap().len() < MOST * PAGES + one);
        assert!(failures.len() > 1 && failures.len() < MOST, "{failures:?}");
    }
}
