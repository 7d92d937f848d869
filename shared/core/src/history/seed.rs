//! Fills [`crate::memory::doers`] from the event history, so that the first weeks do not cry at everybody's first time.
//!
//! Each call is asked for once in each region, two weeks back and a bounded number of pages. A question that failed, or for
//! which there was no time, is asked by the next run. Nothing is judged and nobody is told of what is only remembered; a
//! refused call makes nobody known.

use std::collections::BTreeSet;
use std::time::Duration;

use keepwatch_base::time::Timestamp;

use super::decisive::Lookup;
use super::progress::Span;
use super::reconcile::EventHistory;
use crate::event::{Body, Event};
use crate::memory::doers;
use crate::memory::first_sight;
use crate::memory::journal::{Journal, RECEIPTS_KEPT, change};

/// How far back a call is asked for.
const BACK: Duration = Duration::from_secs(14 * 86_400);

/// How many pages one question takes at most, the latest events first: 500 events.
const PAGES: usize = 10;

/// The journal's key of the questions that were answered.
const ENTRY: &str = "doers seeded";

/// Everything that a seeding needs.
#[derive(Clone, Copy, Debug)]
pub struct Seeder<'a, H, J> {
    /// The history.
    pub history: &'a H,
    /// What is remembered.
    pub journal: &'a J,
    /// The regions that are watched.
    pub regions: &'a [String],
    /// The account whose history it is.
    pub account: &'a str,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seeded {
    /// Pages read.
    pub pages: usize,
    /// Calls that were remembered.
    pub remembered: usize,
    /// Questions that there was no time for.
    pub left: usize,
    /// What went wrong, with the question it went wrong with.
    pub failures: Vec<String>,
}

