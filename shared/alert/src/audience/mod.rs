//! Who gets the mails: those who have confirmed that they want them, on both topics.
//!
//! Everybody who has a mail of SNS can end its subscription by the link under it, without signing in, and programs that scan
//! mails follow links. No event tells of that. So every sweep reads who is subscribed. As long as nobody is, alerts stay due.
//! Who was and is no more is told of over the other topic. Whoever subscribes anew meanwhile may be the one who is missing, at
//! another address, or somebody who wanted the mails for himself: he gets the list of what was mailed, and so does who is back.

mod mails;
mod subscribed;

use std::collections::BTreeMap;
use std::time::Duration;

use keepwatch_base::hash::short_hash;
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::record::FindingStore;
use keepwatch_core::history::first_look::FirstLook;
use keepwatch_core::memory::journal::{Journal, RECEIPTS_KEPT};
use keepwatch_core::regions::Forwarders;
use serde::{Deserialize, Serialize};

use self::mails::{Which, missing, nobody, returned};
use self::subscribed::{Circle, SETTLED, STEP};
use crate::line::Line;
use crate::once::SentOnce;
use crate::outbox::{DeliverError, Failure, Notifier, Outbox, Subscribers, Topic};
use crate::proposal::Suspects;
use crate::sweep::{AllFindings, DIGEST_PAUSE};
use crate::welcome;

/// The journal's key.
const ENTRY: &str = "audience";

/// How long the welcome mail waits for what `scan` looks up; the delay queue alone takes a minute and a half.
const LOOKED_UP: Duration = Duration::from_secs(900);

/// What the journal remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Audience {
    #[serde(default)]
    alerts: Circle,
    #[serde(default)]
    operations: Circle,
    /// Since when the welcome mail waits for what `scan` looks up.
    #[serde(default)]
    greeting: Option<Timestamp>,
    /// Whether the first who confirmed was welcomed.
    #[serde(default)]
    welcomed: bool,
}

impl Audience {
    /// For who is not to be welcomed: whoever plays a log.
    pub(super) fn greeted() -> (&'static str, Audience) {
        (ENTRY, Audience { welcomed: true, ..Audience::default() })
    }
}

/// What a sweep found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// Whether somebody gets the alerts.
    pub(super) alerts: bool,
    /// Whether nobody gets anything, so that nobody can be told of it either.
    pub(super) nothing: bool,
    /// Whether the look could be noted. What follows would be taken for an older version's work otherwise.
    pub(super) noted: bool,
}

