//! `securityhub`: findings stream -> AWS Security Hub. This file wires; `imports.rs` says what there is to send,
//! `handler.rs` sends it.

mod handler;
mod imports;

use keepwatch_aws::clients;
use keepwatch_aws::runtime::variable;
use keepwatch_aws::securityhub::SecurityHub;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;

use crate::handler::Importer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    keepwatch_aws::runtime::log_json();
    let region = variable("AWS_REGION")?;
    // No connection is opened ahead: nobody waits for this function as they do for an alert.
    let importer = Importer { hub: SecurityHub::new(&clients::config()?), region };
    let importer = &importer;
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| importer.handle(event).await)).await
}
