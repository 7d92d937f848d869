//! Who gets the mails: those who have confirmed that they want them, on both topics.
//!
//! Everybody who has a mail of SNS can end its subscription by the link under it, without signing in, and programs that scan
//! mails follow links. No event tells of that. So every sweep reads who is subscribed. As long as nobody is, alerts stay due.
//! Who was and is no more is told of over the other topic. Whoever subscribes anew meanwhile may be the one who is missing, at
//! another address, or somebody who wanted the mails for himself: he gets the list of what was mailed, and so does who is back.

use std::collections::BTreeMap;
use std::time::Duration;

use keepwatch_base::hash::short_hash;
use keepwatch_base::text::{MAX_TEXT, clean};
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::record::FindingStore;
use keepwatch_core::history::first_look::FirstLook;
use keepwatch_core::memory::journal::{Journal, RECEIPTS_KEPT};
use keepwatch_core::regions::Forwarders;
use keepwatch_core::severity::Severity;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Alert;
use crate::digest::{Line, by_severity};
use crate::layout::{Page, command, gap, heading, keepwatch, listed, paragraph};
use crate::once::SentOnce;
use crate::outbox::{DeliverError, Failure, Notifier, Outbox, Subscribers, Topic};
use crate::proposal::Suspects;
use crate::runbook::Runbook;
use crate::sender::Sender;
use crate::sweep::{AllFindings, DIGEST_PAUSE};
use crate::welcome;

/// The journal's key.
const ENTRY: &str = "audience";

/// How exact it is known until when somebody was there: the journal need not be written each minute.
const STEP: Duration = Duration::from_secs(3_600);

/// How long somebody must be gone before it is told. One answer of SNS that is wrong is no news.
const SETTLED: Duration = Duration::from_secs(90);

/// How long whoever deploys has time to confirm, before the other topic tells that nobody has.
const FIRST_HOUR: Duration = Duration::from_secs(3_600);

/// How long who is gone is remembered, and may come back to a list of what was mailed meanwhile.
const REMEMBERED: Duration = Duration::from_secs(40 * 86_400);

/// The most that are remembered of each kind. A topic with more subscribers than that is not in danger of having none.
const MOST: usize = 100;

/// How long the welcome mail waits for what `scan` looks up; the delay queue alone takes a minute and a half.
const LOOKED_UP: Duration = Duration::from_secs(900);

/// How many findings the list of what was missed names.
const MAX_LISTED: usize = 150;

/// How many subscribers a mail names of each kind.
const MAX_NAMED: usize = 20;

/// After so long without an answer mails go out unless it is known that nobody would get them: a right that is missing must
/// not silence Keepwatch.
const PATIENCE: Duration = Duration::from_secs(600);

const DAY: Duration = Duration::from_secs(86_400);

/// Who is subscribed to one topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Circle {
    /// Who was there at the last look, and when he was last noted. Where it is full, newcomers are left out: whoever
    /// subscribes a hundred addresses must not have the others forgotten.
    #[serde(default)]
    here: BTreeMap<String, Timestamp>,
    /// The subscriptions of those who are there. An older version's entry has none.
    #[serde(default)]
    subscriptions: BTreeMap<String, Subscription>,
    /// Who is not there any more.
    #[serde(default)]
    gone: BTreeMap<String, Gone>,
    /// Who is here again, or came while somebody was missing, and has not been told what was missed.
    #[serde(default)]
    back: BTreeMap<String, Gone>,
    /// When that was last told to anybody.
    #[serde(default)]
    listed: Option<Timestamp>,
    /// Since when nobody is there.
    #[serde(default)]
    empty: Option<Timestamp>,
    /// Since when SNS does not say who is there.
    #[serde(default)]
    unanswered: Option<Timestamp>,
    /// Since when mails have gone out of which it is not known whether anybody got them.
    #[serde(default)]
    unsure: Option<Timestamp>,
}

/// Somebody who was subscribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Gone {
    /// When he was last noted as there.
    last: Timestamp,
    /// When he was missed first.
    missed: Timestamp,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Subscription {
    /// What tells it from an earlier one of the same endpoint.
    mark: String,
    /// When a look found it first.
    since: Timestamp,
}

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

