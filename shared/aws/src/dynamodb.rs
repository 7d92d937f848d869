//! Items and attribute values.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use keepwatch_base::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{AwsError, Cause, failed};

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

/// Writes all or nothing. `false` when a condition did not hold, or somebody else wrote one of the items in the same moment.
///
/// # Errors
/// When it is not written for another reason.
pub(crate) async fn transact(client: &Client, items: Vec<TransactWriteItem>) -> Result<bool, AwsError> {
    let Err(error) = client.transact_write_items().set_transact_items(Some(items)).send().await else {
        return Ok(true);
    };
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
            let raced =
                |code: &str| ["None", "ConditionalCheckFailed", "TransactionConflict"].contains(&code);
            let reasons = canceled.cancellation_reasons();
            if !reasons.is_empty() && reasons.iter().all(|reason| reason.code().is_none_or(raced)) {
                return Ok(false);
            }
            let codes = reasons.iter().filter_map(|reason| reason.code()).map(str::to_owned).collect();
            let cause = Cause::Cancelled { codes };
            Err(AwsError::Call { operation: "dynamodb:TransactWriteItems", cause })
        }
        Some(TransactWriteItemsError::TransactionInProgressException(_)) => Ok(false),
        _ => Err(failed("dynamodb:TransactWriteItems")(error)),
    }
}

pub(crate) fn unbuilt(error: BuildError) -> AwsError {
    AwsError::Call { operation: "dynamodb:TransactWriteItems", cause: Cause::Other(error.to_string()) }
}
