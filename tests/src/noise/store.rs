//! The tables, the topic and the account in memory, without anything that goes wrong.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Mutex;

use keepwatch_alert::Alert;
use keepwatch_alert::outbox::{DueAlert, Outbox, Outcome, Topic};
use keepwatch_alert::sweep::AllFindings;
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::record::{FindingStore, Receipt, Write};
use keepwatch_core::finding::{AlertState, Due, Finding, Passed, Step, Stepped};
use keepwatch_core::memory::journal::{Entry, Journal};
use keepwatch_core::memory::{first_sight, window};
use keepwatch_core::severity::Severity;
use keepwatch_core::state::{AccountState, Answer, Fact, Query, Value as Known};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{DAY, Mail, START, account};
use crate::lock;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Store(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    clock: Timestamp,
    findings: BTreeMap<String, Finding>,
    /// Findings that were written since they were last asked for.
    written: Vec<String>,
    journal: BTreeMap<String, (Value, u64)>,
    receipts: BTreeMap<String, Receipt>,
    passed: BTreeMap<String, Passed>,
    counts: BTreeMap<String, BTreeMap<String, u64>>,
    mails: Vec<Mail>,
}

impl Tables {
    fn put(&mut self, finding: &Finding) {
        self.written.push(finding.finding_id.clone());
        self.findings.insert(finding.finding_id.clone(), finding.clone());
    }

    fn due(&self, now: Timestamp) -> impl Iterator<Item = &Finding> {
        self.findings.values().filter(move |f| f.alert.due == Some(Due::Alert) && f.alert.is_due(now))
    }
}

impl Store {
    pub(super) fn set_clock(&self, now: Timestamp) {
        lock(&self.0).clock = now;
    }

    pub(super) fn findings(&self) -> BTreeMap<(Reverse<Severity>, String), usize> {
        let mut counts = BTreeMap::new();
        for finding in lock(&self.0).findings.values() {
            *counts.entry((Reverse(finding.severity), finding.rule.clone())).or_default() += 1;
        }
        counts
    }

    pub(super) fn mails(&self) -> Vec<Mail> {
        lock(&self.0).mails.clone()
    }

    /// What the stream would bring: findings that were written and whose alert is due.
    pub(super) fn pending(&self) -> Vec<String> {
        let mut tables = lock(&self.0);
        let written = std::mem::take(&mut tables.written);
        let pending =
            |id: &String| tables.findings.get(id).is_some_and(|f| f.alert.state == AlertState::Pending);
        written.into_iter().filter(pending).collect()
    }

    pub(super) fn anything_due(&self, now: Timestamp) -> bool {
        lock(&self.0).due(now).next().is_some()
    }
}

impl FindingStore for Store {
    type Error = Infallible;

    async fn get(&self, finding_id: &str) -> Result<Option<Finding>, Infallible> {
        Ok(lock(&self.0).findings.get(finding_id).cloned())
    }

    async fn receipt(&self, key: &str) -> Result<Receipt, Infallible> {
        Ok(lock(&self.0).receipts.get(key).cloned().unwrap_or_default())
    }

    async fn passed(&self, finding_id: &str) -> Result<Option<Passed>, Infallible> {
        Ok(lock(&self.0).passed.get(finding_id).cloned())
    }

    async fn write(&self, write: Write<'_>, _now: Timestamp) -> Result<bool, Infallible> {
        let mut tables = lock(&self.0);
        let (finding, receipt) = match write {
            Write::Open { finding, receipt, .. } => (finding, Some(receipt)),
            Write::Update { finding, receipt, .. } => (finding, receipt),
            Write::Note { finding_id, passed, .. } => {
                tables.passed.insert(finding_id.to_owned(), passed.clone());
                return Ok(true);
            }
        };
        if let Some((rule, key)) = receipt {
            tables.receipts.entry(key.to_owned()).or_default().insert(rule.to_owned());
        }
        tables.put(finding);
        Ok(true)
    }

    async fn back_off(&self, _attempt: usize) {}
}

impl Outbox for Store {
    type Error = Infallible;

