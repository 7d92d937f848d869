//! Core's and this crate's ports over [`Tables`]. Nothing takes time and nothing fails.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::record::{FindingStore, Receipt, Write};
use keepwatch_core::finding::{AlertState, Due, Finding, LONGEST_WAIT, Passed, Step, Stepped};
use keepwatch_core::memory::journal::{Entry, Journal, RECEIPTS_KEPT};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Mail, Tables};
use crate::Alert;
use crate::audience::Audience;
use crate::outbox::{DueAlert, Outbox, Outcome, Subscribers, Topic};
use crate::sweep::AllFindings;

/// The tables, their indexes, the findings' stream and the topic.
#[derive(Debug, Default)]
pub struct InMemory(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    tables: Tables,
    /// The sparse index of what a sweep has to do: from when on, and to which finding.
    due: BTreeSet<(i64, String)>,
    /// Findings that were written with an alert that is to be told, in that order.
    stream: Vec<String>,
    /// What the journal forgets, oldest first: when, and whether that is a receipt or the good news about a finding.
    expiring: VecDeque<(Timestamp, Forgotten)>,
    /// Entries of the journal by when they end.
    ending: BTreeSet<(Timestamp, String)>,
    /// When each of them ends.
    ends: BTreeMap<String, Timestamp>,
    now: Timestamp,
    mails: Vec<Mail>,
}

#[derive(Debug)]
enum Forgotten {
    Receipt(String),
    Passed(String),
}

impl InMemory {
    /// Sets the clock, which only goes on, and forgets what has expired by then.
    pub fn set_clock(&self, now: Timestamp) {
        let held = &mut *self.held();
        held.now = held.now.max(now);
        while held.expiring.front().is_some_and(|(at, _)| *at <= held.now) {
            match held.expiring.pop_front() {
                Some((_, Forgotten::Receipt(key))) => {
                    held.tables.receipts.remove(&key);
                }
                Some((_, Forgotten::Passed(id))) => {
                    held.tables.passed.remove(&id);
                }
                None => {}
            }
        }
        while held.ending.first().is_some_and(|(at, _)| *at <= held.now) {
            if let Some((_, key)) = held.ending.pop_first() {
                held.ends.remove(&key);
                held.tables.journal.remove(&key);
            }
        }
    }

    /// The findings whose alert is to be told, as the table's stream brings them; each is handed out once.
    pub fn take_stream(&self) -> Vec<String> {
        std::mem::take(&mut self.held().stream)
    }

    /// No welcome is sent.
    pub(crate) fn greet(&self) {
        let (key, greeted) = Audience::greeted();
        self.held().tables.enter(key, serde_json::json!(greeted), None);
    }

