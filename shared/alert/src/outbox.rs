//! From a finding that is due an alert to a message that was sent: claim with a lease, publish, mark as sent.
//!
//! The shape that an exhaustive model of crashes showed to lose nothing and to repeat only after a crash between publish
//! and mark. A claim that is never marked ends with its lease, and the next sweep finds the alert due again. What a step
//! does to an alert is [`keepwatch_core::finding::AlertLife`]'s to say.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use keepwatch_base::time::Timestamp;
use keepwatch_core::about::About;
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::finding::record::{FindingStore, Write};
use keepwatch_core::finding::{Finding, Step, Stepped};
use keepwatch_core::memory::journal::Journal;
use keepwatch_core::settings::Settings;
use keepwatch_core::severity::Severity;

use crate::group::{self, Turn};
use crate::related::{self, RelatedActs};
use crate::sender::Sender;
use crate::{Alert, budget};

/// How long a claim holds. Longer than the notifier's timeout, so that no two of them publish the same alert.
pub const LEASE: Duration = Duration::from_secs(180);

/// What stands in the table after a step.
#[derive(Debug)]
pub struct Outcome {
    /// What came of the step.
    pub stepped: Stepped,
    /// The finding after it; or why the item is not a finding. Nothing where there is no item.
    pub finding: Option<Result<Box<Finding>, String>>,
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

    /// Reads the alert's part of an item, lets [`keepwatch_core::finding::AlertLife::step`] decide, and writes that part
    /// back, on condition that nobody wrote meanwhile. Where others keep writing, a claim is [`Stepped::Busy`]: whoever
    /// wrote brings it back. An item that is not a finding has an alert all the same; see
    /// [`keepwatch_core::finding::AlertLife::unreadable`].
    fn step(
        &self,
        finding_id: &str,
        step: Step<'_>,
    ) -> impl Future<Output = Result<Outcome, Self::Error>> + Send;

    /// The alerts that are due at `now`, as an index knows them that may be behind. Those count as well whose turn is
    /// further ahead than [`keepwatch_core::finding::LONGEST_WAIT`].
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

    /// Those who have confirmed that they want what is published.
    fn confirmed(&self) -> impl Future<Output = Result<Subscribers, Self::Error>> + Send;
}

/// Who is subscribed: protocol and endpoint, as people may read them, and what tells the subscription from an earlier one of
/// the same endpoint.
pub type Subscribers = BTreeMap<String, String>;

/// Everything that a notifier works with.
#[derive(Debug)]
pub struct Notifier<'a, S, J, T> {
    /// The findings.
    pub findings: &'a S,
    /// The journal.
    pub journal: &'a J,
    /// The topic of the alerts.
    pub topic: &'a T,
    /// The topic of the alarms about Keepwatch itself, which tells when nobody gets the alerts.
    pub operations: &'a T,
    /// What the owner has set.
    pub settings: &'a Settings,
    /// The rules, with their documentation.
    pub catalogue: Catalogue,
    /// The stack that sends.
    pub sender: &'a Sender,
    /// How long what one principal does is gathered for one mail; zero for a mail each.
    pub group_window: Duration,
}

/// What came of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was sent.
    Sent,
    /// It shares a mail with what else the principal does, or the mail budget is used up; a sweep will tell.
    Deferred,
    /// The finding is suppressed.
    Silenced,
    /// Nobody has confirmed that he wants alerts; it stays due until somebody has.
    Unheard,
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

/// What came of claiming an alert.
#[derive(Debug)]
pub(super) enum Claim {
    /// It is ours, and is to be told.
    Taken(Claimed),
    /// It is not told, and why.
    Left(Delivery),
}

/// An alert that is ours to tell.
#[derive(Clone, Debug)]
pub(super) struct Claimed {
    /// Whose alert.
    pub(super) finding_id: String,
    /// The finding as it stands now, or why the item is none.
    pub(super) finding: Result<Box<Finding>, String>,
}

impl Claimed {
    /// How bad it is. An item that somebody has edited is told like a finding that is high.
    pub(super) fn severity(&self) -> Severity {
        self.finding.as_ref().map_or(Severity::High, |finding| finding.severity)
    }

    /// The mail that tells of this one alone.
    pub(super) fn alert(&self, catalogue: Catalogue, sender: &Sender, related: &RelatedActs) -> Alert {
        match &self.finding {
            Ok(finding) => Alert::of(finding, catalogue, sender, related),
            Err(reason) => Alert::unreadable(&self.finding_id, reason, sender),
        }
    }

    /// Whether it tells of nothing but that somebody has asked for a test.
    pub(super) fn is_test(&self) -> bool {
        self.readable().is_some_and(|finding| finding.rule == budget::TEST_RULE)
    }

    pub(super) fn readable(&self) -> Option<&Finding> {
        self.finding.as_deref().ok()
    }
}

