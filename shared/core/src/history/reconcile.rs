//! One run: each question is asked, and what nobody has heard goes into the intake queue.

use std::collections::{BTreeSet, VecDeque};
use std::error::Error;
use std::future::Future;

use keepwatch_base::time::Timestamp;

use super::decisive::Lookup;
use super::progress::{self, Looked, Span};
use super::{heard, message};
use crate::memory::journal::Journal;

/// How many pages one question may take before the others have had their turn. A page has fifty events.
const PAGES: usize = 40;

/// How many it may take where it would come no second further with less: the history is asked by the second. The rest of a second
/// that has more is given up, and told as lost.
const MOST_PAGES: usize = 5 * PAGES;

/// One page of the history, the latest event first (CloudTrail API reference, `LookupEvents`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// `CloudTrailEvent` of each event.
    pub events: Vec<String>,
    /// How many events of the page have no `CloudTrailEvent`, which AWS does not promise (CloudTrail API reference, `Event`).
    pub missing: usize,
    /// `NextToken`, if there are more.
    pub next: Option<String>,
}

/// Where CloudTrail's event history is read.
pub trait EventHistory {
    /// What can go wrong.
    type Error: Error;

    /// Reads a page; `next` is the token that the page before it had. Waits as the service asks for.
    fn page(
        &self,
        region: &str,
        lookup: Lookup<'_>,
        span: Span,
        next: Option<&str>,
    ) -> impl Future<Output = Result<Page, Self::Error>> + Send;
}

/// Where messages for `detect` go.
pub trait MessageQueue {
    /// What can go wrong.
    type Error: Error;

    /// Sends a message.
    fn send(&self, message: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Everything that a run needs.
#[derive(Clone, Copy, Debug)]
pub struct Reconciler<'a, H, Q, J> {
    /// The history.
    pub history: &'a H,
    /// The queue.
    pub queue: &'a Q,
    /// What is remembered.
    pub journal: &'a J,
    /// What is looked at.
    pub part: Part<'a>,
}

/// What of the account's history a run looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Every question, in the regions that the home stack listens in itself.
    Watched(&'a [String]),
    /// What was done to event rules in one region that has a forwarder, which can be made deaf.
    Forwarder(&'a str),
}

impl<'a> Part<'a> {
    /// Each question and where it is asked. Region by region for each question, because each region has a rate of its own.
    fn questions(self) -> Vec<(Lookup<'static>, &'a str)> {
        match self {
            Part::Watched(regions) => {
                let everywhere = |lookup| regions.iter().map(move |region| (lookup, region.as_str()));
                Lookup::all().flat_map(everywhere).collect()
            }
            Part::Forwarder(region) => Lookup::of_event_rules().map(|lookup| (lookup, region)).collect(),
        }
    }

    /// The journal's key of what was looked at.
    fn entry(self) -> String {
        match self {
            Part::Watched(_) => progress::ENTRY.to_owned(),
            Part::Forwarder(region) => progress::entry_of(region),
        }
    }
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Pages read.
    pub pages: usize,
    /// Decisive events found.
    pub found: usize,
    /// Ids of those that nobody had heard, and that were sent.
    pub sent: BTreeSet<String>,
    /// What the run had no time for; the next goes on there.
    pub left: Vec<String>,
    /// What went wrong, with the question it went wrong with.
    pub failures: Vec<String>,
}

/// One turn of a question.
struct Turn<'a> {
    region: &'a str,
    lookup: Lookup<'static>,
    name: String,
    /// How the question stands.
    looked: Looked,
    /// Whether it is about what an earlier turn had to leave.
    rest: bool,
}

/// How far a turn came.
#[derive(Default)]
struct Walked {
    /// Where it stopped, if it did before the beginning.
    to: Option<Timestamp>,
    /// What it gave up.
    lost: Option<Span>,
}

impl<H: EventHistory, Q: MessageQueue, J: Journal> Reconciler<'_, H, Q, J> {
    /// Asks every question in every region, those first that have waited longest, until all is looked at or the deadline
    /// has come. A question that fails does not stop the others; what it had not finished is looked at by the next run.
    pub async fn run(&self, clock: impl Fn() -> Timestamp, deadline: Timestamp) -> Reconciled {
        let mut done = Reconciled::default();
        let (questions, entry) = (self.part.questions(), self.part.entry());
        let names: Vec<String> =
            questions.iter().map(|(lookup, region)| progress::name(region, *lookup)).collect();
        let stands = match progress::begin(self.journal, &entry, &names, clock()).await {
            Ok(stands) => stands,
            Err(reason) => {
                done.failures.push(reason);
                return done;
            }
        };
        let mut turns: Vec<Turn<'_>> = questions
            .into_iter()
            .zip(names)
            .zip(stands)
            .map(|(((lookup, region), name), looked)| Turn { region, lookup, name, looked, rest: false })
            .collect();
        turns.sort_by_key(|turn| turn.looked.until);
        let mut turns = VecDeque::from(turns);
        while let Some(turn) = turns.pop_front() {
            if clock() >= deadline {
                done.left.push(turn.name);
                continue;
            }
            match self.take(&entry, &turn, &clock, deadline, &mut done).await {
                Ok(looked) if looked.left.is_some() => turns.push_back(Turn { looked, rest: true, ..turn }),
                Ok(_) => {}
                Err(reason) => done.failures.push(format!("{}: {reason}", turn.name)),
            }
        }
        done
    }

