//! Items and attribute values.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, TransactWriteItem};
use keepwatch_base::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{AwsError, Cause, failed};

/// So often an entry is read anew that cannot be read and that others write meanwhile.
pub(crate) const READS: usize = 4;

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

/// What must hold for an item to be written.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) expression: String,
    pub(crate) names: HashMap<String, String>,
    /// `None` where there are none: DynamoDB takes no empty map.
    pub(crate) values: Option<Item>,
}

impl Condition {
    /// That no item has this key.
    pub(crate) fn is_new(key: &str) -> Condition {
        Condition::is_as_read(&Item::new(), &[key])
    }

    /// That nobody has changed any of these attributes since the item was read.
    pub(crate) fn is_as_read(item: &Item, attributes: &[&str]) -> Condition {
        let (mut all, mut names, mut values) = (Vec::new(), HashMap::new(), Item::new());
        for name in attributes {
            names.insert(format!("#{name}"), (*name).to_owned());
            match item.get(*name) {
                Some(value) => {
                    all.push(format!("#{name} = :{name}"));
                    values.insert(format!(":{name}"), value.clone());
                }
                None => all.push(format!("attribute_not_exists(#{name})")),
            }
        }
        let values = Some(values).filter(|values| !values.is_empty());
        Condition { expression: all.join(" AND "), names, values }
    }

    /// That its version is this one.
    pub(crate) fn has_version(version: u64) -> Condition {
        Condition::is_as_read(&Item::from([("version".to_owned(), number(version))]), &["version"])
    }

    /// This, or that no item has this key.
    pub(crate) fn or_is_new(mut self, key: &str) -> Condition {
        self.expression = format!("attribute_not_exists({key}) OR {}", self.expression);
        self
    }

    /// The item, to be put under this condition together with others.
    pub(crate) fn put(self, table: &str, item: Item) -> Result<TransactWriteItem, AwsError> {
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(item))
            .condition_expression(self.expression)
            .set_expression_attribute_names(Some(self.names))
            .set_expression_attribute_values(self.values);
        Ok(TransactWriteItem::builder().put(put.build().map_err(unbuilt)?).build())
    }

    /// That the condition holds for the item of this key, to be checked together with what is written.
    pub(crate) fn check(
        self,
        table: &str,
        (key, value): (&str, &str),
    ) -> Result<TransactWriteItem, AwsError> {
        let check = ConditionCheck::builder()
            .table_name(table)
            .key(key, text(value))
            .condition_expression(self.expression)
            .set_expression_attribute_names(Some(self.names))
            .set_expression_attribute_values(self.values);
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(unbuilt)?).build())
    }
}

/// Writes one item. `false` when the condition did not hold, or somebody else wrote the item in the same moment.
///
/// # Errors
/// When it is not written for another reason.
pub(crate) async fn put_if(
    client: &Client,
    table: &str,
    item: Item,
    condition: Condition,
) -> Result<bool, AwsError> {
    let put = client
        .put_item()
        .table_name(table)
        .set_item(Some(item))
        .condition_expression(condition.expression)
        .set_expression_attribute_names(Some(condition.names))
        .set_expression_attribute_values(condition.values);
    let Err(error) = put.send().await else { return Ok(true) };
    match error.as_service_error() {
        Some(
            PutItemError::ConditionalCheckFailedException(_) | PutItemError::TransactionConflictException(_),
        ) => Ok(false),
        _ => Err(failed("dynamodb:PutItem")(error)),
    }
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