impl<H: EventHistory, J: Journal> Seeder<'_, H, J> {
    /// Asks what was not asked yet, until the deadline has come.
    pub async fn run(&self, clock: impl Fn() -> Timestamp, deadline: Timestamp) -> Seeded {
        let mut done = Seeded::default();
        // Written each time, so that what was answered is not forgotten and asked once more.
        let known = change(self.journal, ENTRY, clock(), RECEIPTS_KEPT, |known: &mut BTreeSet<String>| {
            (known.clone(), true)
        });
        let known = match known.await {
            Ok(known) => known,
            Err(reason) => {
                done.failures.push(reason);
                return done;
            }
        };
        for (source, names) in doers::CALLS {
            for name in *names {
                for region in self.regions {
                    let question = format!("{name} in {region}");
                    if known.contains(&question) {
                        continue;
                    }
                    if clock() >= deadline {
                        done.left += 1;
                        continue;
                    }
                    if let Err(reason) = self.ask(source, name, region, &clock, &mut done).await {
                        done.failures.push(format!("{question}: {reason}"));
                        continue;
                    }
                    let answered = change(
                        self.journal,
                        ENTRY,
                        clock(),
                        RECEIPTS_KEPT,
                        |known: &mut BTreeSet<String>| ((), known.insert(question.clone())),
                    );
                    if let Err(reason) = answered.await {
                        done.failures.push(reason);
                    }
                }
            }
        }
        done
    }

    async fn ask(
        &self,
        source: &str,
        name: &'static str,
        region: &str,
        clock: &impl Fn() -> Timestamp,
        done: &mut Seeded,
    ) -> Result<(), String> {
        let now = clock();
        let span = Span { from: now.minus(BACK), to: now };
        let mut next: Option<String> = None;
        for _ in 0..PAGES {
            let page = self.history.page(region, Lookup::Call(name), span, next.as_deref()).await;
            let page = page.map_err(|error| error.to_string())?;
            done.pages += 1;
            for text in &page.events {
                done.remembered += usize::from(self.remember(text, now).await?);
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        // Whoever is not in the history is new, even where nobody is: the set is known since the beginning of what was read.
        let key = doers::key(self.account, source, name);
        first_sight::note(self.journal, &key, "", span.from, doers::KEPT, now).await?;
        Ok(())
    }

    /// Whether there was something to remember.
    async fn remember(&self, text: &str, now: Timestamp) -> Result<bool, String> {
        // What cannot be read makes nobody known.
        let Ok(event) = Event::parse(text) else { return Ok(false) };
        let Body::CloudTrail(record) = &event.body else { return Ok(false) };
        let Some(time) = event.time().filter(|_| !record.header().failed()) else { return Ok(false) };
        let Some(asked) = doers::question(record, event.account(), time) else { return Ok(false) };
        first_sight::note(self.journal, &asked.key, &asked.member, time, asked.kept, now).await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::memory::first_sight::FirstSeen;
    use crate::testing::{History, Memory, done};

    const ACCOUNT: &str = "111122223333";
    const DAY: i64 = 86_400_000;
    const NOW: i64 = 1_772_366_400_000;

    #[derive(Default)]
    struct World {
        history: History,
        journal: Memory,
    }

    const UPDATE: &str = "UpdateFunctionCode20150331v2";

    fn by(user: &str, days_ago: i64, error: Option<&str>) -> Value {
        json!({
            "eventID": format!("{user}-{days_ago}"), "eventName": UPDATE, "eventSource": "lambda.amazonaws.com",
            "eventTime": Timestamp::from_millis(NOW - days_ago * DAY), "recipientAccountId": ACCOUNT, "errorCode": error,
            "userIdentity": {"type": "IAMUser", "userName": user, "principalId": format!("AIDA{user}"), "accountId": ACCOUNT,
                "arn": format!("arn:aws:iam::{ACCOUNT}:user/{user}")},
        })
    }

    fn seed(world: &World) -> Seeded {
        let now = Timestamp::from_millis(NOW);
        let regions = ["us-east-1".to_owned()];
        let seeder =
            Seeder { history: &world.history, journal: &world.journal, regions: &regions, account: ACCOUNT };
        done(seeder.run(|| now, now.plus(Duration::from_secs(600))))
    }

    /// Whether this user's call an hour from now would be somebody's first.
    fn is_new(world: &World, user: &str) -> bool {
        let later = Timestamp::from_millis(NOW + DAY / 24);
        let text = by(user, 0, None).to_string();
        let event = Event::parse(&text).unwrap();
        let Body::CloudTrail(record) = &event.body else { panic!("no record") };
        let asked = doers::question(record, event.account(), later).unwrap();
        let seen: FirstSeen =
            done(first_sight::note(&world.journal, &asked.key, &asked.member, later, asked.kept, later))
                .unwrap();
        seen.is_new_member(later)
    }

    #[test]
    fn who_did_it_before_is_known_and_a_refused_call_makes_nobody_known() {
        let calls = [by("ci", 3, None), by("mallory", 2, Some("AccessDenied"))];
        let mut history = History::of(calls, Timestamp::from_millis(NOW));
        let told = &mut history.calls.get_mut(UPDATE).unwrap()[0];
        told.push((Timestamp::from_millis(NOW - 4 * DAY), "no event".to_owned()));
        let world = World { history, ..World::default() };
        assert!(!is_new(&World::default(), "ci"), "without the history all are learnt from what they do");
        let seeded = seed(&world);
        assert_eq!((seeded.remembered, seeded.failures), (1, Vec::new()));
        assert!(!is_new(&world, "ci"));
        assert!(is_new(&world, "mallory"));
    }

    #[test]
    fn where_nobody_did_it_the_first_is_new() {
        let world = World::default();
        seed(&world);
        assert!(is_new(&world, "mallory"));
    }

    #[test]
    fn what_failed_is_asked_again_and_nothing_else() {
        let world = World::default();
        world.history.refused.lock().unwrap().insert(UPDATE);
        assert_eq!(
            seed(&world).failures,
            ["UpdateFunctionCode20150331v2 in us-east-1: AccessDeniedException: no"]
        );
        world.history.asked.lock().unwrap().clear();
        world.history.refused.lock().unwrap().clear();
        assert_eq!(seed(&world).failures, Vec::<String>::new());
        let asked = world.history.asked.lock().unwrap();
        assert!(asked.iter().map(|(_, name, _)| name).eq([UPDATE]), "{asked:?}");
        drop(asked);
        assert_eq!(seed(&world).pages, 0);
    }
}
