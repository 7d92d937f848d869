//! The findings table's stream: shards in order, records that are gone after a day, and the poller's bounded retries.

use std::collections::VecDeque;

/// How long a record can be read.
pub(super) const KEPT: i64 = 24 * 3_600_000;

/// Retries before a batch is given up: its metadata goes to a dead-letter queue, the alert is left to the sweep.
pub(super) const RETRIES: u32 = 5;

/// Shards of the stream.
pub(super) const SHARDS: usize = 2;

#[derive(Clone, Debug)]
struct Record {
    finding_id: String,
    at: i64,
}

/// One shard and its poller.
#[derive(Debug, Default)]
pub(super) struct Shard {
    records: VecDeque<Record>,
    attempts: u32,
    /// Whether a batch of it is with the function.
    pub busy: bool,
}

/// All shards.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The shards.
    pub shards: [Shard; SHARDS],
}

impl Stream {
    /// Appends a change, and says to which shard.
    pub(super) fn append(&mut self, finding_id: &str, at: i64) -> usize {
        let sum: usize = finding_id.bytes().map(usize::from).sum();
        let shard = sum % SHARDS;
        self.shards[shard].records.push_back(Record { finding_id: finding_id.to_owned(), at });
        shard
    }
}

impl Shard {
    /// Drops what is too old to be read, and says how much that was.
    pub(super) fn expire(&mut self, now: i64) -> usize {
        let before = self.records.len();
        self.records.retain(|record| now - record.at < KEPT);
        before - self.records.len()
    }

    /// The next records, which stay until the batch is done.
    pub(super) fn batch(&self, most: usize) -> Vec<String> {
        self.records.iter().take(most).map(|record| record.finding_id.clone()).collect()
    }

    /// A batch of `size` is over: everything before the first failure is done, the rest is tried again or, after too
    /// many attempts, given up. Returns how many records were given up.
    pub(super) fn done(&mut self, size: usize, first_failure: Option<usize>) -> usize {
        self.busy = false;
        let Some(failed) = first_failure else {
            self.attempts = 0;
            self.records.drain(..size.min(self.records.len()));
            return 0;
        };
        if failed > 0 {
            // Another batch begins at the checkpoint.
            self.attempts = 0;
        }
        self.records.drain(..failed.min(self.records.len()));
        self.attempts += 1;
        if self.attempts <= RETRIES {
            return 0;
        }
        self.attempts = 0;
        let given_up = (size - failed).min(self.records.len());
        self.records.drain(..given_up);
        given_up
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Forgets everything, as a restored table's new stream does.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.attempts = 0;
    }
}
