//! The fold: from a finding and an observation to the finding that knows both.

use std::collections::BTreeMap;
use std::time::Duration;

use keepwatch_base::time::Timestamp;

use super::actors::{self, Standing};
use super::witness::keep_if_not_outdone;
use crate::finding::{AlertLife, AlertReason, Due, Finding, Passed, Reached, SeenEvent, Status, Witness};
use crate::observation::{Burst, Observation, REPORTED, Verdict};
use crate::settings::Silence;
use crate::severity::MAILED_FROM;
use crate::severity::Severity;

/// How many witnesses a finding keeps apart: the first by name, which is the same set in any order of arrival.
const KEPT_WITNESSES: usize = 12;

/// How many of the latest events a finding remembers. It bounds the item's size; beyond it, the receipts in the journal
/// recognise duplicates.
pub(super) const REMEMBERED_EVENTS: usize = 64;

/// When all events that a finding remembers lie within this time before another one, they say all that it could say.
const FLOOD: Duration = Duration::from_secs(10);

/// How long a resolved finding is kept: through a yearly audit.
const KEPT_RESOLVED: Duration = Duration::from_secs(400 * 86_400);

/// How long an open finding is kept that is not worth a mail, after it was last seen.
const KEPT_MINOR: Duration = Duration::from_secs(90 * 86_400);

/// How long a sweep leaves a fresh alert to the stream.
const STREAM_HEADSTART: Duration = Duration::from_secs(60);

/// How long after a finding was silenced a sweep looks whether the settings still say so. Longer than anybody goes by
/// settings that he has read.
const SILENCE_HEADSTART: Duration = Duration::from_secs(300);

impl Finding {
    /// The finding that begins with this observation; none begins with a passing one. `passed` is the good news that
    /// overtook it, and `silence` what the settings say, if anything.
    pub fn open(
        observation: &Observation,
        passed: Option<Passed>,
        silence: Option<Silence>,
    ) -> Option<Finding> {
        if observation.verdict == Verdict::Passing {
            return None;
        }
        let mut finding = Finding {
            finding_id: observation.finding_id(),
            status: Status::New,
            status_reason: None,
            severity: Severity::Informational,
            confidence: observation.rule.confidence,
            title: String::new(),
            reason: None,
            next_step: None,
            who: None,
            source_ip: None,
            account: observation.subject.account.clone(),
            region: observation.subject.region.clone(),
            resource: observation.subject.resource.clone(),
            aspect: observation.subject.aspect.clone(),
            rule: observation.rule.finding.to_owned(),
            first_seen: observation.event.time,
            last_seen: observation.event.time,
            occurrences: 0,
            passed,
            acknowledged: None,
            silence,
            strongest: vec![Witness::of(observation)],
            witnesses: BTreeMap::new(),
            events: Vec::new(),
            bursts: Vec::new(),
            alert: AlertLife::default(),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            resolved_at: None,
            expires_at: None,
            version: 0,
        };
        finding.apply(observation);
        Some(finding)
    }

    /// Folds an observation in. Returns whether anything changed: a duplicate of an event that is remembered changes
    /// nothing.
    pub fn apply(&mut self, observation: &Observation) -> bool {
        self.apply_counting(observation, true, None)
    }

    /// The same; `new_event` is false when another rule has told of the event before, which the finding itself knows of
    /// the latest events only. `woken` says why a suppression has ended that silenced the finding until now.
    pub(super) fn apply_counting(
        &mut self,
        observation: &Observation,
        new_event: bool,
        woken: Option<AlertReason>,
    ) -> bool {
        match observation.verdict {
            Verdict::Passing => {
                let changed = self.pass(Passed::of(observation));
                if changed && let Some(reason) = self.wakes(woken, Standing::Known) {
                    self.alert.raise(reason, self.severity, self.last_seen);
                }
                changed
            }
            Verdict::Failing | Verdict::Unknown => self.fail(observation, new_event, woken),
        }
    }

    pub(super) fn pass(&mut self, passed: Passed) -> bool {
        if self.passed.as_ref() >= Some(&passed) || self.is_grave() && !passed.borne_out {
            return false;
        }
        self.passed = Some(passed);
        self.settle();
        true
    }

    /// Whether an event is remembered, told by this rule or by any.
    pub(super) fn remembers(&self, event_id: &str, rule: Option<&str>) -> bool {
        self.events.iter().any(|seen| seen.id == event_id && rule.is_none_or(|rule| seen.rule == rule))
    }

    /// Whether bad news is one of a flood: all that is remembered lies within ten seconds before it, some of it at its own
    /// time or later, and nobody new acted. A thousand a second that each wrote the one item would all wait for one another.
    pub(super) fn is_flooded_with(&self, observation: &Observation) -> bool {
        let (rule, time) = (observation.rule.id, observation.event.time);
        let is_near = |seen: &SeenEvent| seen.time <= time && time.since(seen.time) < FLOOD;
        let of_rule = self.events.iter().filter(|seen| seen.rule == rule).count();
        observation.verdict != Verdict::Passing
            && self.is_open()
            && self.last_seen >= time
            && self.events.len() >= REMEMBERED_EVENTS
            && self.events.iter().all(is_near)
            && of_rule >= observation.burst.map_or(1, |burst| burst.count)
            && actors::standing(&self.alert.told, observation) == Standing::Known
    }

