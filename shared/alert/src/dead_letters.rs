//! Dead letters that nobody has looked at.
//!
//! The alarm on their queue tells of the first. It stays on as long as one lies there, and says nothing of the next. So the
//! sweep says once a day that there still are some, and within an hour that there are more.

use std::time::Duration;

use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::record::FindingStore;
use keepwatch_core::memory::journal::{Journal, RECEIPTS_KEPT};
use keepwatch_core::severity::Severity;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Alert;
use crate::layout::{Page, heading, keepwatch, paragraph};
use crate::once::SentOnce;
use crate::outbox::{DeliverError, Failure, Notifier, Outbox, Topic};
use crate::sender::Sender;

/// The journal's key.
const ENTRY: &str = "dead letters";

/// How often it is said that they still lie there.
const REMINDED: Duration = Duration::from_secs(86_400);

/// How long after the last mail, or the alarm's, more of them are worth another: what fails fails for some time.
const PAUSE: Duration = Duration::from_secs(3_600);

/// What the journal remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    #[serde(default)]
    lying: Option<Lying>,
}

/// What lies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lying {
    /// Since when a sweep has seen some.
    since: Timestamp,
    /// When people were told last.
    told: Timestamp,
    /// How many there were then, or fewer since.
    count: u64,
}

/// What people are to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// There still are some.
    Still,
    /// There are more than this many.
    More(u64),
}

impl Lying {
    /// What is so after a look that found this many, and what is to be told before that is written.
    fn look(known: Option<Lying>, count: u64, now: Timestamp) -> (Option<Lying>, Option<News>) {
        if count == 0 {
            return (None, None);
        }
        // Of the first the alarm tells. Times from the future were not written by a sweep.
        let Some(known) = known.filter(|known| known.since <= now && known.told <= now) else {
            return (Some(Lying { since: now, told: now, count }), None);
        };
        let waited = now.since(known.told);
        let told = Lying { told: now, count, ..known };
        if waited >= REMINDED {
            (Some(told), Some(News::Still))
        } else if count > known.count && waited >= PAUSE {
            (Some(told), Some(News::More(known.count)))
        } else {
            (Some(Lying { count: known.count.min(count), ..known }), None)
        }
    }
}

impl<S, J, T> Notifier<'_, S, J, T>
where
    S: FindingStore + Outbox<Error = <S as FindingStore>::Error>,
    J: Journal,
    T: Topic,
{
    /// Tells over the operations topic that so many dead letters lie there, where that is to be told now. Returns whether it
    /// did.
    ///
    /// # Errors
    /// [`DeliverError`]; the next sweep tries again.
    pub async fn remind_of_dead_letters(
        &self,
        count: u64,
        account: &str,
        now: Timestamp,
    ) -> Result<bool, Failure<S, J, T>> {
        let entry = self.journal.read::<Noted>(ENTRY).await.map_err(DeliverError::Journal)?;
        let expected = entry.as_ref().map(|entry| entry.version);
        let before = entry.and_then(|entry| entry.value.lying);
        let (after, news) = Lying::look(before, count, now);
        let mut sent = false;
        if let (Some(news), Some(before)) = (news, before) {
            // As long as what is known stays the same, so does the mail.
            let key = format!("dead letters#{}#{}", before.since.millis(), before.told.millis());
            let alert = async || Ok(Some(mail(news, count, before.since, account, self.sender)));
            match self.send_once_over(self.operations, &key, now, alert).await? {
                SentOnce::Busy => return Ok(false),
                SentOnce::Sent => sent = true,
                SentOnce::AlreadySent => {}
            }
        }
        if before != after {
            // Refused when another sweep writes the same.
            let written = self
                .journal
                .write(ENTRY, &Noted { lying: after }, expected, now.plus(RECEIPTS_KEPT * 10))
                .await;
            written.map_err(DeliverError::Journal)?;
        }
        Ok(sent)
    }
}

fn mail(news: News, count: u64, since: Timestamp, account: &str, sender: &Sender) -> Alert {
    let letters = if count == 1 { "dead letter".to_owned() } else { "dead letters".to_owned() };
    let (headline, first) = match news {
        News::Still => (
            format!("{count} {letters} since {}", since.date()),
            format!("Since {since} something lies in the queue of dead letters, {count} now."),
        ),
        News::More(before) => (
            format!("{count} {letters}, {before} before"),
            format!(
                "In the queue of dead letters lie {count}, where {before} were before. The first came at {since}."
            ),
        ),
    };
    let mut out = Page::new(sender);
    paragraph(
        &mut out,
        &format!(
            "{first} Each is an event that was not judged, a change that was not followed, a mail that was not delivered or a run \
             that failed. The queue forgets a message after 14 days."
        ),
    );
    paragraph(
        &mut out,
        "The alarm is on already and does not tell of further ones, so this mail comes once a day, and within an hour when there \
         are more, until the queue is empty.",
    );
    heading(&mut out, "WHAT TO DO NOW");
    keepwatch(&mut out, "See what lies there, since when and why", "redrive");
    keepwatch(&mut out, "Return what can be returned", "redrive --apply");
    let json = json!({"dead_letters": {"count": count, "since": since}});
    Alert::new(Severity::High, &headline, account, out, json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + minutes * 60_000)
    }

    /// What is told at these minutes, with so many there.
    fn told(looks: &[(i64, u64)]) -> Vec<Option<News>> {
        let mut known = None;
        let looks = looks.iter().map(|(minute, count)| {
            let (after, news) = Lying::look(known, *count, at(*minute));
            known = after;
            news
        });
        looks.collect()
    }

    #[test]
    fn the_alarm_tells_of_the_first_and_a_mail_a_day_that_they_are_still_there() {
        let day = 24 * 60;
        let looks = [(0, 2), (1, 2), (day - 1, 2), (day, 2), (day + 1, 2), (2 * day - 1, 2), (2 * day, 2)];
        let still = Some(News::Still);
        assert_eq!(told(&looks), [None, None, None, still, None, None, still]);
    }

    #[test]
    fn a_new_one_is_not_hidden_by_an_old_one() {
        assert_eq!(told(&[(0, 1), (90, 2), (91, 2)]), [None, Some(News::More(1)), None]);
        // Within the hour there is one mail for all that came.
        assert_eq!(
            told(&[(0, 1), (5, 2), (30, 9), (60, 9), (61, 10)]),
            [None, None, None, Some(News::More(1)), None]
        );
        // Some were returned, and others came.
        assert_eq!(told(&[(0, 5), (70, 1), (80, 2)]), [None, None, Some(News::More(1))]);
    }

    #[test]
    fn an_empty_queue_is_forgotten_and_the_alarm_tells_again() {
        assert_eq!(told(&[(0, 1), (10, 0), (3_000, 1), (3_010, 1)]), [None; 4]);
    }

    #[test]
    fn what_was_planted_from_the_future_silences_nothing() {
        let planted = Lying { since: at(0), told: at(1_000_000), count: 99 };
        let (after, _) = Lying::look(Some(planted), 1, at(0));
        let (_, news) = Lying::look(after, 1, at(24 * 60));
        assert_eq!(news, Some(News::Still));
    }

    #[test]
    fn the_mails_are_what_mails_should_be() {
        for (news, count) in [(News::Still, 1), (News::More(3), 12)] {
            let mail = mail(news, count, at(0), "111122223333", &Sender::default());
            assert_eq!(crate::check::faults(&mail), [""; 0], "{}", mail.text);
            assert!(mail.text.contains("keepwatch redrive --apply"));
        }
    }
}
