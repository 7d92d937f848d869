//! Tables in memory: items by key, conditions, updates, transactions, and indexes that are never behind.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use serde_json::{Value, json};

use super::load::size;
use super::{Item, expression};
use crate::http::Request;

/// The attributes that are a table's key; each table has one of them.
const KEYS: [&str; 3] = ["finding_id", "entry", "setting_id"];

/// How many bytes a scan reads for a page (DynamoDB developer guide, "Paginating table scan results").
const PAGE: usize = 1 << 20;

/// Items by table and key.
pub(super) type Tables = BTreeMap<String, BTreeMap<String, Item>>;

/// An error answer.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    kind: &'static str,
    message: String,
    extra: Option<(&'static str, Value)>,
}

impl Refusal {
    /// The service is out of order.
    pub(super) fn broken() -> Refusal {
        Refusal { status: 500, ..Refusal::of("InternalServerError", "by the stub") }
    }

    /// The caller may not do this.
    pub(super) fn denied() -> Refusal {
        Refusal::of("AccessDeniedException", "by the stub")
    }

    pub(super) fn of(kind: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status: 400, kind, message: message.into(), extra: None }
    }

    fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::of("ValidationException", message)
    }

    /// A transaction of so many items was cancelled, and why each is at fault, or not.
    pub(super) fn cancelled(reasons: Vec<Value>) -> Refusal {
        let mut refusal = Refusal::of("TransactionCanceledException", "Transaction cancelled");
        refusal.extra = Some(("CancellationReasons", Value::Array(reasons)));
        refusal
    }

    /// Status and body.
    pub(super) fn into_parts(self) -> (u16, Value) {
        let mut body = json!({
            "__type": format!("com.amazonaws.dynamodb.v20120810#{}", self.kind),
            "message": self.message,
        });
        if let Some((name, value)) = self.extra {
            body[name] = value;
        }
        (self.status, body)
    }
}

/// The items that a call writes, or that its transaction looks at.
#[derive(Debug)]
pub(super) struct Write {
    /// Whether it is a transaction.
    pub(super) is_transaction: bool,
    /// Table and key of each.
    pub(super) items: Vec<(String, String)>,
}

impl Write {
    /// What the request writes, if it does.
    pub(super) fn of(request: &Request) -> Option<Write> {
        let (service, operation) = request.header("x-amz-target")?.rsplit_once('.')?;
        let is_transaction = operation == "TransactWriteItems";
        let alone = ["PutItem", "UpdateItem", "DeleteItem"].contains(&operation);
        if service != "DynamoDB_20120810" || !(is_transaction || alone) {
            return None;
        }
        let call: Value = serde_json::from_str(&request.body).ok()?;
        let item = |action: &Value| Some((table(action).to_owned(), key(action).ok()?.to_owned()));
        let items = match is_transaction {
            true => actions(&call).filter_map(|(_, action)| item(action)).collect(),
            false => item(&call).into_iter().collect(),
        };
        Some(Write { is_transaction, items })
    }
}

/// What a transaction consists of: `Put`, `Update`, `ConditionCheck` and so on.
fn actions(transaction: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let all = transaction["TransactItems"].as_array().into_iter().flatten();
    all.filter_map(|action| action.as_object()?.iter().next())
}

impl From<expression::Unknown> for Refusal {
    fn from(unknown: expression::Unknown) -> Refusal {
        Refusal::invalid(unknown.0)
    }
}

/// Does what the request asks for.
pub(super) fn answer(tables: &mut Tables, operation: &str, body: &str) -> Result<Value, Refusal> {
    let request: Value = serde_json::from_str(body)
        .map_err(|error| Refusal::of("SerializationException", error.to_string()))?;
    match operation {
        "ListTables" => Ok(json!({"TableNames": tables.keys().collect::<Vec<_>>()})),
        "TransactWriteItems" => transact(tables, &request),
        "Scan" => Ok(scan(tables, &request)),
        "Query" => query(tables, &request),
        "GetItem" => {
            let item = find(tables, &request)?.cloned();
            Ok(item.map_or_else(|| json!({}), |item| json!({"Item": item})))
        }
        "PutItem" | "UpdateItem" | "DeleteItem" => {
            check(tables, &request)?;
            let changed = change(tables, &request)?;
            let wanted = matches!(request["ReturnValues"].as_str(), Some("ALL_NEW" | "ALL_OLD"));
            Ok(changed.filter(|_| wanted).map_or_else(|| json!({}), |item| json!({"Attributes": item})))
        }
        other => Err(Refusal::of("UnknownOperationException", other)),
    }
}

