//! Items and attribute values.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use keepwatch_base::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::AwsError;

/// An item of a table.
pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(crate) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(crate) fn millis(time: Timestamp) -> AttributeValue {
    AttributeValue::N(time.millis().to_string())
}

/// For the attribute by which the table forgets an item.
pub(crate) fn seconds(time: Timestamp) -> AttributeValue {
    AttributeValue::N((time.millis() / 1_000).to_string())
}

pub(crate) fn to_item<T: Serialize>(value: &T) -> Result<Item, AwsError> {
    serde_dynamo::aws_sdk_dynamodb_1::to_item(value).map_err(|error| AwsError::Item(error.to_string()))
}

pub(crate) fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, String> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(|error| error.to_string())
}

/// Waits a little, longer with each attempt and never the same: at most 640 ms.
pub(crate) async fn back_off(attempt: usize) {
    let most = 10_u64 << attempt.min(6);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=most))).await;
}
