//! Files, folders and standard input, in parts that can be worked on at the same time.

mod bucket;
mod exports;
mod foreign;
mod long;
mod names;
mod size;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use flate2::bufread::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use keepwatch_core::event::log::goes_on;

pub(crate) use self::bucket::Between;
use self::bucket::Fetched;
pub(crate) use self::exports::converted;
pub(crate) use self::foreign::foreign;
use self::names::{ENDINGS, is_digest};
use self::size::PART;

/// How a gzip file begins (RFC 1952).
const GZIP: &[u8] = &[0x1f, 0x8b];

/// A compressed file up to this size is unpacked by whoever works on it. CloudTrail's own are smaller.
const PACKED: u64 = 4 << 20;

/// What a compressed file of that size may unpack to. More is taken for an attack or a mistake.
const UNPACKED: u64 = 1 << 30;

/// Whole lines of a file, or whole events.
pub(crate) struct Part {
    pub(crate) file: Arc<Path>,
    /// The number of the first, from 1.
    pub(crate) line: usize,
    content: Content,
}

enum Content {
    Lines(Vec<u8>),
    Packed(Vec<u8>),
    /// Nothing that can be read, and why.
    Refused(String),
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
            Content::Refused(reason) => (Vec::new(), Some(reason)),
        };
        let text = String::from_utf8(bytes);
        (text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()), error)
    }
}

/// The files that are meant.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// Those to read: of folders in the order of their paths, which in CloudTrail's buckets is that of time.
    pub(crate) paths: Vec<PathBuf>,
    /// CloudTrail's digest files, which are passed over.
    pub(crate) digests: usize,
    /// What was fetched of those whose names begin with `s3://`.
    fetched: Fetched,
}

/// The files that are meant by these names, those of buckets fetched with the credentials of this profile.
///
/// # Errors
/// A name that is no file and no folder, a folder without log files, or a bucket that cannot be read. All other names are
/// looked at before anything is fetched or read: a typo in the last costs no work.
pub(crate) async fn files(
    named: &[PathBuf],
    profile: Option<&str>,
    between: Between,
) -> anyhow::Result<Files> {
    let mut files = Files::default();
    let (buckets, here): (Vec<&PathBuf>, Vec<&PathBuf>) =
        named.iter().partition(|path| bucket::is_meant(path));
    for path in here {
        if path.as_os_str() == "-" || path.is_file() {
            files.paths.push(path.clone());
        } else if path.is_dir() {
            let before = files.paths.len();
            files.walk(path).with_context(|| format!("cannot read the folder {}", path.display()))?;
            files.paths[before..].sort();
            if files.paths.len() == before {
                bail!("{} has no files that end in {}", path.display(), ENDINGS.join(", "));
            }
        } else if path.exists() {
            // A pipe, such as the shell makes of <(command).
            files.paths.push(path.clone());
        } else {
            let path = path.display();
            bail!(
                "{path} is not there; name files of JSON, folders, s3://BUCKET/PREFIX, or - for standard input"
            );
        }
    }
    for path in buckets {
        bucket::fetch(path, profile, between, &mut files.fetched).await?;
    }
    files.paths.extend_from_slice(files.fetched.paths());
    files.digests += files.fetched.digests;
    Ok(files)
}

impl Files {
    /// Whether all that was read once is there a second time, which is not so with a pipe.
    pub(crate) fn can_be_read_twice(&self) -> bool {
        self.paths.iter().all(|path| bucket::is_meant(path) || path.is_file())
    }

    fn walk(&mut self, folder: &Path) -> io::Result<()> {
        let digests = folder.file_name().is_some_and(|name| is_digest(&name.to_string_lossy()));
        self.list(folder, digests)
    }

    fn list(&mut self, folder: &Path, digests: bool) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
            // Links to folders are not followed: they may lead back here.
            if entry.file_type()?.is_dir() {
                self.list(&entry.path(), digests || is_digest(&name))?;
            } else if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                match digests {
                    true => self.digests += 1,
                    false => self.paths.push(entry.path()),
                }
            }
        }
        Ok(())
    }
}

