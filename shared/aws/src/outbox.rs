//! The findings table as notifiers see it: claims, and what sweeps have to do.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use keepwatch_alert::outbox::{Claim, DueAlert, End, Outbox};
use keepwatch_alert::sweep::AllFindings;
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::record::FindingStore as _;
use keepwatch_core::finding::{Due, Finding};
use keepwatch_core::severity::Severity;

use crate::dynamodb::{Item, from_item, millis, number, text};
use crate::findings::FindingsTable;
use crate::{AwsError, failed};

/// The sparse index of findings that a sweep has to do something with: `due` and `due_at`.
const INDEX: &str = "due";

/// Attempts to end a claim while somebody else's transaction holds the item.
const ATTEMPTS: usize = 8;

impl FindingsTable {
    /// What the index has for this kind of work by now.
    async fn indexed(&self, due: Due, now: Timestamp) -> Result<Vec<Item>, AwsError> {
        let mut items = Vec::new();
        let mut from = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(INDEX)
                .key_condition_expression("due = :due AND due_at <= :now")
                .expression_attribute_values(":due", text(due.as_str()))
                .expression_attribute_values(":now", millis(now))
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(failed("dynamodb:Query"))?;
            items.extend(page.items.unwrap_or_default());
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(items);
            }
        }
    }
}

impl FindingsTable {
    fn taken(&self, finding_id: &str, item: Item) -> Claim {
        match self.read(finding_id, item) {
            Ok(finding) => Claim::Taken(Box::new(finding)),
            Err(error) => Claim::Unreadable(error.to_string()),
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
            .key("finding_id", text(finding_id))
            .update_expression(
                "SET alert_state = :claimed, alert_claim = :token, due = :due, due_at = :lease ADD version :one",
            )
            .condition_expression(
                "alert_state = :pending OR alert_state = :deferred OR (alert_state = :claimed AND due_at < :now)",
            )
            .expression_attribute_values(":claimed", text("CLAIMED"))
            .expression_attribute_values(":pending", text("PENDING"))
            .expression_attribute_values(":deferred", text("DEFERRED"))
            .expression_attribute_values(":token", text(token))
            .expression_attribute_values(":due", text(Due::Alert.as_str()))
            .expression_attribute_values(":lease", millis(lease))
            .expression_attribute_values(":now", millis(now))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match outcome {
            Ok(output) => Ok(self.taken(finding_id, output.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    let item = refused.item.clone().unwrap_or_default();
                    if string(item.get("alert_state")).as_deref() != Some("CLAIMED") {
                        return Ok(Claim::Done);
                    }
                    // The answer to our own first attempt was lost on the way.
                    let ours = string(item.get("alert_claim")).as_deref() == Some(token);
                    Ok(if ours { self.taken(finding_id, item) } else { Claim::Busy })
                }
                // `detect` is writing it this moment; the sweep comes back.
                Some(UpdateItemError::TransactionConflictException(_)) => Ok(Claim::Busy),
                _ => Err(failed("dynamodb:UpdateItem")(error)),
            },
        }
    }

    async fn end(&self, finding_id: &str, token: &str, end: End, now: Timestamp) -> Result<(), AwsError> {
        let (update, state, sent) = match end {
            End::Sent => (
                "SET alert_state = :state ADD alerts_sent :sent, version :one REMOVE alert_claim, due, due_at",
                "SENT",
                1,
            ),
            End::Deferred => (
                "SET alert_state = :state, due_at = :now ADD alerts_sent :sent, version :one REMOVE alert_claim",
                "DEFERRED",
                0,
            ),
        };
        for attempt in 1.. {
            let mut request = self
                .client
                .update_item()
                .table_name(&self.table)
                .key("finding_id", text(finding_id))
                .update_expression(update)
                .condition_expression("alert_claim = :token AND alert_state = :claimed")
                .expression_attribute_values(":token", text(token))
                .expression_attribute_values(":claimed", text("CLAIMED"))
                .expression_attribute_values(":state", text(state))
                .expression_attribute_values(":sent", number(sent))
                .expression_attribute_values(":one", number(1));
            if end == End::Deferred {
                request = request.expression_attribute_values(":now", millis(now));
            }
            let Err(error) = request.send().await else { return Ok(()) };
            match error.as_service_error() {
                // Somebody else's claim by now, or a new alert is due: left alone.
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => return Ok(()),
                // An alert that was sent and is not marked would be sent again.
                Some(UpdateItemError::TransactionConflictException(_)) if attempt < ATTEMPTS => {
                    self.back_off(attempt).await;
                }
                _ => return Err(failed("dynamodb:UpdateItem")(error)),
            }
        }
        Ok(())
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<DueAlert>, AwsError> {
        let items = self.indexed(Due::Alert, now).await?;
        Ok(items
            .into_iter()
            .filter_map(|mut item| {
                let finding_id = string(item.get("finding_id"))?;
                let since = item.get("due_at")?.as_n().ok()?.parse().map(Timestamp::from_millis).ok()?;
                // An item that somebody has edited is told of like one that cannot be read.
                let severity = item
                    .remove("severity")
                    .and_then(|word| serde_dynamo::aws_sdk_dynamodb_1::from_attribute_value(word).ok());
                Some(DueAlert { finding_id, severity: severity.unwrap_or(Severity::High), since })
            })
            .collect())
    }
}

impl AllFindings for FindingsTable {
    type Error = AwsError;

    async fn visit(&self, mut visit: impl FnMut(Finding) + Send) -> Result<usize, AwsError> {
        let mut unreadable = 0;
        let mut from = None;
        loop {
            let scan = self.client.scan().table_name(&self.table).set_exclusive_start_key(from);
            let page = scan.send().await.map_err(failed("dynamodb:Scan"))?;
            for item in page.items.unwrap_or_default() {
                match from_item(item) {
                    Ok(finding) => visit(finding),
                    Err(_) => unreadable += 1,
                }
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(unreadable);
            }
        }
    }

    async fn waking(&self, now: Timestamp) -> Result<Vec<String>, AwsError> {
        let items = self.indexed(Due::Wake, now).await?;
        Ok(items.iter().filter_map(|item| string(item.get("finding_id"))).collect())
    }
}

fn string(value: Option<&AttributeValue>) -> Option<String> {
    value?.as_s().ok().cloned()
}
