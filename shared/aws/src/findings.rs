//! The findings table in DynamoDB, and what of the journal is written together with it.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::record::{FindingStore, Receipt, Write, passed_key};
use keepwatch_core::finding::{Finding, Passed};
use keepwatch_core::memory::journal::RECEIPTS_KEPT;
use keepwatch_core::observation::Resolution;
use tracing::error;

use crate::dynamodb::{
    Condition, Item, READS, back_off, from_item, put_if, seconds, text, to_item, transact, unbuilt,
};
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

    /// Good news about a finding that is not there.
    fn note(
        &self,
        finding_id: &str,
        passed: &Passed,
        was: Option<&Passed>,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, AwsError> {
        let absent = Condition::is_new("finding_id").check(&self.table, ("finding_id", finding_id))?;
        let item = entry(passed, &passed_key(finding_id), now)?;
        Ok(vec![absent, same_news(was)?.put(&self.journal, item)?])
    }

    /// Puts good news from before all time in the place of an entry that cannot be read: it decides nothing, and does not
    /// keep the finding from being written. `None` when somebody else has written the entry meanwhile.
    async fn forget_passed(&self, key: &str, read: &Item) -> Result<Option<Passed>, AwsError> {
        let passed = Passed {
            at: Timestamp::default(),
            event_id: "none".to_owned(),
            resolution: Resolution::NotApplicable,
            title: "an entry of the journal could not be read".to_owned(),
            borne_out: true,
        };
        let item = entry(&passed, key, now())?;
        let is_as_read = Condition::is_as_read(read, &["at", "event_id", "resolution", "title", "borne_out"]);
        Ok(put_if(&self.client, &self.journal, item, is_as_read).await?.then_some(passed))
    }
}

/// The entry of the journal with this good news.
fn entry(passed: &Passed, key: &str, now: Timestamp) -> Result<Item, AwsError> {
    let mut item = to_item(passed)?;
    item.insert("entry".to_owned(), text(key));
    item.insert("expires_at".to_owned(), seconds(now.plus(RECEIPTS_KEPT)));
    Ok(item)
}

/// The condition that early good news is what was read.
fn same_news(passed: Option<&Passed>) -> Result<Condition, AwsError> {
    Ok(match passed {
        None => Condition::is_new("entry"),
        Some(passed) => Condition::is_as_read(&to_item(passed)?, &["at", "event_id"]),
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
        for attempt in 1..=READS {
            let Some(item) = self.entry(&key).await? else { return Ok(None) };
            match from_item(item.clone()) {
                Ok(passed) => return Ok(Some(passed)),
                Err(reason) => error!(key, reason, "an entry of the journal cannot be read; it is made anew"),
            }
            if let Some(passed) = self.forget_passed(&key, &item).await? {
                return Ok(Some(passed));
            }
            back_off(attempt).await;
        }
        Err(AwsError::Contended { finding_id: finding_id.to_owned() })
    }

    async fn write(&self, write: Write<'_>, now: Timestamp) -> Result<bool, AwsError> {
        match write {
            Write::Open { finding, receipt, passed } => {
                let put = Condition::is_new("finding_id").put(&self.table, to_item(finding)?)?;
                let check =
                    same_news(passed)?.check(&self.journal, ("entry", &passed_key(&finding.finding_id)))?;
                transact(&self.client, vec![put, self.receipt(receipt, now)?, check]).await
            }
            Write::Update { finding, expected, receipt } => {
                let (item, condition) = (to_item(finding)?, Condition::has_version(expected));
                match receipt {
                    Some(receipt) => {
                        let put = condition.put(&self.table, item)?;
                        transact(&self.client, vec![put, self.receipt(receipt, now)?]).await
                    }
                    // A change of one item needs no transaction.
                    None => put_if(&self.client, &self.table, item, condition).await,
                }
            }
            Write::Note { finding_id, passed, was } => {
                transact(&self.client, self.note(finding_id, passed, was, now)?).await
            }
        }
    }

    async fn back_off(&self, attempt: usize) {
        back_off(attempt).await;
    }
}
