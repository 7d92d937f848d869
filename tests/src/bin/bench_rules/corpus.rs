//! The events that are read: CloudTrail records, a line each, and packed as CloudTrail packs them.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use keepwatch_core::event::{Body, Event};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::traffic;

/// So many bytes at least, by repetition: more than a core's own caches hold.
const BYTES: usize = 8 << 20;

/// The project's own recordings, bare and in envelopes.
const FIXTURES: [&str; 2] = [
    include_str!("../../../../cli/tests/fixtures/events.jsonl"),
    include_str!("../../../stories/demo.jsonl"),
];

/// Records of an account at work beside them.
const QUIET: usize = 5_000;

/// Records of one file. CloudTrail writes one for each account and region about every five minutes.
const FILE: usize = 1_000;

/// See the module.
pub(crate) struct Corpus {
    text: String,
    count: usize,
    files: Vec<Vec<u8>>,
    /// Where they are from.
    pub(crate) from: String,
}

/// Recorded events may stand under `event`, with labels beside it.
#[derive(Deserialize)]
struct Labelled<'a> {
    #[serde(borrow)]
    event: Option<&'a RawValue>,
}

impl Corpus {
    /// The recorded events of a folder, or the project's own.
    pub(crate) fn new(folder: Option<&Path>) -> anyhow::Result<Corpus> {
        let mut lines = Vec::new();
        let from = match folder {
            Some(folder) => {
                for file in files(folder)? {
                    let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
                    lines.extend(String::from_utf8_lossy(&text).lines().filter_map(record));
                }
                format!("from {}", folder.display())
            }
            None => {
                lines.extend(FIXTURES.iter().flat_map(|text| text.lines()).filter_map(record));
                lines.extend(traffic::day(QUIET));
                format!("{QUIET} of an account at work and the project's own fixtures")
            }
        };
        ensure!(!lines.is_empty(), "there are no CloudTrail records {from}");
        let (mut text, mut count) = (String::new(), 0);
        while text.len() < BYTES {
            for line in &lines {
                text.push_str(line);
                text.push('\n');
            }
            count += lines.len();
        }
        let all: Vec<&str> = text.lines().collect();
        let files = all.chunks(FILE).map(packed).collect::<anyhow::Result<_>>()?;
        Ok(Corpus { text, count, files, from })
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Bytes of an event.
    pub(crate) fn average(&self) -> usize {
        self.text.len() / self.count
    }

    /// Each event.
    pub(crate) fn events(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }

    /// The text of each file, unpacked.
    pub(crate) fn files(&self) -> impl Iterator<Item = String> {
        self.files.iter().map(|packed| {
            let mut text = String::with_capacity(packed.len() * 16);
            let read = MultiGzDecoder::new(packed.as_slice()).read_to_string(&mut text);
            read.map(|_| text).unwrap_or_default()
        })
    }
}

/// A file as CloudTrail writes it.
fn packed(records: &[&str]) -> anyhow::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(format!("{{\"Records\":[{}]}}", records.join(",")).as_bytes())?;
    Ok(gzip.finish()?)
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    files.retain(|file| file.extension() == Some(OsStr::new("jsonl")));
    files.sort();
    Ok(files)
}

/// The line's CloudTrail record, without an envelope, as CloudTrail's own files hold it: on one line.
fn record(line: &str) -> Option<String> {
    let labelled: Option<Labelled<'_>> = serde_json::from_str(line).ok();
    let text = labelled.and_then(|labelled| labelled.event).map_or(line, RawValue::get);
    let event = Event::parse(text).ok()?;
    let Body::CloudTrail(_) = event.body else { return None };
    let record = event.envelope.detail.map_or(text, RawValue::get);
    // Every engine must be able to read it.
    let value: serde_json::Value = serde_json::from_str(record).ok()?;
    (!record.contains('\n')).then(|| record.to_owned()).or_else(|| Some(value.to_string()))
}
