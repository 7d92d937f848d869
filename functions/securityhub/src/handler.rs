//! One batch of the findings table's stream.

use std::collections::HashSet;

use aws_lambda_events::dynamodb::Event as StreamEvent;
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use keepwatch_aws::securityhub::{ImportError, SecurityHub};
use keepwatch_base::arn::account_of_function;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::value::RawValue;
use tracing::{error, info, warn};

use crate::imports::{Batch, Import, calls};

/// Where findings go, and from where.
pub(crate) struct Importer {
    pub(crate) hub: SecurityHub,
    /// The region of the Security Hub that is called.
    pub(crate) region: String,
}

impl Importer {
    /// Lambda delivers everything from the first failure on again. What is imported twice is the same finding to Security
    /// Hub, so that only the failures matter.
    pub(crate) async fn handle(
        &self,
        event: LambdaEvent<Box<RawValue>>,
    ) -> Result<DynamoDbEventResponse, Error> {
        let stream: StreamEvent = serde_json::from_str(event.payload.get())?;
        let received = stream.records.len();
        let account = account_of_function(&event.context.invoked_function_arn)?;
        let batch = Batch::read(stream.records, account, &self.region);
        let imports = batch.imports.len();
        let mut failed = batch.failed;
        for call in calls(batch.imports) {
            self.send(call, &mut failed).await;
        }
        info!(received, imports, elsewhere = batch.elsewhere, failed = failed.len(), "batch done");
        let mut response = DynamoDbEventResponse::default();
        response.batch_item_failures = failed.into_iter().map(failure).collect();
        Ok(response)
    }

    /// Makes the call; what of it failed is added to `failed`.
    ///
    /// A failure that trying again does not cure fails too: the stream source gives it up after some tries,
    /// into the dead-letter queue, whose alarm tells people. Logged alone it would be missing from Security
    /// Hub in silence.
    async fn send(&self, call: Vec<Import>, failed: &mut Vec<String>) {
        let mut waiting = vec![call];
        while let Some(mut call) = waiting.pop() {
            let findings: Vec<&str> = call.iter().map(|import| import.json.as_str()).collect();
            match self.hub.import(&findings).await {
                Ok(refused) => {
                    for finding in &refused {
                        let (code, reason) = (&finding.error_code, &finding.error_message);
                        error!(finding_id = finding.id, code, reason, "finding refused by Security Hub");
                    }
                    let ids: HashSet<&str> = refused.iter().map(|finding| finding.id.as_str()).collect();
                    let named = call.iter().filter(|import| ids.contains(import.asff_id.as_str())).count();
                    // A refusal that names nothing of the call is about something of it all the same.
                    call.retain(|import| named < ids.len() || ids.contains(import.asff_id.as_str()));
                    failed.extend(call.into_iter().map(|import| import.sequence_number));
                }
                // One finding spoils the call. Halves find it, and the others are imported.
                Err(ImportError::Invalid(reason)) if call.len() > 1 => {
                    let findings = call.len();
                    warn!(findings, reason, "call refused by Security Hub, tried again in halves");
                    let rest = call.split_off(call.len() / 2);
                    waiting.extend([rest, call]);
                }
                Err(reason) => {
                    let findings = call.len();
                    error!(findings, reason = %reason, "findings not imported, will be tried again");
                    failed.extend(call.into_iter().map(|import| import.sequence_number));
                }
            }
        }
    }
}

fn failure(sequence_number: String) -> DynamoDbBatchItemFailure {
    let mut failure = DynamoDbBatchItemFailure::default();
    failure.item_identifier = Some(sequence_number);
    failure
}
