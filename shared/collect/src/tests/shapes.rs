//! Every field that is read of an answer is one that AWS's models know: what is mistyped would be missing in production only.

use std::fmt::Write as _;

use keepwatch_core::posture::Question;
use serde_json::{Map, Value, json};

use super::asked;
use super::wire::{Mood, Wire};
use crate::node::tests::LOOKUPS;
use crate::operation;
use crate::service::Protocol;

/// The answer with every field that the call's model has; none for calls through an SDK's crate, which has its own models.
pub(super) fn full(call: &str) -> Option<String> {
    let operation = operation::ALL.iter().find(|one| format!("{}:{}", one.service.id, one.name) == call)?;
    let shapes: Value = serde_json::from_str(include_str!("../shapes.json")).unwrap();
    let mut shape = shapes[call].clone();
    assert!(!shape.is_null(), "`make posture-operations` has not seen {call}");
    // One page is enough.
    if let (Some((_, path)), Some(fields)) = (operation.pages, shape.as_object_mut()) {
        fields.remove(path.rsplit('/').next().unwrap());
    }
    Some(match operation.service.protocol {
        Protocol::Json(..) | Protocol::RestJson => sample(&shape).to_string(),
        Protocol::Ec2 => format!("<R>{}</R>", xml(&shape)),
        Protocol::Query => format!("<R><{0}Result>{1}</{0}Result></R>", operation.name, xml(&shape)),
        // A policy is the one answer of S3 that is no XML.
        Protocol::RestXml if operation.name == "GetBucketPolicy" => "{}".to_owned(),
        Protocol::RestXml => format!("<R>{}</R>", xml(&shape)),
    })
}

/// A value of a type, as JSON.
fn sample(shape: &Value) -> Value {
    match shape {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| {
                // The one entry of a map, whose keys are anything.
                let name = if name == "*" { "key" } else { name };
                (name.to_owned(), sample(field))
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(sample).collect(),
        Value::String(kind) => match kind.as_str() {
            "boolean" => json!(true),
            "integer" | "long" | "float" | "double" => json!(1),
            "timestamp" => json!(1_764_500_000),
            text => json!(text),
        },
        other => panic!("no type: {other}"),
    }
}

/// A value of a type, as XML.
fn xml(shape: &Value) -> String {
    match shape {
        Value::Object(fields) => fields.iter().fold(String::new(), |mut text, (name, field)| {
            // An attribute is no element.
            if !name.contains(':') {
                write!(text, "<{name}>{}</{name}>", xml(field)).unwrap();
            }
            text
        }),
        other => match sample(other) {
            Value::String(text) => text,
            other => other.to_string(),
        },
    }
}

/// What was looked for since the last time and was not there, but for the token of a next page.
pub(super) fn missed() -> Vec<String> {
    assert!(LOOKUPS.with_borrow(|lookups| !lookups.is_empty()), "nothing was read");
    let is_token =
        |path: &String| operation::ALL.iter().any(|one| one.pages.is_some_and(|(_, output)| output == path));
    let mut missed: Vec<String> =
        LOOKUPS.take().into_iter().filter(|(_, found)| !found).map(|(path, _)| path).collect();
    missed.retain(|path| !is_token(path));
    missed
}

#[test]
fn only_fields_of_the_models_are_read() {
    for question in Question::ALL {
        LOOKUPS.take();
        let (_, state) = asked(*question, Mood { full: true, ..Mood::default() });
        assert_eq!(state.gaps(), [], "{question:?}");
        // IAM's answers are read by the SDK's own crate, and a policy is one text.
        let ours = operation::ALL.iter().any(|one| question.actions().contains(&one.action));
        if ours && *question != Question::BucketPolicy {
            assert_eq!(missed(), [""; 0], "{question:?}");
        }
    }
    let wire = Wire::new(Mood { full: true, ..Mood::default() });
    let client = wire.client();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(client.regions()).unwrap();
    runtime.block_on(client.caller()).unwrap();
    assert_eq!(missed(), [""; 0]);
}
