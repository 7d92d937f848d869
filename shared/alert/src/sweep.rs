//! The sweep: once a minute, everything that no stream record brings.
//!
//! Alerts whose stream record was lost or whose notifier crashed, those the mail budget deferred, suppressions that
//! began or ended, and the mails that are due by the calendar. Each part is tried even if another fails, and what is
//! left undone is found again by the next sweep.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use keepwatch_base::time::Timestamp;
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::finding::Finding;
use keepwatch_core::finding::record::{FindingStore, Write};
use keepwatch_core::history::progress;
use keepwatch_core::memory::journal::{Journal, RECEIPTS_KEPT};
use keepwatch_core::posture::run;
use keepwatch_core::settings::own_rules;
use keepwatch_core::severity::Severity;
use serde::{Deserialize, Serialize};

use crate::announce::{self, Announced};
use crate::digest;
use crate::line::Line;
use crate::once::SentOnce;
use crate::outbox::{Claim, Claimed, DeliverError, DueAlert, Failure, Notifier, Outbox, Topic};
use crate::related::RelatedActs;
use crate::sender::Sender;
use crate::{Alert, budget, first_scan, group, report};

/// How many findings are written at the same time.
const AT_ONCE: usize = 16;

/// At least this long between two digests of deferred alerts, unless one of them is critical.
pub const DIGEST_PAUSE: Duration = Duration::from_secs(600);

/// How long an alert may be due before the stream's next record sends it along: by then a few sweeps have not come.
const OVERDUE: Duration = Duration::from_secs(240);

/// How long after a change of the settings findings are compared with them: `detect` may know older ones for a minute.
const SETTLING: Duration = Duration::from_secs(300);

/// All findings, for what is told by the calendar.
pub trait AllFindings {
    /// What can go wrong with the table.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Shows each finding once. One that cannot be read is left out and counted in the result.
    fn visit(
        &self,
        visit: impl FnMut(Finding) + Send,
    ) -> impl Future<Output = Result<usize, Self::Error>> + Send;

    /// The suppressed findings whose suppression ends before `now`, as an index knows them that may be behind.
    fn waking(&self, now: Timestamp) -> impl Future<Output = Result<Vec<String>, Self::Error>> + Send;
}

/// What one sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Alerts that were due.
    pub due: usize,
    /// Sent alone.
    pub sent: usize,
    /// Told in a digest.
    pub digested: usize,
    /// Findings silenced or woken because the settings changed or a suppression ended.
    pub settled: usize,
    /// Other mails: announcements, the daily digest, the weekly report.
    pub mails: usize,
    /// Whether `scan` is to look up what the welcome mail tells.
    pub look_up: bool,
    /// Whether nobody is subscribed to anything, so that nobody could be told of that either.
    pub unheard: bool,
}

/// What the journal remembers of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Applied {
    fingerprint: String,
    changed_at: i64,
    /// Whether all findings were found to agree, long enough after the change that nobody goes by older settings.
    #[serde(default)]
    settled: bool,
}

/// What the journal remembers of digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LastDigest {
    at: i64,
}

const APPLIED: &str = "settings applied";
const LAST_DIGEST: &str = "last digest";
const ANNOUNCED: &str = "settings announced";

/// The alerts that one mail tells: one, or those that are told together. Not none.
struct Letter(Vec<Claimed>);

impl Letter {
    fn severity(&self) -> Severity {
        self.0.iter().map(Claimed::severity).max().unwrap_or(Severity::High)
    }

    /// When the oldest of them was last seen.
    fn since(&self) -> Option<Timestamp> {
        self.0.iter().filter_map(Claimed::readable).map(|finding| finding.last_seen).min()
    }

    /// The finding that the mail tells in full, and that subscribers filter it by.
    fn worst(&self) -> Option<&Finding> {
        self.0.iter().filter_map(Claimed::readable).max_by_key(|finding| finding.severity)
    }

    /// The mail, and the finding that subscribers filter it by.
    fn alert(
        &self,
        catalogue: Catalogue,
        sender: &Sender,
        related: &RelatedActs,
    ) -> Option<(Option<&Finding>, Alert)> {
        let findings: Vec<&Finding> = self.0.iter().filter_map(Claimed::readable).collect();
        match &findings[..] {
            [_, ..] if self.0.len() > 1 => {
                let worst = self.worst()?;
                Some((Some(worst), group::alert(&findings, catalogue, sender, related)?))
            }
            _ => {
                self.0.first().map(|claimed| (claimed.readable(), claimed.alert(catalogue, sender, related)))
            }
        }
    }
}

