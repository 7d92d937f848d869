//! The settings as a text: YAML, a document for each row of the table, in an order that stays the same.
//!
//! One document a row keeps a review short, and says on which line a row begins.

use keepwatch_core::settings::KEY;
use serde_json::Value;
use yaml_serde::Mapping;

use crate::words::without_place;

/// How a file begins. It has no time and no name in it: two exports of the same settings are the same text.
const HEADER: &str = "\
# Settings of Keepwatch, written by `keepwatch settings export`. Review changes here, then: keepwatch settings apply FILE
";

/// The attributes of all kinds, in the order in which they are written.
const ORDER: [&str; 13] = [
    KEY,
    "rule",
    "resource",
    "actor",
    "account",
    "expires_at",
    "owner",
    "reason",
    "enabled",
    "severity",
    "threshold",
    "values",
    "note",
];

/// A row as a file has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// The line on which it begins, from 1.
    pub(super) line: usize,
    /// What is written there.
    pub(super) row: Value,
}

/// A place in the file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The line, from 1.
    pub(super) line: usize,
    /// What is wrong, and what to do.
    pub(super) reason: String,
}

/// The text of these rows, which are in their final order.
///
/// # Errors
/// A value that YAML has no form for; settings have none.
pub(super) fn text<'r>(rows: impl IntoIterator<Item = &'r Value>) -> anyhow::Result<String> {
    let mut text = HEADER.to_owned();
    for row in rows {
        text.push_str(&document(row)?);
    }
    Ok(text)
}

/// The part of a file that is this row.
///
/// # Errors
/// A value that YAML has no form for; settings have none.
pub(crate) fn document(row: &Value) -> anyhow::Result<String> {
    let mut document = Mapping::new();
    for name in ORDER {
        if let Some(value) = row.get(name) {
            document.insert(name.into(), yaml_serde::to_value(value)?);
        }
    }
    Ok(format!("---\n{}", yaml_serde::to_string(&document)?))
}

/// The rows of a file.
///
/// # Errors
/// Every place that is no row.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Vec<Refusal>> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut refusals = Vec::new();
    if text.trim().is_empty() {
        let reason = "the file is empty; an export of no settings has a line of comment at least".to_owned();
        return Err(vec![Refusal { line: 1, reason }]);
    }
    for (before, document) in documents(text) {
        let blank = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
        let Some(first) = document.lines().position(|line| !blank(&line)) else { continue };
        let line = before + first + 1;
        match row(&document) {
            Ok(row) => {
                let same = entries.iter().find(|other| other.row[KEY] == row[KEY]);
                match same {
                    Some(other) => refusals.push(Refusal {
                        line,
                        reason: format!("{KEY} {} is on line {} already", row[KEY], other.line),
                    }),
                    None => entries.push(Entry { line, row }),
                }
            }
            Err((within, reason)) => {
                refusals.push(Refusal { line: within.map_or(line, |within| before + within), reason });
            }
        }
    }
    if refusals.is_empty() { Ok(entries) } else { Err(refusals) }
}

/// Each document with the number of lines before it. A line that begins with three dashes and a space or nothing ends a document
/// wherever it stands (YAML 1.2.2, 9.1.2), so no parser is needed to find them.
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut found = vec![(0, String::new())];
    for (number, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        match line.strip_prefix("---") {
            Some(rest) if rest.is_empty() || rest.starts_with([' ', '\t']) => {
                // What follows the dashes is the document's first line.
                found.push((number, format!("{rest}\n")));
            }
            _ => {
                if let Some((_, document)) = found.last_mut() {
                    document.push_str(line);
                    document.push('\n');
                }
            }
        }
    }
    found
}

/// The row of a document, or the line within it and what is wrong.
fn row(document: &str) -> Result<Value, (Option<usize>, String)> {
    let read: Mapping = yaml_serde::from_str(document).map_err(|error| {
        let said = error.to_string();
        let words = without_place(&said);
        let line = error.location().map(|place| place.line());
        (line, format!("this is no row of settings ({words}): write attributes, such as `{KEY}: rule#ID`"))
    })?;
    let row = serde_json::to_value(&read)
        .map_err(|error| (None, format!("this is no row of settings: {error}")))?;
    match &row[KEY] {
        Value::String(_) => Ok(row),
        _ => Err((None, format!("`{KEY}` is missing: write suppression#NAME, rule#ID or list#NAME"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(text: &str) -> Vec<(usize, String)> {
        parse(text).unwrap_err().into_iter().map(|one| (one.line, one.reason)).collect()
    }

    #[test]
    fn a_row_is_a_document_with_its_key_first() {
        let rows = [
            json!({"note": "we live in it", "enabled": false, KEY: "rule#network-changed"}),
            json!({"values": ["111122223333"], KEY: "list#trusted-accounts"}),
        ];
        let text = text(&rows).unwrap();
        assert_eq!(
            text,
            format!(
                "{HEADER}---\nsetting_id: rule#network-changed\nenabled: false\nnote: we live in it\n---\nsetting_id: \
                 list#trusted-accounts\nvalues:\n- '111122223333'\n"
            )
        );
        let read = parse(&text).unwrap();
        assert_eq!(read.iter().map(|entry| entry.line).collect::<Vec<_>>(), [3, 7]);
        assert_eq!(read.into_iter().map(|entry| entry.row).collect::<Vec<_>>(), rows);
    }

    #[test]
    fn what_is_no_row_is_told_with_its_line() {
        for (text, line, hint) in [
            ("", 1, "is empty"),
            ("# a\n---\nvalues: []\n", 3, "`setting_id` is missing"),
            ("setting_id: rule#a\n---\n\n# b\nsetting_id: rule#a\n", 5, "is on line 1 already"),
            ("---\n- a\n", 2, "no row of settings"),
            ("---\nsetting_id: rule#a\n---\nsetting_id: rule#b\nnote: a: b\n", 5, "no row of settings"),
            ("---\nsetting_id: rule#a\nnote: a\nnote: b\n", 2, "duplicate"),
        ] {
            let told = refused(text);
            assert_eq!((told.len(), told[0].0), (1, line), "{text:?}: {told:?}");
            assert!(told[0].1.contains(hint), "{told:?}");
        }
    }

    #[test]
    fn a_file_of_comments_is_one_of_no_settings() {
        assert_eq!(parse(HEADER).unwrap(), []);
        assert_eq!(parse(&text([]).unwrap()).unwrap(), []);
    }
}
