//! KMS.

use keepwatch_core::posture::facts::keys::KmsKey;

use crate::client::{Client, Input};
use crate::fault::{Fault, absent_if};
use crate::node::Node;
use crate::operation::{DESCRIBE_KEY, LIST_ALIASES, LIST_KEYS};

pub(super) async fn keys(client: &Client, region: &str) -> Result<Vec<String>, Fault> {
    let pages = client.pages(&LIST_KEYS, region, Input::none().member("Limit", 1_000)).await?;
    pages.iter().flat_map(|page| page.all("Keys")).map(|key| key.need("KeyId")).collect()
}

pub(super) async fn aws_managed(client: &Client, region: &str) -> Result<Vec<String>, Fault> {
    let pages = client.pages(&LIST_ALIASES, region, Input::none().member("Limit", 100)).await?;
    let aliases = pages.iter().flat_map(|page| page.all("Aliases"));
    let own =
        aliases.filter(|alias| alias.text("AliasName").is_some_and(|name| name.starts_with("alias/aws/")));
    Ok(own.filter_map(|alias| alias.text("TargetKeyId")).collect())
}

pub(super) async fn key(client: &Client, region: &str, id: &str) -> Result<Option<KmsKey>, Fault> {
    let read = |node: Node| {
        let key = node.at("KeyMetadata").ok_or_else(|| Fault::unreadable("it has no KeyMetadata"))?;
        Ok(KmsKey {
            arn: key.need("Arn")?,
            state: key.need("KeyState")?,
            deletion: key.time("DeletionDate")?,
            aws_managed: key.text("KeyManager").as_deref() == Some("AWS"),
        })
    };
    let found = client.call(&DESCRIBE_KEY, region, Input::none().member("KeyId", id)).await;
    absent_if(found.and_then(read), &["NotFoundException"])
}
