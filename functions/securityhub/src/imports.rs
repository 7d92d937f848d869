//! What of a batch of stream records Security Hub has to hear of.

use aws_lambda_events::dynamodb::EventRecord;
use keepwatch_alert::format::asff;
use keepwatch_aws::securityhub::{MAX_CALL, MAX_FINDING, MAX_FINDINGS};
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::finding::Finding;
use serde_dynamo::Item;
use tracing::{error, warn};

/// All rules and checks: findings come of both.
const CATALOGUE: Catalogue =
    keepwatch_rules::registry::DOCUMENTED.and(&keepwatch_checks::registry::DOCUMENTED);

/// A finding to import.
#[derive(Debug)]
pub(crate) struct Import {
    /// Of the record that has it.
    pub(crate) sequence_number: String,
    finding_id: String,
    /// Its id as Security Hub knows it.
    pub(crate) asff_id: String,
    /// The finding in Security Hub's format.
    pub(crate) json: String,
}

/// A batch, sorted.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The latest state of each finding that has changed.
    pub(crate) imports: Vec<Import>,
    /// Sequence numbers of records that cannot be read or sent.
    pub(crate) failed: Vec<String>,
    /// How many records are about other accounts.
    pub(crate) elsewhere: usize,
}

impl Batch {
    /// Sorts the records of a batch. What is sent is the stream's own image: the table may have moved on by
    /// now, and then another record says so.
    pub(crate) fn read(records: Vec<EventRecord>, account: &str, region: &str) -> Batch {
        let mut batch = Batch::default();
        for record in records {
            // The event source filters removals out. What the table forgets was archived when it was over.
            let change = record.change;
            if record.event_name == "REMOVE" || only_bookkeeping(&change.old_image, &change.new_image) {
                continue;
            }
            let sequence_number = change.sequence_number.unwrap_or_default();
            let finding: Finding = match serde_dynamo::from_item(change.new_image) {
                Ok(finding) => finding,
                Err(reason) => {
                    let event_id = record.event_id;
                    error!(event_id, reason = %reason, "the image of a stream record is no finding");
                    batch.failed.push(sequence_number);
                    continue;
                }
            };
            let finding_id = finding.finding_id.clone();
            // The default product takes only its own account's findings; another's would fail the whole call.
            if finding.account != account {
                warn!(finding_id, account = finding.account, "a finding of another account is not imported");
                batch.elsewhere += 1;
                continue;
            }
            let written = asff::finding(&finding, region, CATALOGUE);
            let asff_id = written["Id"].as_str().unwrap_or_default().to_owned();
            let json = written.to_string();
            // An older state of the finding is out of date, and a call must not have two.
            batch.imports.retain(|older| older.finding_id != finding_id);
            if json.len() > MAX_FINDING {
                error!(finding_id, bytes = json.len(), "the finding is larger than Security Hub allows");
                batch.failed.push(sequence_number);
                continue;
            }
            batch.imports.push(Import { sequence_number, finding_id, asff_id, json });
        }
        batch
    }
}

/// Whether the finding says what it said before, and only its alert has moved on. An alert makes up to four
/// such changes, none of which Security Hub could show.
fn only_bookkeeping(old: &Item, new: &Item) -> bool {
    let counts = |name: &&String| {
        !name.starts_with("alert") && !matches!(name.as_str(), "due" | "due_at" | "updated_at" | "version")
    };
    !old.is_empty()
        && old.keys().filter(counts).count() == new.keys().filter(counts).count()
        && new.keys().filter(counts).all(|name| old.get(name) == new.get(name))
}

/// The calls to make: each within what Security Hub takes.
pub(crate) fn calls(imports: Vec<Import>) -> Vec<Vec<Import>> {
    let mut calls: Vec<Vec<Import>> = Vec::new();
    let mut bytes = 0;
    for finding in imports {
        let size = finding.json.len() + 1;
        bytes += size;
        match calls.last_mut() {
            Some(call) if call.len() < MAX_FINDINGS && bytes <= MAX_CALL => call.push(finding),
            _ => {
                bytes = size;
                calls.push(vec![finding]);
            }
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_dynamo::AttributeValue;

    use super::*;

    fn imports(count: usize, bytes: usize) -> Vec<Import> {
        let of = |i: usize| Import {
            sequence_number: i.to_string(),
            finding_id: i.to_string(),
            asff_id: i.to_string(),
            json: "x".repeat(bytes),
        };
        (0..count).map(of).collect()
    }

    fn sizes(calls: &[Vec<Import>]) -> Vec<usize> {
        calls.iter().map(Vec::len).collect()
    }

    #[test]
    fn calls_stay_within_the_limits() {
        assert!(calls(Vec::new()).is_empty());
        assert_eq!(sizes(&calls(imports(250, 10))), [100, 100, 50]);
        let large = calls(imports(60, MAX_FINDING));
        assert_eq!(sizes(&large), [24, 24, 12]);
        for call in large {
            assert!(call.iter().map(|finding| finding.json.len() + 1).sum::<usize>() <= MAX_CALL);
        }
    }

    #[test]
    fn bookkeeping_is_what_the_alert_does_to_the_item() {
        let item = |pairs: &[(&str, &str)]| -> Item {
            let text = |text: &str| AttributeValue::S(text.to_owned());
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), text(value)));
            pairs.collect::<HashMap<_, _>>().into()
        };
        let old = item(&[("title", "a"), ("alert_state", "PENDING"), ("due", "alert"), ("version", "1")]);
        let sent =
            item(&[("title", "a"), ("alert_state", "SENT"), ("alerts_sent", "1"), ("updated_at", "t")]);
        assert!(only_bookkeeping(&old, &sent));
        assert!(!only_bookkeeping(&old, &item(&[("title", "b"), ("alert_state", "PENDING")])));
        assert!(!only_bookkeeping(&old, &item(&[("title", "a"), ("who", "alice")])), "added");
        assert!(!only_bookkeeping(&sent, &item(&[("version", "3")])), "gone");
        assert!(!only_bookkeeping(&item(&[]), &item(&[])), "a new finding has no old image");
    }
}