/// All or nothing, as DynamoDB does it.
fn transact(tables: &mut Tables, request: &Value) -> Result<Value, Refusal> {
    let actions: Vec<(&String, &Value)> = actions(request).collect();
    let mut reasons = Vec::new();
    for (_, action) in &actions {
        reasons.push(match check(tables, action) {
            Ok(()) => json!({"Code": "None"}),
            Err(refusal) if refusal.kind == "ConditionalCheckFailedException" => {
                json!({"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"})
            }
            Err(refusal) => return Err(refusal),
        });
    }
    if reasons.iter().any(|reason| reason["Code"] != "None") {
        return Err(Refusal::cancelled(reasons));
    }
    for (kind, action) in actions {
        if kind != "ConditionCheck" {
            change(tables, action)?;
        }
    }
    Ok(json!({}))
}

/// Only the one form that the functions use: an index's key, and a number that is not later.
fn query(tables: &Tables, request: &Value) -> Result<Value, Refusal> {
    let later = match request["KeyConditionExpression"].as_str() {
        Some("due = :due AND due_at <= :at") => false,
        Some("due = :due AND due_at > :at") => true,
        _ => return Err(Refusal::invalid("the stub does not understand this query")),
    };
    let values = object(&request["ExpressionAttributeValues"]);
    let number = |value: &Value| value["N"].as_str().and_then(|number| number.parse::<i64>().ok());
    let limit = values.get(":at").and_then(number);
    let found: Vec<&Item> = items(tables, request)
        .into_iter()
        .filter(|item| item.get("due") == values.get(":due") && item.get("due").is_some())
        .filter(|item| {
            item.get("due_at").and_then(number).zip(limit).is_some_and(|(at, limit)| (at > limit) == later)
        })
        .collect();
    Ok(json!({"Items": found}))
}

/// A page of a table, and after which key the next one begins. It ends with the item that makes it as long as a page may be.
fn scan(tables: &Tables, request: &Value) -> Value {
    let Some(items) = tables.get(table(request)) else { return json!({"Items": []}) };
    let after = KEYS.iter().find_map(|key| request["ExclusiveStartKey"][*key]["S"].as_str());
    let (mut page, mut bytes) = (Vec::new(), 0);
    for (key, item) in items.range::<str, _>((after.map_or(Unbounded, Excluded), Unbounded)) {
        page.push(item);
        bytes += size(item);
        let is_last = items.last_key_value().is_some_and(|(last, _)| last == key);
        if let Some(name) = KEYS.iter().find(|name| item.contains_key(**name))
            && bytes >= PAGE
            && !is_last
        {
            return json!({"Items": page, "LastEvaluatedKey": {*name: item[*name]}});
        }
    }
    json!({"Items": page})
}

fn items<'t>(tables: &'t Tables, request: &Value) -> Vec<&'t Item> {
    tables.get(table(request)).map(|items| items.values().collect()).unwrap_or_default()
}

fn table(request: &Value) -> &str {
    request["TableName"].as_str().unwrap_or_default()
}

fn key(request: &Value) -> Result<&str, Refusal> {
    let holder = if request["Item"].is_object() { &request["Item"] } else { &request["Key"] };
    KEYS.iter().find_map(|key| holder[*key]["S"].as_str()).ok_or_else(|| Refusal::invalid("no key"))
}

fn find<'t>(tables: &'t Tables, request: &Value) -> Result<Option<&'t Item>, Refusal> {
    let key = key(request)?;
    Ok(tables.get(table(request)).and_then(|items| items.get(key)))
}

/// Puts, updates or deletes. What the item is now; what it was, if it is gone.
fn change(tables: &mut Tables, request: &Value) -> Result<Option<Item>, Refusal> {
    let key = key(request)?.to_owned();
    let items = tables.entry(table(request).to_owned()).or_default();
    let item = if request["Item"].is_object() {
        object(&request["Item"])
    } else if let Some(update) = request["UpdateExpression"].as_str() {
        let mut item = items.get(&key).cloned().unwrap_or_else(|| object(&request["Key"]));
        let names = object(&request["ExpressionAttributeNames"]);
        expression::update(update, &mut item, &names, &object(&request["ExpressionAttributeValues"]))?;
        item
    } else {
        return Ok(items.remove(&key));
    };
    items.insert(key, item.clone());
    Ok(Some(item))
}

fn check(tables: &Tables, request: &Value) -> Result<(), Refusal> {
    let Some(condition) = request["ConditionExpression"].as_str() else { return Ok(()) };
    let item = find(tables, request)?;
    let names = object(&request["ExpressionAttributeNames"]);
    if expression::holds(condition, item, &names, &object(&request["ExpressionAttributeValues"]))? {
        return Ok(());
    }
    let mut refusal = Refusal::of("ConditionalCheckFailedException", "The conditional request failed");
    if request["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD" {
        refusal.extra = item.map(|item| ("Item", Value::Object(item.clone())));
    }
    Err(refusal)
}

fn object(value: &Value) -> Item {
    value.as_object().cloned().unwrap_or_default()
}
