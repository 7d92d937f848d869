//! Reads every event of a folder of recorded events.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use keepwatch_core::engine::dispatch::{Index, linear};
use keepwatch_core::event::Event;
use keepwatch_rules::registry::RULES;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Reads every `*.jsonl` file of a folder; each line is an event, or an object that has it under `event`. Says what each
/// was understood as, and whether the index of rules finds other rules for it than asking each rule does.
#[derive(Args)]
pub(crate) struct Corpus {
    /// The folder.
    folder: PathBuf,
}

#[derive(Deserialize)]
struct Labelled<'a> {
    #[serde(borrow)]
    event: Option<&'a RawValue>,
}

/// What the events were understood as.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    kinds: BTreeMap<&'static str, usize>,
    unreadable: usize,
    /// For which the index finds other rules than asking each rule does.
    differing: usize,
}

/// # Errors
/// A folder or file that cannot be read.
pub(crate) fn run(corpus: &Corpus) -> anyhow::Result<ExitCode> {
    let Counts { kinds, unreadable, differing } = count(&corpus.folder)?;
    for (kind, count) in &kinds {
        anstream::println!("{kind:<16} {count:>7}");
    }
    anstream::println!("{:<16} {unreadable:>7}", "unreadable");
    anstream::println!("{:<16} {differing:>7}", "heard otherwise");
    Ok(if unreadable + differing == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn count(folder: &Path) -> anyhow::Result<Counts> {
    let entries = fs::read_dir(folder);
    let entries = entries.with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    if files.is_empty() {
        bail!("{} has no files that end in .jsonl", folder.display());
    }
    let mut counts = Counts::default();
    let index = Index::new(RULES);
    for file in files {
        let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let text = String::from_utf8_lossy(&text);
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let place = format!("{}:{}", file.display(), i + 1);
            let labelled: Option<Labelled<'_>> = serde_json::from_str(line).ok();
            match Event::parse(labelled.and_then(|labelled| labelled.event).map_or(line, RawValue::get)) {
                Ok(event) => {
                    *counts.kinds.entry(event.kind()).or_default() += 1;
                    let found: Vec<&str> = index.listeners(&event).map(|rule| rule.about().id).collect();
                    if found != linear(RULES, &event) {
                        counts.differing += 1;
                        anstream::eprintln!("{place}: the index finds {found:?}");
                    }
                }
                Err(error) => {
                    counts.unreadable += 1;
                    anstream::eprintln!("{place}: {error}");
                }
            }
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_counted_and_what_is_no_event_is_unreadable() {
        let folder = std::env::temp_dir().join(format!("keepwatch-corpus-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert!(count(&folder).is_err(), "no file");
        fs::copy(crate::root().join("cli/tests/fixtures/events.jsonl"), folder.join("a.jsonl")).unwrap();
        let labelled = r#"{"id": "x", "event": {"detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2"}}"#;
        fs::write(folder.join("b.jsonl"), format!("{labelled}\n\n{{broken")).unwrap();
        let counts = count(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let kinds = BTreeMap::from([("cloudtrail", 5), ("health", 1), ("other", 1)]);
        assert_eq!(counts, Counts { kinds, unreadable: 1, differing: 0 });
        assert!(count(&folder).is_err(), "no folder");
    }
}
