//! Mails by the calendar: the daily digest and the weekly sign of life.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};
use keepwatch_base::time::Timestamp;
use keepwatch_core::catalogue::Catalogue;

use keepwatch_core::finding::{Finding, KnownActor, Status};
use keepwatch_core::history::progress::Trouble;
use keepwatch_core::memory::journal::counts_key_of;
use keepwatch_core::posture::run::{Run, Scans, ScansMissing};
use keepwatch_core::settings::Settings;
use keepwatch_core::severity::Severity;
use serde_json::json;

use crate::Alert;
use crate::layout::{Page, command, gap, heading, keepwatch, line, listed, paragraph};
use crate::line::{Line, by_severity};
use crate::proposal::Proposals;
use crate::runbook::Runbook;
use crate::sender::Sender;

/// Counters of one day or week, by name.
pub type Counts = BTreeMap<String, u64>;

/// How many findings a report tells under one heading.
const MAX_LISTED: usize = 50;

/// When reports are due, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// The account that Keepwatch runs in.
    pub account: String,
    /// Hour of the day, UTC, from which on reports are sent.
    pub hour: i8,
}

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A day: what is new, fixed, still open.
    Daily,
    /// A week: the same, and that Keepwatch is alive.
    Weekly,
}

/// A report that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// Which kind.
    pub kind: Kind,
    /// Names the report: it is sent once for a key.
    pub key: String,
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    days: Vec<Date>,
}

impl Period {
    /// The journal's keys of the counters of its days.
    pub fn counts_keys(&self) -> impl Iterator<Item = String> {
        self.days.iter().map(|day| counts_key_of(&day.to_string()))
    }
}

fn date_and_hour(now: Timestamp) -> Option<(Date, i8)> {
    let utc = jiff::Timestamp::from_millisecond(now.millis()).ok()?.to_zoned(TimeZone::UTC);
    Some((utc.date(), utc.hour()))
}

impl Calendar {
    /// The reports that are due by now: the latest daily and the latest weekly one. The weekly one covers the seven days
    /// before a Monday.
    pub fn due(&self, now: Timestamp) -> Vec<Period> {
        let Some((today, hour)) = date_and_hour(now) else { return Vec::new() };
        let yesterday = today.yesterday().unwrap_or(today);
        let day = if hour >= self.hour { today } else { yesterday };
        let since_monday = i64::from(day.weekday().since(Weekday::Monday));
        let monday = day.saturating_sub(since_monday.days());
        [self.period(Kind::Daily, day, 1.day()), self.period(Kind::Weekly, monday, 7.days())]
            .into_iter()
            .flatten()
            .collect()
    }

    fn period(&self, kind: Kind, end: Date, length: Span) -> Option<Period> {
        let begin = end.saturating_sub(length);
        let at = |date: Date| {
            let zoned = date.at(self.hour, 0, 0, 0).to_zoned(TimeZone::UTC).ok()?;
            Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
        };
        let name = match kind {
            Kind::Daily => "daily",
            Kind::Weekly => "weekly",
        };
        let days = begin.series(1.day()).take_while(|day| *day < end).collect();
        Some(Period { kind, key: format!("{name}#{end}"), from: at(begin)?, to: at(end)?, days })
    }
}

/// A report in the making.
#[derive(Debug)]
pub struct Tally<'a> {
    period: &'a Period,
    account: &'a str,
    new: Vec<Line>,
    fixed: Vec<Line>,
    open: Vec<Line>,
    /// Whether there is something that no other mail has told and that must not wait for the week.
    urgent: bool,
    suppressed: usize,
    proposals: Proposals,
    counts: Counts,
    /// Items of the findings table that are no findings.
    pub unreadable: usize,
    /// What was not looked at of the event history.
    pub history: Vec<Trouble>,
    /// Whether the account was watched all the time: only then is it news that nothing was heard.
    pub whole: bool,
    /// What scans see.
    posture: Posture,
}

/// The account's state, as scans tell it.
#[derive(Debug, Default)]
struct Posture {
    /// Open findings that a scan told of, by the rule or check whose they are.
    open: BTreeMap<String, usize>,
    /// The oldest of them.
    oldest: Option<Line>,
    /// Findings that a scan told of and that are fixed in the period.
    fixed: usize,
    /// The last run, where there was one.
    last: Option<Run>,
    /// Whether runs are missing.
    silence: Option<ScansMissing>,
    catalogue: Catalogue,
}

