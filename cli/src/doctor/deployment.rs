//! A deployed stack, found by its name, and what reads it.

use std::time::Duration;

use keepwatch_aws::dead_letters::DeadLetters;
use keepwatch_aws::profiles::SdkConfig;
use keepwatch_aws::runtime::now;
use keepwatch_collect::deployed::{depth, stack};
use keepwatch_collect::{Client, Fault};

use super::queues::{Queue, is_dead_letters};
use super::template::{HOME, Names, Template};
use crate::failure::Failure;

/// The account, as whoever asks may see it.
///
/// # Errors
/// Credentials that AWS does not accept, or no way to reach it.
pub(crate) async fn client(config: &SdkConfig) -> anyhow::Result<Client> {
    let (client, caller) = asking(config).await?;
    let caller = caller.map_err(|fault| Failure::unasked(&fault, client.region()))?;
    Ok(client.of(&caller))
}

/// The client, and the account or why AWS does not say it: the answer may tell more than the refusal.
///
/// # Errors
/// A configuration without region or credentials.
pub(crate) async fn asking(config: &SdkConfig) -> anyhow::Result<(Client, Result<String, Fault>)> {
    let client = Client::new(config, now);
    let client =
        client.map_err(|fault| Failure::unasked(&fault, "the region of the configuration"))?.hurried();
    let caller = client.caller().await.map(|caller| caller.account);
    Ok((client, caller))
}

/// A stack and the template that it should be of.
pub(crate) struct Deployment {
    pub(crate) names: Names,
    pub(crate) template: Template,
}

impl Deployment {
    /// The home stack of this name in a region; nothing where there is none.
    ///
    /// # Errors
    /// [`Fault`], and a template that cannot be read.
    pub(crate) async fn home(
        client: &Client,
        region: &str,
        name: &str,
    ) -> anyhow::Result<Result<Option<Deployment>, Fault>> {
        Deployment::of(client, region, name, name, HOME).await
    }

    /// A stack of this name, whose resources are named after `prefix`, and which should be of this template.
    ///
    /// # Errors
    /// As [`Deployment::home`].
    pub(crate) async fn of(
        client: &Client,
        region: &str,
        name: &str,
        prefix: &str,
        text: &str,
    ) -> anyhow::Result<Result<Option<Deployment>, Fault>> {
        let template = Template::read(text)?;
        let found = stack(client, region, name).await;
        Ok(found.map(|stack| {
            stack.map(|stack| {
                let names = Names {
                    account: client.account().to_owned(),
                    region: region.to_owned(),
                    name: prefix.to_owned(),
                    stack,
                };
                Deployment { names, template }
            })
        }))
    }

    /// The stack's queues. With `operator`, who alone may take dead letters, some of these are looked at.
    ///
    /// # Errors
    /// A template that cannot be read.
    pub(crate) async fn queues(
        &self,
        client: &Client,
        operator: Option<&SdkConfig>,
    ) -> anyhow::Result<Vec<Queue>> {
        let region = &self.names.region;
        let mut queues = Vec::new();
        for wanted in self.template.of_type("AWS::SQS::Queue", &self.names)? {
            // One that the stack has not is the version's to tell.
            let Some(url) = self.names.physical(&wanted.id).map(str::to_owned) else { continue };
            let depth = depth(client, region, &url).await;
            let holds = is_dead_letters(&wanted.id) && depth.as_ref().is_ok_and(|depth| depth.messages > 0);
            let letters = match operator.filter(|_| holds) {
                // They are hidden for no time.
                Some(operator) => {
                    let taken = DeadLetters::new(operator, &url).take(Duration::ZERO).await;
                    Some(taken.map_err(|error| Failure::of(&error, &wanted.id, region).to_string()))
                }
                None => None,
            };
            queues.push(Queue { id: wanted.id, url, depth, letters });
        }
        Ok(queues)
    }
}
