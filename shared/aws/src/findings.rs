//! The findings table in DynamoDB, and what of the journal is written together with it.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, TransactWriteItem, Update};
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::record::{FindingStore, Receipt, Write, passed_key};
use keepwatch_core::finding::{Finding, Passed};
use keepwatch_core::memory::journal::RECEIPTS_KEPT;
use keepwatch_core::observation::Resolution;
use tracing::error;

use crate::dynamodb::{Item, back_off, from_item, number, seconds, text, to_item, transact, unbuilt};
use crate::runtime::now;
use crate::{AwsError, failed};

/// The tables, by name.
#[derive(Clone, Debug)]
pub struct FindingsTable {
    pub(crate) client: Client,
    pub(crate) table: String,
    journal: String,
}

impl FindingsTable {
    /// The findings table and the journal of these names.
    pub fn new(config: &SdkConfig, table: impl Into<String>, journal: impl Into<String>) -> FindingsTable {
        FindingsTable { client: Client::new(config), table: table.into(), journal: journal.into() }
    }

    /// Opens the connection while the Lambda starts, where CPU is not throttled, so that the first alert does not wait
    /// for a TLS handshake. Asks for a key that cannot exist; what comes of it does not matter.
    pub async fn warm(&self) {
        let _ = self.get("warm-up").await;
    }

    /// The item of a finding, read consistently.
    pub(crate) async fn item(&self, finding_id: &str) -> Result<Option<Item>, AwsError> {
        let get = self.client.get_item().table_name(&self.table).key("finding_id", text(finding_id));
        let output = get.consistent_read(true).send().await.map_err(failed("dynamodb:GetItem"))?;
        Ok(output.item)
    }

    pub(crate) fn read(&self, finding_id: &str, item: Item) -> Result<Finding, AwsError> {
        from_item(item).map_err(|reason| AwsError::NotAFinding { finding_id: finding_id.to_owned(), reason })
    }

    async fn entry(&self, key: &str) -> Result<Option<Item>, AwsError> {
        let get = self.client.get_item().table_name(&self.journal).key("entry", text(key));
        let output = get.consistent_read(true).send().await.map_err(failed("dynamodb:GetItem"))?;
        Ok(output.item)
    }

    /// The finding, on condition that it is in this version or not there.
    fn put(&self, finding: &Finding, expected: Option<u64>) -> Result<Put, AwsError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(to_item(finding)?));
        let put = match expected {
            None => put.condition_expression("attribute_not_exists(finding_id)"),
            Some(version) => put
                .condition_expression("version = :version")
                .expression_attribute_values(":version", number(version)),
        };
        put.build().map_err(unbuilt)
    }

    /// Adds the rule's name to the receipt, on condition that it is not there.
    fn receipt(&self, (rule, key): (&str, &str), now: Timestamp) -> Result<TransactWriteItem, AwsError> {
        let update = Update::builder()
            .table_name(&self.journal)
            .key("entry", text(key))
            .update_expression("SET expires_at = :expires ADD told_by :rules")
            .condition_expression("NOT contains(told_by, :rule)")
            .expression_attribute_values(":expires", seconds(now.plus(RECEIPTS_KEPT)))
            .expression_attribute_values(":rules", AttributeValue::Ss(vec![rule.to_owned()]))
            .expression_attribute_values(":rule", text(rule))
            .build()
            .map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// That the good news is what was read.
    fn still(&self, finding_id: &str, passed: Option<&Passed>) -> Result<TransactWriteItem, AwsError> {
        let check =
            ConditionCheck::builder().table_name(&self.journal).key("entry", text(&passed_key(finding_id)));
        let check = match passed {
            None => check.condition_expression("attribute_not_exists(entry)"),
            Some(passed) => check
                .condition_expression(SAME_NEWS)
                .expression_attribute_names("#at", "at")
                .expression_attribute_values(":at", text(&passed.at.to_string()))
                .expression_attribute_values(":event", text(&passed.event_id)),
        };
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(unbuilt)?).build())
    }

    /// Good news about a finding that is not there.
    fn note(
        &self,
        finding_id: &str,
        passed: &Passed,
        was: Option<&Passed>,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, AwsError> {
        let absent = ConditionCheck::builder()
            .table_name(&self.table)
            .key("finding_id", text(finding_id))
            .condition_expression("attribute_not_exists(finding_id)")
            .build()
            .map_err(unbuilt)?;
        let mut item = to_item(passed)?;
        item.insert("entry".to_owned(), text(&passed_key(finding_id)));
        item.insert("expires_at".to_owned(), seconds(now.plus(RECEIPTS_KEPT)));
        let put = Put::builder().table_name(&self.journal).set_item(Some(item));
        let put = match was {
            None => put.condition_expression("attribute_not_exists(entry)"),
            Some(was) => put
                .condition_expression(SAME_NEWS)
                .expression_attribute_names("#at", "at")
                .expression_attribute_values(":at", text(&was.at.to_string()))
                .expression_attribute_values(":event", text(&was.event_id)),
        };
        let put = put.build().map_err(unbuilt)?;
        let item = TransactWriteItem::builder();
        Ok(vec![item.clone().condition_check(absent).build(), item.put(put).build()])
    }

    /// Puts good news from before all time in the place of an entry that cannot be read: it decides nothing, and does not
    /// keep the finding from being written.
    async fn forget_passed(&self, key: &str) -> Result<Passed, AwsError> {
        let passed = Passed {
            at: Timestamp::default(),
            event_id: "none".to_owned(),
            resolution: Resolution::NotApplicable,
            title: "an entry of the journal could not be read".to_owned(),
            borne_out: true,
        };
        let mut item = to_item(&passed)?;
        item.insert("entry".to_owned(), text(key));
        item.insert("expires_at".to_owned(), seconds(now().plus(RECEIPTS_KEPT)));
        let put = self.client.put_item().table_name(&self.journal).set_item(Some(item));
        put.send().await.map_err(failed("dynamodb:PutItem"))?;
        Ok(passed)
    }

    /// A change of one item needs no transaction.
    async fn put_alone(&self, finding: &Finding, expected: u64) -> Result<bool, AwsError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(to_item(finding)?))
            .condition_expression("version = :version")
            .expression_attribute_values(":version", number(expected));
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if raced(&error) => Ok(false),
            Err(error) => Err(failed("dynamodb:PutItem")(error)),
        }
    }
}

