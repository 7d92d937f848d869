//! The tables, the topic and the clock in memory: for a replay of a log, for benchmarks on a log's own clock, and under the
//! simulation.
//!
//! What is deployed and what is here run the same code of core and of this crate; only the ports differ. [`Tables`] says what
//! a conditional write does, [`InMemory`] is the ports, and [`Pipeline`] runs them as the deployed functions do: a stream record
//! for each alert that is due, a sweep a minute.

mod pipeline;
mod ports;
mod tables;

#[cfg(test)]
pub(crate) use pipeline::at_once;
pub use pipeline::{GROUP_WINDOW, Pipeline};
pub use ports::InMemory;
pub use tables::Tables;

use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::Finding;
use keepwatch_core::severity::Severity;

use crate::Alert;

/// A mail that went out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// When.
    pub at: Timestamp,
    /// What it is.
    pub kind: MailKind,
    /// The severity of its finding: of several, of the worst. None where it is about no finding.
    pub severity: Option<Severity>,
    /// Its subject.
    pub subject: String,
    /// The findings that it names.
    pub finding_ids: Vec<String>,
    /// How many findings it tells of: beyond what a digest names, it counts.
    pub findings: usize,
}

/// What a mail is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MailKind {
    /// The alert of one finding, or of several of one principal.
    Alert,
    /// What the mail budget did not let out one by one.
    Digest,
    /// Mails by the calendar and announcements: the daily digest, the weekly report, a change of the settings.
    Letter,
}

impl Mail {
    /// What is published. The finding is the one that subscribers filter by; see [`crate::outbox::Topic`].
    pub fn of(at: Timestamp, finding: Option<&Finding>, alert: &Alert) -> Mail {
        let ids = |pointer: &str| -> Vec<String> {
            let listed = alert.json.pointer(pointer).and_then(|ids| ids.as_array());
            let texts = listed.into_iter().flatten().filter_map(|id| id.as_str());
            texts.map(str::to_owned).collect()
        };
        let subject = alert.subject.clone();
        if let Some(finding) = finding {
            let mut finding_ids = ids("/unmapped/group/finding_ids");
            if finding_ids.is_empty() {
                finding_ids.push(finding.finding_id.clone());
            }
            let (kind, severity, findings) = (MailKind::Alert, Some(finding.severity), finding_ids.len());
            return Mail { at, kind, severity, subject, finding_ids, findings };
        }
        let digest = alert.json.get("digest");
        let finding_ids = ids("/digest/finding_ids");
        let counted = digest.and_then(|digest| digest["findings"].as_u64());
        let findings = counted.and_then(|count| usize::try_from(count).ok()).unwrap_or(finding_ids.len());
        let kind = if digest.is_some() { MailKind::Digest } else { MailKind::Letter };
        Mail { at, kind, severity: None, subject, finding_ids, findings }
    }
}
