//! The journal in DynamoDB: one item an entry, forgotten by the table at `expires_at`.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use keepwatch_base::time::Timestamp;
use keepwatch_core::memory::journal::{Entry, Journal, RECEIPTS_KEPT};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::error;

use crate::dynamodb::{Condition, Item, READS, back_off, from_item, number, put_if, seconds, text, to_item};
use crate::runtime::now;
use crate::{AwsError, failed};

/// The table, by name.
#[derive(Clone, Debug)]
pub struct JournalTable {
    client: Client,
    table: String,
}

/// The version of an entry that was emptied.
const CLEARED: u64 = 0;

/// An entry as it stands in the table.
#[derive(Serialize, Deserialize)]
struct Stored<'a, T> {
    entry: &'a str,
    kept: T,
    version: u64,
    expires_at: i64,
}

impl JournalTable {
    /// The table of this name.
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> JournalTable {
        JournalTable { client: Client::new(config), table: table.into() }
    }

    /// Empties an entry that is of another kind than its key says: it must not hold up what depends on it. Whoever writes
    /// the entry next makes it anew. `false` when somebody has written it since it was read.
    async fn clear(&self, key: &str, read: &Item) -> Result<bool, AwsError> {
        let expires_at = now().plus(RECEIPTS_KEPT).millis() / 1_000;
        let cleared = Stored { entry: key, kept: None::<u64>, version: CLEARED, expires_at };
        let is_as_read = Condition::is_as_read(read, &["kept", "version"]);
        put_if(&self.client, &self.table, to_item(&cleared)?, is_as_read).await
    }

    async fn item(&self, key: &str) -> Result<Option<Item>, AwsError> {
        let get =
            self.client.get_item().table_name(&self.table).key("entry", text(key)).consistent_read(true);
        Ok(get.send().await.map_err(failed("dynamodb:GetItem"))?.item)
    }
}

impl Journal for JournalTable {
    type Error = AwsError;

    async fn read<T: DeserializeOwned + Send>(&self, key: &str) -> Result<Option<Entry<T>>, AwsError> {
        #[derive(Deserialize)]
        struct Kept<T> {
            kept: Option<T>,
            version: u64,
        }
        for attempt in 1..=READS {
            let Some(item) = self.item(key).await? else { return Ok(None) };
            match from_item::<Kept<T>>(item.clone()) {
                Ok(kept) => return Ok(kept.kept.map(|value| Entry { value, version: kept.version })),
                Err(reason) => error!(key, reason, "an entry of the journal cannot be read; it is made anew"),
            }
            if self.clear(key, &item).await? {
                return Ok(None);
            }
            back_off(attempt).await;
        }
        Err(AwsError::Item(format!("entry {key} of the journal cannot be read, and others write it")))
    }

    async fn write<T: Serialize + Sync>(
        &self,
        key: &str,
        value: &T,
        expected: Option<u64>,
        expires: Timestamp,
    ) -> Result<bool, AwsError> {
        let version = expected.unwrap_or(0) + 1;
        let stored = Stored { entry: key, kept: value, version, expires_at: expires.millis() / 1_000 };
        let condition = match expected {
            None => Condition::has_version(CLEARED).or_is_new("entry"),
            Some(version) => Condition::has_version(version),
        };
        put_if(&self.client, &self.table, to_item(&stored)?, condition).await
    }

    async fn back_off(&self, attempt: usize) {
        back_off(attempt).await;
    }

    async fn count(&self, key: &str, counters: &[(&str, u64)], expires: Timestamp) -> Result<(), AwsError> {
        let counters: Vec<_> = counters.iter().filter(|(_, count)| *count > 0).collect();
        if counters.is_empty() {
            return Ok(());
        }
        let adds: Vec<String> = (0..counters.len()).map(|i| format!("#c{i} :c{i}")).collect();
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("entry", text(key))
            .update_expression(format!("SET expires_at = :expires ADD {}", adds.join(", ")))
            .expression_attribute_values(":expires", seconds(expires));
        for (i, (name, count)) in counters.into_iter().enumerate() {
            update = update
                .expression_attribute_names(format!("#c{i}"), *name)
                .expression_attribute_values(format!(":c{i}"), number(*count));
        }
        update.send().await.map(drop).map_err(failed("dynamodb:UpdateItem"))
    }

    async fn counts(&self, key: &str) -> Result<BTreeMap<String, u64>, AwsError> {
        let item = self.item(key).await?.unwrap_or_default();
        let counter = |(name, value): (String, _)| {
            let aws_sdk_dynamodb::types::AttributeValue::N(count) = value else { return None };
            (name != "expires_at").then(|| Some((name, count.parse().ok()?)))?
        };
        Ok(item.into_iter().filter_map(counter).collect())
    }
}