    fn fail(&mut self, observation: &Observation, new_event: bool, woken: Option<AlertReason>) -> bool {
        let event = &observation.event;
        let rule = observation.rule.id;
        if self.remembers(&event.id, Some(rule)) {
            return false;
        }
        // Two rules that witness one event have seen one occurrence.
        if new_event && !self.remembers(&event.id, None) {
            self.occurrences += 1;
        }
        self.remember(SeenEvent { time: event.time, id: event.id.clone(), rule: rule.to_owned() });
        self.first_seen = self.first_seen.min(event.time);
        self.last_seen = self.last_seen.max(event.time);
        self.confidence = self.confidence.max(observation.rule.confidence);
        // Beyond what is kept nobody knows who is new: those are counted, and told with whoever acts.
        let first_of_source =
            self.witnesses.len() < KEPT_WITNESSES && !self.witnesses.contains_key(&observation.witness);
        if self.alert.told.is_empty() && (self.alert.became_due > 0 || woken.is_some()) {
            self.alert.told = actors::witnessed(self.strongest.iter(), observation.rule);
        }
        self.witness(observation);
        if self.is_grave() {
            self.passed = self.passed.take().filter(|passed| passed.borne_out);
        }
        if let Some(burst) = observation.burst {
            self.count_bursts(rule, burst);
        }
        self.settle();
        let standing = actors::standing(&self.alert.told, observation);
        if let Some(reason) = self.tells(observation, first_of_source, standing) {
            self.alert.raise(reason, self.severity, event.time);
            let somebody_else = reason == AlertReason::SomebodyElse;
            let standing = if somebody_else { standing } else { Standing::Known };
            self.tell_of(observation, standing, somebody_else || woken == Some(AlertReason::SomebodyElse));
        } else if let Some(reason) = self.wakes(woken, standing) {
            self.alert.raise(reason, self.severity, self.last_seen);
            if woken == Some(AlertReason::SomebodyElse) {
                // Also one too many of a day: no mail of that day has told of anybody.
                self.tell_of(observation, Standing::News, true);
            }
        } else if standing == Standing::OneTooMany && self.is_told(observation) {
            actors::note(&mut self.alert.told, observation, standing);
        }
        if observation.covered_by == Some(REPORTED) && self.status != Status::Suppressed {
            self.alert.reported(self.severity, event.time);
        }
        true
    }

    fn remember(&mut self, seen: SeenEvent) {
        let place = self.events.partition_point(|other| *other < seen);
        self.events.insert(place, seen);
        if self.events.len() > REMEMBERED_EVENTS {
            self.events.remove(0);
        }
    }

    fn witness(&mut self, observation: &Observation) {
        let new = Witness::of(observation);
        keep_if_not_outdone(&mut self.strongest, &new);
        let known = self.witnesses.get(&observation.witness);
        if known.is_none_or(|old| old.age() < new.age()) {
            self.witnesses.insert(observation.witness.clone(), new);
        }
        if self.witnesses.len() > KEPT_WITNESSES {
            self.witnesses.pop_last();
        }
    }

    /// Notes the latest event, of those remembered, that was one too many of this rule within the window.
    fn count_bursts(&mut self, rule: &str, burst: Burst) {
        let times: Vec<Timestamp> =
            self.events.iter().filter(|seen| seen.rule == rule).map(|seen| seen.time).collect();
        let within = |end: &Timestamp| {
            times.iter().filter(|start| *start <= end && end.since(**start) <= burst.window).count()
        };
        let Some(at) = times.iter().rev().find(|end| within(end) >= burst.count).copied() else { return };
        let outdone = |a: &Reached, b: &Reached| b.severity >= a.severity && b.at >= a.at;
        let new = Reached { severity: burst.severity, at };
        if !self.bursts.iter().any(|kept| outdone(&new, kept)) {
            self.bursts.retain(|kept| !outdone(kept, &new));
            self.bursts.push(new);
            self.bursts.sort_by_key(|reached| std::cmp::Reverse(reached.severity));
        }
    }

    /// Derives what follows from the witnesses, the times and what people said.
    pub(super) fn settle(&mut self) {
        let strongest = self.strongest();
        let (title, severity) = (strongest.title.clone(), strongest.severity);
        let reason = strongest.reason.clone();
        self.next_step = strongest.steps.first().map(|step| format!("{}: {}", step.purpose, step.command));
        let actor = self.actor();
        let (who, source_ip) =
            (actor.map(|actor| actor.name.clone()), actor.and_then(|actor| actor.source_ip.clone()));
        (self.who, self.source_ip) = (who, source_ip);
        self.title = title;
        self.reason = Some(reason);
        let burst =
            self.bursts.iter().find(|reached| self.counts(reached.at)).map(|reached| reached.severity);
        self.severity = burst.map_or(severity, |burst| burst.max(severity));
        (self.status, self.status_reason) = self.derive_status();
        let kept_until = match &self.passed {
            Some(passed) if !self.is_open() => Some(passed.at.plus(KEPT_RESOLVED)),
            // What nobody is mailed about is a record, and a record that nobody adds to grows old.
            _ if self.severity < MAILED_FROM => Some(self.last_seen.plus(KEPT_MINOR)),
            _ => None,
        };
        self.expires_at = kept_until.map(|time| time.millis() / 1_000);
    }

