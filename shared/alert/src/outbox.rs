//! From a finding that is due an alert to a message that was sent: claim with a lease, publish, mark as sent.
//!
//! The shape that an exhaustive model of crashes showed to lose nothing and to repeat only after a crash between publish
//! and mark. A claim that is never marked ends with its lease, and the next sweep finds the alert due again.

use std::future::Future;
use std::time::Duration;

use keepwatch_base::time::Timestamp;
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::finding::Finding;
use keepwatch_core::finding::record::{FindingStore, Write};
use keepwatch_core::memory::journal::Journal;
use keepwatch_core::settings::Settings;
use keepwatch_core::severity::Severity;

use crate::{Alert, budget};

/// How long a claim holds. Longer than the notifier's timeout, so that no two of them publish the same alert.
pub const LEASE: Duration = Duration::from_secs(180);

/// What came of claiming.
#[derive(Debug)]
pub enum Claim {
    /// It is ours: the finding as it stands now.
    Taken(Box<Finding>),
    /// It is ours, and the item is not a finding; why.
    Unreadable(String),
    /// Somebody else holds it.
    Busy,
    /// Nothing is due (any more).
    Done,
}

/// How a claim ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The alert was sent.
    Sent,
    /// It was not; a sweep is to try again.
    Deferred,
}

/// A finding whose alert a sweep has to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueAlert {
    /// The finding.
    pub finding_id: String,
    /// How bad it is.
    pub severity: Severity,
    /// Since when it has been due.
    pub since: Timestamp,
}

/// Findings as seen by a notifier.
pub trait Outbox {
    /// What can go wrong with the table.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Claims the alert of a finding until `lease`, if it is pending or deferred or its claim has ended before `now`.
    fn claim(
        &self,
        finding_id: &str,
        token: &str,
        now: Timestamp,
        lease: Timestamp,
    ) -> impl Future<Output = Result<Claim, Self::Error>> + Send;

    /// Ends the claim, if it is still ours.
    fn end(
        &self,
        finding_id: &str,
        token: &str,
        end: End,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// The alerts that are due before `now`, as an index knows them that may be behind.
    fn due(&self, now: Timestamp) -> impl Future<Output = Result<Vec<DueAlert>, Self::Error>> + Send;
}

/// Where alerts go.
pub trait Topic {
    /// What can go wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Publishes. The finding is for what subscribers filter by; a digest and an unreadable item have none.
    fn publish(
        &self,
        finding: Option<&Finding>,
        alert: &Alert,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Everything that a notifier works with.
#[derive(Debug)]
pub struct Notifier<'a, S, J, T> {
    /// The findings.
    pub findings: &'a S,
    /// The journal.
    pub journal: &'a J,
    /// The topic.
    pub topic: &'a T,
    /// What the owner has set.
    pub settings: &'a Settings,
    /// The rules, with their documentation.
    pub catalogue: Catalogue,
}

/// What came of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was sent.
    Sent,
    /// The mail budget is used up; a digest will tell.
    Deferred,
    /// The finding is suppressed.
    Silenced,
    /// Another notifier is sending it. If that one has crashed, a sweep takes over when its lease ends.
    Busy,
    /// Nothing was due.
    Done,
}

/// An alert could not be delivered now.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError<S, J, T> {
    /// The findings table refused or failed.
    #[error("the findings table could not be used: {0}")]
    Findings(#[source] S),
    /// The journal refused or failed.
    #[error("the journal could not be used: {0}")]
    Journal(#[source] J),
    /// The topic refused or failed.
    #[error("the alert could not be published: {0}")]
    Topic(#[source] T),
}

/// The error of a delivery with these ports.
pub type Failure<S, J, T> =
    DeliverError<<S as FindingStore>::Error, <J as Journal>::Error, <T as Topic>::Error>;

impl<S, J, T> Notifier<'_, S, J, T>
where
    S: FindingStore + Outbox<Error = <S as FindingStore>::Error>,
    J: Journal,
    T: Topic,
{
    /// Delivers the alert of a finding if one is due and may be sent alone.
    ///
    /// # Errors
    /// [`DeliverError`]; nothing is lost, the alert stays due.
    pub async fn deliver(
        &self,
        finding_id: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<Delivery, Failure<S, J, T>> {
        let (finding, alert) = match self.claim(finding_id, token, now).await? {
            Claim::Taken(finding) => {
                if self.silence(&finding, now).await? {
                    return Ok(Delivery::Silenced);
                }
                let alert = Alert::of(&finding, self.catalogue);
                (Some(finding), alert)
            }
            Claim::Unreadable(reason) => (None, Alert::unreadable(finding_id, &reason)),
            Claim::Busy => return Ok(Delivery::Busy),
            Claim::Done => return Ok(Delivery::Done),
        };
        let severity = finding.as_ref().map_or(Severity::High, |finding| finding.severity);
        let sent = match budget::take(self.journal, severity, now).await {
            Ok(true) => {
                let sent = self.topic.publish(finding.as_deref(), &alert).await;
                sent.map(|()| End::Sent).map_err(DeliverError::Topic)
            }
            Ok(false) => Ok(End::Deferred),
            Err(error) => Err(DeliverError::Journal(error)),
        };
        // Given back also after an error, so that the next sweep need not wait for the lease to end.
        let ended = self.end(finding_id, token, *sent.as_ref().unwrap_or(&End::Deferred), now).await;
        match sent? {
            End::Sent => ended.map(|()| Delivery::Sent),
            End::Deferred => ended.map(|()| Delivery::Deferred),
        }
    }

    pub(super) async fn claim(
        &self,
        finding_id: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<Claim, Failure<S, J, T>> {
        self.findings.claim(finding_id, token, now, now.plus(LEASE)).await.map_err(DeliverError::Findings)
    }

    /// Silences the finding if the settings say so: a suppression may be younger than the finding. When somebody else
    /// has written it meanwhile, the claim ends with its lease and the next sweep looks again.
    pub(super) async fn silence(&self, finding: &Finding, now: Timestamp) -> Result<bool, Failure<S, J, T>> {
        let silence = self.settings.silence(&finding.rule, &finding.subject(), now);
        if silence.is_none() {
            return Ok(false);
        }
        let mut silenced = finding.clone();
        silenced.silence = None;
        silenced.obey(silence);
        silenced.stamp(now);
        let write = Write::Update { finding: &silenced, expected: finding.version, receipt: None };
        FindingStore::write(self.findings, write, now).await.map_err(DeliverError::Findings)?;
        Ok(true)
    }

    pub(super) async fn end(
        &self,
        finding_id: &str,
        token: &str,
        end: End,
        now: Timestamp,
    ) -> Result<(), Failure<S, J, T>> {
        self.findings.end(finding_id, token, end, now).await.map_err(DeliverError::Findings)
    }
}
