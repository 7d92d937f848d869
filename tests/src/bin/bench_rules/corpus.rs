//! The events that are read: CloudTrail records, each a line.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use keepwatch_core::event::{Body, Event};
use keepwatch_tests::events;
use serde::Deserialize;
use serde_json::value::RawValue;

/// So many bytes at least, by repetition: more than a core's own caches hold.
const BYTES: usize = 8 << 20;

/// The project's own recordings, bare and in envelopes.
const FIXTURES: [&str; 2] = [
    include_str!("../../../../cli/tests/fixtures/events.jsonl"),
    include_str!("../../../stories/demo.jsonl"),
];

/// In an account that is at work hardly a call interests a rule, and one that fires costs as much as many that do not.
const QUIET: usize = 2_000;

/// See the module.
pub(crate) struct Corpus {
    text: String,
    count: usize,
    packed: Vec<u8>,
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
                lines
                    .extend((0..QUIET).filter_map(|i| record(&events::uninteresting(&format!("quiet-{i}")))));
                "the project's own fixtures".to_owned()
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
        let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(text.as_bytes())?;
        Ok(Corpus { text, count, packed: gzip.finish()?, from })
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

    /// Unpacks the events and hands them on, as whoever reads CloudTrail's files must.
    pub(crate) fn unpacked(&self, work: impl FnOnce(&Corpus) -> usize) -> usize {
        let mut bytes = Vec::with_capacity(self.text.len());
        let read = MultiGzDecoder::new(self.packed.as_slice()).read_to_end(&mut bytes);
        let text = read.ok().and_then(|_| String::from_utf8(bytes).ok()).unwrap_or_default();
        work(&Corpus { text, count: self.count, packed: Vec::new(), from: String::new() })
    }
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
