//! What is read in a document's YAML before it is parsed as Sigma: conditions that the parser takes for typing errors,
//! and values that it takes for texts.

use rsigma_parser::version::{array_matching_enabled, major_from_value};
use serde::Deserialize;
use yaml_serde::{Deserializer, Mapping, Value};

use crate::locate;

/// The functions of Sigma's old aggregations: `selection | count() by userIdentity.arn > 20`.
const AGGREGATES: [&str; 6] = ["count", "min", "max", "avg", "sum", "near"];

/// What a document's YAML shows.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    /// The titles of the rules whose condition counts over time.
    pub(crate) counting: Vec<String>,
    /// Fields whose value is a map.
    pub(crate) maps: Vec<MapValue>,
}

/// A map where a value belongs. The parser makes a text of it that no event has.
#[derive(Debug)]
pub(crate) struct MapValue {
    /// The title of the rule; empty where it stands in a document that is part of others.
    pub(crate) title: String,
    /// The line within the text, from 0.
    pub(crate) line: usize,
    /// What to write instead.
    pub(crate) reason: String,
}

/// Reads as far as the text is YAML. What is not is for the parser to say.
pub(crate) fn outline(text: &str) -> Outline {
    let mut outline = Outline::default();
    let read = |document| match Value::deserialize(document) {
        Ok(Value::Mapping(document)) => Some(document),
        _ => None,
    };
    let documents: Vec<Mapping> = Deserializer::from_str(text).map_while(read).collect();
    let brackets = documents.iter().any(takes_brackets);
    for document in &documents {
        let part_of_others = document.contains_key("action");
        let title = document.get("title").and_then(Value::as_str).unwrap_or_default();
        for section in ["detection", "filter"] {
            let Some(Value::Mapping(section)) = document.get(section) else { continue };
            if section.get("condition").is_some_and(counts) {
                outline.counting.push(title.to_owned());
            }
            let of_rule = if part_of_others { "" } else { title };
            for (field, value) in fields(section, brackets) {
                outline.maps.extend(map_value(field, value, of_rule, text));
            }
        }
    }
    outline
}

fn counts(condition: &Value) -> bool {
    match condition {
        Value::Sequence(conditions) => conditions.iter().any(counts),
        condition => condition.as_str().is_some_and(aggregates),
    }
}

/// Whether one of the aggregations follows a pipe that stands outside quotes.
pub(crate) fn aggregates(condition: &str) -> bool {
    let mut quote = None;
    condition.char_indices().any(|(at, c)| {
        match quote {
            Some(open) if open == c => quote = None,
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if c == '|' => {
                let rest = condition.get(at + 1..).unwrap_or_default().trim_start();
                let word = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
                return word.is_some_and(|word| AGGREGATES.iter().any(|own| own.eq_ignore_ascii_case(word)));
            }
            _ => {}
        }
        false
    })
}

/// From version 3 on, brackets after a field open a block for the members of an array, which is a map by right.
fn takes_brackets(document: &Mapping) -> bool {
    array_matching_enabled(document.get("sigma-version").and_then(major_from_value))
}

/// The fields of all selections with their values.
fn fields(section: &Mapping, brackets: bool) -> Vec<(&str, &Value)> {
    let mut found = Vec::new();
    for (name, selection) in section {
        if !matches!(name.as_str(), Some("condition" | "timeframe" | "rules")) {
            of_selection(selection, brackets, &mut found);
        }
    }
    found
}

fn of_selection<'v>(selection: &'v Value, brackets: bool, found: &mut Vec<(&'v str, &'v Value)>) {
    match selection {
        Value::Mapping(fields) => {
            let fields = fields.iter().filter_map(|(field, value)| Some((field.as_str()?, value)));
            found.extend(fields.filter(|(field, _)| !(brackets && field.contains('['))));
        }
        Value::Sequence(parts) => parts.iter().for_each(|part| of_selection(part, brackets, found)),
        _ => {}
    }
}

fn map_value(field: &str, value: &Value, title: &str, text: &str) -> Option<MapValue> {
    let map = match value {
        Value::Mapping(map) => map,
        Value::Sequence(values) => values.iter().find_map(Value::as_mapping)?,
        _ => return None,
    };
    // The parser does not merge maps (`<<: *other`), and takes the key for a field.
    if field == "<<" {
        let reason = "the merge key << is not supported: repeat the fields of the other map".to_owned();
        return Some(MapValue { title: title.to_owned(), line: locate::opened(field, text), reason });
    }
    let (name, modifiers) = field.split_once('|').map_or((field, None), |(name, rest)| (name, Some(rest)));
    let mut path = name.to_owned();
    let mut inner = Some(map);
    while let Some((key, value)) = inner.and_then(|map| map.iter().next()) {
        let key = key.as_str()?;
        let (key, own) = key.split_once('|').unwrap_or((key, ""));
        path = format!("{path}.{key}");
        if !own.is_empty() {
            path = format!("{path}|{own}");
        }
        inner = value.as_mapping();
    }
    if let Some(modifiers) = modifiers {
        path = format!("{path}|{modifiers}");
    }
    Some(MapValue {
        title: title.to_owned(),
        line: locate::opened(field, text),
        reason: format!("the value of {field} is a map, which no event can match; write {path}: ..."),
    })
}

#[cfg(test)]
mod tests {
    use super::aggregates;

    #[test]
    fn a_pipe_before_a_function_counts() {
        for condition in [
            "s | count() > 5",
            "s|count(x) by y>5",
            "a | near b",
            "(a or b) |\n  SUM(x) > 1",
            "'|' | max(x) > 1",
        ] {
            assert!(aggregates(condition), "{condition}");
        }
        for condition in
            ["s", "count and not near", "s | counter", "'a | count()' and s", "\"x | near y\"", "s |", "|"]
        {
            assert!(!aggregates(condition), "{condition}");
        }
    }
}
