//! A mail that is sent once for a key: the digest of a day, the announcement of a suppression.
//!
//! Claimed in the journal with a lease, published, marked, like the alert of a finding.

use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::record::FindingStore;
use keepwatch_core::memory::journal::{Journal, RECEIPTS_KEPT};
use serde::{Deserialize, Serialize};

use crate::Alert;
use crate::outbox::{DeliverError, Failure, LEASE, Notifier, Outbox, Topic};

/// Where such a mail stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum OneTimeMail {
    /// Somebody is writing it, until this time in milliseconds since 1970.
    Claimed(i64),
    /// It was sent.
    Sent,
}

impl OneTimeMail {
    /// Whether somebody is writing it. Nobody claims it for longer than a lease.
    fn is_claimed(&self, now: Timestamp) -> bool {
        let OneTimeMail::Claimed(until) = *self else { return false };
        now.millis() < until && !Timestamp::from_millis(until).is_ahead_of(now.plus(LEASE))
    }
}

/// What came of sending it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SentOnce {
    /// It went out.
    Sent,
    /// It went out before, or there was nothing to say.
    AlreadySent,
    /// Somebody else is writing it, and may yet fail.
    Busy,
}

impl<S, J, T> Notifier<'_, S, J, T>
where
    S: FindingStore + Outbox<Error = <S as FindingStore>::Error>,
    J: Journal,
    T: Topic,
{
    /// Sends the mail for `key`, made by `write`, unless it was sent or is being sent. Nothing to say (`None`) counts as
    /// sent.
    ///
    /// # Errors
    /// [`DeliverError`]; the next sweep tries again, at the latest when the lease has ended.
    pub(super) async fn send_once(
        &self,
        key: &str,
        now: Timestamp,
        write: impl AsyncFnOnce() -> Result<Option<Alert>, Failure<S, J, T>>,
    ) -> Result<SentOnce, Failure<S, J, T>> {
        self.send_once_over(self.topic, key, now, write).await
    }

    /// The same over this topic.
    ///
    /// # Errors
    /// As above.
    pub(super) async fn send_once_over(
        &self,
        topic: &T,
        key: &str,
        now: Timestamp,
        write: impl AsyncFnOnce() -> Result<Option<Alert>, Failure<S, J, T>>,
    ) -> Result<SentOnce, Failure<S, J, T>> {
        let key = format!("letter#{key}");
        let expires = now.plus(RECEIPTS_KEPT * 10);
        let entry = self.journal.read::<OneTimeMail>(&key).await.map_err(DeliverError::Journal)?;
        let expected = match entry {
            Some(entry) if entry.value == OneTimeMail::Sent => return Ok(SentOnce::AlreadySent),
            Some(entry) if entry.value.is_claimed(now) => return Ok(SentOnce::Busy),
            Some(entry) => Some(entry.version),
            None => None,
        };
        let claimed = OneTimeMail::Claimed(now.plus(LEASE).millis());
        if !self.journal.write(&key, &claimed, expected, expires).await.map_err(DeliverError::Journal)? {
            return Ok(SentOnce::Busy);
        }
        let version = expected.map_or(1, |version| version + 1);
        let sent = match write().await {
            Ok(Some(alert)) => {
                topic.publish(None, &alert).await.map(|()| SentOnce::Sent).map_err(DeliverError::Topic)
            }
            Ok(None) => Ok(SentOnce::AlreadySent),
            Err(error) => Err(error),
        };
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) => {
                // Given back at once; should that fail as well, the claim ends with its lease.
                let _ = self.journal.write(&key, &OneTimeMail::Claimed(0), Some(version), expires).await;
                return Err(error);
            }
        };
        self.journal
            .write(&key, &OneTimeMail::Sent, Some(version), expires)
            .await
            .map_err(DeliverError::Journal)?;
        Ok(sent)
    }
}
