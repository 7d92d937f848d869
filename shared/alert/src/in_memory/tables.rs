//! What stands in the tables, and what a conditional write does to it.

use std::collections::BTreeMap;

use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::record::{Receipt, Write};
use keepwatch_core::finding::{Due, Finding, Passed, Step, Stepped};
use serde_json::Value;

use crate::outbox::{DueAlert, Outcome};

/// The tables that core writes.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// The findings, by id.
    pub findings: BTreeMap<String, Finding>,
    /// The journal's entries and their versions.
    pub journal: BTreeMap<String, (Value, u64)>,
    /// The journal's receipts.
    pub receipts: BTreeMap<String, Receipt>,
    /// The journal's early good news, by the finding that is not there.
    pub passed: BTreeMap<String, Passed>,
}

impl Tables {
    /// Whether the condition of this write holds; see [`Write`].
    pub fn allow(&self, write: &Write<'_>) -> bool {
        let told =
            |(rule, key): (&str, &str)| self.receipts.get(key).is_some_and(|rules| rules.contains(rule));
        match *write {
            Write::Open { finding, receipt, passed } => {
                let id = &finding.finding_id;
                !self.findings.contains_key(id) && self.passed.get(id) == passed && !told(receipt)
            }
            Write::Update { finding, expected, receipt } => {
                let stored = self.findings.get(&finding.finding_id).map(|stored| stored.version);
                stored == Some(expected) && !receipt.is_some_and(told)
            }
            Write::Note { finding_id, was, .. } => {
                !self.findings.contains_key(finding_id) && self.passed.get(finding_id) == was
            }
        }
    }

    /// Writes what goes into the journal with it, whatever the condition says, and returns the finding that is to be written.
    pub fn note<'w>(&mut self, write: &Write<'w>) -> Option<&'w Finding> {
        let (finding, receipt) = match *write {
            Write::Open { finding, receipt, .. } => (finding, Some(receipt)),
            Write::Update { finding, receipt, .. } => (finding, receipt),
            Write::Note { finding_id, passed, .. } => {
                self.passed.insert(finding_id.to_owned(), passed.clone());
                return None;
            }
        };
        if let Some((rule, key)) = receipt {
            self.receipts.entry(key.to_owned()).or_default().insert(rule.to_owned());
        }
        Some(finding)
    }

    /// What a step would make of an alert: what came of it, and the finding, to be written where it has changed.
    pub fn stepped(&self, finding_id: &str, step: Step<'_>) -> Outcome {
        let Some(mut finding) = self.findings.get(finding_id).cloned() else {
            return Outcome { stepped: Stepped::Nothing, finding: None };
        };
        let stepped = finding.alert.step(step);
        if stepped == Stepped::Changed {
            finding.version += 1;
        }
        Outcome { stepped, finding: Some(Ok(Box::new(finding))) }
    }

    /// Writes an entry of the journal, if its stored version is `expected`.
    pub fn enter(&mut self, key: &str, value: Value, expected: Option<u64>) -> bool {
        if self.journal.get(key).map(|(_, version)| *version) != expected {
            return false;
        }
        self.journal.insert(key.to_owned(), (value, expected.unwrap_or(0) + 1));
        true
    }
}

impl DueAlert {
    /// The alert of this finding, if a sweep has to send it now.
    pub fn of(finding: &Finding, now: Timestamp) -> Option<DueAlert> {
        let alert = &finding.alert;
        (alert.due == Some(Due::Alert) && alert.is_due(now)).then(|| DueAlert {
            finding_id: finding.finding_id.clone(),
            severity: finding.severity,
            since: Timestamp::from_millis(alert.due_at.unwrap_or_default()),
        })
    }
}
