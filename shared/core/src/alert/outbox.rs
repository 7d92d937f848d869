//! From a finding that is due an alert to a message that was sent: claim with a lease, publish, mark as sent.
//!
//! The shape that an exhaustive model of crashes showed to lose nothing and to repeat only after a crash between publish
//! and mark. A claim that is never marked ends with its lease, and the alert is due again.

use std::future::Future;
use std::time::Duration;

use super::Alert;
use crate::finding::Finding;
use crate::time::Timestamp;

/// How long a claim holds. Longer than the notifier's timeout, so that no two of them publish the same alert.
pub const LEASE: Duration = Duration::from_secs(60);

/// What came of claiming.
#[derive(Debug)]
pub enum Claim {
    /// It is ours: the finding as it stands now.
    Taken(Box<Finding>),
    /// It is ours, and the item is not a finding; why.
    Unreadable(String),
    /// Somebody else holds it; come back later.
    Busy,
    /// Nothing is due (any more).
    Done,
}

/// Findings as seen by a notifier.
pub trait Outbox {
    /// What can go wrong with the table.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Claims the alert of a finding until `lease`, if it is pending or its claim has ended before `now`.
    fn claim(
        &self,
        finding_id: &str,
        token: &str,
        now: Timestamp,
        lease: Timestamp,
    ) -> impl Future<Output = Result<Claim, Self::Error>> + Send;

    /// Marks the alert as sent, if the claim is still ours.
    fn sent(&self, finding_id: &str, token: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Gives the claim back after a failed publish, if it is still ours.
    fn release(&self, finding_id: &str, token: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Where alerts go.
pub trait Topic {
    /// What can go wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Publishes. The finding is for what subscribers filter by; there is none when it cannot be read.
    fn publish(
        &self,
        finding: Option<&Finding>,
        alert: &Alert,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// An alert could not be delivered now. The caller fails its stream record, so that it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError<O, T> {
    /// The table refused or failed.
    #[error("the findings table could not be used: {0}")]
    Outbox(#[source] O),
    /// The topic refused or failed.
    #[error("the alert could not be published: {0}")]
    Topic(#[source] T),
    /// Another notifier holds the claim.
    #[error("another notifier is sending this alert")]
    Busy,
}

/// Delivers the alert of a finding if one is due. `true` when a message was sent.
///
/// # Errors
/// [`DeliverError`]; nothing is lost, the alert stays due.
pub async fn deliver<O: Outbox, T: Topic>(
    outbox: &O,
    topic: &T,
    finding_id: &str,
    token: &str,
    now: Timestamp,
) -> Result<bool, DeliverError<O::Error, T::Error>> {
    let claim = outbox.claim(finding_id, token, now, now.plus(LEASE)).await.map_err(DeliverError::Outbox)?;
    let (finding, alert) = match claim {
        Claim::Taken(finding) => {
            let alert = Alert::of(&finding);
            (Some(finding), alert)
        }
        Claim::Unreadable(reason) => (None, Alert::unreadable(finding_id, &reason)),
        Claim::Busy => return Err(DeliverError::Busy),
        Claim::Done => return Ok(false),
    };
    if let Err(error) = topic.publish(finding.as_deref(), &alert).await {
        // Should the release fail as well, the lease ends by itself.
        let _ = outbox.release(finding_id, token).await;
        return Err(DeliverError::Topic(error));
    }
    outbox.sent(finding_id, token).await.map_err(DeliverError::Outbox)?;
    Ok(true)
}
