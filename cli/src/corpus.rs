//! `keepwatch corpus`: reads every event of a folder of recorded events (`make corpus CORPUS=dir`).

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use keepwatch_core::event::Event;
use keepwatch_core::rules::dispatch::{Index, linear};
use keepwatch_core::rules::registry::RULES;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::input::parts;

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

/// # Errors
/// A folder or file that cannot be read.
pub(crate) fn run(corpus: &Corpus) -> anyhow::Result<ExitCode> {
    let entries = std::fs::read_dir(&corpus.folder);
    let entries = entries.with_context(|| format!("cannot read the folder {}", corpus.folder.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    if files.is_empty() {
        bail!("{} has no files that end in .jsonl", corpus.folder.display());
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut unreadable, mut astray) = (0_usize, 0_usize);
    let index = Index::new(RULES);
    parts(&files, |part| {
        let (file, first) = (part.file.clone(), part.line);
        let (text, error) = part.text();
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let labelled: Option<Labelled<'_>> = serde_json::from_str(line).ok();
            match Event::parse(labelled.and_then(|labelled| labelled.event).map_or(line, RawValue::get)) {
                Ok(event) => {
                    *kinds.entry(event.kind()).or_default() += 1;
                    let found: Vec<&str> = index.listeners(&event).map(|rule| rule.meta().id).collect();
                    if found != linear(RULES, &event) {
                        astray += 1;
                        anstream::eprintln!("{}:{}: the index finds {found:?}", file.display(), first + i);
                    }
                }
                Err(error) => {
                    unreadable += 1;
                    anstream::eprintln!("{}:{}: {error}", file.display(), first + i);
                }
            }
        }
        if let Some(error) = error {
            unreadable += 1;
            anstream::eprintln!("{}: {error}", file.display());
        }
        true
    })?;
    let mut out = io::stdout().lock();
    for (kind, count) in &kinds {
        writeln!(out, "{kind:<16} {count:>7}")?;
    }
    writeln!(out, "{:<16} {unreadable:>7}", "unreadable")?;
    writeln!(out, "{:<16} {astray:>7}", "heard otherwise")?;
    Ok(if unreadable + astray == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
