//! One table with the key `finding_id`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Item, expression};

const KEY: &str = "finding_id";

/// An error answer.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    kind: &'static str,
    message: String,
    item: Option<Item>,
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

    fn of(kind: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status: 400, kind, message: message.into(), item: None }
    }

    /// Status and body.
    pub(super) fn into_parts(self) -> (u16, Value) {
        let mut body = json!({
            "__type": format!("com.amazonaws.dynamodb.v20120810#{}", self.kind),
            "message": self.message,
        });
        if let Some(item) = self.item {
            body["Item"] = Value::Object(item);
        }
        (self.status, body)
    }
}

impl From<expression::Unknown> for Refusal {
    fn from(unknown: expression::Unknown) -> Refusal {
        Refusal::of("ValidationException", unknown.0)
    }
}

/// Does what the request asks for.
pub(super) fn answer(
    items: &mut BTreeMap<String, Item>,
    operation: &str,
    body: &str,
) -> Result<Value, Refusal> {
    let request: Value = serde_json::from_str(body)
        .map_err(|error| Refusal::of("SerializationException", error.to_string()))?;
    let holder = if operation == "PutItem" { &request["Item"] } else { &request["Key"] };
    let key = holder[KEY]["S"].as_str().ok_or_else(|| Refusal::of("ValidationException", "no finding_id"))?;
    match operation {
        "GetItem" => Ok(items.get(key).map_or_else(|| json!({}), |item| json!({"Item": item}))),
        "PutItem" => {
            check(&request, items.get(key))?;
            items.insert(key.to_owned(), object(&request["Item"]));
            Ok(json!({}))
        }
        "UpdateItem" => {
            check(&request, items.get(key))?;
            let mut item = items.get(key).cloned().unwrap_or_else(|| object(&request["Key"]));
            let update = request["UpdateExpression"].as_str().unwrap_or_default();
            expression::update(update, &mut item, &object(&request["ExpressionAttributeValues"]))?;
            items.insert(key.to_owned(), item.clone());
            let wanted = request["ReturnValues"] == "ALL_NEW";
            Ok(if wanted { json!({"Attributes": item}) } else { json!({}) })
        }
        other => Err(Refusal::of("UnknownOperationException", other)),
    }
}

fn check(request: &Value, item: Option<&Item>) -> Result<(), Refusal> {
    let Some(condition) = request["ConditionExpression"].as_str() else { return Ok(()) };
    if expression::holds(condition, item, &object(&request["ExpressionAttributeValues"]))? {
        return Ok(());
    }
    let mut refusal = Refusal::of("ConditionalCheckFailedException", "The conditional request failed");
    if request["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD" {
        refusal.item = item.cloned();
    }
    Err(refusal)
}

fn object(value: &Value) -> Item {
    value.as_object().cloned().unwrap_or_default()
}