impl<S, J, T> Notifier<'_, S, J, T>
where
    S: FindingStore
        + Outbox<Error = <S as FindingStore>::Error>
        + AllFindings<Error = <S as FindingStore>::Error>
        + Sync,
    J: Journal,
    T: Topic,
{
    /// Looks who is subscribed, and tells of who is not any more. Mails that cannot be sent are no error of the look: the next
    /// sweep sends them.
    pub(super) async fn call_the_roll(
        &self,
        account: &str,
        now: Timestamp,
        sent: &mut usize,
    ) -> (Heard, Result<(), Failure<S, J, T>>) {
        let (alerts, operations) = (self.topic.confirmed().await, self.operations.confirmed().await);
        let entry = match self.journal.read::<Audience>(ENTRY).await {
            Ok(entry) => entry,
            Err(error) => {
                // What SNS has just said goes before what nobody remembers.
                let heard = alerts.as_ref().is_ok_and(|here| !here.is_empty());
                let heard = Heard { alerts: heard, nothing: false, noted: false };
                return (heard, Err(DeliverError::Journal(error)));
            }
        };
        let expected = entry.as_ref().map(|entry| entry.version);
        let before = entry.map(|entry| entry.value);
        let mut audience = before.clone().unwrap_or_default();
        let mut failed = Ok(());
        let mut noted = true;
        if before.is_none() {
            // Whoever updates an older version knows Keepwatch already.
            match self.has_swept_before().await {
                Ok(older) => audience.welcomed = older,
                Err(error) => (noted, failed) = (false, Err(error)),
            }
        }
        for (circle, answer) in [(&mut audience.alerts, &alerts), (&mut audience.operations, &operations)] {
            match answer {
                Ok(confirmed) => circle.look(confirmed, now),
                Err(_) => circle.not_answered(now),
            }
        }
        let known = |answer: &Result<Subscribers, T::Error>, circle: &Circle| match answer {
            Ok(confirmed) => !confirmed.is_empty(),
            Err(_) => circle.is_open(now),
        };
        let heard = known(&alerts, &audience.alerts);
        let watched = known(&operations, &audience.operations);
        if noted && before.as_ref() != Some(&audience) {
            // Refused when another sweep writes the same.
            let written = self.journal.write(ENTRY, &audience, expected, now.plus(RECEIPTS_KEPT * 100)).await;
            noted = written.is_ok();
            failed = failed.and(written.map(drop).map_err(DeliverError::Journal));
        }
        for (which, circle) in [(Which::Alerts, &audience.alerts), (Which::Operations, &audience.operations)]
        {
            let told = self.tell_of_absence(which, circle, (heard, watched), account, now, sent).await;
            failed = failed.and(told);
        }
        for answer in [alerts, operations] {
            failed = failed.and(answer.map(drop).map_err(DeliverError::Topic));
        }
        (Heard { alerts: heard, nothing: !heard && !watched, noted }, failed)
    }

    /// Welcomes the first who has confirmed, once ever. Returns whether `scan` is to look up what the mail tells.
    pub(super) async fn welcome(
        &self,
        account: &str,
        now: Timestamp,
        sent: &mut usize,
    ) -> Result<bool, Failure<S, J, T>> {
        let read = async || self.journal.read::<Audience>(ENTRY).await.map_err(DeliverError::Journal);
        let Some(entry) = read().await? else { return Ok(false) };
        let Audience { alerts, welcomed, greeting, .. } = &entry.value;
        if *welcomed || alerts.here.is_empty() {
            return Ok(false);
        }
        let expires = now.plus(RECEIPTS_KEPT * 100);
        let Some(since) = greeting.filter(|since| !since.is_ahead_of(now)) else {
            let begun = Audience { greeting: Some(now), ..entry.value.clone() };
            let begun = self.journal.write(ENTRY, &begun, Some(entry.version), expires).await;
            return begun.map_err(DeliverError::Journal);
        };
        let look = FirstLook::read(self.journal).await.map_err(DeliverError::Journal)?;
        if look.is_none() && now.since(since) < LOOKED_UP {
            return Ok(true);
        }
        let forwarders = Forwarders::read(self.journal).await.map_err(DeliverError::Journal)?;
        let subscribers = alerts.here.keys().cloned().collect();
        let mut suspects = Suspects::default();
        let noted = self.findings.visit(|finding| suspects.add(&finding)).await;
        noted.map_err(DeliverError::Findings)?;
        let facts = welcome::Facts {
            suspects: &suspects,
            account,
            catalogue: self.catalogue,
            look: look.as_ref(),
            forwarders: &forwarders,
            subscribers: &subscribers,
            listed: !self.settings.lists.automation.is_empty(),
        };
        match self.send_once("welcome", now, async || Ok(Some(welcome::alert(&facts, self.sender)))).await? {
            SentOnce::Busy => return Ok(false),
            posted => *sent += usize::from(posted == SentOnce::Sent),
        }
        // The letter's own mark is forgotten some day, and this one is not. Refused when another sweep writes: the next one notes it.
        let Some(mut entry) = read().await? else { return Ok(false) };
        entry.value.welcomed = true;
        let written = self.journal.write(ENTRY, &entry.value, Some(entry.version), expires).await;
        written.map(|_| false).map_err(DeliverError::Journal)
    }

    /// Tells over the other topic, or over the same where only that one is heard, who is missing.
    async fn tell_of_absence(
        &self,
        which: Which,
        circle: &Circle,
        (heard, watched): (bool, bool),
        account: &str,
        now: Timestamp,
        sent: &mut usize,
    ) -> Result<(), Failure<S, J, T>> {
        let (alerts, operations) = ((self.topic, heard), (self.operations, watched));
        let ways = if which == Which::Alerts { [operations, alerts] } else { [alerts, operations] };
        let Some((topic, _)) = ways.into_iter().find(|(_, heard)| *heard) else { return Ok(()) };
        let mut failed = Ok(());
        let mut note = |outcome: Result<SentOnce, Failure<S, J, T>>| match outcome {
            Ok(posted) => *sent += usize::from(posted == SentOnce::Sent),
            Err(error) => {
                let earlier = std::mem::replace(&mut failed, Ok(()));
                failed = earlier.and(Err(error));
            }
        };
        if let Some((since, day)) = circle.day_of_silence(now) {
            let key = format!("nobody#{}#{}#{day}", which.key(), since.millis());
            let alert = async || Ok(Some(nobody(which, since, circle, account, self.sender)));
            note(self.send_once_over(topic, &key, now, alert).await);
        } else {
            // Those who were missed at the same look share a mail, under the key of the first.
            let mut together: BTreeMap<Timestamp, Vec<&String>> = BTreeMap::new();
            for (who, gone) in circle.missed(now) {
                together.entry(gone.missed).or_default().push(who);
            }
            for (since, all) in together {
                let Some(first) = all.first() else { continue };
                let key = format!("missing#{}#{}#{}", which.key(), short_hash(&[first]), since.millis());
                let alert = async || Ok(Some(missing(which, &all, since, circle, account, self.sender)));
                note(self.send_once_over(topic, &key, now, alert).await);
            }
        }
        failed
    }

    /// Gives those who are back, or came while somebody was missing, the list of what was mailed meanwhile: one mail for all,
    /// at most one in [`DIGEST_PAUSE`], as everybody who is subscribed gets it.
    pub(super) async fn catch_up_with(
        &self,
        account: &str,
        now: Timestamp,
        sent: &mut usize,
    ) -> Result<(), Failure<S, J, T>> {
        let read = async || self.journal.read::<Audience>(ENTRY).await.map_err(DeliverError::Journal);
        let Some(entry) = read().await? else { return Ok(()) };
        let mut alerts = entry.value.alerts;
        // A scan of the table may be some seconds behind: what was mailed just before he was back would not be in the list.
        alerts.back.retain(|_, gone| gone.missed.is_ahead_of(now) || now.since(gone.missed) >= SETTLED);
        let fresh = |at: Timestamp| !at.is_ahead_of(now) && now.since(at) < DIGEST_PAUSE;
        let Some(last) = alerts.back.values().map(|gone| gone.last).min() else { return Ok(()) };
        if alerts.listed.is_some_and(fresh) {
            return Ok(());
        }
        let each = alerts.back.iter().flat_map(|(who, gone)| [who.clone(), gone.missed.to_string()]);
        let each: Vec<String> = each.collect();
        let key = format!("back#{}", short_hash(&each.iter().map(String::as_str).collect::<Vec<_>>()));
        let alert = async || {
            // A mail of the last hour in which he was noted may have found him gone.
            let since = last.minus(STEP);
            let mut lines = Vec::new();
            let mailed = |finding: keepwatch_core::finding::Finding| {
                // An alert may have waited long after what it tells of.
                let told =
                    finding.alert.claimed_at.max(finding.alert.occurred_at).max(Some(finding.updated_at));
                // What was claimed may have gone out without a mark.
                let went_out = finding.alert.sent > 0 || finding.alert.claimed_at.is_some();
                if went_out && told >= Some(since) {
                    lines.push(Line::of(&finding));
                }
            };
            self.findings.visit(mailed).await.map_err(DeliverError::Findings)?;
            Ok((!lines.is_empty()).then(|| returned(&alerts, since, &mut lines, account, self.sender)))
        };
        let posted = self.send_once(&key, now, alert).await?;
        if posted == SentOnce::Busy {
            return Ok(());
        }
        // Another sweep may have written meanwhile; the mail is sent once, and the next one forgets.
        let Some(mut entry) = read().await? else { return Ok(()) };
        entry.value.alerts.back.retain(|who, gone| alerts.back.get(who) != Some(gone));
        if posted == SentOnce::Sent {
            *sent += 1;
            entry.value.alerts.listed = Some(now);
        }
        let expires = now.plus(RECEIPTS_KEPT * 100);
        let written = self.journal.write(ENTRY, &entry.value, Some(entry.version), expires).await;
        written.map(drop).map_err(DeliverError::Journal)
    }
}

impl<S, J, T> Notifier<'_, S, J, T>
where
    S: FindingStore + Outbox<Error = <S as FindingStore>::Error>,
    J: Journal,
    T: Topic,
{
    /// Whether somebody gets the alerts, for who does not look every time: the last sweep's word, and SNS's where that is
    /// nobody.
    ///
    /// # Errors
    /// The journal's.
    pub(super) async fn is_heard(&self) -> Result<bool, Failure<S, J, T>> {
        let entry = self.journal.read::<Audience>(ENTRY).await.map_err(DeliverError::Journal)?;
        let alerts = entry.map(|entry| entry.value.alerts).unwrap_or_default();
        if !alerts.here.is_empty() {
            return Ok(true);
        }
        Ok(match self.topic.confirmed().await {
            Ok(confirmed) => !confirmed.is_empty(),
            // Only what a sweep has noted is told again should nobody have got it.
            Err(_) => alerts.unsure.is_some(),
        })
    }
}