impl Claimed {
    fn due(&self) -> DueAlert {
        let since = self.readable().map_or(Timestamp::default(), |finding| finding.last_seen);
        DueAlert { finding_id: self.finding_id.clone(), severity: self.severity(), since }
    }

    fn line(&self) -> Line {
        self.readable().map_or_else(|| Line::unreadable(&self.finding_id), Line::of)
    }
}

/// One mail for those that are told together, and one for each other alert; worst first and then oldest first.
fn letters(claimed: Vec<Claimed>) -> Vec<Letter> {
    let mut letters: Vec<(Option<group::Together>, Letter)> = Vec::new();
    for one in claimed {
        let with = one.readable().and_then(group::together);
        match letters.iter_mut().find(|(other, _)| with.is_some() && *other == with) {
            Some((_, letter)) => letter.0.push(one),
            None => letters.push((with, Letter(vec![one]))),
        }
    }
    let mut letters: Vec<Letter> = letters.into_iter().map(|(_, letter)| letter).collect();
    letters.sort_by_key(|letter| (std::cmp::Reverse(letter.severity()), letter.since()));
    letters
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
    /// Does everything that is due. `token` is no other invocation's; `calendar` says when reports are due.
    ///
    /// # Errors
    /// The first error; the parts after it were tried all the same.
    pub async fn sweep(
        &self,
        token: &str,
        now: Timestamp,
        calendar: &report::Calendar,
    ) -> (Swept, Result<(), Failure<S, J, T>>) {
        let mut swept = Swept::default();
        let (heard, looked) = self.call_the_roll(&calendar.account, now, &mut swept.mails).await;
        swept.unheard = heard.nothing;
        if !heard.noted {
            return (swept, looked);
        }
        let settled = self.settle(now, &mut swept).await;
        if !heard.alerts {
            // Whatever is due stays due: a mail that nobody gets would count as sent.
            return (swept, looked.and(settled));
        }
        let alerts = self.alerts(token, now, &mut swept).await;
        let back = self.catch_up_with(&calendar.account, now, &mut swept.mails).await;
        let welcomed = self.welcome(&calendar.account, now, &mut swept.mails).await;
        let welcomed = welcomed.map(|wanted| swept.look_up = wanted);
        let mails = self.mails(now, calendar, &mut swept).await;
        (swept, looked.and(settled).and(alerts).and(back).and(welcomed).and(mails))
    }

    /// Whether a sweep has come before, of whatever version.
    pub(super) async fn has_swept_before(&self) -> Result<bool, Failure<S, J, T>> {
        let applied = self.journal.read::<Applied>(APPLIED).await.map_err(DeliverError::Journal)?;
        Ok(applied.is_some())
    }

    /// Sends what a sweep should have sent minutes ago: whoever stops the sweep must not stop the mails with it.
    ///
    /// # Errors
    /// [`DeliverError`]; what is left undone stays due.
    pub async fn catch_up(&self, token: &str, now: Timestamp) -> (Swept, Result<(), Failure<S, J, T>>) {
        let mut swept = Swept::default();
        let due = match self.findings.due(now).await {
            Ok(due) => {
                let late = |alert: &DueAlert| now.since(alert.since) > OVERDUE;
                due.into_iter().filter(late).collect::<Vec<_>>()
            }
            Err(error) => return (swept, Err(DeliverError::Findings(error))),
        };
        if due.is_empty() {
            return (swept, Ok(()));
        }
        match self.is_heard().await {
            Ok(true) => {}
            Ok(false) => return (swept, Ok(())),
            Err(error) => return (swept, Err(error)),
        }
        let sent = self.send_all(due, token, now, &mut swept).await;
        (swept, sent)
    }

    /// Tells of findings that this invocation has written itself, all of them at once: the stream brings them one by one, and
    /// leaves them to this.
    ///
    /// # Errors
    /// [`DeliverError`]; what is left undone stays due.
    pub async fn tell(
        &self,
        finding_ids: Vec<String>,
        token: &str,
        now: Timestamp,
    ) -> (Swept, Result<(), Failure<S, J, T>>) {
        let mut swept = Swept::default();
        if finding_ids.is_empty() || self.group_window.is_zero() {
            return (swept, Ok(()));
        }
        match self.is_heard().await {
            Ok(true) => {}
            Ok(false) => return (swept, Ok(())),
            Err(error) => return (swept, Err(error)),
        }
        let due = finding_ids.into_iter().map(|finding_id| DueAlert {
            finding_id,
            severity: Severity::High,
            since: now,
        });
        let sent = self.send_all(due.collect(), token, now, &mut swept).await;
        (swept, sent)
    }

    async fn alerts(&self, token: &str, now: Timestamp, swept: &mut Swept) -> Result<(), Failure<S, J, T>> {
        let due = self.findings.due(now).await.map_err(DeliverError::Findings)?;
        swept.due = due.len();
        self.send_all(due, token, now, swept).await
    }

    /// What the budget allows, what one principal did in one mail, worst first and then oldest first; the rest in one
    /// digest.
    async fn send_all(
        &self,
        mut due: Vec<DueAlert>,
        token: &str,
        now: Timestamp,
        swept: &mut Swept,
    ) -> Result<(), Failure<S, J, T>> {
        due.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.since.cmp(&b.since)));
        let mut rest = due.split_off(due.len().min(group::MAX_TOLD));
        let mut failed = Ok(());
        let mut spent = false;
        for letter in letters(self.claim_all(&due, token, now, &mut failed).await) {
            let is_test = letter.0.iter().all(Claimed::is_test);
            // The budget for one severity is used up for all that are less severe.
            let may = match spent && !is_test {
                true => Ok(false),
                false if is_test => budget::take_for_a_test(self.journal, now).await,
                false => budget::take(self.journal, letter.severity(), now).await,
            };
            let outcome = match may {
                Ok(true) => self.send(&letter, token, now, swept).await,
                // It waits for its own turn, and no digest is made for it.
                Ok(false) if is_test => self.end_all(&letter, token, Some(now)).await,
                Ok(false) => {
                    spent = true;
                    rest.extend(letter.0.iter().map(Claimed::due));
                    self.end_all(&letter, token, Some(now)).await
                }
                Err(error) => {
                    self.end_all(&letter, token, Some(now)).await.and(Err(DeliverError::Journal(error)))
                }
            };
            // One mail that cannot be sent must not keep the others back.
            failed = failed.and(outcome);
        }
        if spent && !rest.is_empty() {
            failed = failed.and(self.digest(&rest, token, now, swept).await);
        }
        failed
    }

    /// Claims what is due, a few at the same time; what cannot be claimed is left out, and an error is noted.
    async fn claim_all(
        &self,
        due: &[DueAlert],
        token: &str,
        now: Timestamp,
        failed: &mut Result<(), Failure<S, J, T>>,
    ) -> Vec<Claimed> {
        let claims = stream::iter(due).map(async |alert| self.claim(&alert.finding_id, token, now).await);
        let claims: Vec<_> = claims.buffered(AT_ONCE).collect().await;
        let mut taken = Vec::new();
        for claim in claims {
            match claim {
                Ok(Claim::Taken(claimed)) => taken.push(claimed),
                Ok(Claim::Left(_)) => {}
                Err(error) if failed.is_ok() => *failed = Err(error),
                Err(_) => {}
            }
        }
        taken
    }

    /// Sends one mail and ends its claims.
    async fn send(
        &self,
        letter: &Letter,
        token: &str,
        now: Timestamp,
        swept: &mut Swept,
    ) -> Result<(), Failure<S, J, T>> {
        let told: Vec<&str> = letter.0.iter().map(|claimed| claimed.finding_id.as_str()).collect();
        let related = self.related(letter.worst(), &told, now).await;
        let Some((finding, alert)) = letter.alert(self.catalogue, self.sender, &related) else {
            return Ok(());
        };
        let published = self.topic.publish(finding, &alert).await.map_err(DeliverError::Topic);
        let again = published.is_err().then_some(now);
        let ended = self.end_all(letter, token, again).await;
        if published.is_ok() {
            swept.sent += letter.0.len();
        }
        published.and(ended)
    }

    /// Ends the claims of a mail: as sent, or to be told again from a time on.
    async fn end_all(
        &self,
        letter: &Letter,
        token: &str,
        again: Option<Timestamp>,
    ) -> Result<(), Failure<S, J, T>> {
        let ends = stream::iter(&letter.0).map(async |claimed| match again {
            None => self.mark_sent(&claimed.finding_id, token).await,
            Some(until) => self.defer(&claimed.finding_id, token, until).await,
        });
        let ends: Vec<_> = ends.buffered(AT_ONCE).collect().await;
        ends.into_iter().collect()
    }

    /// Tells all of these in one mail, unless the last digest is too fresh.
    async fn digest(
        &self,
        rest: &[DueAlert],
        token: &str,
        now: Timestamp,
        swept: &mut Swept,
    ) -> Result<(), Failure<S, J, T>> {
        let last = self.journal.read::<LastDigest>(LAST_DIGEST).await.map_err(DeliverError::Journal)?;
        let fresh = last.as_ref().is_some_and(|last| {
            let at = Timestamp::from_millis(last.value.at);
            // One from the future was not written by Keepwatch.
            !at.is_ahead_of(now) && now.since(at) < DIGEST_PAUSE
        });
        if fresh && rest.iter().all(|alert| alert.severity < Severity::Critical) {
            return Ok(());
        }
        // Whoever writes this first sends the digest; another sweep at the same time leaves it to them.
        let expected = last.map(|last| last.version);
        let mark = LastDigest { at: now.millis() };
        let expires = now.plus(RECEIPTS_KEPT);
        if !self.journal.write(LAST_DIGEST, &mark, expected, expires).await.map_err(DeliverError::Journal)? {
            return Ok(());
        }
        let mut failed = Ok(());
        let claimed = Letter(self.claim_all(rest, token, now, &mut failed).await);
        if claimed.0.is_empty() {
            return failed;
        }
        let lines: Vec<Line> = claimed.0.iter().map(Claimed::line).collect();
        let digest = digest::alert(&lines, self.sender);
        let published = self.topic.publish(None, &digest).await.map_err(DeliverError::Topic);
        let again = published.is_err().then_some(now);
        let ended = self.end_all(&claimed, token, again).await;
        if published.is_ok() {
            swept.digested += lines.len();
        }
        failed.and(published).and(ended)
    }

    /// Compares findings with the settings when these have changed, and wakes what a suppression no longer covers.
    async fn settle(&self, now: Timestamp, swept: &mut Swept) -> Result<(), Failure<S, J, T>> {
        let applied = self.journal.read::<Applied>(APPLIED).await.map_err(DeliverError::Journal)?;
        let fingerprint = self.settings.fingerprint(now);
        let expected = applied.as_ref().map(|entry| entry.version);
        let unchanged =
            applied.filter(|entry| entry.value.fingerprint == fingerprint).map(|entry| entry.value);
        let settling = unchanged.as_ref().is_none_or(|applied| !applied.settled);
        let changed_at = unchanged.as_ref().map_or(now.millis(), |applied| applied.changed_at);
        let expires = now.plus(RECEIPTS_KEPT * 100);
        let mut version = expected;
        if unchanged.is_none() {
            // First of all: should the settings change back before a sweep gets through, that is a change as well.
            let applied = Applied { fingerprint: fingerprint.clone(), changed_at, settled: false };
            if !self
                .journal
                .write(APPLIED, &applied, expected, expires)
                .await
                .map_err(DeliverError::Journal)?
            {
                return Ok(());
            }
            version = Some(expected.map_or(1, |version| version + 1));
        }
        let mut agreed = false;
        let mut ids = self.findings.waking(now).await.map_err(DeliverError::Findings)?;
        if settling {
            let mut touched = Vec::new();
            let differs = |finding: Finding| {
                let silence =
                    self.settings.silence(&finding.rule, &finding.subject(), &finding.actors(), now);
                if finding.is_open() && finding.silence != silence {
                    touched.push(finding.finding_id);
                }
            };
            self.findings.visit(differs).await.map_err(DeliverError::Findings)?;
            // What is seen here may be behind, and a write may be refused: settled is what needs no write any more.
            agreed = touched.is_empty();
            ids.extend(touched);
        }
        let obeys = stream::iter(&ids).map(async |id| self.obey(id, now).await);
        let obeyed: Vec<_> = obeys.buffered(AT_ONCE).collect().await;
        for outcome in obeyed {
            swept.settled += usize::from(outcome?);
        }
        let changed_at_time = Timestamp::from_millis(changed_at);
        if agreed && (now.since(changed_at_time) >= SETTLING || changed_at_time.is_ahead_of(now)) {
            let applied = Applied { fingerprint, changed_at, settled: true };
            self.journal.write(APPLIED, &applied, version, expires).await.map_err(DeliverError::Journal)?;
        }
        Ok(())
    }

    /// Has one finding obey the settings. When somebody else writes it meanwhile, the next sweep looks again.
    async fn obey(&self, finding_id: &str, now: Timestamp) -> Result<bool, Failure<S, J, T>> {
        let Some(mut finding) = self.findings.get(finding_id).await.map_err(DeliverError::Findings)? else {
            return Ok(false);
        };
        let expected = finding.version;
        finding.distrust_future(now);
        let silence = self.settings.silence(&finding.rule, &finding.subject(), &finding.actors(), now);
        if !finding.obey(silence) && !finding.confirm_silence() {
            return Ok(false);
        }
        finding.stamp(now);
        let write = Write::Update { finding: &finding, expected, receipt: None };
        FindingStore::write(self.findings, write, now).await.map_err(DeliverError::Findings)
    }

    /// Announcements of what the settings say, and the mails of the calendar.
    async fn mails(
        &self,
        now: Timestamp,
        calendar: &report::Calendar,
        swept: &mut Swept,
    ) -> Result<(), Failure<S, J, T>> {
        let mut failed = self.announce(now, swept).await;
        failed = failed.and(self.first_scan(now, calendar, swept).await);
        for period in calendar.due(now) {
            let report = async || self.report(&period, calendar, now).await;
            match self.send_once(&period.key, now, report).await {
                Ok(posted) => swept.mails += usize::from(posted == SentOnce::Sent),
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        failed
    }

    /// Tells once of each row that came into the settings, left them, or cannot be used, and of own rules that cannot.
    async fn announce(&self, now: Timestamp, swept: &mut Swept) -> Result<(), Failure<S, J, T>> {
        let known = self.journal.read::<Announced>(ANNOUNCED).await.map_err(DeliverError::Journal)?;
        let expected = known.as_ref().map(|entry| entry.version);
        let known = known.map(|entry| entry.value).unwrap_or_default();
        let own_rules = own_rules::unusable(self.journal).await.map_err(DeliverError::Journal)?;
        let changes = announce::changes(self.settings, &own_rules, &known, self.catalogue, self.sender);
        let Some(changes) = changes else { return Ok(()) };
        // The same row may come, go and come again: each change of what was announced is announced on its own.
        let key = format!("{}#{}", changes.key, expected.unwrap_or(0));
        let posted = self.send_once(&key, now, async || Ok(Some(changes.alert))).await?;
        swept.mails += usize::from(posted == SentOnce::Sent);
        if posted == SentOnce::Busy {
            // Whoever writes it may crash before it is out; until it is, it is not known.
            return Ok(());
        }
        let expires = now.plus(RECEIPTS_KEPT * 100);
        self.journal
            .write(ANNOUNCED, &changes.all, expected, expires)
            .await
            .map_err(DeliverError::Journal)?;
        Ok(())
    }

    /// Tells of the account's first scan, once.
    async fn first_scan(
        &self,
        now: Timestamp,
        calendar: &report::Calendar,
        swept: &mut Swept,
    ) -> Result<(), Failure<S, J, T>> {
        let scans = run::read(self.journal, now).await.map_err(DeliverError::Journal)?;
        let Some(run) = scans.first else { return Ok(()) };
        let key = format!("first scan#{}", run.begun);
        let alert =
            async || Ok(Some(first_scan::alert(&calendar.account, &run, self.catalogue, self.sender)));
        let posted = self.send_once(&key, now, alert).await?;
        swept.mails += usize::from(posted == SentOnce::Sent);
        if posted == SentOnce::Busy {
            return Ok(());
        }
        run::reported(self.journal, now).await.map_err(DeliverError::Journal)
    }

    async fn report(
        &self,
        period: &report::Period,
        calendar: &report::Calendar,
        now: Timestamp,
    ) -> Result<Option<Alert>, Failure<S, J, T>> {
        // Before Keepwatch was there, nobody could hear anything.
        let since = progress::since(self.journal, now).await.map_err(DeliverError::Journal)?;
        if period.to <= since {
            return Ok(None);
        }
        let mut tally = report::Tally::new(period, &calendar.account);
        tally.whole = since <= period.from;
        let unreadable =
            self.findings.visit(|finding| tally.add(&finding)).await.map_err(DeliverError::Findings)?;
        tally.unreadable = unreadable;
        if period.kind == report::Kind::Daily {
            tally.history = progress::troubles(self.journal, now).await.map_err(DeliverError::Journal)?;
        }
        let scans = run::read(self.journal, now).await.map_err(DeliverError::Journal)?;
        tally.scans(scans, now, self.catalogue);
        for key in period.counts_keys() {
            let counts = self.journal.counts(&key).await.map_err(DeliverError::Journal)?;
            tally.add_counts(counts);
        }
        Ok(tally.alert(self.settings, now, self.sender))
    }
}
