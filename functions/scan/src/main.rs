//! `scan`: CloudTrail's event history -> intake queue, once a day. This file wires ports to core; `handler.rs` has the logic.

mod handler;
mod seed;

use keepwatch_aws::clients;
use keepwatch_aws::history::CloudTrailHistory;
use keepwatch_aws::journal::JournalTable;
use keepwatch_aws::queue::Queue;
use keepwatch_aws::runtime::{list, variable};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;

use crate::handler::Scan;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    keepwatch_aws::runtime::log_json();
    let journal = variable("JOURNAL_TABLE")?;
    let queue = variable("INTAKE_QUEUE_URL")?;
    variable("WATCHED_REGIONS")?;

    let config = clients::config()?;
    // No connection is opened ahead: nobody waits for this function as they do for an alert.
    let scan = Scan {
        history: CloudTrailHistory::new(&config),
        queue: Queue::new(&config, queue),
        journal: JournalTable::new(&config, journal),
        regions: list("WATCHED_REGIONS"),
    };
    let scan = &scan;
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        // arn:aws:lambda:us-east-1:111122223333:function:name
        let arn = event.context.invoked_function_arn;
        scan.handle(arn.split(':').nth(4).unwrap_or_default()).await
    }))
    .await
}
