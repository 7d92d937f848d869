//! `scan`: once a day CloudTrail's event history -> intake queue, and the account as it is -> findings. This file wires ports to
//! core; `handler.rs` tells what calls it apart, `history.rs` and `posture.rs` have the logic.

mod canary;
mod handler;
mod history;
mod posture;
mod seed;

use std::time::Duration;

use keepwatch_aws::clients;
use keepwatch_aws::findings::FindingsTable;
use keepwatch_aws::history::CloudTrailHistory;
use keepwatch_aws::journal::JournalTable;
use keepwatch_aws::queue::Queue;
use keepwatch_aws::runtime::{list, now, variable};
use keepwatch_aws::settings::SettingsTable;
use keepwatch_aws::source_queue::SourceQueue;
use keepwatch_collect::Client;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;

use crate::handler::Scan;
use crate::history::History;
use crate::posture::{CATALOGUE, Posture};

/// How long the delay queue hides a message by itself: `VisibilityTimeout` of template.yaml.
const HIDDEN: Duration = Duration::from_secs(5_400);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    keepwatch_aws::runtime::log_json();
    let findings = variable("FINDINGS_TABLE")?;
    let journal = variable("JOURNAL_TABLE")?;
    let settings = variable("SETTINGS_TABLE")?;
    let intake = variable("INTAKE_QUEUE_URL")?;
    let recheck = variable("RECHECK_QUEUE_URL")?;
    variable("WATCHED_REGIONS")?;

    let config = clients::config()?;
    let recheck = Queue::new(&config, recheck);
    // No connection is opened ahead: nobody waits for this function as they do for an alert.
    let scan = Scan {
        history: History {
            history: CloudTrailHistory::new(&config),
            queue: Queue::new(&config, intake),
            journal: JournalTable::new(&config, &journal),
            regions: list("WATCHED_REGIONS"),
        },
        posture: Posture {
            client: Client::new(&config, now).map_err(|fault| format!("{fault:?}"))?,
            findings: FindingsTable::new(&config, findings, &journal),
            journal: JournalTable::new(&config, &journal),
            settings: SettingsTable::new(&config, settings, CATALOGUE),
            history: CloudTrailHistory::new(&config),
            trusted: list("TRUSTED_ACCOUNTS"),
        },
        source: SourceQueue::new(recheck.clone(), HIDDEN),
        queue: recheck,
    };
    let scan = &scan;
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| scan.handle(event).await)).await
}
