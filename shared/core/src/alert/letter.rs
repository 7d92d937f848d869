//! A mail that is sent once for a key: the digest of a day, the announcement of a suppression.
//!
//! Claimed in the journal with a lease, published, marked, like the alert of a finding.

use serde::{Deserialize, Serialize};

use super::Alert;
use super::outbox::{DeliverError, Desk, Failure, LEASE, Outbox, Topic};
use crate::finding::record::FindingStore;
use crate::journal::{Journal, RECEIPTS_KEPT};
use crate::time::Timestamp;

/// Where such a mail stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Letter {
    /// Somebody is writing it, until this time in milliseconds since 1970.
    Claimed(i64),
    /// It was sent.
    Sent,
}

/// What came of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// It went out.
    Now,
    /// It went out before, or there was nothing to say.
    Said,
    /// Somebody else is writing it, and may yet fail.
    Busy,
}

impl<S, J, T> Desk<'_, S, J, T>
where
    S: FindingStore + Outbox<Error = <S as FindingStore>::Error>,
    J: Journal,
    T: Topic,
{
    /// Sends the mail for `key`, made by `write`, unless it was sent or is being sent. Nothing to say (`None`) counts as
    /// said.
    ///
    /// # Errors
    /// [`DeliverError`]; the next sweep tries again, at the latest when the lease has ended.
    pub(super) async fn send_once(
        &self,
        key: &str,
        now: Timestamp,
        write: impl AsyncFnOnce() -> Result<Option<Alert>, Failure<S, J, T>>,
    ) -> Result<Posted, Failure<S, J, T>> {
        let key = format!("letter#{key}");
        let expires = now.plus(RECEIPTS_KEPT * 10);
        let entry = self.journal.read::<Letter>(&key).await.map_err(DeliverError::Journal)?;
        let expected = match entry {
            Some(entry) if entry.value == Letter::Sent => return Ok(Posted::Said),
            Some(entry) if matches!(entry.value, Letter::Claimed(until) if now.millis() < until) => {
                return Ok(Posted::Busy);
            }
            Some(entry) => Some(entry.version),
            None => None,
        };
        let claimed = Letter::Claimed(now.plus(LEASE).millis());
        if !self.journal.write(&key, &claimed, expected, expires).await.map_err(DeliverError::Journal)? {
            return Ok(Posted::Busy);
        }
        let version = expected.map_or(1, |version| version + 1);
        let sent = match write().await {
            Ok(Some(alert)) => {
                self.topic.publish(None, &alert).await.map(|()| Posted::Now).map_err(DeliverError::Topic)
            }
            Ok(None) => Ok(Posted::Said),
            Err(error) => Err(error),
        };
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) => {
                // Given back at once; should that fail as well, the claim ends with its lease.
                let _ = self.journal.write(&key, &Letter::Claimed(0), Some(version), expires).await;
                return Err(error);
            }
        };
        self.journal
            .write(&key, &Letter::Sent, Some(version), expires)
            .await
            .map_err(DeliverError::Journal)?;
        Ok(sent)
    }
}
