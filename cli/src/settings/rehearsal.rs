//! Settings of a file for `keepwatch replay`: what they would do to a log, before anything is written.
//!
//! The file is one of `settings export`, or rows of the table as JSON.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;
use keepwatch_core::settings::{KEY, Settings};
use serde_json::{Value, json};

use super::file::{self, Entry, Refusal};
use super::plan::{CREATED, as_meant};
use crate::catalogue::CATALOGUE;
use crate::tune;
use crate::words::without_place;

const DAY: Duration = Duration::from_secs(86_400);

/// How many places of a file are named that cannot be used.
const NAMED: usize = 5;

/// What the file sets. Its suppressions that do not say when they were made, as an export's do not, hold from the beginning of any
/// log: what they would silence is to be seen.
///
/// # Errors
/// A file that cannot be read, and every row that `settings apply` would refuse.
pub(crate) fn read(path: &Path, now: Timestamp) -> anyhow::Result<Settings> {
    let bytes = fs::read(path).with_context(|| format!("cannot read the settings in {}", path.display()))?;
    let read = match String::from_utf8(bytes) {
        Ok(text) => settings(&text, now),
        Err(_) => Err(vec![Refusal { line: 1, reason: "this is no text".to_owned() }]),
    };
    read.map_err(|refusals| {
        let lines = refusals
            .iter()
            .take(NAMED)
            .map(|one| format!("\n{}:{}: {}", path.display(), one.line, clean(&one.reason, 600)));
        let more = if refusals.len() > NAMED { "\n..." } else { "" };
        anyhow::anyhow!(
            "these settings cannot be used; `keepwatch settings export > FILE` and `keepwatch suppress add ... --print > FILE` \
             write such a file{}{more}",
            lines.collect::<String>()
        )
    })
}

fn settings(text: &str, now: Timestamp) -> Result<Settings, Vec<Refusal>> {
    let is_json = text.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '[']);
    let entries = if is_json { rows(text).map_err(|refusal| vec![refusal])? } else { file::parse(text)? };
    let (mut meant, mut always, mut refusals) = (Vec::new(), BTreeSet::new(), Vec::new());
    for Entry { line, row } in entries {
        let key = row[KEY].as_str().unwrap_or_default().to_owned();
        let read = as_meant(&row).and_then(|mut row| {
            if let Some(name) = key.strip_prefix("suppression#")
                && row.get(CREATED).is_none()
            {
                let end = row["expires_at"].as_str().and_then(Timestamp::parse);
                row[CREATED] = json!(end.map_or(now, |end| end.minus(DAY).min(now)));
                always.insert(name.to_owned());
            }
            tune::refused(&row).map(|()| row)
        });
        match read {
            Ok(row) => meant.push(row),
            Err(reason) => {
                refusals.push(Refusal { line, reason: format!("{}: {reason}", clean(&key, 200)) });
            }
        }
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let mut settings = Settings::read(&meant, CATALOGUE);
    for suppression in settings.suppressions.iter_mut().filter(|one| always.contains(&one.id)) {
        suppression.created_at = Timestamp::default();
    }
    Ok(settings)
}

/// Rows as JSON, one behind the other or in lists.
fn rows(text: &str) -> Result<Vec<Entry>, Refusal> {
    let text = text.trim_start_matches('\u{feff}');
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut entries = Vec::new();
    loop {
        let rest = &text[values.byte_offset()..];
        let blank = rest.len() - rest.trim_start().len();
        let line = 1 + text[..values.byte_offset() + blank].matches('\n').count();
        let value = match values.next() {
            None => return Ok(entries),
            Some(Ok(value)) => value,
            Some(Err(error)) => {
                let reason = format!("this is no JSON: {}", without_place(&error.to_string()));
                return Err(Refusal { line: error.line(), reason });
            }
        };
        for row in if let Value::Array(rows) = value { rows } else { vec![value] } {
            if !row[KEY].is_string() {
                let reason = format!("`{KEY}` is missing: write suppression#NAME, rule#ID or list#NAME");
                return Err(Refusal { line, reason });
            }
            entries.push(Entry { line, row });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2026-05-01T00:00:00Z").unwrap()
    }

    fn row() -> Value {
        json!({KEY: "suppression#ci", "rule": "network-changed", "resource": "*",
            "actor": "arn:aws:iam::111122223333:role/ci", "owner": "ann", "reason": "a test",
            "expires_at": "2026-05-20T00:00:00Z"})
    }

    #[test]
    fn an_export_and_rows_as_json_say_the_same() {
        let tuned = json!({KEY: "rule#iam-changed", "enabled": false});
        let yaml = file::text([&row(), &tuned]).unwrap();
        let read = settings(&yaml, now()).unwrap();
        assert_eq!(read.overrides["iam-changed"].enabled, Some(false));
        let [ci] = &read.suppressions[..] else { panic!("{read:?}") };
        assert_eq!(ci.actor.as_deref(), Some("arn:aws:sts::111122223333:assumed-role/ci"));
        assert!(
            ci.is_active(Timestamp::parse("2026-02-01T00:00:00Z").unwrap()),
            "it holds over an older log"
        );
        assert!(!ci.is_active(Timestamp::parse("2026-05-21T00:00:00Z").unwrap()), "and ends when it says");
        for text in [
            format!("{}\n\n{tuned}\n", row()),
            json!([row(), tuned]).to_string(),
            format!("{:#}\n{tuned:#}", row()),
        ] {
            assert_eq!(settings(&text, now()).unwrap(), read, "{text}");
        }
    }

    #[test]
    fn a_row_of_the_table_holds_from_when_it_was_made() {
        let mut made = row();
        made[CREATED] = json!("2026-04-30T00:00:00Z");
        let read = settings(&made.to_string(), now()).unwrap();
        assert_eq!(read.suppressions[0].created_at, Timestamp::parse("2026-04-30T00:00:00Z").unwrap());
    }

    #[test]
    fn what_is_no_settings_file_is_told_with_its_line() {
        let mut long = row();
        long["expires_at"] = json!("2029-01-01T00:00:00Z");
        for (text, line, hint) in [
            ("# Keepwatch\n\nText.\n".to_owned(), 3, "no row of settings"),
            (
                format!("{}\n{{broken\n", json!({KEY: "rule#iam-changed", "enabled": false})),
                2,
                "this is no JSON",
            ),
            ("{\"Items\": []}".to_owned(), 1, "`setting_id` is missing"),
            ("\n[1]".to_owned(), 2, "`setting_id` is missing"),
            (file::text([&json!({KEY: "rule#no-such"})]).unwrap(), 3, "no rule is called"),
            (long.to_string(), 1, "it may last 366 days"),
            (String::new(), 1, "empty"),
        ] {
            let told = settings(&text, now()).unwrap_err();
            assert_eq!((told.len(), told[0].line), (1, line), "{text:?}: {told:?}");
            assert!(told[0].reason.contains(hint), "{told:?}");
        }
    }
}
