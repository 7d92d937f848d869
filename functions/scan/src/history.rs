//! One run over CloudTrail's event history.

use std::time::Duration;

use keepwatch_aws::history::CloudTrailHistory;
use keepwatch_aws::journal::JournalTable;
use keepwatch_aws::queue::Queue;
use keepwatch_aws::runtime::now;
use keepwatch_core::history::reconcile::Reconciler;
use keepwatch_core::history::seed::Seeder;
use lambda_runtime::Error;
use tracing::{error, info, warn};

use crate::seed::seed;

/// After so long no new page is begun: the scan that follows in the same invocation has the greater part of the time.
const TIME: Duration = Duration::from_secs(240);

/// How many failures the error names that Lambda hands on; the log has all of them.
const NAMED: usize = 5;

/// Everything that a run needs.
pub(crate) struct History {
    pub(crate) history: CloudTrailHistory,
    pub(crate) queue: Queue,
    pub(crate) journal: JournalTable,
    pub(crate) regions: Vec<String>,
}

impl History {
    /// # Errors
    /// What went wrong with some of the questions. Lambda tries the run again, which asks the others only for what is new,
    /// and at last tells of it by the dead-letter queue.
    pub(crate) async fn handle(&self, account: &str) -> Result<(), Error> {
        let History { history, queue, journal, regions } = self;
        let deadline = now().plus(TIME);
        let done = Reconciler { history, queue, journal, regions }.run(now, deadline).await;
        // After what may have been missed: who is known matters less than what nobody has heard.
        seed(Seeder { history, journal, regions, account }, deadline).await;
        for reason in &done.failures {
            error!(reason, "part of the event history was not looked at");
        }
        for left in &done.left {
            warn!(
                question = left,
                "there was no time for all of the event history; the next run goes on with it"
            );
        }
        info!(
            pages = done.pages,
            found = done.found,
            sent = done.sent.len(),
            left = done.left.len(),
            failed = done.failures.len(),
            "run done"
        );
        if done.failures.is_empty() {
            return Ok(());
        }
        let named: Vec<&str> = done.failures.iter().take(NAMED).map(String::as_str).collect();
        let more = done.failures.len() - named.len();
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        Err(format!("{}{more}", named.join("; ")).into())
    }
}