/// The condition that early good news is what was read.
const SAME_NEWS: &str = "#at = :at AND event_id = :event";

fn raced<R>(error: &SdkError<PutItemError, R>) -> bool {
    error.as_service_error().is_some_and(|error| {
        error.is_conditional_check_failed_exception() || error.is_transaction_conflict_exception()
    })
}

impl FindingStore for FindingsTable {
    type Error = AwsError;

    async fn get(&self, finding_id: &str) -> Result<Option<Finding>, AwsError> {
        self.item(finding_id).await?.map(|item| self.read(finding_id, item)).transpose()
    }

    async fn receipt(&self, key: &str) -> Result<Receipt, AwsError> {
        let rules = self.entry(key).await?.and_then(|mut item| item.remove("told_by"));
        Ok(rules.and_then(|rules| rules.as_ss().ok().cloned()).into_iter().flatten().collect())
    }

    async fn passed(&self, finding_id: &str) -> Result<Option<Passed>, AwsError> {
        let key = passed_key(finding_id);
        match self.entry(&key).await?.map(from_item).transpose() {
            Ok(passed) => Ok(passed),
            Err(reason) => {
                error!(key, reason, "an entry of the journal cannot be read; it is made anew");
                self.forget_passed(&key).await.map(Some)
            }
        }
    }

    async fn write(&self, write: Write<'_>, now: Timestamp) -> Result<bool, AwsError> {
        let put = |finding, expected| {
            self.put(finding, expected).map(|put| TransactWriteItem::builder().put(put).build())
        };
        match write {
            Write::Open { finding, receipt, passed } => {
                let check = self.still(&finding.finding_id, passed)?;
                transact(&self.client, vec![put(finding, None)?, self.receipt(receipt, now)?, check]).await
            }
            Write::Update { finding, expected, receipt: Some(receipt) } => {
                transact(&self.client, vec![put(finding, Some(expected))?, self.receipt(receipt, now)?]).await
            }
            Write::Update { finding, expected, receipt: None } => self.put_alone(finding, expected).await,
            Write::Note { finding_id, passed, was } => {
                transact(&self.client, self.note(finding_id, passed, was, now)?).await
            }
        }
    }

    async fn back_off(&self, attempt: usize) {
        back_off(attempt).await;
    }
}
