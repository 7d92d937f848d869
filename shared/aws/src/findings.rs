//! The findings table in DynamoDB.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use keepwatch_core::alert::outbox::{Claim, Outbox};
use keepwatch_core::finding::Finding;
use keepwatch_core::finding::record::FindingStore;
use keepwatch_core::time::Timestamp;

use crate::{AwsError, failed};

type Item = HashMap<String, AttributeValue>;

/// The table, by name.
#[derive(Clone, Debug)]
pub struct FindingsTable {
    client: Client,
    table: String,
}

impl FindingsTable {
    /// The table of this name.
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> FindingsTable {
        FindingsTable { client: Client::new(config), table: table.into() }
    }

    /// Opens the connection while the Lambda starts, where CPU is not throttled, so that the first alert does not wait
    /// for a TLS handshake. Asks for a key that cannot exist; what comes of it does not matter.
    pub async fn warm(&self) {
        let _ = self.get("warm-up").await;
    }

    fn read(&self, finding_id: &str, item: Item) -> Result<Finding, AwsError> {
        serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(|error| AwsError::NotAFinding {
            finding_id: finding_id.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Changes the alert's state if the claim is still ours; somebody else's claim is left alone.
    async fn end_claim(
        &self,
        finding_id: &str,
        token: &str,
        state: &str,
        sent: &str,
    ) -> Result<(), AwsError> {
        let update =
            "SET alert_state = :state ADD alerts_sent :sent, version :one REMOVE alert_claim, alert_lease";
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("finding_id", AttributeValue::S(finding_id.to_owned()))
            .update_expression(update)
            .condition_expression("alert_claim = :token AND alert_state = :claimed")
            .expression_attribute_values(":token", AttributeValue::S(token.to_owned()))
            .expression_attribute_values(":claimed", AttributeValue::S("CLAIMED".to_owned()))
            .expression_attribute_values(":state", AttributeValue::S(state.to_owned()))
            .expression_attribute_values(":sent", AttributeValue::N(sent.to_owned()))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .send()
            .await;
        match outcome {
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            other => other.map(drop).map_err(failed("dynamodb:UpdateItem")),
        }
    }
}

impl FindingStore for FindingsTable {
    type Error = AwsError;

    async fn get(&self, finding_id: &str) -> Result<Option<Finding>, AwsError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("finding_id", AttributeValue::S(finding_id.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed("dynamodb:GetItem"))?;
        output.item.map(|item| self.read(finding_id, item)).transpose()
    }

    async fn put(&self, finding: &Finding, expected: Option<u64>) -> Result<bool, AwsError> {
        let item = serde_dynamo::aws_sdk_dynamodb_1::to_item(finding).map_err(|error| {
            AwsError::NotAFinding { finding_id: finding.finding_id.clone(), reason: error.to_string() }
        })?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = match expected {
            None => put.condition_expression("attribute_not_exists(finding_id)"),
            Some(version) => put
                .condition_expression("version = :version")
                .expression_attribute_values(":version", AttributeValue::N(version.to_string())),
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(failed("dynamodb:PutItem")(error)),
        }
    }
}

impl Outbox for FindingsTable {
    type Error = AwsError;

    async fn claim(
        &self,
        finding_id: &str,
        token: &str,
        now: Timestamp,
        lease: Timestamp,
    ) -> Result<Claim, AwsError> {
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("finding_id", AttributeValue::S(finding_id.to_owned()))
            .update_expression(
                "SET alert_state = :claimed, alert_claim = :token, alert_lease = :lease ADD version :one",
            )
            .condition_expression("alert_state = :pending OR (alert_state = :claimed AND alert_lease < :now)")
            .expression_attribute_values(":claimed", AttributeValue::S("CLAIMED".to_owned()))
            .expression_attribute_values(":pending", AttributeValue::S("PENDING".to_owned()))
            .expression_attribute_values(":token", AttributeValue::S(token.to_owned()))
            .expression_attribute_values(":lease", AttributeValue::N(lease.millis().to_string()))
            .expression_attribute_values(":now", AttributeValue::N(now.millis().to_string()))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match outcome {
            Ok(output) => {
                let item = output.attributes.unwrap_or_default();
                Ok(match self.read(finding_id, item) {
                    Ok(finding) => Claim::Taken(Box::new(finding)),
                    Err(error) => Claim::Unreadable(error.to_string()),
                })
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    let Some(item) = refused.item.clone() else { return Ok(Claim::Done) };
                    let state = item.get("alert_state").and_then(|state| state.as_s().ok());
                    Ok(if state.is_some_and(|state| state == "CLAIMED") { Claim::Busy } else { Claim::Done })
                }
                _ => Err(failed("dynamodb:UpdateItem")(error)),
            },
        }
    }

    async fn sent(&self, finding_id: &str, token: &str) -> Result<(), AwsError> {
        self.end_claim(finding_id, token, "SENT", "1").await
    }

    async fn release(&self, finding_id: &str, token: &str) -> Result<(), AwsError> {
        self.end_claim(finding_id, token, "PENDING", "0").await
    }
}
