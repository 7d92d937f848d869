//! Dead letters that nobody has looked at.
//!
//! They lie apart by kind. An alarm tells of the first in the queue of events. It stays on as long as one lies there, and says
//! nothing of the next, nor of the other queues. So the sweep tells of the first in those, once a day that there still are
//! some, and within an hour that there are more.

use std::time::Duration;

use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::record::FindingStore;
use keepwatch_core::memory::journal::{Journal, RECEIPTS_KEPT};
use keepwatch_core::severity::Severity;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Alert;
use crate::layout::{Page, gap, heading, keepwatch, line, paragraph};
use crate::once::SentOnce;
use crate::outbox::{DeliverError, Failure, Notifier, Outbox, Topic};
use crate::runbook::Runbook;
use crate::sender::Sender;

/// The journal's key.
const ENTRY: &str = "dead letters";

/// How often it is said that they still lie there.
const REMINDED: Duration = Duration::from_secs(86_400);

/// How long after the last mail, or the alarm's, more of them are worth another: what fails fails for some time.
const PAUSE: Duration = Duration::from_secs(3_600);

/// Something of each queue of dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds<T> {
    /// Of the queue of events that were not judged.
    pub events: T,
    /// Of the queue of records that a function did not follow, and of runs that failed.
    pub invocations: T,
    /// Of the queue of mails that were not delivered.
    pub mails: T,
}

impl<T> Kinds<T> {
    /// Makes of each something else.
    pub fn map<U>(self, mut of: impl FnMut(T) -> U) -> Kinds<U> {
        let Kinds { events, invocations, mails } = self;
        Kinds { events: of(events), invocations: of(invocations), mails: of(mails) }
    }

    /// Each by its reference.
    pub fn as_ref(&self) -> Kinds<&T> {
        let Kinds { events, invocations, mails } = self;
        Kinds { events, invocations, mails }
    }

    /// One after the other: events, invocations, mails.
    pub fn into_array(self) -> [T; 3] {
        [self.events, self.invocations, self.mails]
    }
}

/// What the journal remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    /// Of events; of all kinds where an earlier version wrote it.
    #[serde(default)]
    lying: Option<Lying>,
    #[serde(default)]
    invocations: Option<Lying>,
    #[serde(default)]
    mails: Option<Lying>,
}

/// What lies in one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lying {
    /// Since when a sweep has seen some.
    since: Timestamp,
    /// When people were told last.
    told: Timestamp,
    /// How many there were then, or fewer since.
    count: u64,
    /// Whether people were not told yet, as no alarm looks at the queue.
    #[serde(default)]
    untold: bool,
}

/// What people are to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    /// There still are some.
    Still,
    /// There are more than people know of.
    More,
}

impl Lying {
    /// What is so after a look that found this many, and what is to be told before that is written. `alarmed`: an alarm tells of
    /// the first.
    fn look(
        known: Option<Lying>,
        count: u64,
        alarmed: bool,
        now: Timestamp,
    ) -> (Option<Lying>, Option<News>) {
        if count == 0 {
            return (None, None);
        }
        // Times from the future were not written by a sweep. The first is noted before it is told, so that it is told once.
        let Some(known) = known.filter(|known| known.since <= now && known.told <= now) else {
            return (Some(Lying { since: now, told: now, count, untold: !alarmed }), None);
        };
        let waited = now.since(known.told);
        let news = if known.untold || count > known.count && waited >= PAUSE {
            Some(News::More)
        } else {
            (waited >= REMINDED).then_some(News::Still)
        };
        (Some(Lying { count: known.count.min(count), ..known }), news)
    }
}

