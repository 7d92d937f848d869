//! Who has made which calls before: read once from the event history, at first start.

use keepwatch_aws::history::CloudTrailHistory;
use keepwatch_aws::journal::JournalTable;
use keepwatch_aws::runtime::now;
use keepwatch_base::time::Timestamp;
use keepwatch_core::history::seed::Seeder;
use tracing::{info, warn};

/// Reads what was not read yet. What fails is tried by the next run: until then everybody is learnt from what they do, and
/// nothing is lost.
pub(crate) async fn seed(seeder: Seeder<'_, CloudTrailHistory, JournalTable>, deadline: Timestamp) {
    let done = seeder.run(now, deadline).await;
    for reason in &done.failures {
        warn!(reason, "part of who has made which calls before was not read");
    }
    if done.pages > 0 || done.left > 0 {
        info!(
            pages = done.pages,
            remembered = done.remembered,
            left = done.left,
            "who has made which calls before was read"
        );
    }
}