impl<S, J, T> Notifier<'_, S, J, T>
where
    S: FindingStore + Outbox<Error = <S as FindingStore>::Error>,
    J: Journal,
    T: Topic,
{
    /// Delivers the alert of a finding if one is due and its turn has come.
    ///
    /// # Errors
    /// [`DeliverError`]; nothing is lost, the alert stays due.
    pub async fn deliver(
        &self,
        finding_id: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<Delivery, Failure<S, J, T>> {
        if !self.is_heard().await? {
            return Ok(Delivery::Unheard);
        }
        if group::is_left_to_sweeps(finding_id, self.group_window) {
            return Ok(Delivery::Deferred);
        }
        let claimed = match self.claim(finding_id, token, now).await? {
            Claim::Taken(claimed) => claimed,
            Claim::Left(delivery) => return Ok(delivery),
        };
        // Also of what waits for its turn: what comes meanwhile is told with it.
        let related = self.related(claimed.readable(), &[], now).await;
        match self.turn(&claimed, now).await {
            Ok(Turn::Now) => {}
            Ok(Turn::At(until)) => {
                self.defer(finding_id, token, until).await?;
                return Ok(Delivery::Deferred);
            }
            Err(error) => {
                self.defer(finding_id, token, now).await?;
                return Err(error);
            }
        }
        let may = match claimed.is_test() {
            true => budget::take_for_a_test(self.journal, now).await,
            false => budget::take(self.journal, claimed.severity(), now).await,
        };
        let sent = match may {
            Ok(true) => {
                let alert = claimed.alert(self.catalogue, self.sender, &related);
                let sent = self.topic.publish(claimed.readable(), &alert).await;
                sent.map(|()| true).map_err(DeliverError::Topic)
            }
            Ok(false) => Ok(false),
            Err(error) => Err(DeliverError::Journal(error)),
        };
        // Given back also after an error, so that the next sweep need not wait for the lease to end.
        let ended = match sent {
            Ok(true) => self.mark_sent(finding_id, token).await,
            Ok(false) | Err(_) => self.defer(finding_id, token, now).await,
        };
        let sent = sent?;
        ended.map(|()| if sent { Delivery::Sent } else { Delivery::Deferred })
    }

    /// What else was done by whoever caused this finding, which is noted as well. `told` are findings that the same mail tells.
    pub(super) async fn related(
        &self,
        finding: Option<&Finding>,
        told: &[&str],
        now: Timestamp,
    ) -> RelatedActs {
        let Some(finding) = finding else { return RelatedActs::default() };
        related::note(self.journal, finding, &self.settings.lists.automation, told, now).await
    }

    /// Whether the alert is told now, or with what else its principal does.
    async fn turn(&self, claimed: &Claimed, now: Timestamp) -> Result<Turn, Failure<S, J, T>> {
        let Some(finding) = claimed.readable() else { return Ok(Turn::Now) };
        // What is done to Keepwatch itself may be meant for the sweep that would tell of it later.
        if self.catalogue.find(&finding.rule).is_some_and(About::is_core) {
            return Ok(Turn::Now);
        }
        group::turn(self.journal, finding, self.group_window, now).await.map_err(DeliverError::Journal)
    }

    /// Claims an alert, and leaves it where the settings silence its finding: a suppression may be younger than that.
    pub(super) async fn claim(
        &self,
        finding_id: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<Claim, Failure<S, J, T>> {
        let step = Step::Claim { token, now, lease: now.plus(LEASE) };
        let outcome = self.findings.step(finding_id, step).await.map_err(DeliverError::Findings)?;
        let finding = match (outcome.stepped, outcome.finding) {
            (Stepped::Changed | Stepped::Already, Some(finding)) => finding,
            (Stepped::Busy, _) => return Ok(Claim::Left(Delivery::Busy)),
            _ => return Ok(Claim::Left(Delivery::Done)),
        };
        if let Ok(finding) = &finding
            && self.silence(finding, now).await?
        {
            return Ok(Claim::Left(Delivery::Silenced));
        }
        Ok(Claim::Taken(Claimed { finding_id: finding_id.to_owned(), finding }))
    }

    /// Silences the finding if the settings say so. When somebody else has written it meanwhile, the claim ends with its
    /// lease and the next sweep looks again.
    async fn silence(&self, finding: &Finding, now: Timestamp) -> Result<bool, Failure<S, J, T>> {
        let silence = self.settings.silence(&finding.rule, &finding.subject(), &finding.actors(), now);
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

    /// Ends the claim of an alert that was told, if it is still ours.
    pub(super) async fn mark_sent(&self, finding_id: &str, token: &str) -> Result<(), Failure<S, J, T>> {
        self.end(finding_id, Step::MarkSent { token }).await
    }

    /// Ends the claim of an alert that is to be told from `until` on, if it is still ours.
    pub(super) async fn defer(
        &self,
        finding_id: &str,
        token: &str,
        until: Timestamp,
    ) -> Result<(), Failure<S, J, T>> {
        self.end(finding_id, Step::Defer { token, until }).await
    }

    async fn end(&self, finding_id: &str, step: Step<'_>) -> Result<(), Failure<S, J, T>> {
        self.findings.step(finding_id, step).await.map(drop).map_err(DeliverError::Findings)
    }
}
