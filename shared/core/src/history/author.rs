//! Who brought about what only a scan saw: the event history is asked for the latest call on the resource.
//!
//! It has ninety days of management events, and answers two questions a second; so only the worst of a run's new findings are
//! asked about.

use std::time::Duration;

use keepwatch_base::time::Timestamp;

use super::decisive::Lookup;
use super::progress::Span;
use super::reconcile::EventHistory;
use crate::event::{Body, Event};
use crate::observation::{Actor, Observation, Verdict};
use crate::posture::Question;
use crate::posture::plan::{Planned, Why};

/// How far back the history goes (CloudTrail user guide, "Viewing events with Event history").
const KEPT: Duration = Duration::from_secs(90 * 86_400);

/// How many findings of a run are asked about.
pub const MOST: usize = 20;

/// How many pages are read for one of them. A page has fifty events.
const PAGES: usize = 3;

/// Names who acted on what the plan opens or reopens, where the history knows. `asks` has the questions of a check, whose
/// calls are looked for; `home` is the region of what has none; `most` says how many are asked about. Returns how many were,
/// and what went wrong: such a finding is told without a name.
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
    for one in new.into_iter().take(most) {
        asked += 1;
        match latest(history, &one.observation, asks(one.observation.rule.id), home, now).await {
            Ok(found) => {
                if let Some((actor, told)) = found {
                    one.observation.details.insert(0, ("Changed last".to_owned(), told));
                    one.observation.actor = Some(actor);
                }
            }
            Err(error) => failures.push(format!("{}: {error}", one.observation.subject.resource)),
        }
    }
    (asked, failures)
}

/// The latest call that changed what a check asks about this resource: who made it, and which it was.
async fn latest<H: EventHistory>(
    history: &H,
    observation: &Observation,
    asks: &[Question],
    home: &str,
    now: Timestamp,
) -> Result<Option<(Actor, String)>, H::Error> {
    let Some(name) = resource_name(observation) else { return Ok(None) };
    let region = match observation.subject.region.as_str() {
        "global" => home,
        region => region,
    };
    let span = Span { from: now.minus(KEPT), to: now };
    let mut next = None;
    for _ in 0..PAGES {
        let page = history.page(region, Lookup::Resource(&name), span, next.as_deref()).await?;
        for text in &page.events {
            let Ok(event) = Event::record(text) else { continue };
            let Body::CloudTrail(record) = &event.body else { continue };
            let (source, call) = (record.event_source.or_empty(), record.event_name.or_empty());
            let changes = asks.iter().any(|question| question.is_changed_by(source, call));
            if changes && !record.failed() {
                let at = record.time().map_or_else(String::new, |time| format!(" at {time}"));
                let told = format!("{call}{at}, event {}", event.occurrence_id());
                return Ok(Some((Actor::of(record), told)));
            }
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    Ok(None)
}

/// What CloudTrail calls the resource: an access key by its id, a KMS key by its ARN, all others by name or id. The account
/// itself is no resource.
fn resource_name(observation: &Observation) -> Option<String> {
    let subject = &observation.subject;
    let key = subject.aspect.as_deref().filter(|aspect| aspect.starts_with("AKIA"));
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
    arn.rsplit([':', '/']).next().filter(|name| !name.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};

    use serde_json::{Value, json};

    use super::super::reconcile::Page;
    use super::*;
    use crate::observation::{Occurrence, Resolution, Subject};
    use crate::posture::coverage;
    use crate::severity::Severity;

    /// Nothing here ever waits.
    fn done<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("the future waits"),
        }
    }

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
            "eventTime": "2026-02-01T12:00:00Z", "errorCode": error,
            "userIdentity": {"type": "IAMUser", "userName": who, "arn": format!("arn:aws:iam::111122223333:user/{who}")}})
    }

    #[derive(Default)]
    struct History {
        pages: Vec<Vec<Value>>,
        asked: Mutex<Vec<(String, String)>>,
    }

    impl EventHistory for History {
        type Error = Infallible;

        async fn page(
            &self,
            region: &str,
            lookup: Lookup<'_>,
            _: Span,
            next: Option<&str>,
        ) -> Result<Page, Infallible> {
            self.asked.lock().unwrap().push((region.to_owned(), lookup.name().to_owned()));
            let number: usize = next.map_or(0, |next| next.parse().unwrap());
            let events = self.pages.get(number).into_iter().flatten().map(Value::to_string).collect();
            let more = number + 1 < self.pages.len();
            Ok(Page { events, next: more.then(|| (number + 1).to_string()) })
        }
    }

    fn named(history: &History, planned: &mut [Planned]) -> Vec<String> {
        done(name(history, planned, &|_| &[Question::BucketPolicy], "us-east-1", MOST, now())).1
    }

    #[test]
    fn the_latest_call_that_changed_it_names_who() {
        let history = History {
            pages: vec![
                vec![
                    event("GetBucketPolicy", "reader", None),
                    event("PutBucketPolicy", "refused", Some("AccessDenied")),
                ],
                vec![event("PutBucketTagging", "tagger", None), event("PutBucketPolicy", "mallory", None)],
                vec![event("PutBucketPolicy", "earlier", None)],
            ],
            ..History::default()
        };
        let mut planned = [new("arn:aws:s3:::files", Severity::High)];
        assert_eq!(named(&history, &mut planned), Vec::<String>::new());
        let seen = &planned[0].observation;
        assert_eq!(seen.actor.as_ref().unwrap().name, "mallory");
        assert_eq!(seen.details[0].1, "PutBucketPolicy at 2026-02-01T12:00:00Z, event e-mallory");
        assert_eq!(history.asked.lock().unwrap()[0], ("eu-west-1".to_owned(), "files".to_owned()));
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
}
