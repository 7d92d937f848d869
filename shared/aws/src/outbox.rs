//! The findings table as notifiers see it: claims, and what sweeps have to do.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use keepwatch_alert::outbox::{DueAlert, Outbox, Outcome};
use keepwatch_alert::sweep::AllFindings;
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::record::FindingStore as _;
use keepwatch_core::finding::{AlertLife, Due, Finding, LONGEST_WAIT, Step, Stepped};
use keepwatch_core::severity::Severity;

use crate::dynamodb::{Item, from_item, millis, number, text, to_item};
use crate::findings::FindingsTable;
use crate::{AwsError, failed};

/// The sparse index of findings that a sweep has to do something with: `due` and `due_at`.
const INDEX: &str = "due";

/// Attempts to end a claim while others write the item.
const ATTEMPTS: usize = 8;

/// Attempts to claim an alert while others write the item.
const CLAIM_ATTEMPTS: usize = 2;

impl FindingsTable {
    /// What the index has for this kind of work: what is due by now, and what claims to be due too far in the future to
    /// have been written by Keepwatch.
    async fn indexed(&self, due: Due, now: Timestamp) -> Result<Vec<Item>, AwsError> {
        let mut items = self.query(due, "due = :due AND due_at <= :at", now).await?;
        if due == Due::Alert {
            items.extend(self.query(due, "due = :due AND due_at > :at", now.plus(LONGEST_WAIT)).await?);
        }
        Ok(items)
    }

    async fn query(&self, due: Due, condition: &str, at: Timestamp) -> Result<Vec<Item>, AwsError> {
        let mut items = Vec::new();
        let mut from = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(INDEX)
                .key_condition_expression(condition)
                .expression_attribute_values(":due", text(due.as_str()))
                .expression_attribute_values(":at", millis(at))
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

    /// Writes the alert's part of an item, on condition that nobody wrote since it was read; whether that held.
    async fn write_alert(&self, finding_id: &str, read: &Item, alert: &AlertLife) -> Result<bool, AwsError> {
        let part = to_item(alert)?;
        let mut sets = vec!["#version = :version".to_owned()];
        let mut removes = Vec::new();
        let mut request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("finding_id", text(finding_id))
            .expression_attribute_names("#version", "version");
        for name in AlertLife::ATTRIBUTES {
            let (place, value) = (format!("#{name}"), format!(":{name}"));
            match part.get(name) {
                Some(attribute) if read.get(name) == Some(attribute) => continue,
                Some(attribute) => {
                    sets.push(format!("{place} = {value}"));
                    request = request.expression_attribute_values(value, attribute.clone());
                }
                None if read.contains_key(name) => removes.push(place.clone()),
                None => continue,
            }
            request = request.expression_attribute_names(place, name);
        }
        let version = read.get("version").and_then(|version| version.as_n().ok()?.parse::<u64>().ok());
        let (condition, next) = match version {
            Some(version) => {
                request = request.expression_attribute_values(":read", number(version));
                ("#version = :read", version + 1)
            }
            // Somebody has taken the version away or put something else there; nobody else writes such an item.
            None => ("attribute_exists(finding_id)", 1),
        };
        let mut update = format!("SET {}", sets.join(", "));
        if !removes.is_empty() {
            update = format!("{update} REMOVE {}", removes.join(", "));
        }
        let written = request
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":version", number(next))
            .send()
            .await;
        let Err(error) = written else { return Ok(true) };
        match error.as_service_error() {
            Some(
                UpdateItemError::ConditionalCheckFailedException(_)
                | UpdateItemError::TransactionConflictException(_),
            ) => Ok(false),
            _ => Err(failed("dynamodb:UpdateItem")(error)),
        }
    }
}

impl Outbox for FindingsTable {
    type Error = AwsError;

    async fn step(&self, finding_id: &str, step: Step<'_>) -> Result<Outcome, AwsError> {
        for attempt in 1.. {
            let Some(mut item) = self.item(finding_id).await? else {
                return Ok(Outcome { stepped: Stepped::Nothing, finding: None });
            };
            let mut alert = from_item(item.clone()).unwrap_or_else(|_| AlertLife::unreadable());
            let stepped = alert.step(step);
            if stepped != Stepped::Changed || self.write_alert(finding_id, &item, &alert).await? {
                if stepped == Stepped::Changed {
                    written(&mut item, &alert)?;
                }
                let finding = self.read(finding_id, item).map(Box::new).map_err(|error| error.to_string());
                return Ok(Outcome { stepped, finding: Some(finding) });
            }
            // `detect` has written the finding this moment. A claim comes back with that; an end must not be lost, or the
            // alert would be sent again.
            if matches!(step, Step::Claim { .. }) && attempt >= CLAIM_ATTEMPTS {
                return Ok(Outcome { stepped: Stepped::Busy, finding: None });
            }
            if attempt >= ATTEMPTS {
                return Err(AwsError::Contended { finding_id: finding_id.to_owned() });
            }
            self.back_off(attempt).await;
        }
        Ok(Outcome { stepped: Stepped::Busy, finding: None })
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

/// The item as it is after its alert's part was written.
fn written(item: &mut Item, alert: &AlertLife) -> Result<(), AwsError> {
    let mut part = to_item(alert)?;
    for name in AlertLife::ATTRIBUTES {
        match part.remove(name) {
            Some(attribute) => item.insert(name.to_owned(), attribute),
            None => item.remove(name),
        };
    }
    let version = item.get("version").and_then(|version| version.as_n().ok()?.parse::<u64>().ok());
    item.insert("version".to_owned(), number(version.map_or(1, |version| version + 1)));
    Ok(())
}

fn string(value: Option<&AttributeValue>) -> Option<String> {
    value?.as_s().ok().cloned()
}
