//! The intake queue, which is asked whether a message is its own.
//!
//! Whoever may invoke `detect` can hand it a message that no queue ever held, and AWS logs no invocation. Only a message that
//! the queue has handed out has a receipt handle that the queue knows. `ChangeMessageVisibility` shows it, and is asked to hide
//! the message for as long as the queue hides it anyway.

use std::time::Duration;

use aws_config::SdkConfig;
use keepwatch_core::engine::given_back::HIDDEN;
use keepwatch_core::state::{Answer, Fact, Value};
use serde_json::json;

use crate::queue::Queue;
use crate::service::CallError;

/// What SQS answers to a handle that it does not know, that is another queue's, or whose message is hidden no more (SQS
/// developer guide, `ChangeMessageVisibility`).
const NOT_OURS: [&str; 4] =
    ["ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue", "InvalidAddress"];

/// The queue.
#[derive(Clone, Debug)]
pub struct IntakeQueue(Queue);

impl IntakeQueue {
    /// The queue of this ARN; `None` where the text is no queue's. It is asked once: a message that waits comes again.
    pub fn new(config: &SdkConfig, arn: &str) -> Option<IntakeQueue> {
        Queue::with_pauses(config, arn, &[]).map(IntakeQueue)
    }

    /// Whether the queue has handed out a message under this receipt handle, and has it still.
    ///
    /// # Errors
    /// With the reason, where asking again may bring an answer.
    pub(crate) async fn has(&self, receipt_handle: &str) -> Result<Answer, String> {
        match self.hide_for(receipt_handle, HIDDEN).await {
            Ok(()) => Ok(Fact::Known(Value::Flag(true))),
            Err(CallError::Refused { code, .. }) if NOT_OURS.iter().any(|one| code.starts_with(one)) => {
                Ok(Fact::Known(Value::Flag(false)))
            }
            Err(CallError::Refused { reason, .. }) => {
                Ok(Fact::Unavailable(format!("the intake queue answered {reason}")))
            }
            Err(CallError::Busy(reason) | CallError::Failed(reason)) => {
                Err(format!("the intake queue: {reason}"))
            }
        }
    }

    /// Hides a message for so long from now on, before it is delivered again.
    ///
    /// # Errors
    /// With the reason. The message comes back by itself, only sooner.
    pub async fn hide(&self, receipt_handle: &str, pause: Duration) -> Result<(), String> {
        self.hide_for(receipt_handle, pause).await.map_err(|error| error.to_string())
    }

    async fn hide_for(&self, receipt_handle: &str, pause: Duration) -> Result<(), CallError> {
        let request = json!({"ReceiptHandle": receipt_handle, "VisibilityTimeout": pause.as_secs()});
        self.0.call("AmazonSQS.ChangeMessageVisibility", request).await
    }
}
