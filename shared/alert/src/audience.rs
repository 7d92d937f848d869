//! Who gets the mails: those who have confirmed that they want them, on both topics.
//!
//! Everybody who has a mail of SNS can end its subscription by the link under it, without signing in, and programs that scan
//! mails follow links. No event tells of that. So every sweep reads who is subscribed. As long as nobody is, alerts stay due.
//! Who was and is no more is told of over the other topic; once he is back, he gets the list of what he has missed.

use std::collections::{BTreeMap, BTreeSet};
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
use crate::layout::{Page, command, heading, keepwatch, listed, paragraph};
use crate::once::SentOnce;
use crate::outbox::{DeliverError, Failure, Notifier, Outbox, Topic};
use crate::sender::Sender;
use crate::sweep::AllFindings;
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

/// How many findings the list for somebody who is back names.
const MAX_LISTED: usize = 150;

/// After so long without an answer mails go out unless it is known that nobody would get them: a right that is missing must
/// not silence Keepwatch.
const PATIENCE: Duration = Duration::from_secs(600);

const DAY: Duration = Duration::from_secs(86_400);

/// Who is subscribed to one topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Circle {
    /// Who was there at the last look, and when he was last noted.
    #[serde(default)]
    here: BTreeMap<String, Timestamp>,
    /// Who is not there any more.
    #[serde(default)]
    gone: BTreeMap<String, Gone>,
    /// Who is here again and has not been told what he has missed.
    #[serde(default)]
    back: BTreeMap<String, Gone>,
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
    fn look(&mut self, confirmed: &BTreeSet<String>, now: Timestamp) {
        let stale = |noted: Timestamp| noted.is_ahead_of(now) || now.since(noted) >= STEP;
        let left: Vec<String> = self.here.keys().filter(|who| !confirmed.contains(*who)).cloned().collect();
        for who in left {
            let last = self.here.remove(&who).unwrap_or(now).min(now);
            let last = self.back.remove(&who).map_or(last, |before| before.last);
            self.gone.insert(who, Gone { last, missed: now });
        }
        for who in confirmed.iter().take(MOST) {
            if let Some(gone) = self.gone.remove(who) {
                self.back.insert(who.clone(), gone);
            }
            if self.here.get(who).is_none_or(|noted| stale(*noted)) {
                self.here.insert(who.clone(), now);
            }
        }
        let forgotten = |gone: &Gone| gone.missed.is_ahead_of(now) || now.since(gone.missed) >= REMEMBERED;
        self.gone.retain(|_, gone| !forgotten(gone));
        while self.gone.len() > MOST {
            self.gone.pop_first();
        }
        let known = |since: &Timestamp| !since.is_ahead_of(now);
        let empty = self.empty.filter(known).unwrap_or(now);
        self.empty = confirmed.is_empty().then_some(empty);
        self.unanswered = None;
        if !confirmed.is_empty()
            && let Some(last) = self.unsure.take().filter(known)
        {
            for who in confirmed.iter().take(MOST) {
                self.back.entry(who.clone()).or_insert(Gone { last, missed: now });
            }
        }
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
        let known = |answer: &Result<BTreeSet<String>, T::Error>, circle: &Circle| match answer {
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
        let facts = welcome::Facts {
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
            for (who, gone) in circle.missed(now).take(MAX_LISTED) {
                let key = format!("missing#{}#{}#{}", which.key(), short_hash(&[who]), gone.missed.millis());
                let alert = async || Ok(Some(missing(which, who, *gone, circle, account, self.sender)));
                note(self.send_once_over(topic, &key, now, alert).await);
            }
        }
        failed
    }

    /// Gives those who are back the list of what was mailed while they were not there.
    pub(super) async fn catch_up_with(
        &self,
        account: &str,
        now: Timestamp,
        sent: &mut usize,
    ) -> Result<(), Failure<S, J, T>> {
        let read = async || self.journal.read::<Audience>(ENTRY).await.map_err(DeliverError::Journal);
        let Some(entry) = read().await? else { return Ok(()) };
        let back = entry.value.alerts.back;
        if back.is_empty() {
            return Ok(());
        }
        for (who, gone) in &back {
            let key = format!("back#{}#{}", short_hash(&[who]), gone.missed.millis());
            let alert = async || {
                // A mail of the last hour in which he was noted may have found him gone.
                let since = gone.last.minus(STEP);
                let mut lines = Vec::new();
                let mailed = |finding: keepwatch_core::finding::Finding| {
                    let told = finding.alert.occurred_at.max(Some(finding.updated_at));
                    if finding.alert.sent > 0 && told >= Some(since) {
                        lines.push(Line::of(&finding));
                    }
                };
                self.findings.visit(mailed).await.map_err(DeliverError::Findings)?;
                Ok((!lines.is_empty()).then(|| returned(who, since, &mut lines, account, self.sender)))
            };
            match self.send_once(&key, now, alert).await? {
                SentOnce::Busy => return Ok(()),
                posted => *sent += usize::from(posted == SentOnce::Sent),
            }
        }
        // Another sweep may have written meanwhile; the mails are sent once, and the next one forgets.
        let Some(mut entry) = read().await? else { return Ok(()) };
        entry.value.alerts.back.retain(|who, gone| back.get(who) != Some(gone));
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
    if !circle.gone.is_empty() {
        heading(out, "NO MORE SUBSCRIBED");
    }
    for (who, gone) in circle.gone.iter().take(20) {
        listed(out, who, &[&format!("missed since {}", gone.missed)]);
    }
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

/// Somebody does not get any more what others still get.
fn missing(which: Which, who: &str, gone: Gone, circle: &Circle, account: &str, sender: &Sender) -> Alert {
    let mut out = Page::new(sender);
    paragraph(
        &mut out,
        &format!(
            "Since {} this subscriber does not get {} any more: {who}. Every mail of SNS has a link that ends its subscription \
             without signing in, and programs that scan mails follow links.",
            gone.missed,
            which.lost()
        ),
    );
    if which == Which::Alerts {
        paragraph(
            &mut out,
            "Others are still mailed. Once he is subscribed again he gets a list of what he has missed. If he was meant to \
             leave, nothing needs to be done.",
        );
    }
    heading(&mut out, "STILL SUBSCRIBED");
    for who in circle.here.keys().take(20) {
        listed(&mut out, who, &[]);
    }
    what_to_do(&mut out, which);
    let json = json!({"audience": {
        "topic": which.key(), "subscribers": circle.here.len(), "missing": clean(who, MAX_TEXT), "since": gone.missed,
    }});
    Alert::new(Severity::High, &format!("One less gets {}: {who}", which.lost()), account, out, json)
}

/// What somebody has missed who is subscribed again.
fn returned(who: &str, since: Timestamp, lines: &mut [Line], account: &str, sender: &Sender) -> Alert {
    lines.sort_by_key(|line| (std::cmp::Reverse(line.severity), line.last_seen));
    let counts = by_severity(lines.iter().map(|line| line.severity));
    let mut out = Page::new(sender);
    paragraph(
        &mut out,
        &format!(
            "This subscriber was missing and is back: {who}. These findings were mailed since {since}, to others or perhaps to \
             nobody."
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
    heading(&mut out, "WHAT TO DO NOW");
    keepwatch(&mut out, "All that is open", "findings list");
    keepwatch(&mut out, "Everything about one of them", "findings show FINDING_ID");
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

    fn named(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
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
        for which in [Which::Alerts, Which::Operations] {
            let one = missing(
                which,
                "email alice@example.com",
                gone,
                &circle,
                "111122223333",
                crate::check::sender(),
            );
            assert_eq!(crate::check::faults(&one), [""; 0], "{}", one.text);
            for circle in [&circle, &Circle::default()] {
                let none = nobody(which, at(10), circle, "111122223333", crate::check::sender());
                assert_eq!(crate::check::faults(&none), [""; 0], "{}", none.text);
            }
        }
    }
}