impl Circle {
    /// Takes note of a look.
    fn look(&mut self, confirmed: &Subscribers, now: Timestamp) {
        let stale = |noted: Timestamp| noted.is_ahead_of(now) || now.since(noted) >= STEP;
        let forgotten = |gone: &Gone| gone.missed.is_ahead_of(now) || now.since(gone.missed) >= REMEMBERED;
        self.gone.retain(|_, gone| !forgotten(gone));
        let left: Vec<String> =
            self.here.keys().filter(|who| !confirmed.contains_key(*who)).cloned().collect();
        for who in left {
            let last = self.here.remove(&who).unwrap_or(now).min(now);
            let last = self.back.remove(&who).map_or(last, |before| before.last);
            self.gone.insert(who, Gone { last, missed: now });
        }
        // An older version let it grow.
        while self.here.len() > MOST {
            self.here.pop_last();
        }
        self.subscriptions.retain(|who, _| self.here.contains_key(who));
        // Since when somebody is missing, who may be back at another address.
        let missing = self.gone.values().map(|gone| gone.last.min(now)).min();
        for (who, mark) in confirmed {
            let noted = self.here.get(who).copied();
            if noted.is_none() && self.here.len() >= MOST {
                continue;
            }
            let before = self.subscriptions.get(who);
            let same = before.filter(|before| before.mark == *mark && !before.since.is_ahead_of(now));
            let missed = match (self.gone.remove(who), noted) {
                (Some(gone), _) => Some(gone),
                (None, None) => missing.map(|last| Gone { last, missed: now }),
                // He has left and come back between two looks.
                (None, Some(noted)) => before
                    .filter(|before| before.mark != *mark)
                    .map(|_| Gone { last: noted.min(now), missed: now }),
            };
            if let Some(missed) = missed {
                self.back.entry(who.clone()).or_insert(missed);
            }
            if same.is_none() {
                let since = if before.is_none() { noted.unwrap_or(now).min(now) } else { now };
                let subscription = Subscription { mark: mark.clone(), since };
                self.subscriptions.insert(who.clone(), subscription);
            }
            if noted.is_none_or(stale) {
                self.here.insert(who.clone(), now);
            }
        }
        let known = |since: &Timestamp| !since.is_ahead_of(now);
        let empty = self.empty.filter(known).unwrap_or(now);
        self.empty = confirmed.is_empty().then_some(empty);
        self.unanswered = None;
        if !confirmed.is_empty()
            && let Some(last) = self.unsure.take().filter(known)
        {
            for who in self.here.keys() {
                self.back.entry(who.clone()).or_insert(Gone { last, missed: now });
            }
        }
        bound(&mut self.gone);
        bound(&mut self.back);
    }

    /// Those who are there, the newest first: an address that nobody knows is likely to be among them.
    fn newest(&self) -> Vec<(&String, Option<Timestamp>)> {
        let since = |who: &String| self.subscriptions.get(who).map(|subscription| subscription.since);
        let mut here: Vec<_> = self.here.keys().map(|who| (who, since(who))).collect();
        here.sort_by_key(|(_, since)| std::cmp::Reverse(*since));
        here
    }

    /// Takes note that SNS did not answer.
    fn not_answered(&mut self, now: Timestamp) {
        let since = *self.unanswered.get_or_insert(now);
        if since.is_ahead_of(now) {
            self.unanswered = Some(now);
        }
        if self.here.is_empty() && self.is_open(now) {
            self.unsure.get_or_insert(since.min(now));
        }
    }

    /// Whether mails go out though SNS does not say to whom: where it has never said, or said last that somebody is there.
    fn is_open(&self, now: Timestamp) -> bool {
        let long = |since: Timestamp| !since.is_ahead_of(now) && now.since(since) >= PATIENCE;
        !self.here.is_empty() || self.empty.is_none() && self.unanswered.is_some_and(long)
    }

    /// Those whose absence is to be told by now.
    fn missed(&self, now: Timestamp) -> impl Iterator<Item = (&String, &Gone)> {
        self.gone.iter().filter(move |(_, gone)| now.since(gone.missed) >= SETTLED)
    }

    /// Which day of nobody's being there is to be told by now: each of the first week, then one a week.
    fn day_of_silence(&self, now: Timestamp) -> Option<(Timestamp, u64)> {
        let since = self.empty?;
        let grace = if self.gone.is_empty() { FIRST_HOUR } else { SETTLED };
        let silent = now.since(since);
        let days = silent.as_secs() / DAY.as_secs();
        (silent >= grace).then(|| (since, if days < 7 { days } else { days - days % 7 }))
    }
}

