//! The settings table in DynamoDB.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use keepwatch_base::time::Timestamp;
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::settings::{KEY, Settings, Suppression};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tracing::warn;

use crate::dynamodb::{Condition, from_item, put_if, text, to_item, transact, unbuilt};
use crate::{AwsError, failed};

/// How old the settings may be that an event is judged by: what is set takes effect within a minute.
const FRESH: Duration = Duration::from_secs(30);

/// What the table said, and when.
type Known = (Timestamp, Arc<Settings>);

/// One change of several that are made together.
#[derive(Clone, Copy, Debug)]
pub enum Change<'r> {
    /// Writes a row whose key is not there.
    Add(&'r Value),
    /// Writes a row, over one of the same key.
    Put(&'r Value),
    /// Removes the row of this key, if it is there.
    Remove(&'r str),
}

/// The table, by name, and what it said last.
#[derive(Clone, Debug)]
pub struct SettingsTable {
    client: Client,
    table: String,
    catalogue: Catalogue,
    last: Arc<Mutex<Option<Known>>>,
}

impl SettingsTable {
    /// The table of this name. The catalogue says which rules its rows may name.
    pub fn new(config: &SdkConfig, table: impl Into<String>, catalogue: Catalogue) -> SettingsTable {
        SettingsTable { client: Client::new(config), table: table.into(), catalogue, last: Arc::default() }
    }

    /// The settings, at most half a minute old. When the table cannot be read, those that were read last.
    ///
    /// # Errors
    /// When it cannot be read and never was.
    pub async fn recent(&self, now: Timestamp) -> Result<Arc<Settings>, AwsError> {
        let known = self.last.lock().await.clone();
        match known {
            Some((at, settings)) if now.since(at) < FRESH => Ok(settings),
            Some((_, settings)) => Ok(match self.read(now).await {
                Ok(new) => new,
                Err(error) => {
                    warn!(reason = %error, "the settings could not be read; the last ones are used");
                    settings
                }
            }),
            None => self.read(now).await,
        }
    }

    /// The settings as they stand now.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn read(&self, now: Timestamp) -> Result<Arc<Settings>, AwsError> {
        let settings = Arc::new(Settings::read(&self.rows().await?, self.catalogue));
        *self.last.lock().await = Some((now, Arc::clone(&settings)));
        Ok(settings)
    }

    /// The rows as they stand now, in any order.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn rows(&self) -> Result<Vec<Value>, AwsError> {
        let mut rows: Vec<Value> = Vec::new();
        let mut from = None;
        loop {
            let scan = self.client.scan().table_name(&self.table).consistent_read(true);
            let page = scan.set_exclusive_start_key(from).send().await.map_err(failed("dynamodb:Scan"))?;
            for item in page.items.unwrap_or_default() {
                let key = item.get(KEY).and_then(|key| key.as_s().ok()).cloned();
                // A row with an attribute that JSON has no form for is told of like any other that cannot be used.
                rows.push(from_item(item).unwrap_or_else(|_| json!({ KEY: key })));
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(rows);
            }
        }
    }

    /// Writes a row, over one of the same key. Whoever calls has validated it.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn put(&self, row: &Value) -> Result<(), AwsError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(to_item(row)?));
        put.send().await.map(drop).map_err(failed("dynamodb:PutItem"))
    }

    /// Writes a suppression unless there is a row of its name, whose author would not know that it is gone. Returns
    /// whether it was written.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn add(&self, suppression: &Suppression) -> Result<bool, AwsError> {
        let (item, is_new) = (to_item(&suppression.row())?, Condition::is_new(KEY));
        put_if(&self.client, &self.table, item, is_new).await
    }

    /// Makes up to 100 changes in one transaction, all or none. Whoever calls has validated them. `false` when somebody else wrote
    /// one of the rows in the same moment, or one that is to be added is there.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn change(&self, changes: &[Change<'_>]) -> Result<bool, AwsError> {
        let items = changes.iter().map(|change| self.action(change)).collect::<Result<Vec<_>, _>>()?;
        transact(&self.client, items).await
    }

    fn action(&self, change: &Change<'_>) -> Result<TransactWriteItem, AwsError> {
        let item = TransactWriteItem::builder();
        Ok(match change {
            Change::Add(row) => Condition::is_new(KEY).put(&self.table, to_item(row)?)?,
            Change::Put(row) => {
                let put = Put::builder().table_name(&self.table).set_item(Some(to_item(row)?));
                item.put(put.build().map_err(unbuilt)?).build()
            }
            Change::Remove(key) => {
                let delete = Delete::builder().table_name(&self.table).key(KEY, text(key));
                item.delete(delete.build().map_err(unbuilt)?).build()
            }
        })
    }

    /// Removes a row. `false` when there is none of this key.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn remove(&self, setting_id: &str) -> Result<bool, AwsError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(KEY, text(setting_id))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld);
        let output = delete.send().await.map_err(failed("dynamodb:DeleteItem"))?;
        Ok(output.attributes.is_some())
    }
}
