//! The topic and the account of the mix. Tables and journal are those of a replay (`keepwatch_alert::in_memory`).

use std::convert::Infallible;
use std::sync::Mutex;

use keepwatch_alert::Alert;
use keepwatch_alert::in_memory::InMemory;
use keepwatch_alert::outbox::{Subscribers, Topic};
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::Finding;
use keepwatch_core::memory::{first_sight, window};
use keepwatch_core::state::{AccountState, Answer, Fact, Query, Value as Known};

use super::{DAY, Mail, START, account};
use crate::lock;

/// Keeps the mails, with their texts.
#[derive(Debug, Default)]
pub(super) struct Mailbox(Mutex<(Timestamp, Vec<Mail>)>);

impl Mailbox {
    pub(super) fn set_clock(&self, now: Timestamp) {
        lock(&self.0).0 = now;
    }

    pub(super) fn into_mails(self) -> Vec<Mail> {
        std::mem::take(&mut lock(&self.0).1)
    }
}

impl Topic for Mailbox {
    type Error = Infallible;

    async fn publish(&self, finding: Option<&Finding>, alert: &Alert) -> Result<(), Infallible> {
        let (at, mails) = &mut *lock(&self.0);
        let letter = finding.is_none() && alert.json["digest"]["finding_ids"].is_null();
        let week = usize::try_from((at.millis() - START) / (7 * DAY)).unwrap_or_default();
        let (subject, text) = (alert.subject.clone(), alert.text.clone());
        mails.push(Mail { week, at: *at, subject, text, letter });
        Ok(())
    }

    async fn confirmed(&self) -> Result<Subscribers, Infallible> {
        Ok(Subscribers::from([("email people@example.com".to_owned(), String::new())]))
    }
}

/// The account of the mix at one moment, with what the journal remembers.
pub(super) struct Account<'a> {
    pub(super) journal: &'a InMemory,
    pub(super) now: Timestamp,
}

impl AccountState for Account<'_> {
    async fn answer(&self, query: &Query) -> Result<Answer, String> {
        let Account { journal, now } = *self;
        match query {
            Query::ExposedKey { .. } => Ok(Fact::Known(Known::Flag(false))),
            Query::Window(asked) => {
                let count = window::note(journal, asked, now).await;
                count.map(|count| Fact::Known(Known::WindowCount(count)))
            }
            Query::Earlier(asked) => {
                let last = window::last(journal, &asked.key, asked.time, asked.span).await;
                let last = last.map_err(|error| error.to_string())?;
                Ok(last.map_or(Fact::Missing, |at| Fact::Known(Known::Time(at))))
            }
            Query::FirstSeen(asked) => {
                let seen =
                    first_sight::note(journal, &asked.key, &asked.member, asked.time, asked.kept, now).await;
                seen.map(|seen| Fact::Known(Known::FirstSeen(seen)))
            }
            _ => Ok(account::answer(query)),
        }
    }
}