/// Forgets the oldest beyond [`MOST`]. What was mailed since they were last there is still listed for whoever comes next.
fn bound(gone: &mut BTreeMap<String, Gone>) {
    let oldest = |gone: &BTreeMap<String, Gone>| {
        gone.iter().min_by_key(|(_, one)| one.missed).map(|(who, one)| (who.clone(), one.last))
    };
    while gone.len() > MOST {
        let Some((who, last)) = oldest(gone) else { return };
        gone.remove(&who);
        if let Some(next) = oldest(gone).and_then(|(who, _)| gone.get_mut(&who)) {
            next.last = next.last.min(last);
        }
    }
}

/// One of the topics, as a mail calls it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Alerts,
    Operations,
}

impl Which {
    fn key(self) -> &'static str {
        match self {
            Which::Alerts => "alerts",
            Which::Operations => "operations",
        }
    }

    /// What of it is not heard.
    fn lost(self) -> &'static str {
        match self {
            Which::Alerts => "the alerts",
            Which::Operations => "the alarms about Keepwatch itself",
        }
    }

    fn topic(self) -> &'static str {
        match self {
            Which::Alerts => "AlertTopic",
            Which::Operations => "OpsTopic",
        }
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

fn what_to_do(out: &mut Page<'_>, which: Which) {
    heading(out, "WHAT TO DO NOW");
    Runbook::Subscribers.point(out);
    paragraph(
        out,
        "Subscribe again, and confirm so that nobody can unsubscribe by a link: docs/operator.md of Keepwatch, \"Who gets the \
         mails\". Two addresses at different providers are better than one. TOPIC is the ARN of the stack's output.",
    );
    command(
        out,
        &format!("Who is subscribed (TOPIC is the output {})", which.topic()),
        "aws sns list-subscriptions-by-topic --topic-arn TOPIC",
    );
    command(
        out,
        "Subscribe an address; SNS sends it a mail with a link, which holds a token",
        "aws sns subscribe --topic-arn TOPIC --protocol email --notification-endpoint ADDRESS",
    );
    command(
        out,
        "Confirm with the token instead of the link: only who is signed in can unsubscribe then",
        "aws sns confirm-subscription --topic-arn TOPIC --token TOKEN --authenticate-on-unsubscribe true",
    );
}

fn those_gone(out: &mut Page<'_>, circle: &Circle) {
    let mut gone: Vec<_> = circle.gone.iter().collect();
    gone.sort_by_key(|(_, gone)| std::cmp::Reverse(gone.missed));
    let rows = gone.iter().map(|(who, gone)| (*who, format!("missed since {}", gone.missed)));
    named(out, "NO MORE SUBSCRIBED", rows.collect());
}

fn those_there(out: &mut Page<'_>, circle: &Circle) {
    let seen = |since: Option<Timestamp>| since.map_or_else(String::new, |since| format!("since {since}"));
    let rows = circle.newest().into_iter().map(|(who, since)| (who, seen(since)));
    named(out, "SUBSCRIBED NOW, THE NEWEST FIRST", rows.collect());
}

/// Subscribers with a note each, under a heading; nothing for nobody.
fn named(out: &mut Page<'_>, title: &str, rows: Vec<(&String, String)>) {
    if !rows.is_empty() {
        heading(out, title);
    }
    for (who, note) in rows.iter().take(MAX_NAMED) {
        listed(out, who, &[note]);
    }
    if rows.len() > MAX_NAMED {
        listed(out, &format!("and {} more", rows.len() - MAX_NAMED), &[]);
    }
}

fn who_is_that(out: &mut Page<'_>, which: Which) {
    paragraph(
        out,
        "Does anybody read along whom you do not know? Then somebody wanted the mails for himself. End his subscription, and \
         look what else he did.",
    );
    command(
        out,
        &format!("The ARN of each subscription (TOPIC is the output {})", which.topic()),
        "aws sns list-subscriptions-by-topic --topic-arn TOPIC",
    );
    command(out, "End one", "aws sns unsubscribe --subscription-arn ARN");
}

