//! Queues in SQS to which messages are sent: `SendMessage`, JSON of version 1.0.

use std::time::Duration;

use aws_config::SdkConfig;
use keepwatch_base::arn::Arn;
use keepwatch_base::text::clean;
use keepwatch_core::history::reconcile::MessageQueue;
use serde_json::{Value, json};

use crate::service::{Call, CallError, Service};
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
        self.post(json!({"MessageBody": message, "MessageAttributes": {"reason": why}})).await
    }

    /// How many messages lie there, those included that are being worked on or delayed.
    ///
    /// # Errors
    /// When the queue does not say.
    pub async fn count(&self) -> Result<u64, AwsError> {
        let failed =
            |why: String| AwsError::Call { operation: "sqs:GetQueueAttributes", cause: Cause::Other(why) };
        let names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
        ];
        let answer = self.call("AmazonSQS.GetQueueAttributes", json!({"AttributeNames": names})).await;
        let answer = answer.map_err(|error| failed(error.to_string()))?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|error| failed(error.to_string()))?;
        let mut all = 0_u64;
        for name in names {
            let count = answer["Attributes"][name].as_str().and_then(|text| text.parse::<u64>().ok());
            all += count.ok_or_else(|| failed(format!("the answer has no {name}")))?;
        }
        Ok(all)
    }

    async fn post(&self, message: Value) -> Result<(), AwsError> {
        let sent = self.call("AmazonSQS.SendMessage", message).await;
        sent.map(drop).map_err(|error| AwsError::Call {
            operation: "sqs:SendMessage",
            cause: Cause::Other(error.to_string()),
        })
    }

    /// Makes a call about this queue; the body of the answer.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn call(&self, target: &'static str, mut request: Value) -> Result<Vec<u8>, CallError> {
        request["QueueUrl"] = json!(self.url);
        let call = Call {
            region: &self.region,
            path: "/",
            content_type: "application/x-amz-json-1.0",
            target: Some(target),
            body: &request.to_string(),
        };
        self.service.call(call).await
    }
}

impl MessageQueue for Queue {
    type Error = AwsError;

    async fn send(&self, message: &str) -> Result<(), AwsError> {
        self.post(json!({"MessageBody": message})).await
    }
}
