//! `notify`: findings stream -> SNS. This file wires ports to core; `handler.rs` has the logic.

mod handler;

use keepwatch_aws::clients;
use keepwatch_aws::findings::FindingsTable;
use keepwatch_aws::topic::AlertTopic;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;

use crate::handler::Notify;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    keepwatch_aws::runtime::log_json();
    let table = keepwatch_aws::runtime::variable("FINDINGS_TABLE")?;
    let topic = keepwatch_aws::runtime::variable("ALERT_TOPIC_ARN")?;

    let config = clients::config()?;
    let notify =
        Notify { findings: FindingsTable::new(&config, table), topic: AlertTopic::new(&config, topic) };
    notify.findings.warm().await;
    notify.topic.warm().await;
    let notify = &notify;
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| notify.handle(event).await)).await
}