/// Nobody gets what is published to this topic.
fn nobody(which: Which, since: Timestamp, circle: &Circle, account: &str, sender: &Sender) -> Alert {
    let mut out = Page::new(sender);
    let why = if circle.gone.is_empty() {
        "Nobody has confirmed a subscription yet: AWS sends a mail that asks for it, and the link in it is good for some days."
    } else {
        "Every mail of SNS has a link that ends its subscription without signing in, and programs that scan mails follow links. \
         Whoever wants Keepwatch to be silent may have done it as well. CloudTrail does not tell of it."
    };
    paragraph(&mut out, &format!("Since {since} nobody gets {}. {why}", which.lost()));
    if which == Which::Alerts {
        paragraph(
            &mut out,
            "Nothing is lost: alerts stay due as long as nobody would get them, and are sent within a minute once somebody has \
             confirmed.",
        );
    }
    those_gone(&mut out, circle);
    what_to_do(&mut out, which);
    let severity = if circle.gone.is_empty() { Severity::Medium } else { Severity::Critical };
    let json = json!({"audience": {"topic": which.key(), "subscribers": 0, "since": since}});
    Alert::new(severity, &format!("Nobody gets {}", which.lost()), account, out, json)
}

/// Some do not get any more what others still get.
fn missing(
    which: Which,
    gone: &[&String],
    since: Timestamp,
    circle: &Circle,
    account: &str,
    sender: &Sender,
) -> Alert {
    let mut out = Page::new(sender);
    let names = names(gone);
    paragraph(
        &mut out,
        &format!(
            "Since {since} this subscriber does not get {} any more: {names}. Every mail of SNS has a link that ends its \
             subscription without signing in, and programs that scan mails follow links.",
            which.lost()
        ),
    );
    if which == Which::Alerts {
        paragraph(
            &mut out,
            "Others are still mailed. Once he is subscribed again, at this address or another, a list of what he has missed is \
             mailed. If he was meant to leave, nothing needs to be done.",
        );
    }
    those_gone(&mut out, circle);
    those_there(&mut out, circle);
    gap(&mut out);
    who_is_that(&mut out, which);
    what_to_do(&mut out, which);
    let there: Vec<String> =
        circle.newest().iter().take(MAX_NAMED).map(|(who, _)| clean(who, MAX_TEXT)).collect();
    let json = json!({"audience": {
        "topic": which.key(), "subscribers": circle.here.len(), "missing": clean(&names, MAX_TEXT), "since": since,
        "there": there,
    }});
    Alert::new(Severity::High, &format!("One less gets {}: {names}", which.lost()), account, out, json)
}