/// Hands on all files, part by part; ends early when `take` says `false`.
///
/// # Errors
/// A file that cannot be read, named.
pub(crate) fn parts(files: &Files, mut take: impl FnMut(Part) -> bool) -> anyhow::Result<()> {
    for path in &files.paths {
        let file: Arc<Path> = path.as_path().into();
        let named = || format!("cannot read {}", path.display());
        let (mut reader, size): (Box<dyn BufRead>, u64) = if path.as_os_str() == "-" {
            (Box::new(io::stdin().lock()), u64::MAX)
        } else if let Some((bytes, size)) = files.fetched.open(path).with_context(named)? {
            (Box::new(BufReader::new(bytes)), size)
        } else {
            let opened = File::open(path).with_context(named)?;
            let size = opened.metadata().with_context(named)?;
            (Box::new(BufReader::new(opened)), if size.is_file() { size.len() } else { u64::MAX })
        };
        if reader.fill_buf().with_context(named)?.starts_with(GZIP) {
            let is_csv = path.to_string_lossy().to_ascii_lowercase().ends_with(".csv.gz");
            if size <= PACKED && !is_csv {
                let mut packed = Vec::new();
                reader.read_to_end(&mut packed).with_context(named)?;
                if !take(Part { file, line: 1, content: Content::Packed(packed) }) {
                    return Ok(());
                }
                continue;
            }
            reader = Box::new(BufReader::new(MultiGzDecoder::new(reader)));
        }
        let read = Source { file: &file, take: &mut take }.read(&mut *reader);
        match read {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            // What was read before a break is told; the rest of the files are no worse for it.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
                ) =>
            {
                let reason = format!("it cannot be unpacked to its end: {error}");
                if !take(Part { file, line: 1, content: Content::Refused(reason) }) {
                    return Ok(());
                }
            }
            Err(error) => return Err(error).with_context(named),
        }
    }
    Ok(())
}

/// A file that is being read, and who takes its parts.
struct Source<'s> {
    file: &'s Arc<Path>,
    take: &'s mut dyn FnMut(Part) -> bool,
}

impl Source<'_> {
    /// Hands on a part; `false` when nobody wants any more.
    fn hand_on(&mut self, line: usize, bytes: Vec<u8>) -> bool {
        (self.take)(Part { file: Arc::clone(self.file), line, content: Content::Lines(bytes) })
    }

    fn read(&mut self, reader: &mut dyn BufRead) -> io::Result<bool> {
        let begin = reader.fill_buf()?;
        if let Some(reason) = exports::refusal(begin) {
            return Ok((self.take)(Part {
                file: Arc::clone(self.file),
                line: 1,
                content: Content::Refused(reason),
            }));
        }
        if exports::is_csv(begin) {
            return exports::csv(reader, &mut |line, bytes| self.hand_on(line, bytes));
        }
        self.lines(reader)
    }

    /// Reads whole lines, some megabytes at once; all of it where one document spans them, and of a line that is longer than a
    /// part whole events.
    fn lines(&mut self, reader: &mut dyn BufRead) -> io::Result<bool> {
        let (mut line, mut first) = (1, true);
        loop {
            let (mut bytes, mut count) = (Vec::new(), 0);
            while bytes.len() < PART {
                let before = bytes.len();
                let most = (2 * PART - before) as u64;
                if (&mut *reader).take(most).read_until(b'\n', &mut bytes)? == 0 {
                    break;
                }
                if bytes.last() != Some(&b'\n') && bytes.len() - before >= PART {
                    let long = bytes.split_off(before);
                    if !bytes.is_empty() && !self.hand_on(line, std::mem::take(&mut bytes)) {
                        return Ok(false);
                    }
                    line += count;
                    if !long::events(long, reader, &mut |some| self.hand_on(line, some))? {
                        return Ok(false);
                    }
                    (first, count) = (false, 1);
                    continue;
                }
                count += 1;
                if first && !bytes.trim_ascii().is_empty() {
                    first = false;
                    if goes_on(&String::from_utf8_lossy(&bytes)) {
                        reader.read_to_end(&mut bytes)?;
                    }
                }
            }
            if bytes.is_empty() && count == 0 {
                return Ok(true);
            }
            if !bytes.is_empty() && !self.hand_on(line, bytes) {
                return Ok(false);
            }
            line += count;
        }
    }
}

/// Drawn on standard error, and only for a person.
pub(crate) fn progress() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::no_length();
    bar.set_style(
        ProgressStyle::with_template("{spinner} {human_pos} events")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