impl<'a> Tally<'a> {
    /// An empty report.
    pub fn new(period: &'a Period, account: &'a str) -> Tally<'a> {
        Tally {
            period,
            account,
            new: Vec::new(),
            fixed: Vec::new(),
            open: Vec::new(),
            urgent: false,
            suppressed: 0,
            proposals: Proposals::default(),
            counts: Counts::new(),
            unreadable: 0,
            history: Vec::new(),
            whole: true,
            posture: Posture::default(),
        }
    }

    /// Adds what the journal remembers of scans. The catalogue says what practices are called.
    pub fn scans(&mut self, scans: Scans, now: Timestamp, catalogue: Catalogue) {
        self.posture.silence = scans.silence(now);
        self.posture.last = scans.last;
        self.posture.catalogue = catalogue;
    }

    /// Adds a finding. What is informational is on record for whoever looks; nobody needs to be told.
    pub fn add(&mut self, finding: &Finding) {
        if finding.severity == Severity::Informational {
            return;
        }
        let within = |time: Timestamp| self.period.from <= time && time < self.period.to;
        if within(finding.last_seen) {
            self.proposals.add(finding);
        }
        // What the first scan found, and what only grew old, is no news of a day: one report has told of it, or the week's does.
        let reported = finding.alert.became_due == 0 && finding.alert.severity.is_some();
        let new = within(finding.created_at) && !(reported && self.period.kind == Kind::Daily);
        // What was mailed is known, and what is LOW can wait for the week.
        let matters = finding.severity >= Severity::Medium;
        let counted_only = |told: &KnownActor| told.counted_only && within(told.at);
        self.urgent |=
            matters && ((new && finding.alert.sent == 0) || finding.alert.told.iter().any(counted_only));
        if new {
            self.new.push(Line::of(finding));
        }
        let fixed = finding.resolved_at.is_some_and(within);
        if fixed {
            self.urgent |= matters;
            self.fixed.push(Line::of(finding));
        }
        if finding.witnesses.values().any(|witness| witness.event.is_scan()) {
            self.posture.add(finding, fixed);
        }
        match finding.status {
            Status::New | Status::InProgress if !new => {
                // A state that goes on is for the week: or every account would be mailed every day.
                let state = finding.current_witnesses().all(|witness| witness.event.is_scan());
                self.urgent |= finding.severity == Severity::Critical && !state;
                self.open.push(Line::of(finding));
            }
            Status::New | Status::InProgress | Status::Resolved => {}
            Status::Suppressed => self.suppressed += 1,
        }
    }

    /// Adds the counters of a day.
    pub fn add_counts(&mut self, mut counts: Counts) {
        // A version that did not tell sources apart counted them all.
        let judged = counts.get("judged").copied().unwrap_or(0);
        counts.entry("cloudtrail".to_owned()).or_insert(judged);
        for (name, count) in counts {
            *self.counts.entry(name).or_default() += count;
        }
    }

    /// The mail; none for a day of which all that matters was told already. The week's mail has the rest.
    pub fn alert(mut self, settings: &Settings, now: Timestamp, sender: &Sender) -> Option<Alert> {
        let quiet =
            !self.urgent && self.unreadable == 0 && self.history.is_empty() && self.posture.silence.is_none();
        if self.period.kind == Kind::Daily && quiet {
            return None;
        }
        self.new.sort_by_key(|line| (std::cmp::Reverse(line.severity), line.first_seen));
        self.fixed.sort_by_key(|line| (std::cmp::Reverse(line.severity), line.first_seen));
        self.open.sort_by_key(|line| (std::cmp::Reverse(line.severity), line.first_seen));
        let count = |lines: &[Line]| by_severity(lines.iter().map(|line| line.severity));
        let (new, fixed, open) = (self.new.len(), self.fixed.len(), self.open.len());
        let judged = self.counts.get("judged").copied().unwrap_or(0);
        let mut out = Page::new(sender);
        // A finding of Config's now and then does not show that calls are heard.
        let calls = self.counts.get("cloudtrail").copied().unwrap_or(0);
        let deaf = calls == 0 && self.whole && self.period.kind == Kind::Weekly;
        let (headline, severity) = self.headline(deaf, judged);
        let what = match self.period.kind {
            Kind::Daily => "What Keepwatch saw in a day",
            Kind::Weekly => "What Keepwatch saw in a week",
        };
        paragraph(&mut out, &format!("{what}, from {} to {}.", self.period.from, self.period.to));
        line(&mut out, "New", &count(&self.new));
        line(&mut out, "Fixed", &count(&self.fixed));
        line(&mut out, "Open from before", &count(&self.open));
        gap(&mut out);
        if self.period.kind == Kind::Weekly {
            self.weekly(&mut out, deaf, judged, settings, now);
        }
        if self.period.kind == Kind::Weekly {
            self.proposals.write(&mut out, &settings.lists.automation);
        }
        self.posture.write(&mut out, self.period.kind);
        section(&mut out, "NEW", &self.new);
        section(&mut out, "FIXED", &self.fixed);
        section(&mut out, "STILL OPEN, WORST AND OLDEST FIRST", &self.open);
        if self.suppressed > 0 {
            heading(&mut out, "SUPPRESSED");
            let _ = writeln!(out, "  {} open findings", self.suppressed);
            keepwatch(&mut out, "Until when, by whom and why", "suppress list");
        }
        if self.unreadable > 0 {
            heading(&mut out, "UNREADABLE");
            let _ = writeln!(
                out,
                "  {} items of the findings table are no findings; look who wrote them",
                self.unreadable
            );
        }
        if !self.history.is_empty() {
            history(&mut out, &self.history);
        }
        self.what_to_do(&mut out, deaf);
        let json = json!({"report": {
            "kind": if self.period.kind == Kind::Daily { "daily" } else { "weekly" },
            "from": self.period.from, "to": self.period.to, "account": self.account,
            "new": new, "fixed": fixed, "open": open, "suppressed": self.suppressed, "unreadable": self.unreadable,
            "counts": self.counts, "history": self.history.len(),
            "posture": self.posture.json(),
        }});
        Some(Alert::new(severity, &headline, self.account, out, json))
    }

    /// The subject, and how bad it is. `deaf` says that no call was heard for a week.
    fn headline(&self, deaf: bool, judged: u64) -> (String, Severity) {
        let (new, fixed, open) = (self.new.len(), self.fixed.len(), self.open.len());
        let blind = self.history.iter().any(|trouble| !matches!(trouble, Trouble::Left(..)));
        match self.period.kind {
            Kind::Daily if self.posture.silence.is_some() && !blind => {
                ("Keepwatch does not scan the account".to_owned(), Severity::High)
            }
            // Nothing else tells that the function was taken away.
            Kind::Daily if blind => {
                ("Keepwatch does not look through all of the event history".to_owned(), Severity::High)
            }
            Kind::Daily => (
                format!("Keepwatch today: {new} new, {fixed} fixed, {open} still open"),
                Severity::Informational,
            ),
            // Silence is either a dead account or a deaf watch.
            Kind::Weekly if deaf && judged > 0 => {
                ("Keepwatch heard no call at all this week".to_owned(), Severity::High)
            }
            Kind::Weekly if deaf => ("Keepwatch heard no event at all this week".to_owned(), Severity::High),
            // What counts comes first: a subject is cut at its end.
            Kind::Weekly if new + fixed + open == 0 => {
                (format!("Keepwatch is alive: {judged} events judged, nothing open"), Severity::Informational)
            }
            Kind::Weekly => {
                let new = by_severity(self.new.iter().map(|line| line.severity));
                let what = format!(
                    "Keepwatch this week: {new} new; {open} from before, {fixed} fixed; {judged} events judged"
                );
                (what, Severity::Informational)
            }
        }
    }

    fn what_to_do(&self, out: &mut Page<'_>, deaf: bool) {
        heading(out, "WHAT TO DO NOW");
        if deaf {
            Runbook::NoEvents.point(out);
        }
        let stopped = !self.history.is_empty() || self.posture.silence.is_some();
        if stopped {
            Runbook::DailyRun.point(out);
        }
        if deaf || stopped {
            keepwatch(out, "Which part does not work?", "doctor");
        }
        if deaf {
            let here = out.sender_region();
            let trails = format!("aws cloudtrail describe-trails{here}");
            command(out, "Is there a trail? It must log management events", &trails);
            command(
                out,
                "Do messages wait? (the queues of the stack)",
                &format!("aws sqs list-queues{here}"),
            );
        } else {
            keepwatch(out, "List what is open, worst first", "findings list");
            keepwatch(out, "Everything about one of them", "findings show FINDING_ID");
        }
    }

    fn weekly(&self, out: &mut Page<'_>, deaf: bool, judged: u64, settings: &Settings, now: Timestamp) {
        if deaf {
            paragraph(
                out,
                "An account in use makes events every hour. Look whether a CloudTrail trail logs management events, \
                 whether the event rules of the stack are enabled, and whether messages wait in the intake queue or the \
                 dead-letter queue.",
            );
        }
        heading(out, "THIS WEEK");
        line(out, "Events judged", &judged.to_string());
        if deaf && judged > 0 {
            line(out, "From CloudTrail", "none; what was heard came from other services");
        }
        for (name, label) in
            [("failed", "Tried again"), ("mailed", "Alerts mailed"), ("digested", "In digests")]
        {
            if let Some(count) = self.counts.get(name) {
                line(out, label, &count.to_string());
            }
        }
        let active: Vec<_> = settings.suppressions.iter().filter(|s| s.is_active(now)).collect();
        if !active.is_empty() {
            heading(out, "SUPPRESSIONS IN FORCE");
        }
        for suppression in active.iter().take(MAX_LISTED) {
            let what = format!("{}: {}", suppression.id, suppression.scope());
            let why =
                format!("until {}, {}: {}", suppression.expires_at, suppression.owner, suppression.reason);
            listed(out, &what, &[&why]);
        }
    }
}

