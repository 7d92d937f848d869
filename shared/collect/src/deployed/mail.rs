//! SNS: who gets the mails.

use futures_util::future::try_join_all;

use crate::client::{Client, Input};
use crate::fault::{Fault, Otherwise as _};
use crate::node::Node;
use crate::operation::{GET_SUBSCRIPTION_ATTRIBUTES, LIST_SUBSCRIPTIONS};

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its ARN; nothing while nobody has confirmed it.
    pub arn: Option<String>,
    /// `email`, `sqs` …
    pub protocol: String,
    /// The address, or what else it goes to.
    pub endpoint: String,
    /// Whether it was confirmed by a signed call, as `AuthenticateOnUnsubscribe` needs: only such a one cannot be ended by a
    /// click. Nothing where SNS does not say.
    pub signed: Option<bool>,
}

/// The subscriptions of a topic.
///
/// # Errors
/// [`Fault`].
pub async fn subscriptions(client: &Client, region: &str, topic: &str) -> Result<Vec<Subscription>, Fault> {
    let pages = client.pages(&LIST_SUBSCRIPTIONS, region, Input::none().field("TopicArn", topic)).await?;
    let members =
        pages.iter().flat_map(|page| page.all("ListSubscriptionsByTopicResult/Subscriptions/member"));
    let read = members.map(|node| async {
        let told = node.need("SubscriptionArn")?;
        // `PendingConfirmation`, or `Deleted`, stands in its place (SNS API reference, ListSubscriptionsByTopic).
        let arn = told.starts_with("arn:").then_some(told);
        let attributes = match &arn {
            Some(arn) => attributes(client, region, arn).await?,
            None => None,
        };
        Ok(Subscription {
            arn: arn.filter(|_| attribute(&attributes, "PendingConfirmation").as_deref() != Some("true")),
            protocol: node.need("Protocol")?,
            endpoint: node.text("Endpoint").unwrap_or_default(),
            signed: attribute(&attributes, "ConfirmationWasAuthenticated").map(|text| text == "true"),
        })
    });
    try_join_all(read).await
}

async fn attributes(client: &Client, region: &str, arn: &str) -> Result<Option<Node>, Fault> {
    let input = Input::none().field("SubscriptionArn", arn);
    let found = client.call(&GET_SUBSCRIPTION_ATTRIBUTES, region, input).await;
    // One that was ended after it was listed.
    found.map(Some).or_if(&["NotFound"], None)
}

fn attribute(answer: &Option<Node>, name: &str) -> Option<String> {
    let entries = answer.as_ref()?.all("GetSubscriptionAttributesResult/Attributes/entry");
    entries.into_iter().find(|entry| entry.text("key").as_deref() == Some(name))?.text("value")
}
