//! The intake queue in SQS: `SendMessage`, JSON of version 1.0.

use std::time::Duration;

use aws_config::SdkConfig;
use keepwatch_core::history::reconcile::MessageQueue;
use serde_json::json;

use crate::service::{Call, Service};
use crate::{AwsError, Cause};

/// The pauses before the second and the third attempt.
const PAUSES: &[Duration] = &[Duration::from_millis(200), Duration::from_millis(800)];

/// A queue, by its address.
#[derive(Debug)]
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
}

impl MessageQueue for Queue {
    type Error = AwsError;

    async fn send(&self, message: &str) -> Result<(), AwsError> {
        let body = json!({"QueueUrl": self.url, "MessageBody": message}).to_string();
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
