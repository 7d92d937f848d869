//! What a file is in which no event was found, and how to make a log of it.

use std::path::Path;

use serde_json::Value;

use super::exports::refusal;
use crate::words::path_word;

/// What can be read, for whoever has named something else.
const EXPECTED: &str = "Expected: CloudTrail's own files (.json.gz, or unpacked), the output of `aws cloudtrail lookup-events`, \
     EventBridge events one a line, or a result of CloudTrail Lake or Athena (JSON or CSV)";

/// How many characters of a text are looked at to say what it is.
const LOOKED_AT: usize = 4_096;

/// How deep in other objects an event is looked for.
const DEPTH: usize = 4;

/// What stands in every log, beside which a broken line is a broken line.
const WORDS: [&str; 5] =
    ["\"Records\"", "\"eventVersion\"", "\"eventName\"", "\"detail-type\"", "\"CloudTrailEvent\""];

/// One sentence on what the text of this file is, of which nothing is an event. Nothing where it is a log that is broken: then its
/// lines say more.
pub(crate) fn foreign(file: &Path, text: &str) -> Option<String> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return None;
    }
    if let Some(reason) = refusal(text.as_bytes()) {
        return Some(reason);
    }
    if is_binary(text) {
        return Some(format!("this is no text, and no log of CloudTrail. {EXPECTED}"));
    }
    let is_json = text.starts_with(['{', '[', '"']);
    let first = serde_json::Deserializer::from_str(text).into_iter::<Value>().next();
    if is_json && let Some(Ok(first)) = first {
        if is_log(&first) {
            return None;
        }
        return Some(match inner(&first, DEPTH) {
            Some(Inner { path, in_text }) => {
                let flag = if in_text { "-r" } else { "-c" };
                let of =
                    if file.as_os_str() == "-" { String::new() } else { format!(" {}", path_word(file)) };
                format!(
                    "this is JSON with each event inside of something else; take the events out, and replay those: jq {flag} \
                     '{path}'{of} > events.jsonl"
                )
            }
            None if first.get("digestS3Bucket").is_some() => {
                "this is a digest file of CloudTrail, which says that log files are whole and holds no events"
                    .to_owned()
            }
            None => format!("this is JSON without an event of CloudTrail or EventBridge. {EXPECTED}"),
        });
    }
    let begin: String = text.chars().take(LOOKED_AT).collect();
    if is_json && WORDS.iter().any(|word| begin.contains(word)) {
        return None;
    }
    Some(format!("this is text, and no log of CloudTrail. {EXPECTED}"))
}

/// Whether one of the first characters in twenty is none that people write.
fn is_binary(text: &str) -> bool {
    let odd = |c: &char| *c == char::REPLACEMENT_CHARACTER || (c.is_control() && !c.is_whitespace());
    let (all, odd) = text
        .chars()
        .take(LOOKED_AT)
        .fold((0_usize, 0_usize), |(all, count), c| (all + 1, count + usize::from(odd(&c))));
    odd * 20 > all
}

/// Whether it is an event, or an object with a list of them.
fn is_log(value: &Value) -> bool {
    let has = |name: &str| value.get(name).is_some();
    let list =
        |name: &str| value[name].as_array().and_then(|list| list.first()).is_some_and(Value::is_object);
    (has("eventName") && has("eventSource")) || (has("detail-type") && has("source")) || list("Records")
}

/// Where an event stands within something else.
struct Inner {
    /// The way to it, as jq writes it.
    path: String,
    /// It is there as text.
    in_text: bool,
}

fn inner(value: &Value, depth: usize) -> Option<Inner> {
    let below = |name: &str, value: &Value| {
        let in_text = value.as_str().filter(|text| text.starts_with('{'));
        if let Some(read) = in_text.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            return is_log(&read).then(|| Inner { path: name.to_owned(), in_text: true });
        }
        if is_log(value) {
            return Some(Inner { path: name.to_owned(), in_text: false });
        }
        let Inner { path, in_text } = inner(value, depth.checked_sub(1)?)?;
        // `.hits` and `.[]` are `.hits[]`.
        Some(Inner {
            path: format!("{name}{}", if path.starts_with(".[") { &path[1..] } else { &path }),
            in_text,
        })
    };
    match value {
        Value::Array(list) => below(".[]", list.first()?),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let is_word = !name.is_empty()
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            // A name with a quote in it would end the command's own.
            let path = match is_word {
                true => format!(".{name}"),
                false if name.contains(['\'', '"', '\\']) || name.chars().any(char::is_control) => {
                    return None;
                }
                false => format!(".[\"{name}\"]"),
            };
            below(&path, value)
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(text: &str) -> String {
        foreign(Path::new("log.json"), text).unwrap_or_default()
    }

    #[test]
    fn what_is_no_log_is_said_in_one_line() {
        for (text, what) in [
            ("# Keepwatch\n\nText.".to_owned(), "this is text, and no log of CloudTrail. Expected: "),
            ("2026-03-01 12:00 started".to_owned(), "this is text"),
            ("{broken".to_owned(), "this is text"),
            ("\u{fffd}ELF\u{1}\u{0}\u{0}\u{fffd}".to_owned(), "this is no text"),
            ("PAR1\u{15}".to_owned(), "this is Apache Parquet"),
            (json!({"name": "x"}).to_string(), "this is JSON without an event"),
            (json!({"digestS3Bucket": "b"}).to_string(), "this is a digest file"),
        ] {
            assert!(said(&text).starts_with(what), "{text}: {}", said(&text));
            assert_eq!(said(&text).lines().count(), 1);
        }
    }

    #[test]
    fn an_event_inside_of_something_is_taken_out() {
        let event = json!({"eventName": "A", "eventSource": "iam.amazonaws.com"});
        let envelope = json!({"detail-type": "A", "source": "aws.iam", "detail": event});
        for (document, way) in [
            (json!({"id": 1, "event": event}), "jq -c '.event' log.json > events.jsonl"),
            (json!({"hits": {"hits": [{"_source": envelope}]}}), "jq -c '.hits.hits[]._source' "),
            (json!([{"@message": event}]), "jq -c '.[][\"@message\"]' "),
            (json!({"events": [{"message": event.to_string()}]}), "jq -r '.events[].message' "),
            (json!({"log": {"Records": [event]}}), "jq -c '.log' "),
        ] {
            assert!(said(&document.to_string()).contains(way), "{document}: {}", said(&document.to_string()));
        }
        assert!(said(&json!({"a'b": event}).to_string()).contains("without an event"));
    }

    /// What is broken in it is told line by line.
    #[test]
    fn a_broken_log_is_a_log() {
        for text in [
            "{\"Records\": [{\"eventVersion\": \"1.",
            "{\"eventVersion\": \"1.0",
            "",
            "{\"detail-type\": \"x\",, }",
        ] {
            assert_eq!(foreign(Path::new("a"), text), None, "{text}");
        }
    }
}