    async fn step(&self, finding_id: &str, step: Step<'_>) -> Result<Outcome, Infallible> {
        let mut tables = lock(&self.0);
        let Some(mut finding) = tables.findings.get(finding_id).cloned() else {
            return Ok(Outcome { stepped: Stepped::Nothing, finding: None });
        };
        let stepped = finding.alert.step(step);
        if stepped == Stepped::Changed {
            finding.version += 1;
            tables.put(&finding);
        }
        Ok(Outcome { stepped, finding: Some(Ok(Box::new(finding))) })
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<DueAlert>, Infallible> {
        let tables = lock(&self.0);
        let due = tables.due(now).map(|finding| DueAlert {
            finding_id: finding.finding_id.clone(),
            severity: finding.severity,
            since: Timestamp::from_millis(finding.alert.due_at.unwrap_or_default()),
        });
        Ok(due.collect())
    }
}

impl AllFindings for Store {
    type Error = Infallible;

    async fn visit(&self, visit: impl FnMut(Finding) + Send) -> Result<usize, Infallible> {
        lock(&self.0).findings.values().cloned().for_each(visit);
        Ok(0)
    }

    async fn waking(&self, _now: Timestamp) -> Result<Vec<String>, Infallible> {
        Ok(Vec::new())
    }
}

impl Journal for Store {
    type Error = serde_json::Error;

    async fn read<T: DeserializeOwned + Send>(
        &self,
        key: &str,
    ) -> Result<Option<Entry<T>>, serde_json::Error> {
        let stored = lock(&self.0).journal.get(key).cloned();
        stored
            .map(|(value, version)| Ok(Entry { value: serde_json::from_value(value)?, version }))
            .transpose()
    }

    async fn write<T: Serialize + Sync>(
        &self,
        key: &str,
        value: &T,
        expected: Option<u64>,
        _expires: Timestamp,
    ) -> Result<bool, serde_json::Error> {
        let value = serde_json::to_value(value)?;
        lock(&self.0).journal.insert(key.to_owned(), (value, expected.unwrap_or(0) + 1));
        Ok(true)
    }

    async fn count(
        &self,
        key: &str,
        counters: &[(&str, u64)],
        _: Timestamp,
    ) -> Result<(), serde_json::Error> {
        let mut tables = lock(&self.0);
        let day = tables.counts.entry(key.to_owned()).or_default();
        for (name, more) in counters {
            *day.entry((*name).to_owned()).or_default() += more;
        }
        Ok(())
    }

    async fn counts(&self, key: &str) -> Result<BTreeMap<String, u64>, serde_json::Error> {
        Ok(lock(&self.0).counts.get(key).cloned().unwrap_or_default())
    }
}

impl Topic for Store {
    type Error = Infallible;

    async fn publish(&self, finding: Option<&Finding>, alert: &Alert) -> Result<(), Infallible> {
        let mut tables = lock(&self.0);
        let letter = finding.is_none() && alert.json["digest"]["finding_ids"].is_null();
        let at = tables.clock;
        let week = usize::try_from((at.millis() - START) / (7 * DAY)).unwrap_or_default();
        tables.mails.push(Mail {
            week,
            at,
            subject: alert.subject.clone(),
            text: alert.text.clone(),
            letter,
        });
        Ok(())
    }
}

impl AccountState for Store {
    async fn answer(&self, query: &Query) -> Result<Answer, String> {
        let now = lock(&self.0).clock;
        match query {
            Query::Delivered => Ok(Fact::Known(Known::Flag(true))),
            Query::ExposedKey { .. } => Ok(Fact::Known(Known::Flag(false))),
            Query::Window(asked) => {
                let count = window::note(self, &asked.key, &asked.member, asked.time, asked.span, now).await;
                count.map(|count| Fact::Known(Known::WindowCount(count)))
            }
            Query::Earlier(asked) => {
                let last = window::last(self, &asked.key, asked.time, asked.span).await;
                let last = last.map_err(|error| error.to_string())?;
                Ok(last.map_or(Fact::Missing, |at| Fact::Known(Known::Time(at))))
            }
            Query::FirstSeen(asked) => {
                let seen =
                    first_sight::note(self, &asked.key, &asked.member, asked.time, asked.kept, now).await;
                seen.map(|seen| Fact::Known(Known::FirstSeen(seen)))
            }
            _ => Ok(account::answer(query)),
        }
    }
}
