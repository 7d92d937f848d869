//! A stub under load: answers take time, and what happens on the way is modelled as far as it makes a difference.
//!
//! A transaction holds its items while it is on its way. Another transaction that has one of them is cancelled, and a write of
//! one of them is refused (DynamoDB developer guide, "Transaction conflict handling in DynamoDB"). Reads are never in the way.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use super::dynamodb::{Refusal, Tables, Write};
use super::{FINDINGS, Item, Units};
use crate::http::Request;

/// What one read unit reads and one write unit writes, in bytes (DynamoDB developer guide, "Read and write capacity").
const READ_UNIT: usize = 4_096;
const WRITE_UNIT: usize = 1_024;

/// What is on its way, and what was charged.
#[derive(Debug, Default)]
pub(super) struct Load {
    /// How long an answer takes; none where nothing takes time.
    pub(super) latency: Option<Duration>,
    pub(super) units: Units,
    /// Findings that were written while their alert was due.
    pub(super) changes: VecDeque<String>,
    /// The items of transactions on their way.
    held: HashSet<(String, String)>,
}

impl Load {
    /// A write sets out.
    pub(super) fn begin(&mut self, write: &Write) -> Result<(), Refusal> {
        let taken: Vec<bool> = write.items.iter().map(|item| self.held.contains(item)).collect();
        if !taken.contains(&true) {
            if write.is_transaction {
                self.held.extend(write.items.iter().cloned());
            }
            return Ok(());
        }
        self.units.conflicts += 1;
        if !write.is_transaction {
            return Err(Refusal::of("TransactionConflictException", "Transaction is ongoing for the item"));
        }
        let reason = |taken: bool| json!({"Code": if taken { "TransactionConflict" } else { "None" }});
        Err(Refusal::cancelled(taken.into_iter().map(reason).collect()))
    }

    /// A call has arrived and was answered. A write that was refused costs what it would have written.
    pub(super) fn end(&mut self, tables: &Tables, request: &Request, write: Option<&Write>, succeeded: bool) {
        let Some(write) = write else {
            self.units.read += read_units(tables, request);
            return;
        };
        for item @ (table, key) in &write.items {
            let stored = tables.get(table).and_then(|items| items.get(key));
            let units = stored.map_or(1, |stored| size(stored).div_ceil(WRITE_UNIT).max(1)) as f64;
            let units = if write.is_transaction { 2.0 * units } else { units };
            self.units.written += units;
            *self.units.of_items.entry(item.clone()).or_default() += units;
            let is_due =
                stored.is_some_and(|stored| stored.get("alert_state") == Some(&json!({"S": "PENDING"})));
            if succeeded && table == FINDINGS && is_due {
                self.changes.push_back(key.clone());
            }
            if write.is_transaction {
                self.held.remove(item);
            }
        }
    }
}

/// What the call read: whole units of an item that was asked for consistently, half of that otherwise.
fn read_units(tables: &Tables, request: &Request) -> f64 {
    let Some((_, operation)) = request.header("x-amz-target").and_then(|target| target.rsplit_once('.'))
    else {
        return 0.0;
    };
    let call: Value = serde_json::from_str(&request.body).unwrap_or_default();
    match operation {
        "GetItem" => {
            let key = call["Key"].as_object().and_then(|key| key.values().next()?["S"].as_str());
            let items = call["TableName"].as_str().and_then(|table| tables.get(table));
            let stored = items.zip(key).and_then(|(items, key)| items.get(key));
            let units = stored.map_or(1, |stored| size(stored).div_ceil(READ_UNIT).max(1)) as f64;
            if call["ConsistentRead"] == true { units } else { units / 2.0 }
        }
        // The functions query and scan what is small.
        "Query" | "Scan" => 0.5,
        _ => 0.0,
    }
}

/// About the size of an item: its names and values (DynamoDB developer guide, "DynamoDB item sizes and formats").
pub(super) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

/// The size of a value in DynamoDB's own JSON.
fn value_size(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|typed| typed.iter().next()) else { return 0 };
    match (kind.as_str(), value) {
        ("S", Value::String(text)) => text.len(),
        ("N", Value::String(digits)) => digits.len().div_ceil(2) + 1,
        ("M", Value::Object(fields)) => {
            3 + fields.iter().map(|(name, value)| 1 + name.len() + value_size(value)).sum::<usize>()
        }
        ("L", Value::Array(values)) => 3 + values.iter().map(|value| 1 + value_size(value)).sum::<usize>(),
        ("SS", Value::Array(texts)) => texts.iter().filter_map(Value::as_str).map(str::len).sum(),
        _ => 1,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn write(is_transaction: bool, keys: &[&str]) -> Write {
        let items = keys.iter().map(|key| (FINDINGS.to_owned(), (*key).to_owned())).collect();
        Write { is_transaction, items }
    }

    fn nothing() -> Request {
        Request::read(&mut &b"POST / HTTP/1.1\r\n\r\n"[..]).unwrap().unwrap()
    }

    #[test]
    fn what_meets_a_transaction_on_its_way_is_refused() {
        let (mut load, tables) = (Load::default(), Tables::default());
        let first = write(true, &["a", "b"]);
        assert!(load.begin(&first).is_ok());
        let (_, refused) = load.begin(&write(false, &["a"])).unwrap_err().into_parts();
        assert!(refused["__type"].as_str().unwrap().ends_with("TransactionConflictException"), "{refused}");
        let (_, refused) = load.begin(&write(true, &["b", "c"])).unwrap_err().into_parts();
        assert_eq!(
            refused["CancellationReasons"],
            json!([{"Code": "TransactionConflict"}, {"Code": "None"}])
        );
        assert!(load.begin(&write(true, &["c"])).is_ok(), "what was cancelled holds nothing");
        load.end(&tables, &nothing(), Some(&first), true);
        assert!(load.begin(&write(true, &["b"])).is_ok());
        assert_eq!((load.units.conflicts, load.units.written), (2, 4.0));
    }

    #[test]
    fn a_write_is_charged_by_the_size_of_its_item() {
        let item = json!({"entry": {"S": "k"}, "kept": {"M": {"x": {"S": "y".repeat(1_500)}}}, "version": {"N": "12"}});
        let item = item.as_object().unwrap().clone();
        assert_eq!(size(&item).div_ceil(WRITE_UNIT), 2);
        let tables = Tables::from([("journal".to_owned(), [("k".to_owned(), item)].into())]);
        let mut load = Load::default();
        let put = Write { is_transaction: false, items: vec![("journal".to_owned(), "k".to_owned())] };
        load.end(&tables, &nothing(), Some(&put), true);
        assert_eq!(load.units.written, 2.0);
    }
}