fn names(all: &[&String]) -> String {
    let named: Vec<&str> = all.iter().take(MAX_NAMED).map(|who| who.as_str()).collect();
    match all.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// What was mailed while somebody was missing, for those who are back or have come since.
fn returned(circle: &Circle, since: Timestamp, lines: &mut [Line], account: &str, sender: &Sender) -> Alert {
    lines.sort_by_key(|line| (std::cmp::Reverse(line.severity), line.last_seen));
    let counts = by_severity(lines.iter().map(|line| line.severity));
    let mut out = Page::new(sender);
    let back: Vec<&String> = circle.back.keys().collect();
    paragraph(
        &mut out,
        &format!(
            "A subscriber was missing, and is back or somebody else has come since: {}. These findings were mailed since \
             {since}, to others or perhaps to nobody.",
            names(&back)
        ),
    );
    heading(&mut out, "MAILED MEANWHILE");
    for line in lines.iter().take(MAX_LISTED) {
        let title = format!("{}: {}", line.severity.as_str(), line.title);
        listed(&mut out, &title, &[&line.when(), &line.finding_id]);
    }
    if lines.len() > MAX_LISTED {
        listed(&mut out, &format!("and {} more", lines.len() - MAX_LISTED), &[]);
    }
    those_gone(&mut out, circle);
    those_there(&mut out, circle);
    heading(&mut out, "WHAT TO DO NOW");
    keepwatch(&mut out, "All that is open", "findings list");
    keepwatch(&mut out, "Everything about one of them", "findings show FINDING_ID");
    gap(&mut out);
    who_is_that(&mut out, Which::Alerts);
    let worst = lines.first().map_or(Severity::Informational, |line| line.severity);
    let ids: Vec<&str> = lines.iter().map(|line| line.finding_id.as_str()).collect();
    let json = json!({"back": {"since": since, "findings": ids.len(), "finding_ids": ids}});
    Alert::new(worst, &format!("Mailed while a subscriber was missing: {counts}"), account, out, json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(1_772_452_800_000 + minutes * 60_000)
    }

    fn named(names: &[&str]) -> Subscribers {
        names.iter().map(|name| ((*name).to_owned(), format!("first of {name}"))).collect()
    }

    fn many(prefix: &str, count: usize) -> Subscribers {
        (0..count).map(|i| (format!("{prefix}{i:03}"), "mark".to_owned())).collect()
    }

    #[test]
    fn who_leaves_is_missed_and_who_comes_back_is_not_any_more() {
        let mut circle = Circle::default();
        circle.look(&named(&["a", "b"]), at(0));
        circle.look(&named(&["a"]), at(100));
        assert_eq!(circle.gone["b"], Gone { last: at(0), missed: at(100) });
        assert_eq!(circle.missed(at(101)).count(), 0, "one wrong answer is no news");
        assert_eq!(circle.missed(at(102)).count(), 1);
        assert_eq!(circle.day_of_silence(at(5_000)), None, "somebody is there");
        circle.look(&named(&["a", "b"]), at(200));
        assert_eq!((circle.gone.len(), circle.back["b"].last), (0, at(0)));
        // Who goes again before he was told has missed all of it.
        circle.look(&named(&["a"]), at(201));
        assert_eq!(circle.gone["b"], Gone { last: at(0), missed: at(201) });
    }

    #[test]
    fn whoever_is_new_while_somebody_is_missing_gets_the_list() {
        let mut circle = Circle::default();
        circle.look(&named(&["owner"]), at(0));
        assert!(circle.back.is_empty(), "the first has missed nothing");
        // In the same minute another address takes the owner's place.
        circle.look(&named(&["intruder"]), at(10));
        assert_eq!(circle.back["intruder"], Gone { last: at(0), missed: at(10) });
        circle.back.clear();
        // The owner is back at another address, hours later.
        circle.look(&named(&["intruder", "owner2"]), at(500));
        assert_eq!(circle.back["owner2"], Gone { last: at(0), missed: at(500) });
        assert!(!circle.back.contains_key("intruder"), "it was there all the time");
        circle.back.clear();
        // Once nobody is missing any more, a newcomer has missed nothing.
        circle.look(&named(&["intruder", "owner", "owner2"]), at(600));
        circle.back.clear();
        circle.look(&named(&["intruder", "owner", "owner2", "colleague"]), at(700));
        assert!(circle.back.is_empty());
    }

    #[test]
    fn who_leaves_and_is_back_before_a_look_is_told_apart_by_his_subscription() {
        let mut circle = Circle::default();
        circle.look(&named(&["a", "b"]), at(0));
        let mut anew = named(&["a", "b"]);
        anew.insert("a".to_owned(), "second of a".to_owned());
        circle.look(&anew, at(10));
        assert_eq!((circle.back.len(), circle.back["a"]), (1, Gone { last: at(0), missed: at(10) }));
        circle.back.clear();
        circle.look(&anew, at(20));
        assert!(circle.back.is_empty(), "once");
        // An older version has noted no subscriptions: that is no news.
        let older = json!({"here": {"a": at(0)}, "gone": {}, "back": {}});
        let mut older: Circle = serde_json::from_value(older).unwrap();
        older.look(&anew, at(30));
        assert!(older.back.is_empty(), "{:?}", older.back);
        assert_eq!(older.subscriptions["a"].since, at(0));
    }

    #[test]
    fn the_entry_is_bounded_and_a_flood_makes_nobody_forgotten() {
        let mut circle = Circle::default();
        circle.look(&named(&["owner"]), at(0));
        // Those who came first stay, however many come whose names sort before.
        let mut flood = many("a", 300);
        flood.extend(named(&["owner"]));
        circle.look(&flood, at(1));
        circle.look(&flood, at(2));
        assert_eq!((circle.here.len(), circle.here.contains_key("owner")), (MOST, true));
        assert!(circle.subscriptions.keys().eq(circle.here.keys()));
        // All of them leave, and others come and leave: the oldest are forgotten, and not from when on a list has to tell.
        circle.look(&many("b", 100), at(100));
        assert_eq!(circle.gone["owner"], Gone { last: at(0), missed: at(100) });
        circle.look(&many("c", 100), at(200));
        assert_eq!((circle.gone.len(), circle.gone.contains_key("owner")), (MOST, false));
        assert!(circle.gone.keys().all(|who| who.starts_with('b')), "{:?}", circle.gone.keys());
        circle.look(&named(&["owner"]), at(300));
        assert_eq!(circle.back["owner"].last, at(0));
        assert!(circle.back.len() <= MOST);
        // What an older version let grow is cut.
        let here: BTreeMap<String, Timestamp> = many("d", 150).into_keys().map(|who| (who, at(0))).collect();
        let mut older = Circle { here, ..Circle::default() };
        older.look(&many("d", 150), at(1));
        assert_eq!(older.here.len(), MOST);
    }

    #[test]
    fn that_nobody_is_there_is_told_each_day_of_a_week_and_then_each_week() {
        let mut circle = Circle::default();
        circle.look(&named(&["a"]), at(-10));
        circle.look(&named(&[]), at(0));
        let day = |minutes| circle.day_of_silence(at(minutes)).map(|(_, day)| day);
        assert_eq!((day(1), day(2), day(1_440), day(6 * 1_440)), (None, Some(0), Some(1), Some(6)));
        assert_eq!((day(8 * 1_440), day(15 * 1_440)), (Some(7), Some(14)));
        // Whoever deploys has an hour.
        let mut fresh = Circle::default();
        fresh.look(&named(&[]), at(0));
        assert_eq!(fresh.day_of_silence(at(59)), None);
        assert_eq!(fresh.day_of_silence(at(60)), Some((at(0), 0)));
    }

    #[test]
    fn the_journal_is_not_written_each_minute() {
        let mut circle = Circle::default();
        circle.look(&named(&["a"]), at(0));
        let noted = circle.clone();
        circle.look(&named(&["a"]), at(59));
        assert_eq!(circle, noted);
        circle.look(&named(&["a"]), at(60));
        assert_eq!(circle.here["a"], at(60));
    }

    #[test]
    fn a_right_that_is_missing_does_not_silence_the_alerts() {
        let mut circle = Circle::default();
        circle.not_answered(at(0));
        assert!(!circle.is_open(at(9)) && circle.unsure.is_none());
        circle.not_answered(at(10));
        assert_eq!((circle.is_open(at(10)), circle.unsure), (true, Some(at(0))));
        // Nobody may have got what went out meanwhile: who turns up is told.
        circle.look(&named(&[]), at(20));
        assert_eq!((circle.is_open(at(20)), circle.unsure), (false, Some(at(0))));
        circle.look(&named(&["a"]), at(30));
        assert_eq!((circle.back["a"].last, circle.unsure), (at(0), None));
    }

    #[test]
    fn what_was_planted_from_the_future_is_forgotten() {
        let far = at(1_000_000);
        let mut circle = Circle { empty: Some(far), ..Circle::default() };
        circle.here.insert("a".to_owned(), far);
        circle.gone.insert("b".to_owned(), Gone { last: far, missed: far });
        circle.look(&named(&["a"]), at(0));
        assert_eq!((circle.here["a"], circle.gone.len(), circle.empty), (at(0), 0, None));
        circle.empty = Some(far);
        circle.look(&named(&[]), at(1));
        assert_eq!((circle.empty, circle.gone["a"].last), (Some(at(1)), at(0)));
    }

    #[test]
    fn the_mails_are_what_mails_should_be() {
        let mut circle = Circle::default();
        circle.look(&named(&["email alice@example.com", "email bob@example.com"]), at(0));
        circle.look(&named(&["email bob@example.com"]), at(10));
        let gone = circle.gone["email alice@example.com"];
        circle.look(&named(&["email bob@example.com", "email carol@example.com"]), at(20));
        // Carol is the newest, and may be somebody whom nobody knows.
        assert!(circle.newest()[0].0.contains("carol"));
        let mut lines = vec![Line::unreadable("one of the findings")];
        let list = returned(&circle, at(0), &mut lines, "111122223333", crate::check::sender());
        assert_eq!(crate::check::faults(&list), [""; 0], "{}", list.text);
        assert!(list.text.contains("carol") && list.text.contains("alice"), "{}", list.text);
        circle.look(&named(&["email bob@example.com"]), at(30));
        for which in [Which::Alerts, Which::Operations] {
            let alice = "email alice@example.com".to_owned();
            let one = missing(which, &[&alice], gone.missed, &circle, "111122223333", crate::check::sender());
            assert_eq!(crate::check::faults(&one), [""; 0], "{}", one.text);
            assert!(
                one.text.contains("bob@example")
                    && one.json["audience"]["there"][0] == "email bob@example.com"
            );
            for circle in [&circle, &Circle::default()] {
                let none = nobody(which, at(10), circle, "111122223333", crate::check::sender());
                assert_eq!(crate::check::faults(&none), [""; 0], "{}", none.text);
            }
        }
    }
}