    fn derive_status(&self) -> (Status, Option<String>) {
        if !self.is_open() {
            let why =
                self.passed.as_ref().map(|gone| format!("{}: {}", gone.resolution.as_str(), gone.title));
            return (Status::Resolved, why);
        }
        if let Some(silence) = &self.silence {
            return (Status::Suppressed, Some(silence.to_string()));
        }
        let gone_at = self.passed.as_ref().map(|passed| passed.at);
        if let Some(taken) = self.acknowledged.as_ref().filter(|taken| Some(taken.at) > gone_at) {
            return (Status::InProgress, Some(format!("acknowledged by {}: {}", taken.by, taken.note)));
        }
        // Good news from before the first bad news does not make it a problem that came back.
        let back = gone_at.filter(|_| self.was_gone_after(self.first_seen));
        (Status::New, back.map(|at| format!("reopened: it was gone at {at}")))
    }

    /// Whether people are mailed about what was just folded in, if it is news.
    fn is_told(&self, observation: &Observation) -> bool {
        observation.covered_by.is_none() && self.status != Status::Suppressed && self.severity >= MAILED_FROM
    }

    /// Whether what was just folded in is worth a mail, and why.
    fn tells(
        &self,
        observation: &Observation,
        first_of_source: bool,
        standing: Standing,
    ) -> Option<AlertReason> {
        if !self.is_told(observation) {
            return None;
        }
        let time = observation.event.time;
        let Some((severity, last)) = self.alert.severity.zip(self.alert.occurred_at) else {
            // Also when the good news has overtaken it: an administrator for a minute is one to know of.
            return Some(AlertReason::New);
        };
        if self.was_gone_after(last) && !self.was_gone_after(time) {
            return Some(AlertReason::Reopened);
        }
        if severity < self.severity {
            return Some(AlertReason::Worse);
        }
        if first_of_source && observation.rule.alerts_as_witness {
            return Some(AlertReason::NewWitness);
        }
        if standing == Standing::News && observation.severity >= MAILED_FROM {
            return Some(AlertReason::SomebodyElse);
        }
        let pause = Duration::from_secs(u64::from(observation.rule.repeat_hours) * 3_600);
        (self.status != Status::InProgress && time.since(last) >= pause).then_some(AlertReason::Again)
    }

    /// Why people are told that nothing silences the finding any more, where what was folded in is worth no alert itself.
    fn wakes(&self, woken: Option<AlertReason>, standing: Standing) -> Option<AlertReason> {
        let why = woken.filter(|_| self.is_open() && self.severity >= MAILED_FROM)?;
        let is_known = why == AlertReason::SomebodyElse && standing == Standing::Known;
        Some(if is_known { AlertReason::SuppressionEnded } else { why })
    }

    /// Notes for the alert that was raised who acted, and whether it is for what they did.
    fn tell_of(&mut self, observation: &Observation, standing: Standing, about_them: bool) {
        self.alert.about = about_them.then(|| Box::new(Witness::of(observation)));
        actors::note(&mut self.alert.told, observation, standing);
    }

    /// Makes the finding ready to be written: counts the write, notes its time, and enters the finding into the sweeps'
    /// index or takes it out. Only here does a finding depend on the clock of whoever writes it.
    pub fn stamp(&mut self, now: Timestamp) {
        self.version += 1;
        if self.version == 1 {
            self.created_at = now;
        }
        self.updated_at = now;
        self.resolved_at = (!self.is_open()).then(|| self.resolved_at.unwrap_or(now));
        self.schedule(now);
    }

    fn schedule(&mut self, now: Timestamp) {
        let (due, at) = match self.alert.state {
            // Its turn stays what it was: a finding that is written all the time would never be swept otherwise.
            state if state.waits() && self.alert.due == Some(Due::Alert) => return,
            state if state.waits() => (Due::Alert, now.plus(STREAM_HEADSTART)),
            _ => match &self.silence {
                Some(silence) if self.is_open() => {
                    // Whoever writes it may know settings that are gone by now, and a row that came and went between two
                    // sweeps is a change to none of them: a sweep looks once more.
                    let known = if self.alert.due == Some(Due::Wake) { self.alert.due_at } else { None };
                    let soon = known.map_or(now.plus(SILENCE_HEADSTART), Timestamp::from_millis);
                    (Due::Wake, silence.until.min(soon))
                }
                _ => {
                    (self.alert.due, self.alert.due_at) = (None, None);
                    return;
                }
            },
        };
        (self.alert.due, self.alert.due_at) = (Some(due), Some(at.millis()));
    }
}
