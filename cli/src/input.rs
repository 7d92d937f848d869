//! Files, folders and standard input, in parts that can be worked on at the same time.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use flate2::bufread::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use keepwatch_core::event::log::goes_on;

/// How a gzip file begins (RFC 1952).
const GZIP: &[u8] = &[0x1f, 0x8b];

/// What is read of a large file at once.
const PART: usize = 4 << 20;

/// A compressed file up to this size is unpacked by whoever works on it; CloudTrail's own have some megabytes at most.
const PACKED: u64 = 32 << 20;

/// What a compressed file may unpack to. More is taken for an attack or a mistake.
const UNPACKED: u64 = 1 << 30;

/// The names of log files in a folder.
const ENDINGS: [&str; 6] = [".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"];

/// Whole lines of a file.
pub(crate) struct Part {
    pub(crate) file: Arc<Path>,
    /// The number of the first, from 1.
    pub(crate) line: usize,
    content: Content,
}

enum Content {
    Lines(Vec<u8>),
    Packed(Vec<u8>),
}

impl Part {
    /// The text, unpacked. With an error the text is what could be read. What is not UTF-8 is read as far as it can be;
    /// JSON will say what is wrong with it.
    pub(crate) fn text(self) -> (String, Option<String>) {
        let (bytes, error) = match self.content {
            Content::Lines(bytes) => (bytes, None),
            Content::Packed(packed) => {
                let mut bytes = Vec::with_capacity(packed.len() * 8);
                let read = MultiGzDecoder::new(packed.as_slice()).take(UNPACKED).read_to_end(&mut bytes);
                let error = match read {
                    Ok(read) if read as u64 == UNPACKED => Some("it unpacks to more than 1 GiB".to_owned()),
                    Ok(_) => None,
                    Err(error) => Some(format!("it cannot be unpacked to its end: {error}")),
                };
                (bytes, error)
            }
        };
        let text = String::from_utf8(bytes);
        (text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()), error)
    }
}

/// The files that are meant: those of folders in the order of their paths, which in CloudTrail's buckets is that of time.
///
/// # Errors
/// A name that is no file and no folder, or a folder without log files. All names are looked at before any file is read:
/// a typo in the last costs no work.
pub(crate) fn files(named: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        if path.as_os_str() == "-" || path.is_file() {
            files.push(path.clone());
        } else if path.is_dir() {
            let before = files.len();
            walk(path, &mut files).with_context(|| format!("cannot read the folder {}", path.display()))?;
            files[before..].sort();
            if files.len() == before {
                bail!("{} has no files that end in {}", path.display(), ENDINGS.join(", "));
            }
        } else if path.exists() {
            // A pipe, such as the shell makes of <(command).
            files.push(path.clone());
        } else {
            bail!("{} is not there; name files of JSON, folders, or - for standard input", path.display());
        }
    }
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
        // Links to folders are not followed: they may lead back here. Digests hold no events.
        if entry.file_type()?.is_dir() {
            if name != "cloudtrail-digest" {
                walk(&entry.path(), files)?;
            }
        } else if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Hands on all files, part by part; ends early when `take` says `false`.
///
/// # Errors
/// A file that cannot be read, named.
pub(crate) fn parts(files: &[PathBuf], mut take: impl FnMut(Part) -> bool) -> anyhow::Result<()> {
    for path in files {
        let file: Arc<Path> = path.as_path().into();
        let named = || format!("cannot read {}", path.display());
        let (mut reader, size): (Box<dyn BufRead>, u64) = if path.as_os_str() == "-" {
            (Box::new(io::stdin().lock()), u64::MAX)
        } else {
            let opened = File::open(path).with_context(named)?;
            let size = opened.metadata().with_context(named)?;
            (Box::new(BufReader::new(opened)), if size.is_file() { size.len() } else { u64::MAX })
        };
        if reader.fill_buf().with_context(named)?.starts_with(GZIP) {
            if size <= PACKED {
                let mut packed = Vec::new();
                reader.read_to_end(&mut packed).with_context(named)?;
                if !take(Part { file, line: 1, content: Content::Packed(packed) }) {
                    return Ok(());
                }
                continue;
            }
            reader = Box::new(BufReader::new(MultiGzDecoder::new(reader)));
        }
        if !lines(&file, &mut *reader, &mut take).with_context(named)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Reads whole lines, some megabytes at once; all of it where one document spans them.
fn lines(file: &Arc<Path>, reader: &mut dyn BufRead, take: &mut dyn FnMut(Part) -> bool) -> io::Result<bool> {
    let (mut line, mut first) = (1, true);
    loop {
        let (mut bytes, mut count) = (Vec::new(), 0);
        while bytes.len() < PART && reader.read_until(b'\n', &mut bytes)? > 0 {
            count += 1;
            if first && !bytes.trim_ascii().is_empty() {
                first = false;
                if goes_on(&String::from_utf8_lossy(&bytes)) {
                    reader.read_to_end(&mut bytes)?;
                }
            }
        }
        if bytes.is_empty() {
            return Ok(true);
        }
        if !take(Part { file: Arc::clone(file), line, content: Content::Lines(bytes) }) {
            return Ok(false);
        }
        line += count;
    }
}

/// Drawn on standard error, and only for a person.
pub(crate) fn progress() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::no_length();
    bar.set_style(
        ProgressStyle::with_template("{spinner} {human_pos} events, {per_sec}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
