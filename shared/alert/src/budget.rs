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

/// The same of the mails that `keepwatch test-alert` asks for. Whoever may call `StartLogging` can ask for them, so that they
/// take no other mail's place and are few: this many at once, and a further one each time [`TEST_REFILL_MILLIS`] has passed.
const TESTS: &str = "budget of tests";

/// The rule whose findings are such tests.
pub(crate) const TEST_RULE: &str = "self-test-alert";

/// How many tests may be mailed at once.
pub const TEST_CAPACITY: u32 = 4;

/// A further test is mailed each time this has passed, in milliseconds.
pub const TEST_REFILL_MILLIS: i64 = 900_000;

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
        let kept = if severity == Severity::Critical { 0 } else { RESERVED };
        self.take_of((CAPACITY, REFILL_MILLIS), kept, now)
    }

    /// The same of a bucket of this capacity that gains a token in so many milliseconds, of which some are kept.
    fn take_of(&self, (capacity, refill): (u32, i64), kept: u32, now: Timestamp) -> Option<Budget> {
        let Budget { tokens, filled_at } = match Timestamp::from_millis(self.filled_at).is_ahead_of(now) {
            true => Budget { tokens: capacity, filled_at: now.millis() },
            false => self.clone(),
        };
        let added = now.millis().saturating_sub(filled_at).max(0) / refill;
        let tokens = tokens.saturating_add(u32::try_from(added).unwrap_or(capacity)).min(capacity);
        let filled_at = filled_at.saturating_add(added.saturating_mul(refill));
        (tokens > kept).then(|| Budget { tokens: tokens - 1, filled_at })
    }
}

/// Takes leave to send one mail of this severity. `false` when it has to wait for a digest.
///
/// # Errors
/// The journal's.
pub async fn take<J: Journal>(journal: &J, severity: Severity, now: Timestamp) -> Result<bool, J::Error> {
    take_from(journal, (KEY, CAPACITY), |budget| budget.take(severity, now), now).await
}

/// Takes leave to send one test. `false` when it has to wait for its own turn.
///
/// # Errors
/// The journal's.
pub async fn take_for_a_test<J: Journal>(journal: &J, now: Timestamp) -> Result<bool, J::Error> {
    let bucket = (TEST_CAPACITY, TEST_REFILL_MILLIS);
    take_from(journal, (TESTS, TEST_CAPACITY), |budget| budget.take_of(bucket, 0, now), now).await
}

async fn take_from<J: Journal>(
    journal: &J,
    (key, capacity): (&str, u32),
    take: impl Fn(&Budget) -> Option<Budget>,
    now: Timestamp,
) -> Result<bool, J::Error> {
    for _ in 0..ATTEMPTS {
        let entry = journal.read::<Budget>(key).await?;
        let (budget, expected) = match entry {
            Some(entry) => (entry.value, Some(entry.version)),
            None => (Budget { tokens: capacity, filled_at: now.millis() }, None),
        };
        let Some(left) = take(&budget) else { return Ok(false) };
        if journal
            .write(key, &left, expected, now.plus(keepwatch_core::memory::journal::RECEIPTS_KEPT))
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
    fn tests_are_few_and_have_a_bucket_of_their_own() {
        assert!(keepwatch_rules::registry::CATALOGUE.find(TEST_RULE).is_some());
        let (store, now) = (crate::in_memory::InMemory::default(), Timestamp::from_millis(1_000_000));
        let test = |now| crate::in_memory::at_once(take_for_a_test(&store, now)).unwrap().unwrap();
        let other = |now| crate::in_memory::at_once(take(&store, Severity::High, now)).unwrap().unwrap();
        let sent = (0..1_000).filter(|_| test(now)).count();
        assert_eq!(sent, TEST_CAPACITY as usize);
        assert_eq!((0..100).filter(|_| other(now)).count(), (CAPACITY - RESERVED) as usize);
        // Four an hour, also where nothing else is mailed.
        let minutes = |minutes: u64| now.plus(Duration::from_secs(minutes * 60));
        assert_eq!((test(minutes(14)), test(minutes(15)), test(minutes(16))), (false, true, false));
        assert_eq!((0..100).filter(|_| test(minutes(600))).count(), TEST_CAPACITY as usize);
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
