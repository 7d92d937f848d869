//! Queues in SQS to which messages are sent: `SendMessage`, JSON of version 1.0.

use std::time::Duration;

use aws_config::SdkConfig;
use keepwatch_base::arn::Arn;
use keepwatch_base::text::clean;
use keepwatch_core::history::reconcile::MessageQueue;
use serde_json::json;

use crate::service::{Call, Service};
use crate::{AwsError, Cause};

/// The pauses before the second and the third attempt.
const PAUSES: &[Duration] = &[Duration::from_millis(200), Duration::from_millis(800)];

/// The most characters of a reason that go with a message.
const MAX_REASON: usize = 500;

/// A queue, by its address.
#[derive(Clone, Debug)]
pub struct Queue {
    service: Service,
    region: String,
    url: String,
}

impl Queue {
    /// The queue of this address in the configuration's region.
    pub fn new(config: &SdkConfig, url: impl Into<String>) -> Queue {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        Queue { service: Service::new(config, "sqs", PAUSES), region, url: url.into() }
    }

    /// The queue of this ARN; `None` where the text is no queue's.
    pub fn of_arn(config: &SdkConfig, arn: &str) -> Option<Queue> {
        let queue = Arn::parse(arn).filter(|queue| queue.service == "sqs")?;
        let service = Service::new(config, "sqs", PAUSES);
        let url = format!("{}/{}/{}", service.endpoint(queue.region), queue.account, queue.resource);
        Some(Queue { service, region: queue.region.to_owned(), url })
    }

    /// Sends a message that nobody could work with, and why.
    ///
    /// # Errors
    /// When the queue does not take it.
    pub async fn give_up(&self, message: &str, reason: &str) -> Result<(), AwsError> {
        let why = json!({"DataType": "String", "StringValue": clean(reason, MAX_REASON)});
        self.post(&json!({
            "QueueUrl": self.url, "MessageBody": message, "MessageAttributes": {"reason": why},
        }))
        .await
    }

    async fn post(&self, message: &serde_json::Value) -> Result<(), AwsError> {
        let body = message.to_string();
        let call = Call {
            region: &self.region,
            path: "/",
            content_type: "application/x-amz-json-1.0",
            target: Some("AmazonSQS.SendMessage"),
            body: &body,
        };
        let sent = self.service.call(call).await;
        sent.map(drop).map_err(|error| AwsError::Call {
            operation: "sqs:SendMessage",
            cause: Cause::Other(error.to_string()),
        })
    }
}

impl MessageQueue for Queue {
    type Error = AwsError;

    async fn send(&self, message: &str) -> Result<(), AwsError> {
        self.post(&json!({"QueueUrl": self.url, "MessageBody": message})).await
    }
}
