//! The alert topic in SNS.

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use keepwatch_alert::Alert;
use keepwatch_alert::outbox::Topic;
use keepwatch_core::finding::Finding;

use crate::{AwsError, Cause, failed};

/// The topic, by ARN.
#[derive(Clone, Debug)]
pub struct AlertTopic {
    client: Client,
    arn: String,
}

impl AlertTopic {
    /// The topic of this ARN.
    pub fn new(config: &SdkConfig, arn: impl Into<String>) -> AlertTopic {
        AlertTopic { client: Client::new(config), arn: arn.into() }
    }

    /// Opens the connection while the Lambda starts; what comes of it does not matter.
    pub async fn warm(&self) {
        let _ = self.client.get_topic_attributes().topic_arn(&self.arn).send().await;
    }
}

impl Topic for AlertTopic {
    type Error = AwsError;

    async fn publish(&self, finding: Option<&Finding>, alert: &Alert) -> Result<(), AwsError> {
        let mut request = self
            .client
            .publish()
            .topic_arn(&self.arn)
            .subject(&alert.subject)
            .message(alert.message())
            .message_structure("json");
        // Attributes, so that a subscription can filter without reading the message.
        let attributes = finding.map(|finding| {
            [("severity", finding.severity.as_str()), ("account", &finding.account), ("rule", &finding.rule)]
        });
        for (name, value) in attributes.into_iter().flatten() {
            if value.is_empty() {
                continue; // SNS refuses an attribute without a value.
            }
            let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            let attribute = attribute.map_err(|error| AwsError::Call {
                operation: "sns:Publish",
                cause: Cause::Other(error.to_string()),
            })?;
            request = request.message_attributes(name, attribute);
        }
        request.send().await.map(drop).map_err(failed("sns:Publish"))
    }
}
