//! One run over CloudTrail's event history.

use std::time::Duration;

use futures_util::future::{join, join_all};
use keepwatch_aws::history::CloudTrailHistory;
use keepwatch_aws::journal::JournalTable;
use keepwatch_aws::queue::Queue;
use keepwatch_aws::runtime::now;
use keepwatch_base::time::Timestamp;
use keepwatch_core::history::reconcile::{Part, Reconciler};
use keepwatch_core::history::seed::Seeder;
use keepwatch_core::regions::Forwarders;
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
        let watched = Reconciler { history, queue, journal, part: Part::Watched(regions) };
        // All at once: each region has a rate of its own, and one that does not answer holds up no other.
        let (done, ()) = join(watched.run(now, deadline), self.forwarders(deadline)).await;
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

    /// Looks in each region that has a forwarder at what was done to event rules. A region that cannot be read, such as one that
    /// an organization denies, fails no run: the daily mail tells of a question that nobody could ask for two days.
    async fn forwarders(&self, deadline: Timestamp) {
        let History { history, queue, journal, regions } = self;
        let known = match Forwarders::read(journal).await {
            Ok(known) => known,
            Err(reason) => {
                warn!(reason = %reason, "it is not known which regions have a forwarder");
                return;
            }
        };
        let others = known.0.keys().filter(|region| !regions.contains(region));
        let runs = others.map(async |region| {
            let part = Part::Forwarder(region);
            (region, Reconciler { history, queue, journal, part }.run(now, deadline).await)
        });
        for (region, done) in join_all(runs).await {
            for reason in done.failures.iter().take(NAMED) {
                warn!(region, reason, "part of the region's event history was not looked at");
            }
            info!(region, pages = done.pages, sent = done.sent.len(), left = done.left.len(), "region done");
        }
    }
}