/// What is known of all queues after a look, and what is to be told before that is written. A mail names all that lies
/// anywhere. What a queue did not say stays as it was.
fn look(
    known: Kinds<Option<Lying>>,
    counts: Kinds<Option<u64>>,
    now: Timestamp,
) -> (Kinds<Option<Lying>>, Option<News>) {
    let of = |known: Option<Lying>, count: Option<u64>, alarmed| match count {
        Some(count) => Lying::look(known, count, alarmed, now),
        None => (known, None),
    };
    let (events, first) = of(known.events, counts.events, true);
    let (invocations, second) = of(known.invocations, counts.invocations, false);
    let (mails, third) = of(known.mails, counts.mails, false);
    let (mut after, news) = (Kinds { events, invocations, mails }, first.max(second).max(third));
    if news.is_some() {
        let told = |lying: Option<Lying>, count: Option<u64>| match (lying, count) {
            (Some(lying), Some(count)) => Some(Lying { told: now, count, untold: false, ..lying }),
            (lying, _) => lying,
        };
        let Kinds { events, invocations, mails } = after;
        after = Kinds {
            events: told(events, counts.events),
            invocations: told(invocations, counts.invocations),
            mails: told(mails, counts.mails),
        };
    }
    (after, news)
}

impl<S, J, T> Notifier<'_, S, J, T>
where
    S: FindingStore + Outbox<Error = <S as FindingStore>::Error>,
    J: Journal,
    T: Topic,
{
    /// Tells over the operations topic that so many dead letters lie there, where that is to be told now. A count is missing where
    /// the queue does not say. Returns whether it told.
    ///
    /// # Errors
    /// [`DeliverError`]; the next sweep tries again.
    pub async fn remind_of_dead_letters(
        &self,
        counts: Kinds<Option<u64>>,
        account: &str,
        now: Timestamp,
    ) -> Result<bool, Failure<S, J, T>> {
        let entry = self.journal.read::<Noted>(ENTRY).await.map_err(DeliverError::Journal)?;
        let expected = entry.as_ref().map(|entry| entry.version);
        let Noted { lying: events, invocations, mails } = entry.map(|entry| entry.value).unwrap_or_default();
        let before = Kinds { events, invocations, mails };
        let (after, news) = look(before, counts, now);
        let mut sent = false;
        if let Some(news) = news {
            // As long as what is known stays the same, so does the mail.
            let part = |lying: Option<Lying>| {
                lying.map(|one| format!("#{}#{}", one.since.millis(), one.told.millis())).unwrap_or_default()
            };
            let key = format!("dead letters{}", before.map(part).into_array().join("/"));
            let alert = async || Ok(Some(mail(news, before, after, account, self.sender)));
            match self.send_once_over(self.operations, &key, now, alert).await? {
                SentOnce::Busy => return Ok(false),
                SentOnce::Sent => sent = true,
                SentOnce::AlreadySent => {}
            }
        }
        if before != after {
            let Kinds { events: lying, invocations, mails } = after;
            // Refused when another sweep writes the same.
            let noted = Noted { lying, invocations, mails };
            let written = self.journal.write(ENTRY, &noted, expected, now.plus(RECEIPTS_KEPT * 10)).await;
            written.map_err(DeliverError::Journal)?;
        }
        Ok(sent)
    }
}

