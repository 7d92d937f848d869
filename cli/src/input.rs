//! Lines of files and of standard input, with progress for those who wait.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};

/// How a gzip file begins (RFC 1952).
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Where a line stands.
pub(crate) struct Place<'a> {
    pub(crate) file: &'a Path,
    pub(crate) line: usize,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// Calls `each` for every line that is not blank. `-` is standard input.
///
/// # Errors
/// A file that cannot be read, named.
pub(crate) fn lines(
    files: &[PathBuf],
    mut each: impl FnMut(&Place<'_>, &str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // All files are looked at before the first is read: a typo in the last name costs no work.
    for file in files.iter().filter(|file| file.as_os_str() != "-") {
        if file.is_dir() || !file.exists() {
            bail!("{} is not a file; name files of JSON lines, or - for standard input", file.display());
        }
    }
    let progress = progress();
    for file in files {
        let reader: Box<dyn BufRead> = if file.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            Box::new(BufReader::new(
                File::open(file).with_context(|| format!("cannot open {}", file.display()))?,
            ))
        };
        for (i, line) in reader.split(b'\n').enumerate() {
            let line = line.with_context(|| format!("cannot read {}", file.display()))?;
            if i == 0 && line.starts_with(GZIP) {
                bail!("{} is compressed; pipe it: gunzip -c {0} | keepwatch replay -", file.display());
            }
            let place = Place { file, line: i + 1 };
            // A line that is not UTF-8 goes on as far as it can be read; JSON will say what is wrong with it.
            let line = String::from_utf8_lossy(&line);
            if !line.trim().is_empty() {
                each(&place, line.trim())?;
            }
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    Ok(())
}

/// Drawn on standard error, and only for a person.
fn progress() -> ProgressBar {
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
