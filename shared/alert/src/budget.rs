//! The mail budget: a token bucket in the journal, shared by all notifiers.
//!
//! SNS suspends an e-mail subscription that is sent more than ten messages a second (developer guide, "Email
//! notifications"), and a person stops reading long before. What the budget does not allow is told in a digest.

use keepwatch_base::time::Timestamp;
use keepwatch_core::memory::journal::Journal;
use keepwatch_core::severity::Severity;
use serde::{Deserialize, Serialize};

/// How many mails may follow one another at once. Below SNS's ten a second, with room for digests.
pub const CAPACITY: u32 = 8;

/// Of these, how many are kept for critical findings.
pub const RESERVED: u32 = 4;

/// A further mail is allowed each time this has passed, in milliseconds.
pub const REFILL_MILLIS: i64 = 15_000;

/// The journal's key.
const KEY: &str = "budget";

/// Attempts to take a token before the alert is left to a digest.
const ATTEMPTS: usize = 5;

/// The bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Mails that may be sent now.
    pub tokens: u32,
    /// When the last token was added, in milliseconds since 1970.
    pub filled_at: i64,
}

impl Budget {
    /// A full one.
    pub fn full(now: Timestamp) -> Budget {
        Budget { tokens: CAPACITY, filled_at: now.millis() }
    }

    /// The bucket after one mail of this severity, or nothing if it may not be sent. One that was filled in the future is
    /// a full one: nobody else's row may hold mails back.
    pub fn take(&self, severity: Severity, now: Timestamp) -> Option<Budget> {
        if Timestamp::from_millis(self.filled_at).is_ahead_of(now) {
            return Budget::full(now).take(severity, now);
        }
        let passed = now.millis().saturating_sub(self.filled_at).max(0);
        let added = passed / REFILL_MILLIS;
        let tokens = self.tokens.saturating_add(u32::try_from(added).unwrap_or(CAPACITY)).min(CAPACITY);
        let filled_at = self.filled_at.saturating_add(added.saturating_mul(REFILL_MILLIS));
        let kept = if severity == Severity::Critical { 0 } else { RESERVED };
        (tokens > kept).then(|| Budget { tokens: tokens - 1, filled_at })
    }
}

/// Takes leave to send one mail of this severity. `false` when it has to wait for a digest.
///
/// # Errors
/// The journal's.
pub async fn take<J: Journal>(journal: &J, severity: Severity, now: Timestamp) -> Result<bool, J::Error> {
    for _ in 0..ATTEMPTS {
        let entry = journal.read::<Budget>(KEY).await?;
        let (budget, expected) = match entry {
            Some(entry) => (entry.value, Some(entry.version)),
            None => (Budget::full(now), None),
        };
        let Some(left) = budget.take(severity, now) else { return Ok(false) };
        if journal
            .write(KEY, &left, expected, now.plus(keepwatch_core::memory::journal::RECEIPTS_KEPT))
            .await?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sent(budget: &mut Budget, severity: Severity, now: Timestamp) -> usize {
        let mut sent = 0;
        while let Some(left) = budget.take(severity, now) {
            *budget = left;
            sent += 1;
        }
        sent
    }

    #[test]
    fn a_few_at_once_and_room_for_the_critical() {
        let now = Timestamp::from_millis(1_000_000);
        let mut budget = Budget::full(now);
        assert_eq!(sent(&mut budget, Severity::High, now), (CAPACITY - RESERVED) as usize);
        assert_eq!(sent(&mut budget, Severity::Critical, now), RESERVED as usize);
        assert_eq!(budget.take(Severity::Critical, now), None);
    }

    #[test]
    fn it_fills_up_with_time_and_never_overflows() {
        let now = Timestamp::from_millis(1_000_000);
        let empty = Budget { tokens: 0, filled_at: now.millis() };
        let after =
            |seconds| sent(&mut empty.clone(), Severity::Critical, now.plus(Duration::from_secs(seconds)));
        assert_eq!((after(14), after(15), after(44), after(3_600)), (0, 1, 2, CAPACITY as usize));
        // A clock that goes back a little takes nothing away and gives nothing.
        assert_eq!(empty.take(Severity::Critical, Timestamp::from_millis(now.millis() - 60_000)), None);
    }

    #[test]
    fn a_planted_bucket_from_the_future_holds_nothing_back() {
        let now = Timestamp::from_millis(1_000_000);
        let planted = Budget { tokens: 0, filled_at: 4_070_908_800_000 }; // 2099
        assert_eq!(planted.take(Severity::High, now), Budget::full(now).take(Severity::High, now));
    }
}