    /// When a sweep next has something to do with a finding.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.held().due.first().map(|(at, _)| Timestamp::from_millis(*at))
    }

    /// When a sweep next has an alert to send.
    pub fn next_alert(&self) -> Option<Timestamp> {
        let held = self.held();
        let is_alert = |id: &String| {
            held.tables.findings.get(id).is_some_and(|finding| finding.alert.due == Some(Due::Alert))
        };
        held.due.iter().find(|(_, id)| is_alert(id)).map(|(at, _)| Timestamp::from_millis(*at))
    }

    /// What stands in the tables, and the mails that went out, in order.
    pub fn into_parts(self) -> (Tables, Vec<Mail>) {
        let held = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        (held.tables, held.mails)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn index_key(finding: &Finding) -> Option<(i64, String)> {
    finding.alert.due.map(|_| (finding.alert.due_at.unwrap_or_default(), finding.finding_id.clone()))
}

impl Held {
    fn put(&mut self, finding: Finding) {
        if finding.alert.state == AlertState::Pending {
            self.stream.push(finding.finding_id.clone());
        }
        let after = index_key(&finding);
        let before = self.tables.findings.insert(finding.finding_id.clone(), finding);
        let before = before.as_ref().and_then(index_key);
        if before != after {
            before.map(|key| self.due.remove(&key));
            self.due.extend(after);
        }
    }

    /// The findings of the index up to now.
    fn due_now(&self, now: Timestamp) -> impl Iterator<Item = &Finding> {
        let ids = self.due.iter().take_while(move |(at, _)| *at <= now.millis());
        ids.filter_map(|(_, id)| self.tables.findings.get(id))
    }
}

impl FindingStore for InMemory {
    type Error = Infallible;

    async fn get(&self, finding_id: &str) -> Result<Option<Finding>, Infallible> {
        Ok(self.held().tables.findings.get(finding_id).cloned())
    }

    async fn receipt(&self, key: &str) -> Result<Receipt, Infallible> {
        Ok(self.held().tables.receipts.get(key).cloned().unwrap_or_default())
    }

    async fn passed(&self, finding_id: &str) -> Result<Option<Passed>, Infallible> {
        Ok(self.held().tables.passed.get(finding_id).cloned())
    }

    async fn write(&self, write: Write<'_>, now: Timestamp) -> Result<bool, Infallible> {
        let held = &mut *self.held();
        if !held.tables.allow(&write) {
            return Ok(false);
        }
        let forgotten = match write {
            Write::Open { receipt: (_, key), .. } | Write::Update { receipt: Some((_, key)), .. } => {
                Some(Forgotten::Receipt(key.to_owned()))
            }
            Write::Note { finding_id, .. } => Some(Forgotten::Passed(finding_id.to_owned())),
            Write::Update { receipt: None, .. } => None,
        };
        held.expiring.extend(forgotten.map(|what| (now.plus(RECEIPTS_KEPT), what)));
        if let Some(finding) = held.tables.note(&write) {
            held.put(finding.clone());
        }
        Ok(true)
    }

    async fn back_off(&self, _: usize) {}
}

impl Outbox for InMemory {
    type Error = Infallible;

    async fn step(&self, finding_id: &str, step: Step<'_>) -> Result<Outcome, Infallible> {
        let held = &mut *self.held();
        let outcome = held.tables.stepped(finding_id, step);
        if outcome.stepped == Stepped::Changed
            && let Some(Ok(finding)) = &outcome.finding
        {
            held.put(Finding::clone(finding));
        }
        Ok(outcome)
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<DueAlert>, Infallible> {
        let held = self.held();
        // A turn that is too far ahead was not written by Keepwatch, and has come.
        let far = (now.plus(LONGEST_WAIT).millis(), String::new());
        let far = held.due.range(far..).filter_map(|(_, id)| held.tables.findings.get(id));
        Ok(held.due_now(now).chain(far).filter_map(|finding| DueAlert::of(finding, now)).collect())
    }
}

impl AllFindings for InMemory {
    type Error = Infallible;

    async fn visit(&self, visit: impl FnMut(Finding) + Send) -> Result<usize, Infallible> {
        self.held().tables.findings.values().cloned().for_each(visit);
        Ok(0)
    }

    async fn waking(&self, now: Timestamp) -> Result<Vec<String>, Infallible> {
        let held = self.held();
        let waking = held.due_now(now).filter(|finding| finding.alert.due == Some(Due::Wake));
        Ok(waking.map(|finding| finding.finding_id.clone()).collect())
    }
}

impl Journal for InMemory {
    type Error = serde_json::Error;

    async fn read<T: DeserializeOwned + Send>(
        &self,
        key: &str,
    ) -> Result<Option<Entry<T>>, serde_json::Error> {
        let stored = self.held().tables.journal.get(key).cloned();
        stored
            .map(|(value, version)| Ok(Entry { value: serde_json::from_value(value)?, version }))
            .transpose()
    }

    async fn write<T: Serialize + Sync>(
        &self,
        key: &str,
        value: &T,
        expected: Option<u64>,
        expires: Timestamp,
    ) -> Result<bool, serde_json::Error> {
        let value = serde_json::to_value(value)?;
        let held = &mut *self.held();
        if !held.tables.enter(key, value, expected) {
            return Ok(false);
        }
        if let Some(before) = held.ends.insert(key.to_owned(), expires) {
            held.ending.remove(&(before, key.to_owned()));
        }
        held.ending.insert((expires, key.to_owned()));
        Ok(true)
    }

    /// Nobody reads the day's counters here.
    async fn count(&self, _: &str, _: &[(&str, u64)], _: Timestamp) -> Result<(), serde_json::Error> {
        Ok(())
    }

    async fn counts(&self, _: &str) -> Result<BTreeMap<String, u64>, serde_json::Error> {
        Ok(BTreeMap::new())
    }
}

impl Topic for InMemory {
    type Error = Infallible;

    async fn publish(&self, finding: Option<&Finding>, alert: &Alert) -> Result<(), Infallible> {
        let mut held = self.held();
        let mail = Mail::of(held.now, finding, alert);
        held.mails.push(mail);
        Ok(())
    }

    /// Whoever plays a log reads the mails.
    async fn confirmed(&self) -> Result<Subscribers, Infallible> {
        Ok(Subscribers::from([("whoever plays the log".to_owned(), String::new())]))
    }
}
