//! One batch of the intake queue. Each message succeeds or fails alone.

use std::panic::AssertUnwindSafe;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::FutureExt as _;
use keepwatch_aws::account::{LiveAccount, StateOf};
use keepwatch_aws::findings::FindingsTable;
use keepwatch_aws::runtime::now;
use keepwatch_core::event::Event;
use keepwatch_core::finding::record::{Recorded, record};
use keepwatch_core::rules::{Config, dispatch::Index};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::value::RawValue;
use tracing::{error, info, warn};

/// Everything that a message meets on its way.
pub(crate) struct Detect {
    pub(crate) rules: Index,
    pub(crate) account: LiveAccount,
    pub(crate) findings: FindingsTable,
    pub(crate) config: Config,
}

/// What became of the messages of one batch. `received` is the sum of the others but `observations`, so that no message
/// can vanish from the counts.
#[derive(Debug, Default)]
struct Counts {
    received: usize,
    /// At least one finding was opened or changed.
    recorded: usize,
    /// Understood, and nothing new: no rule fired, or a duplicate.
    quiet: usize,
    /// JSON of a kind that no rule reads.
    other: usize,
    /// Given back to the queue, which delivers it again and at last moves it to the dead-letter queue.
    failed: usize,
    observations: usize,
}

enum Outcome {
    Recorded(usize),
    Quiet,
    Other,
}

impl Detect {
    pub(crate) async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<SqsBatchResponse, Error> {
        let batch: SqsEvent = serde_json::from_str(event.payload.get())?;
        // arn:aws:lambda:us-east-1:111122223333:function:name
        let own_account = event.context.invoked_function_arn.split(':').nth(4).unwrap_or_default();
        let mut counts = Counts { received: batch.records.len(), ..Counts::default() };
        let mut response = SqsBatchResponse::default();
        for message in &batch.records {
            // A panic is a bug in one rule; it must cost this message a retry and its neighbours nothing.
            let outcome = AssertUnwindSafe(self.message(message, own_account)).catch_unwind().await;
            match outcome {
                Ok(Ok(Outcome::Recorded(observations))) => {
                    counts.recorded += 1;
                    counts.observations += observations;
                }
                Ok(Ok(Outcome::Quiet)) => counts.quiet += 1,
                Ok(Ok(Outcome::Other)) => counts.other += 1,
                Ok(Err(reason)) => {
                    counts.failed += 1;
                    error!(message_id = message.message_id, reason = %reason, "message failed");
                    response.batch_item_failures.push(failure(message));
                }
                Err(_) => {
                    counts.failed += 1;
                    error!(message_id = message.message_id, "a rule panicked on this message");
                    response.batch_item_failures.push(failure(message));
                }
            }
        }
        info!(
            received = counts.received,
            recorded = counts.recorded,
            quiet = counts.quiet,
            other = counts.other,
            failed = counts.failed,
            observations = counts.observations,
            "batch done"
        );
        Ok(response)
    }

    async fn message(&self, message: &SqsMessage, own_account: &str) -> Result<Outcome, anyhow::Error> {
        let event = Event::parse(message.body.as_deref().unwrap_or_default())?;
        let state = StateOf { live: &self.account, own: own_account, asked: event.account() };
        let evaluation = self.rules.evaluate_with(&event, &state, &self.config, now()).await;
        for rule_error in &evaluation.errors {
            error!(rule = rule_error.rule, event = event.name(), reason = %rule_error.reason, "rule failed");
        }
        let mut recorded = 0;
        for observation in &evaluation.observations {
            if record(&self.findings, observation).await? != Recorded::Unchanged {
                recorded += 1;
            }
        }
        if recorded > 0 {
            return Ok(Outcome::Recorded(recorded));
        }
        if event.kind() == "other" {
            warn!(source = event.envelope.source.or_empty(), "an event of a kind that no rule reads");
            return Ok(Outcome::Other);
        }
        Ok(Outcome::Quiet)
    }
}

fn failure(message: &SqsMessage) -> BatchItemFailure {
    let mut failure = BatchItemFailure::default();
    failure.item_identifier = message.message_id.clone().unwrap_or_default();
    failure
}