impl Posture {
    fn add(&mut self, finding: &Finding, fixed: bool) {
        self.fixed += usize::from(fixed);
        if !matches!(finding.status, Status::New | Status::InProgress) {
            return;
        }
        *self.open.entry(finding.rule.clone()).or_default() += 1;
        if self.oldest.as_ref().is_none_or(|oldest| finding.first_seen < oldest.first_seen) {
            self.oldest = Some(Line::of(finding));
        }
    }

    /// The practice that a rule or check is about, in words.
    fn practice<'r>(&self, rule: &'r str) -> &'r str {
        self.catalogue.find(rule).map_or(rule, |about| about.title)
    }

    /// Open by practice, most first; what is oldest; how much could be seen. A day tells only that scans are missing.
    fn write(&self, out: &mut Page<'_>, kind: Kind) {
        if let Some(silence) = &self.silence {
            heading(out, "SCANS");
            let since = match silence {
                ScansMissing::Never(since) => {
                    format!("no scan was finished since {since}, when the first was expected")
                }
                ScansMissing::Since(last) => format!("the last scan was finished {last}"),
            };
            paragraph(out, &format!("Once a day Keepwatch looks at the account as it is. Now {since}."));
        }
        let Some(last) = self.last.as_ref().filter(|_| kind == Kind::Weekly) else { return };
        heading(out, "THE ACCOUNT AS IT IS");
        line(out, "Last scan", &last.at.to_string());
        let coverage = &last.coverage;
        let seen = format!("{} % of what the checks ask", coverage.percent());
        line(out, "Seen", &seen);
        if !coverage.refused.is_empty() {
            let actions: Vec<&str> = coverage.refused.keys().take(5).map(String::as_str).collect();
            let more = coverage.refused.len() - actions.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            line(out, "Refused", &format!("{}{more}", actions.join(", ")));
        }
        line(out, "Fixed", &self.fixed.to_string());
        if let Some(oldest) = &self.oldest {
            line(out, "Oldest", &format!("{}, since {}", oldest.title, oldest.first_seen.date()));
        }
        let mut open: Vec<(&String, usize)> = self.open.iter().map(|(rule, count)| (rule, *count)).collect();
        open.sort_by_key(|(rule, count)| (std::cmp::Reverse(*count), (*rule).clone()));
        for (rule, count) in open.into_iter().take(MAX_LISTED) {
            listed(out, &format!("{count} open: {}", self.practice(rule)), &[rule]);
        }
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "open": self.open, "fixed": self.fixed,
            "coverage_percent": self.last.as_ref().map(|last| last.coverage.percent()),
            "last_scan": self.last.as_ref().map(|last| last.at),
            "missing": self.silence.is_some(),
        })
    }
}

