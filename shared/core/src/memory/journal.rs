//! The journal: what machines must remember from one invocation to the next, and people need not read.
//!
//! Entries are small values under a key, written only on condition that nobody else wrote meanwhile, and forgotten by
//! the table when they have expired.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use keepwatch_base::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// An entry as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<T> {
    /// What is remembered.
    pub value: T,
    /// Counts writes.
    pub version: u64,
}

/// How long a receipt and early good news are kept. Longer than an event can wait: 14 days in the intake queue and 14 in
/// the dead-letter queue.
pub const RECEIPTS_KEPT: Duration = Duration::from_secs(40 * 86_400);

/// Attempts to change an entry that others are changing too: more than a flood writes one, which is a window, and no more often
/// than it has members that are enough.
const ATTEMPTS: usize = 64;

/// Where entries are kept.
pub trait Journal {
    /// What can go wrong with the table.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Reads an entry, consistently.
    fn read<T: DeserializeOwned + Send>(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<Option<Entry<T>>, Self::Error>> + Send;

    /// Writes an entry if its stored version is still `expected` (`None`: if there is none). `false` when it is not.
    fn write<T: Serialize + Sync>(
        &self,
        key: &str,
        value: &T,
        expected: Option<u64>,
        expires: Timestamp,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Waits a little before an entry is tried again, longer with each attempt and never the same, so that writers get out of
    /// step. Where nobody else writes there is nothing to wait for.
    fn back_off(&self, _attempt: usize) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Adds to a day's counters. They are for people's information: a repeated delivery counts again.
    fn count(
        &self,
        key: &str,
        counters: &[(&str, u64)],
        expires: Timestamp,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Reads a day's counters; none when nothing was counted.
    fn counts(&self, key: &str) -> impl Future<Output = Result<BTreeMap<String, u64>, Self::Error>> + Send;
}

/// The key of the counters of the day (UTC) that `now` lies in.
pub fn counts_key(now: Timestamp) -> String {
    counts_key_of(&now.date())
}

/// The key of the counters of a day, `2026-03-01`.
pub fn counts_key_of(date: &str) -> String {
    format!("counts#{date}")
}

/// Changes an entry and keeps it for so long. `alter` is asked again when somebody else was faster; it says
/// what came of it, and whether there is anything to write.
///
/// # Errors
/// The table's, or that others kept writing the entry.
pub async fn change<J: Journal, T, R>(
    journal: &J,
    key: &str,
    now: Timestamp,
    kept: Duration,
    mut alter: impl FnMut(&mut T) -> (R, bool),
) -> Result<R, String>
where
    T: Default + Serialize + DeserializeOwned + Send + Sync,
{
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            journal.back_off(attempt).await;
        }
        let entry = journal.read::<T>(key).await.map_err(|error| error.to_string())?;
        let expected = entry.as_ref().map(|entry| entry.version);
        let mut value = entry.map(|entry| entry.value).unwrap_or_default();
        let (outcome, changed) = alter(&mut value);
        let expires = now.plus(kept);
        if !changed
            || journal.write(key, &value, expected, expires).await.map_err(|error| error.to_string())?
        {
            return Ok(outcome);
        }
    }
    Err(format!("the journal's {key} is written by too many at once"))
}
