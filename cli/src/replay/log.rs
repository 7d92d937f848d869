//! A log, read from its files.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use keepwatch_aws::runtime::now;
use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;
use keepwatch_core::engine::replay::Player;

use super::order::{self, Ordered};
use super::parallel::{self, Batch, KeyUses, Reading};
use super::span::{Only, Span};
use crate::input::{self, Files};

/// A log that has been read: what rules have something to say of, and what is known of the rest.
pub(super) struct Log {
    pub(super) about: About,
    pub(super) ordered: Ordered,
}

/// How many lines and files are named that cannot be read, so that a file of another kind does not flood the terminal.
const NAMED: usize = 20;

/// What is known of a log as a whole.
#[derive(Default)]
pub(super) struct About {
    /// Events by kind.
    pub(super) by_kind: BTreeMap<&'static str, usize>,
    pub(super) span: Span,
    /// Files, lines and parts of them that are no events.
    pub(super) unreadable: usize,
    /// Events that were not asked for.
    pub(super) left_out: usize,
    /// Digest files that were passed over.
    pub(super) digests: usize,
    /// Files in which there is nothing.
    pub(super) empty: Vec<PathBuf>,
    /// The file that is being read.
    file: Option<OneFile>,
    /// Those in which something stands.
    full: HashSet<Arc<Path>>,
}

/// What is known of the file that is being read.
struct OneFile {
    path: Arc<Path>,
    /// Something stands in it.
    is_full: bool,
    /// There is an event in it.
    is_log: bool,
    /// What it is in which no event was found so far.
    what: Option<String>,
    /// The first lines and parts that are no events, and why.
    odd: Vec<(usize, String)>,
    /// How many there are of those.
    count: usize,
}

impl About {
    /// All events that were asked for.
    pub(super) fn events(&self) -> usize {
        self.by_kind.values().sum()
    }
}

impl Log {
    /// Reads all files; a second time for what was done with a key that turns out to be exposed.
    pub(super) fn read(files: &Files, player: &Player, only: &Only) -> anyhow::Result<Log> {
        let mut log = Log { about: About::default(), ordered: Ordered::new(order::KEPT) };
        let progress = input::progress();
        let again = files.can_be_read_twice();
        let key_uses = if again { KeyUses::Noted } else { KeyUses::Kept };
        let (mut used, mut exposed) = (HashSet::new(), HashSet::new());
        let places = Places::new(&files.paths);
        parallel::each(files, Reading { player, only, key_uses }, |mut batch| {
            progress.inc(batch.counts.values().sum::<usize>() as u64);
            used.extend(std::mem::take(&mut batch.used));
            let exposes = batch.played.iter().flat_map(|(_, played)| played.exposes());
            exposed.extend(exposes.map(|(_, key)| key.to_owned()));
            log.about.take_in(&mut batch);
            log.keep(&places, batch)
        })?;
        log.about.close();
        let full = std::mem::take(&mut log.about.full);
        log.about.empty = files.paths.iter().filter(|path| !full.contains(path.as_path())).cloned().collect();
        exposed.retain(|key| used.contains(key));
        if !exposed.is_empty() {
            let reading = Reading { player, only, key_uses: KeyUses::Of(&exposed) };
            parallel::each(files, reading, |batch| log.keep(&places, batch))?;
        }
        progress.finish_and_clear();
        Ok(log)
    }

    fn keep(&mut self, places: &Places, batch: Batch) -> anyhow::Result<()> {
        let file = places.of(&batch.file);
        for (line, mut played) in batch.played {
            // Nothing before it says when; what comes after it may, or else its file.
            if played.at.is_none() {
                played.assume(batch.first.unwrap_or_else(|| modified(&batch.file)));
            }
            self.ordered.push((file, u32::try_from(line).unwrap_or(u32::MAX)), played)?;
        }
        Ok(())
    }
}

/// When a file was last written; now, where that is not known.
fn modified(file: &Path) -> Timestamp {
    let modified = fs::metadata(file).and_then(|about| about.modified()).ok();
    let since = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or_else(now, |since| Timestamp::default().plus(since))
}

/// The numbers of the files.
struct Places(BTreeMap<PathBuf, u32>);

impl Places {
    fn new(files: &[PathBuf]) -> Places {
        Places(files.iter().cloned().zip(0..).collect())
    }

    fn of(&self, file: &Path) -> u32 {
        self.0.get(file).copied().unwrap_or(u32::MAX)
    }
}

impl About {
    /// Takes in what is known of a part. Parts of one file follow one another.
    fn take_in(&mut self, batch: &mut Batch) {
        for (kind, count) in &batch.counts {
            *self.by_kind.entry(kind).or_default() += count;
        }
        self.left_out += batch.left_out;
        self.span.merge(std::mem::take(&mut batch.span));
        if self.file.as_ref().is_some_and(|file| file.path != batch.file) {
            self.close();
        }
        let file = self.file.get_or_insert_with(|| OneFile {
            path: Arc::clone(&batch.file),
            is_full: false,
            is_log: false,
            what: None,
            odd: Vec::new(),
            count: 0,
        });
        file.is_full |= !batch.is_blank;
        file.is_log |= batch.has_events();
        file.what = file.what.take().or_else(|| batch.what.take());
        file.count += batch.unreadable.len();
        // One more than is named, which says that there are more.
        let room = (NAMED + 1).saturating_sub(file.odd.len());
        file.odd.extend(batch.unreadable.drain(..).take(room));
    }

    /// Says what of a file cannot be read: of a log its lines, of anything else what it is.
    fn close(&mut self) {
        let Some(file) = self.file.take() else { return };
        let path = file.path.display().to_string();
        if file.is_full {
            self.full.insert(file.path);
        }
        if let Some(what) = file.what.filter(|_| !file.is_log) {
            return self.skip(&path, &what);
        }
        for (line, reason) in &file.odd {
            self.skip(&format!("{path}:{line}"), reason);
        }
        self.unreadable += file.count - file.odd.len();
    }

    /// Names what cannot be read, as long as not too much is named.
    fn skip(&mut self, place: &str, reason: &str) {
        self.unreadable += 1;
        if self.unreadable <= NAMED {
            anstream::eprintln!("{place}: {}", clean(reason, 600));
        } else if self.unreadable == NAMED + 1 {
            anstream::eprintln!(
                "more cannot be read; CloudTrail records or EventBridge envelopes are expected, as a trail's bucket, `aws cloudtrail lookup-events` or a query for eventJson have them"
            );
        }
    }
}