fn mail(
    news: News,
    before: Kinds<Option<Lying>>,
    after: Kinds<Option<Lying>>,
    account: &str,
    sender: &Sender,
) -> Alert {
    let known = before.map(|lying| lying.filter(|lying| !lying.untold).map_or(0, |lying| lying.count));
    let lie = after.map(|lying| lying.map_or(0, |lying| lying.count));
    let (known, count): (u64, u64) = (known.into_array().iter().sum(), lie.into_array().iter().sum());
    let since = after.into_array().into_iter().flatten().map(|lying| lying.since).min();
    let letters = if count == 1 { "dead letter" } else { "dead letters" };
    let headline = match (news, known, since) {
        (News::More, 0, _) => format!("{count} {letters}, none before"),
        (News::More, ..) => format!("{count} {letters}, {known} before"),
        (News::Still, _, Some(since)) => format!("{count} {letters} since {}", since.date()),
        (News::Still, _, None) => format!("{count} {letters}"),
    };
    let mut out = Page::new(sender);
    paragraph(
        &mut out,
        "Something was given up and lies in the queues of dead letters. They forget a message after 14 days.",
    );
    let Kinds { events, invocations, mails } = after;
    for (label, what, lying) in [
        ("Events", "not judged, or not looked at again", events),
        ("Invocations", "changes that a function did not follow, or runs that failed", invocations),
        ("Mails", "not delivered", mails),
    ] {
        if let Some(lying) = lying {
            line(&mut out, label, &format!("{}, {what}, since {}", lying.count, lying.since));
        }
    }
    gap(&mut out);
    paragraph(
        &mut out,
        "An alarm tells of the first event alone, and not of further ones. This mail comes for the first of every other kind, \
         within an hour when there are more, and once a day until all queues are empty.",
    );
    heading(&mut out, "WHAT TO DO NOW");
    Runbook::DeadLetters.point(&mut out);
    keepwatch(&mut out, "See what lies there, since when and why", "redrive");
    keepwatch(&mut out, "Return what can be returned", "redrive --apply");
    let json = json!({"dead_letters": {
        "count": count, "since": since, "events": lie.events, "invocations": lie.invocations, "mails": lie.mails,
    }});
    Alert::new(Severity::High, &headline, account, out, json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + minutes * 60_000)
    }

    fn events(count: u64) -> Kinds<Option<u64>> {
        Kinds { events: count, ..Kinds::default() }.map(Some)
    }

    /// What is told at these minutes, with so many there.
    fn told(looks: &[(i64, Kinds<Option<u64>>)]) -> Vec<Option<News>> {
        let mut known = Kinds::default();
        let looks = looks.iter().map(|(minute, counts)| {
            let (after, news) = look(known, *counts, at(*minute));
            known = after;
            news
        });
        looks.collect()
    }

    /// The same, of events alone.
    fn told_of_events(looks: &[(i64, u64)]) -> Vec<Option<News>> {
        told(&looks.iter().map(|(minute, count)| (*minute, events(*count))).collect::<Vec<_>>())
    }

    #[test]
    fn the_alarm_tells_of_the_first_and_a_mail_a_day_that_they_are_still_there() {
        let day = 24 * 60;
        let looks = [(0, 2), (1, 2), (day - 1, 2), (day, 2), (day + 1, 2), (2 * day - 1, 2), (2 * day, 2)];
        let still = Some(News::Still);
        assert_eq!(told_of_events(&looks), [None, None, None, still, None, None, still]);
    }

    #[test]
    fn a_new_one_is_not_hidden_by_an_old_one() {
        assert_eq!(told_of_events(&[(0, 1), (90, 2), (91, 2)]), [None, Some(News::More), None]);
        // Within the hour there is one mail for all that came.
        assert_eq!(
            told_of_events(&[(0, 1), (5, 2), (30, 9), (60, 9), (61, 10)]),
            [None, None, None, Some(News::More), None]
        );
        // Some were returned, and others came.
        assert_eq!(told_of_events(&[(0, 5), (70, 1), (80, 2)]), [None, None, Some(News::More)]);
    }

    #[test]
    fn the_first_in_a_queue_that_no_alarm_looks_at_is_told_whatever_lies_elsewhere() {
        let some = |events, invocations, mails| Kinds { events, invocations, mails }.map(Some);
        let more = Some(News::More);
        for first in [some(0, 1, 0), some(0, 0, 1), some(0, 2, 2)] {
            assert_eq!(told(&[(0, first), (1, first), (2, first), (90, first)]), [None, more, None, None]);
        }
        // Told of events a minute ago: a mail that was not delivered does not wait for an hour.
        let looks = [
            (0, some(1, 0, 0)),
            (70, some(2, 0, 0)),
            (71, some(2, 0, 1)),
            (72, some(2, 0, 1)),
            (73, some(2, 1, 1)),
            (74, some(2, 1, 1)),
        ];
        assert_eq!(told(&looks), [None, more, None, more, None, more]);
        // All that lies there is one mail a day.
        let lie = some(1, 1, 1);
        let day = 24 * 60;
        assert_eq!(
            told(&[(0, lie), (1, lie), (day, lie), (day + 1, lie), (day + 2, lie)]),
            [None, more, None, Some(News::Still), None]
        );
    }

    #[test]
    fn what_a_queue_does_not_say_stays_as_it_was() {
        let silent = Kinds { events: Some(0), invocations: None, mails: Some(0) };
        let one = Kinds { events: 0, invocations: 1, mails: 0 }.map(Some);
        assert_eq!(told(&[(0, one), (1, silent), (2, one), (3, one)]), [None, None, Some(News::More), None]);
        let other = Kinds { mails: Some(1), ..silent };
        assert_eq!(told(&[(0, silent), (1, other), (2, other)]), [None, None, Some(News::More)]);
    }

    #[test]
    fn an_empty_queue_is_forgotten_and_the_alarm_tells_again() {
        assert_eq!(told_of_events(&[(0, 1), (10, 0), (3_000, 1), (3_010, 1)]), [None; 4]);
    }

    #[test]
    fn what_was_planted_from_the_future_silences_nothing() {
        let planted = Lying { since: at(0), told: at(1_000_000), count: 99, untold: false };
        let planted = Kinds { events: Some(planted), ..Kinds::default() };
        let (after, _) = look(planted, events(1), at(0));
        let (_, news) = look(after, events(1), at(24 * 60));
        assert_eq!(news, Some(News::Still));
    }

    /// An earlier version knew one queue; what it wrote is read, and it reads what is written now.
    #[test]
    fn what_an_earlier_version_noted_is_known() {
        #[derive(Deserialize)]
        struct Earlier {
            lying: Option<EarlierLying>,
        }
        #[derive(Deserialize)]
        struct EarlierLying {
            count: u64,
        }
        let noted = json!({"lying": {"since": at(0), "told": at(0), "count": 3}});
        let noted: Noted = serde_json::from_value(noted).unwrap();
        assert_eq!(noted.lying, Some(Lying { since: at(0), told: at(0), count: 3, untold: false }));
        assert_eq!((noted.invocations, noted.mails), (None, None));
        let both = Noted { mails: noted.lying, ..noted };
        let read: Earlier = serde_json::from_value(json!(both)).unwrap();
        assert_eq!(read.lying.unwrap().count, 3);
    }

    #[test]
    fn the_mails_are_what_mails_should_be() {
        let one = |count, untold| Some(Lying { since: at(0), told: at(0), count, untold });
        let none = Kinds::default();
        let twelve = Kinds { events: one(9, false), invocations: one(2, false), mails: one(1, false) };
        let first = Kinds { mails: one(1, true), ..none };
        for (news, before, after, headline) in [
            (
                News::Still,
                Kinds { events: one(1, false), ..none },
                Kinds { events: one(1, false), ..none },
                "1 dead letter since 2023-11-14",
            ),
            (News::More, Kinds { events: one(3, false), ..none }, twelve, "12 dead letters, 3 before"),
            (News::More, first, Kinds { mails: one(1, false), ..none }, "1 dead letter, none before"),
        ] {
            let mail = mail(news, before, after, "111122223333", crate::check::sender());
            assert_eq!(crate::check::faults(&mail), [""; 0], "{}", mail.text);
            assert_eq!(mail.subject, format!("[HIGH] {headline} (111122223333)"));
            assert!(mail.text.contains("keepwatch redrive --apply"));
            assert_eq!(mail.text.contains("  Events "), after.events.is_some());
            assert_eq!(mail.text.contains("  Mails "), after.mails.is_some());
        }
    }
}
