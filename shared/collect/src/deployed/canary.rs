//! The daily calls of the home stack's `scan`: the journal's entries of `keepwatch_core::canary`.

use keepwatch_base::time::Timestamp;
use keepwatch_core::canary::{Canary, ENTRY, entry_of};
use serde_json::{Map, Value, json};

use crate::client::{Client, Input};
use crate::fault::Fault;
use crate::node::Node;
use crate::operation::GET_ITEM;

/// What is known of the calls; nothing where none was ever made. As with [`super::heard_regions`], it is read as an item.
///
/// # Errors
/// [`Fault`].
pub async fn daily_calls(client: &Client, region: &str, journal: &str) -> Result<Option<Canary>, Fault> {
    let Some(kept) = entry(client, region, journal, ENTRY).await? else { return Ok(None) };
    let mut canary: Canary = serde_json::from_value(kept).map_err(Fault::unreadable)?;
    if let Some(call) = &canary.waits {
        let back = entry(client, region, journal, &entry_of(&call.number)).await?;
        canary.came_back(back.as_ref().and_then(Value::as_str).and_then(Timestamp::parse), client.now());
    }
    Ok(Some(canary))
}

/// What the journal keeps under this key.
async fn entry(client: &Client, region: &str, journal: &str, key: &str) -> Result<Option<Value>, Fault> {
    let input = Input::none()
        .member("TableName", journal)
        .member("Key", json!({"entry": {"S": key}}))
        .member("ConsistentRead", true);
    let answer = client.call(&GET_ITEM, region, input).await?;
    answer.at("Item/kept").map(plain).transpose()
}

/// A value without DynamoDB's names of types, of which these entries have text, numbers, nothing and maps.
fn plain(value: &Node) -> Result<Value, Fault> {
    let Some((kind, value)) = value.entries().next() else {
        return Err(Fault::unreadable("a value has no type"));
    };
    let text = || value.own_text().unwrap_or_default();
    match kind {
        "S" => Ok(json!(text())),
        "N" => serde_json::from_str(text()).map_err(Fault::unreadable),
        "NULL" => Ok(Value::Null),
        "M" => {
            let parts = value.entries().map(|(name, part)| Ok((name.to_owned(), plain(part)?)));
            Ok(Value::Object(parts.collect::<Result<Map<_, _>, Fault>>()?))
        }
        other => Err(Fault::unreadable(format!("a value is of type {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_the_table_has_it() {
        let item = r#"{"M": {"since": {"S": "2026-03-01T04:23:00Z"}, "misses": {"N": "1"}, "explained": {"N": "0"},
            "last": {"NULL": true}, "waits": {"M": {"number": {"S": "00"}, "at": {"S": "2026-03-02T04:23:00Z"},
            "refused": {"S": "cloudtrail:StartLogging: no policy allows it"}}}}}"#;
        let canary: Canary =
            serde_json::from_value(plain(&Node::json(item.as_bytes()).unwrap()).unwrap()).unwrap();
        assert_eq!((canary.misses, canary.last), (1, None));
        let call = canary.waits.unwrap();
        assert_eq!(Some(call.at), Timestamp::parse("2026-03-02T04:23:00Z"));
        assert!(call.refused.unwrap().contains("no policy"));
        assert!(plain(&Node::json(b"{\"B\": \"AA==\"}").unwrap()).is_err());
    }
}
