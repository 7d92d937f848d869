//! Which decisive events have been judged. The event history shows them all; only the others are judged from there.
//!
//! A receipt knows only what became a finding. An event that meant nothing must not be judged again a day later either: the
//! account may have changed since, and windows count what came after it.

use keepwatch_base::hash::short_hash;
use keepwatch_base::time::Timestamp;

use super::decisive::is_decisive;
use crate::event::Event;
use crate::memory::journal::{Journal, RECEIPTS_KEPT};

fn key(event_id: &str) -> String {
    format!("heard#{}", short_hash(&[event_id]))
}

/// Notes that an event was judged, if it is decisive.
///
/// # Errors
/// The journal's. Nothing is lost then: the event is judged once more, and its receipts know it.
pub async fn note<J: Journal>(journal: &J, event: &Event<'_>, now: Timestamp) -> Result<(), J::Error> {
    if is_decisive(event) {
        // Refused when it is noted already.
        journal.write(&key(&event.occurrence_id()), &true, None, now.plus(RECEIPTS_KEPT)).await?;
    }
    Ok(())
}

/// Whether the event of this id was judged.
///
/// # Errors
/// The journal's.
pub async fn is_noted<J: Journal>(journal: &J, event_id: &str) -> Result<bool, J::Error> {
    Ok(journal.read::<bool>(&key(event_id)).await?.is_some())
}
