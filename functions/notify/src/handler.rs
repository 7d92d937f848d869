//! One batch of the findings table's stream.

use std::time::Duration;

use aws_lambda_events::dynamodb::Event as StreamEvent;
use keepwatch_aws::findings::FindingsTable;
use keepwatch_aws::runtime::now;
use keepwatch_aws::topic::AlertTopic;
use keepwatch_core::alert::outbox::{DeliverError, deliver};
use lambda_runtime::{Error, LambdaEvent};
use serde::Serialize;
use serde_json::value::RawValue;
use tracing::{error, info};

/// How long to wait before a record whose alert is being sent elsewhere is tried again.
const PAUSE: Duration = Duration::from_secs(5);

/// Everything that a stream record meets on its way.
pub(crate) struct Notify {
    pub(crate) findings: FindingsTable,
    pub(crate) topic: AlertTopic,
}

/// Lambda's partial batch response for streams: everything from the first failure on is delivered again.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamResponse {
    batch_item_failures: Vec<ItemFailure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemFailure {
    item_identifier: String,
}

impl Notify {
    pub(crate) async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<StreamResponse, Error> {
        let batch: StreamEvent = serde_json::from_str(event.payload.get())?;
        let mut response = StreamResponse::default();
        let (mut sent, mut busy) = (0, false);
        for (i, record) in batch.records.iter().enumerate() {
            let id = record.change.keys.get("finding_id");
            let Some(serde_dynamo::AttributeValue::S(finding_id)) = id else {
                error!(event_id = record.event_id, "a stream record without a finding id");
                continue;
            };
            // The invocation and the place in it: no other notifier has this token.
            let token = format!("{}-{i}", event.context.request_id);
            match deliver(&self.findings, &self.topic, finding_id, &token, now()).await {
                Ok(true) => sent += 1,
                Ok(false) => {}
                Err(reason) => {
                    busy |= matches!(reason, DeliverError::Busy);
                    error!(finding_id = %finding_id, reason = %reason, "alert not delivered, will be tried again");
                    let item_identifier = record.change.sequence_number.clone().unwrap_or_default();
                    response.batch_item_failures.push(ItemFailure { item_identifier });
                }
            }
        }
        if busy {
            // A failed stream record comes back at once. Whoever holds the claim is given time, or a crashed notifier's
            // lease would outlast all attempts.
            tokio::time::sleep(PAUSE).await;
        }
        info!(
            received = batch.records.len(),
            sent,
            failed = response.batch_item_failures.len(),
            "batch done"
        );
        Ok(response)
    }
}
