//! The forwarders that the home stack has heard: the journal's entry `forwarders` (keepwatch_core::regions).

use std::collections::BTreeMap;

use keepwatch_base::time::Timestamp;
use serde_json::json;

use crate::client::{Client, Input};
use crate::fault::Fault;
use crate::node::Node;
use crate::operation::GET_ITEM;

/// A forwarder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Stands for the event rules that it has.
    pub version: String,
    /// When it was heard last.
    pub at: Timestamp,
}

/// The regions that were heard, and when last. It is read as an item: the journal's own reader empties an entry that it cannot
/// read, and this one writes nothing.
///
/// # Errors
/// [`Fault`].
pub async fn heard_regions(
    client: &Client,
    region: &str,
    journal: &str,
) -> Result<BTreeMap<String, Heard>, Fault> {
    let input = Input::none()
        .member("TableName", journal)
        .member("Key", json!({"entry": {"S": "forwarders"}}))
        .member("ConsistentRead", true);
    let answer = client.call(&GET_ITEM, region, input).await?;
    let item = answer.at("Item").into_iter().flat_map(Node::entries);
    let kept = item.filter(|(name, _)| *name == "kept").filter_map(|(_, value)| value.at("M"));
    let read = |(region, node): (&str, &Node)| {
        let at = node.time("M/at/S")?.ok_or_else(|| Fault::unreadable("a forwarder was heard at no time"))?;
        Ok((region.to_owned(), Heard { version: node.need("M/version/S")?, at }))
    };
    kept.flat_map(Node::entries).map(read).collect()
}
