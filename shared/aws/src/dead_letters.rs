//! A queue of dead letters, for the command line: looked at, taken away, left where they are.
//!
//! Behind the feature `profiles`, which the functions do without.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use keepwatch_base::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::queue::Queue;
use crate::service::CallError;
use crate::{AwsError, Cause};

/// The most messages of one call (SQS API reference, `ReceiveMessage` and `ChangeMessageVisibilityBatch`).
const MOST: usize = 10;

/// How long a call waits for messages, in seconds. A call that waits asks all of SQS's servers, and one that does not may
/// come back empty from a queue that is not (SQS developer guide, "Short and long polling").
const WAIT: u32 = 1;

/// A dead letter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetter {
    /// The message's id in the queue.
    pub id: String,
    /// The message.
    pub body: String,
    /// Its attributes that are texts.
    pub attributes: BTreeMap<String, String>,
    /// ARN of the queue that SQS moved it from; nothing where somebody sent it here (SQS API reference, `ReceiveMessage`,
    /// `DeadLetterQueueSourceArn`).
    pub moved_from: Option<String>,
    /// When it was sent, to the queue that it was moved from where it was moved.
    pub sent_at: Option<Timestamp>,
    /// By what the queue knows that it has handed the message out.
    pub receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Received {
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    message_id: String,
    receipt_handle: String,
    body: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    message_attributes: BTreeMap<String, Attribute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    string_value: Option<String>,
}

impl From<Message> for DeadLetter {
    fn from(mut message: Message) -> DeadLetter {
        let sent = message.attributes.get("SentTimestamp").and_then(|text| text.parse().ok());
        let attributes = message.message_attributes.into_iter();
        DeadLetter {
            id: message.message_id,
            body: message.body,
            attributes: attributes.filter_map(|(name, value)| Some((name, value.string_value?))).collect(),
            moved_from: message.attributes.remove("DeadLetterQueueSourceArn"),
            sent_at: sent.map(Timestamp::from_millis),
            receipt_handle: message.receipt_handle,
        }
    }
}

/// The queue.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    queue: Queue,
}

impl DeadLetters {
    /// The queue of this address, as who may take its messages.
    pub fn new(config: &SdkConfig, url: &str) -> DeadLetters {
        DeadLetters { queue: Queue::new(config, url) }
    }

    /// Up to ten messages, which nobody else is handed for so long. None where all are gone or hidden.
    ///
    /// # Errors
    /// What SQS refuses, and an answer that cannot be read.
    pub async fn take(&self, hidden: Duration) -> Result<Vec<DeadLetter>, AwsError> {
        const OPERATION: &str = "sqs:ReceiveMessage";
        let request = json!({
            "MaxNumberOfMessages": MOST,
            "VisibilityTimeout": hidden.as_secs(),
            "WaitTimeSeconds": WAIT,
            "MessageAttributeNames": ["All"],
            "MessageSystemAttributeNames": ["DeadLetterQueueSourceArn", "SentTimestamp"],
        });
        let answer = self.call(OPERATION, "AmazonSQS.ReceiveMessage", request).await?;
        let received: Received = serde_json::from_slice(&answer).map_err(|error| AwsError::Call {
            operation: OPERATION,
            cause: Cause::Other(format!("the answer cannot be read: {error}")),
        })?;
        Ok(received.messages.into_iter().map(DeadLetter::from).collect())
    }

    /// Takes a message away for good.
    ///
    /// # Errors
    /// What SQS refuses.
    pub async fn remove(&self, letter: &DeadLetter) -> Result<(), AwsError> {
        let request = json!({"ReceiptHandle": letter.receipt_handle});
        self.call("sqs:DeleteMessage", "AmazonSQS.DeleteMessage", request).await.map(drop)
    }

    /// Shows messages again that [`DeadLetters::take`] has hidden. One that cannot be shown comes back by itself, only later.
    ///
    /// # Errors
    /// What SQS refuses.
    pub async fn put_back(&self, letters: &[DeadLetter]) -> Result<(), AwsError> {
        for part in letters.chunks(MOST) {
            let entry = |(number, letter): (usize, &DeadLetter)| json!({"Id": number.to_string(), "ReceiptHandle": letter.receipt_handle, "VisibilityTimeout": 0});
            let entries: Vec<Value> = part.iter().enumerate().map(entry).collect();
            let request = json!({"Entries": entries});
            // The action has no other name for a batch (SQS API reference, `AddPermission`).
            self.call("sqs:ChangeMessageVisibility", "AmazonSQS.ChangeMessageVisibilityBatch", request)
                .await?;
        }
        Ok(())
    }

    async fn call(
        &self,
        operation: &'static str,
        target: &'static str,
        request: Value,
    ) -> Result<Vec<u8>, AwsError> {
        self.queue.call(target, request).await.map_err(|error| AwsError::Call {
            operation,
            cause: match error {
                CallError::Refused { code, reason, .. } => Cause::Answered { code, message: reason },
                other => Cause::Other(other.to_string()),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer of the API reference's example of `ReceiveMessage`, with the parts that are asked for.
    #[test]
    fn a_message_is_read_with_where_it_came_from() {
        let answer = r#"{"Messages": [{
            "MessageId": "219f8380-5770-4cc2-8c3e-5c715e145f5e", "ReceiptHandle": "AQEBaZ+j5qUoOAoxlmrCQPkBm9njMWXqemmIG6shMHCO6",
            "MD5OfBody": "fafb00f5732ab283681e124bf8747ed1", "Body": "This is a test message",
            "Attributes": {"SentTimestamp": "1677112650000",
                "DeadLetterQueueSourceArn": "arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-A1B2C3"},
            "MessageAttributes": {"reason": {"DataType": "String", "StringValue": "no event"},
                "picture": {"DataType": "Binary", "BinaryValue": "AA=="}}}]}"#;
        let received: Received = serde_json::from_str(answer).unwrap();
        let letters: Vec<DeadLetter> = received.messages.into_iter().map(DeadLetter::from).collect();
        let [letter] = letters.as_slice() else { panic!("{letters:?}") };
        assert_eq!(letter.body, "This is a test message");
        assert_eq!(
            letter.moved_from.as_deref(),
            Some("arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-A1B2C3")
        );
        assert_eq!(letter.sent_at, Timestamp::parse("2023-02-23T00:37:30Z"));
        assert_eq!(letter.attributes, BTreeMap::from([("reason".to_owned(), "no event".to_owned())]));
    }

    #[test]
    fn an_empty_queue_answers_without_messages() {
        let received: Received = serde_json::from_str("{}").unwrap();
        assert!(received.messages.is_empty());
    }
}
