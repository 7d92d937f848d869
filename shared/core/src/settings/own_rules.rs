//! What is wrong with the owner's own rules. `detect` finds it out when it starts and sends no mails; `notify` sends mails
//! and has no rules. So it is noted in the journal and announced like a settings row that cannot be used.

use keepwatch_base::time::Timestamp;

use super::Invalid;
use crate::memory::journal::{Journal, RECEIPTS_KEPT, change};

/// The journal's key.
const ENTRY: &str = "own rules";

/// Notes what cannot be used, which is nothing when all is well again.
///
/// # Errors
/// As [`change`].
pub async fn note<J: Journal>(journal: &J, mut invalid: Vec<Invalid>, now: Timestamp) -> Result<(), String> {
    invalid.sort();
    change(journal, ENTRY, now, RECEIPTS_KEPT, |known: &mut Vec<Invalid>| {
        let changed = *known != invalid;
        known.clone_from(&invalid);
        ((), changed)
    })
    .await
}

/// What cannot be used, as far as it was noted.
///
/// # Errors
/// The journal's.
pub async fn unusable<J: Journal>(journal: &J) -> Result<Vec<Invalid>, J::Error> {
    Ok(journal.read(ENTRY).await?.map(|entry| entry.value).unwrap_or_default())
}
