//! Reading JSON that AWS writes in more than one way.
//!
//! CloudTrail logs the names of one API with a small first letter and those of another as the API has them (`bucketName`,
//! `BucketName`), writes booleans as text and lists as objects. So every accessor finds a key in any case, the exact one
//! first, and reads a value in each of its spellings. There is no other way to look into parameters.

use serde_json::Value;

/// The value at `path`; keys in any case, the exact one first.
pub fn value_at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, wanted| {
        let object = value.as_object()?;
        object.get(*wanted).or_else(|| {
            object.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
        })
    })
}

/// A string at `path` that is not empty.
pub fn text_at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    value_at(value, path)?.as_str().filter(|text| !text.is_empty())
}

/// A boolean at `path`, whether it is written as `true`, `"true"` or `{"value": true}`.
pub fn flag_at(value: &Value, path: &[&str]) -> Option<bool> {
    match value_at(value, path)? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Value::Object(wrapped) => flag_at(wrapped.get("value")?, &[]),
        _ => None,
    }
}

/// A whole number at `path`, whether it is written as a number or as text.
pub fn number_at(value: &Value, path: &[&str]) -> Option<i64> {
    match value_at(value, path)? {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|number| number as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The elements of a list at `path`. A list may be wrapped as `{"items": [...]}`, and a single value stands for a list of
/// one.
pub fn items_at<'v>(value: &'v Value, path: &[&str]) -> Vec<&'v Value> {
    match value_at(value, path) {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(Value::Object(wrapped)) if wrapped.is_empty() => Vec::new(),
        Some(single @ Value::Object(wrapped)) => match wrapped.get("items") {
            Some(Value::Array(items)) => items.iter().collect(),
            _ => vec![single],
        },
        Some(Value::Null) | None => Vec::new(),
        Some(single) => vec![single],
    }
}

/// The texts of a list at `path` that are not empty. EC2 wraps each as `{"content": "fl-1", "tag": 1}`.
pub fn texts_at<'v>(value: &'v Value, path: &[&str]) -> Vec<&'v str> {
    let text = |item: &'v Value| item.as_str().or_else(|| text_at(item, &["content"]));
    items_at(value, path).into_iter().filter_map(text).filter(|text| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_found_whatever_their_shape() {
        let value =
            json!({"Workflow": {"Status": "SUPPRESSED"}, "ids": {"items": ["a", {"content": "b"}, 7, ""]}});
        assert_eq!(text_at(&value, &["workflow", "status"]), Some("SUPPRESSED"));
        assert_eq!(texts_at(&value, &["Ids"]), ["a", "b"]);
        assert_eq!(texts_at(&json!({"id": {"content": "fl-1", "tag": 1}}), &["id"]), ["fl-1"]);
        assert_eq!(flag_at(&json!({"Enable": "false"}), &["enable"]), Some(false));
        assert_eq!(flag_at(&json!({"enable": {"value": true}}), &["enable"]), Some(true));
        assert_eq!(number_at(&json!({"Port": "22"}), &["port"]), Some(22));
        assert_eq!((flag_at(&value, &["x"]), text_at(&json!(null), &["x"])), (None, None));
        assert!(items_at(&json!({"list": {}}), &["list"]).is_empty());
        assert_eq!(items_at(&json!({"list": {"a": 1}}), &["list"]).len(), 1);
    }

    #[test]
    fn the_exact_name_goes_before_another_spelling() {
        let value = json!({"USERNAME": "mallory", "userName": "alice"});
        assert_eq!(text_at(&value, &["userName"]), Some("alice"));
        assert_eq!(text_at(&value, &["UserName"]), Some("mallory"), "the first in the object's order");
    }
}