/// What was not looked at of the event history.
fn history(out: &mut Page<'_>, troubles: &[Trouble]) {
    heading(out, "EVENT HISTORY");
    paragraph(
        out,
        "Once a day Keepwatch looks in CloudTrail's event history for decisive events that EventBridge did not bring. It has \
         not looked at these:",
    );
    for trouble in troubles.iter().take(MAX_LISTED) {
        let (what, why) = match trouble {
            Trouble::Never(since) => {
                ("everything".to_owned(), format!("no run has looked at anything since {since}"))
            }
            Trouble::Silent(name, until) => (name.clone(), format!("was last looked at {until}")),
            Trouble::Left(name, span) => (
                name.clone(),
                format!("from {} to {}: too many for one run, the next goes on", span.from, span.to),
            ),
            Trouble::Lost(name, span) => (
                name.clone(),
                format!(
                    "from {} to {}: given up, it lies more than a week back or has too many events in one second",
                    span.from, span.to
                ),
            ),
        };
        listed(out, &what, &[&why]);
    }
    if troubles.len() > MAX_LISTED {
        listed(out, &format!("and {} more", troubles.len() - MAX_LISTED), &[]);
    }
}

/// A heading and the findings under it, by severity.
fn section(out: &mut Page<'_>, title: &str, lines: &[Line]) {
    if lines.is_empty() {
        return;
    }
    heading(out, title);
    for line in lines.iter().take(MAX_LISTED) {
        let status = line.status_reason.as_deref().unwrap_or_default();
        let title = format!("{}: {}", line.severity.as_str(), line.title);
        listed(out, &title, &[status, &line.when(), &line.finding_id]);
    }
    if lines.len() > MAX_LISTED {
        let rest = lines.iter().skip(MAX_LISTED).map(|line| line.severity);
        listed(out, &format!("and {} more: {}", lines.len() - MAX_LISTED, by_severity(rest)), &[]);
    }
}