    /// One turn: what is new, or what was left. How the question stands then, which is noted.
    async fn take(
        &self,
        entry: &str,
        turn: &Turn<'_>,
        clock: &impl Fn() -> Timestamp,
        deadline: Timestamp,
        done: &mut Reconciled,
    ) -> Result<Looked, String> {
        let now = clock();
        let (walked, mut looked) = match turn.looked.left.filter(|_| turn.rest) {
            Some(left) => {
                let walked = self.walk(turn, left, clock, deadline, done).await?;
                let left = walked.to.map(|to| Span { to, ..left });
                (walked, Looked { left, ..turn.looked.clone() })
            }
            None => {
                let (span, mut looked) = turn.looked.next(now);
                let walked = self.walk(turn, span, clock, deadline, done).await?;
                if let Some(to) = walked.to {
                    looked.cut(span, to);
                }
                (walked, looked)
            }
        };
        looked.lose(walked.lost);
        progress::note(self.journal, entry, &turn.name, &looked, now).await?;
        Ok(looked)
    }

    /// Reads a part of the history from its end to its beginning.
    async fn walk(
        &self,
        turn: &Turn<'_>,
        span: Span,
        clock: &impl Fn() -> Timestamp,
        deadline: Timestamp,
        done: &mut Reconciled,
    ) -> Result<Walked, String> {
        let mut next: Option<String> = None;
        let mut back = span.to;
        for pages in 1.. {
            let page = self.history.page(turn.region, turn.lookup, span, next.as_deref()).await;
            let page = page.map_err(|error| error.to_string())?;
            done.pages += 1;
            for event in &page.events {
                match message::read(event) {
                    Ok(read) => {
                        back = back.min(read.time.unwrap_or(back));
                        self.tell(read.found, done).await?;
                    }
                    // It stops nothing else, and it would be no other the next time.
                    Err(error) => done.failures.push(format!("{}: {error}", turn.name)),
                }
            }
            if page.missing > 0 {
                let missing = page.missing;
                done.failures.push(format!("{}: {missing} events of a page have no record", turn.name));
            }
            next = page.next;
            if next.is_none() {
                break;
            }
            let (is_late, has_read) = (clock() >= deadline, pages >= PAGES);
            if !is_late && !has_read {
                continue;
            }
            // Of the second in which it stops there may be more: the next turn begins with all of it.
            if back < span.to || !has_read {
                return Ok(Walked { to: Some(back.max(span.from)), lost: None });
            }
            if pages >= MOST_PAGES || is_late {
                let further = span.to.minus(std::time::Duration::from_secs(1));
                let lost = Some(Span { from: further.max(span.from), to: span.to });
                return Ok(Walked { to: Some(further).filter(|to| *to >= span.from), lost });
            }
        }
        Ok(Walked::default())
    }

    /// Sends what was not heard.
    async fn tell(&self, found: Option<message::Found>, done: &mut Reconciled) -> Result<(), String> {
        let Some(found) = found else { return Ok(()) };
        done.found += 1;
        // A sign-in of root is found by its name and by root's.
        if done.sent.contains(&found.event_id) {
            return Ok(());
        }
        let heard = heard::is_noted(self.journal, &found.heard).await;
        if !heard.map_err(|error| error.to_string())? {
            self.queue.send(&found.message).await.map_err(|error| error.to_string())?;
            done.sent.insert(found.event_id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
