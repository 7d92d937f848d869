//! The alert topic in SNS.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use keepwatch_alert::Alert;
use keepwatch_alert::outbox::{Subscribers, Topic};
use keepwatch_base::hash::short_hash;
use keepwatch_base::text::clean;
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

/// The most pages of subscriptions that are read, of 100 each.
const MOST_PAGES: usize = 10;

/// A subscriber as people may read him. The path of a web address may hold a secret, and a telephone number is private.
fn subscriber(protocol: &str, endpoint: &str) -> String {
    let shown = match protocol {
        "http" | "https" => {
            let host = endpoint.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next());
            format!("{} ({})", host.unwrap_or_default(), &short_hash(&[endpoint])[..8])
        }
        "sms" => format!("...{}", endpoint.get(endpoint.len().saturating_sub(3)..).unwrap_or_default()),
        _ => endpoint.to_owned(),
    };
    clean(&format!("{protocol} {shown}"), 300)
}

/// What changes whenever one of these subscriptions ends or is made anew. Two telephones may be shown alike.
fn mark(arns: &BTreeSet<String>) -> String {
    short_hash(&arns.iter().map(String::as_str).collect::<Vec<_>>())
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

    /// Who has not confirmed is listed with `PendingConfirmation` in place of an ARN, and who has left with `Deleted` (SNS
    /// developer guide, "Deleting an Amazon SNS subscription and topic"; API reference, `ListSubscriptionsByTopic`). An ARN
    /// ends in an id that each new subscription gets for itself, also one of the same endpoint.
    async fn confirmed(&self) -> Result<Subscribers, AwsError> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut token = None;
        for _ in 0..MOST_PAGES {
            let request =
                self.client.list_subscriptions_by_topic().topic_arn(&self.arn).set_next_token(token);
            let page = request.send().await.map_err(failed("sns:ListSubscriptionsByTopic"))?;
            for one in page.subscriptions() {
                let Some(arn) = one.subscription_arn().filter(|arn| arn.starts_with("arn:")) else {
                    continue;
                };
                let who = subscriber(one.protocol().unwrap_or_default(), one.endpoint().unwrap_or_default());
                found.entry(who).or_default().insert(arn.to_owned());
            }
            token = page.next_token().map(str::to_owned).filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(found.into_iter().map(|(who, arns)| (who, mark(&arns))).collect());
            }
        }
        // Anybody may add subscriptions that nobody confirms. A list that was not read to its end says of nobody that he left.
        Err(AwsError::Call {
            operation: "sns:ListSubscriptionsByTopic",
            cause: Cause::Other(format!("there are more than {MOST_PAGES} pages of subscriptions")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_is_told_from_another_without_his_secrets() {
        assert_eq!(subscriber("email", "alice@example.com"), "email alice@example.com");
        assert_eq!(subscriber("sms", "+15550100123"), "sms ...123");
        let hook = subscriber("https", "https://hooks.example.com/services/T0/SECRET");
        assert!(hook.starts_with("https hooks.example.com (") && !hook.contains("SECRET"), "{hook}");
        assert_ne!(hook, subscriber("https", "https://hooks.example.com/services/T0/OTHER"));
    }

    #[test]
    fn a_subscription_that_was_made_anew_is_another() {
        let marked = |arns: &[&str]| mark(&arns.iter().map(|arn| (*arn).to_owned()).collect());
        assert_eq!(
            marked(&["arn:1", "arn:2"]),
            marked(&["arn:2", "arn:1"]),
            "the order of the list means nothing"
        );
        assert_ne!(marked(&["arn:1"]), marked(&["arn:3"]));
        assert_ne!(
            marked(&["arn:1", "arn:2"]),
            marked(&["arn:1"]),
            "one of two that are shown alike has left"
        );
    }
}
