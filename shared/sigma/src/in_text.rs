//! An event whose objects can be compared as text.
//!
//! Many rules were written for stores that keep `requestParameters` or `responseElements` as one text and ask it
//! `|contains`. In a CloudTrail record they are objects, which the evaluator compares with no text at all: such a rule
//! would never match, and a filter of that kind would never hold back.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use rsigma_eval::{CompiledDetection, CompiledRule, Event, EventValue, JsonEvent};
use serde_json::Value;

/// The fields whose members the rule's array blocks (`field[any]`) look into, and which must stay what they are.
pub(crate) fn looked_into(rule: &CompiledRule) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    of_all(&rule.detections, &mut fields);
    fields
}

fn of_all(detections: &HashMap<String, CompiledDetection>, fields: &mut BTreeSet<String>) {
    detections.values().for_each(|detection| of(detection, fields));
}

fn of(detection: &CompiledDetection, fields: &mut BTreeSet<String>) {
    match detection {
        CompiledDetection::AnyOf(parts) | CompiledDetection::And(parts) => {
            parts.iter().for_each(|part| of(part, fields));
        }
        // What stands inside the block is asked of the members, not of the event.
        CompiledDetection::ArrayMatch { field, .. } => drop(fields.insert(field.clone())),
        CompiledDetection::Conditional { named, .. } => of_all(named, fields),
        CompiledDetection::AllOf(_) | CompiledDetection::Keywords(_) => {}
    }
}

/// A record, with a text for each object that a rule asks for. The fields inside are what they are.
pub(crate) struct InText<'e> {
    json: JsonEvent<'e>,
    looked_into: &'e BTreeSet<String>,
}

impl<'e> InText<'e> {
    pub(crate) fn new(record: &'e Value, looked_into: &'e BTreeSet<String>) -> InText<'e> {
        InText { json: JsonEvent::borrow(record), looked_into }
    }

    /// What the event holds there, objects included: for people to read.
    pub(crate) fn as_it_is(&self, path: &str) -> Option<Value> {
        self.json.get_field(path).map(|value| value.to_json())
    }
}

impl Event for InText<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        let value = self.json.get_field(path)?;
        Some(if self.looked_into.contains(path) { value } else { comparable(value) })
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        self.json.any_string_value(pred)
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        self.json.all_string_values()
    }

    fn to_json(&self) -> Value {
        self.json.to_json()
    }
}

/// An object becomes the two texts that stores make of one. They are a list, of which one match is enough: were they one
/// text, `|startswith` would see only the first, `|endswith` only the second, and a `*` would end at the line break.
fn comparable(value: EventValue<'_>) -> EventValue<'_> {
    match value {
        EventValue::Map(_) => {
            let value = value.to_json();
            let mut flat = String::new();
            flatten(&value, &mut flat);
            let texts = [value.to_string(), flat];
            EventValue::Array(texts.into_iter().map(|text| EventValue::Str(Cow::Owned(text))).collect())
        }
        EventValue::Array(members) => EventValue::Array(members.into_iter().map(comparable).collect()),
        other => other,
    }
}

/// `{key=value, key=[value, value]}`, with texts as they are: quotes inside a policy document are not escaped here.
fn flatten(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            out.push('{');
            for (i, (key, value)) in fields.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                out.push_str(key);
                out.push('=');
                flatten(value, out);
            }
            out.push('}');
        }
        Value::Array(members) => {
            out.push('[');
            for (i, member) in members.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                flatten(member, out);
            }
            out.push(']');
        }
        Value::String(text) => out.push_str(text),
        other => out.push_str(&other.to_string()),
    }
}
