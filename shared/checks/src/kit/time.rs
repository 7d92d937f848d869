//! Ages, in whole days.

use keepwatch_base::time::Timestamp;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// How many whole days have passed since then; none where it lies ahead.
pub(crate) fn days_since(then: Timestamp, now: Timestamp) -> u64 {
    now.since(then).as_secs() / DAY
}

/// So many days before now.
#[cfg(test)]
pub(crate) fn ago(now: Timestamp, days: u64) -> Timestamp {
    now.minus(std::time::Duration::from_secs(days * DAY))
}
