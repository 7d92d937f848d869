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

/// The largest text, in bytes, of which a value is read to say what it is; parts of a log are no longer.
const MOST_PARSED: usize = 16 << 20;

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
    let begin: String = text.chars().take(LOOKED_AT).collect();
    let is_log_of_sorts = is_json && WORDS.iter().any(|word| begin.contains(word));
    // Of a long text the first line, which is all of an event where each has one.
    let short = if text.len() <= MOST_PARSED { text } else { text.lines().next().unwrap_or_default() };
    let parsed = (is_json && short.len() <= MOST_PARSED)
        .then(|| serde_json::Deserializer::from_str(short).into_iter::<Value>().next());
    if let Some(Some(Ok(first))) = parsed {
        if is_log(&first) {
            return None;
        }
        return Some(match inner(&first, DEPTH) {
            Some(Inner { path, in_text }) => {
                let flag = if in_text { "-r" } else { "-c" };
                format!(
                    "this is JSON with each event inside of something else; take the events out, and replay those: {}",
                    piped(file, &format!("jq {flag} '{path}'"))
                )
            }
            None if first.get("digestS3Bucket").is_some() => {
                "this is a digest file of CloudTrail, which says that log files are whole and holds no events"
                    .to_owned()
            }
            None => format!("this is JSON without an event of CloudTrail or EventBridge. {EXPECTED}"),
        });
    }
    match is_log_of_sorts {
        true => None,
        false => Some(format!("this is text, and no log of CloudTrail. {EXPECTED}")),
    }
}

/// The command that has this file's text go through a filter, into a file of events.
fn piped(file: &Path, filter: &str) -> String {
    let name = path_word(file);
    let is_packed = name.to_ascii_lowercase().ends_with(".gz");
    match (name.as_str(), is_packed) {
        ("-", _) => format!("{filter} > events.jsonl"),
        (bucket, true) if bucket.starts_with("s3://") => {
            format!("aws s3 cp {bucket} - | gunzip | {filter} > events.jsonl")
        }
        (bucket, false) if bucket.starts_with("s3://") => {
            format!("aws s3 cp {bucket} - | {filter} > events.jsonl")
        }
        (packed, true) => format!("gunzip -c {packed} | {filter} > events.jsonl"),
        (name, false) => format!("{filter} {name} > events.jsonl"),
    }
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
        let piped = |name: &str| piped(Path::new(name), "jq .");
        assert_eq!(piped("a.json.gz"), "gunzip -c a.json.gz | jq . > events.jsonl");
        assert_eq!(piped("s3://b/a.gz"), "aws s3 cp s3://b/a.gz - | gunzip | jq . > events.jsonl");
        assert_eq!(piped("-"), "jq . > events.jsonl");
        // A long text is known by its first line.
        let long = format!("{}\n{}", json!({"event": event}), " ".repeat(MOST_PARSED) + "{}");
        assert!(said(&long).contains("jq -c '.event'"), "{}", said(&long));
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
