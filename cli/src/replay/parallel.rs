//! The input on all cores: one thread reads, one for each core plays, and the caller takes in what came of it.
//!
//! Parts go round the workers in turn and come back in the same turn, so that what is waiting is bounded by the channels.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use anyhow::anyhow;
use keepwatch_base::time::Timestamp;
use keepwatch_core::engine::replay::{Heard, Played, Player};
use keepwatch_core::event::Unreadable;
use keepwatch_core::event::log::{LogEntry, entries, goes_on};
use serde::de::IgnoredAny;

use super::span::{Only, Span};
use crate::input::{Files, Part, converted, foreign, parts};
use crate::words::without_place;

/// What becomes of records that matter only if their key is known to be exposed. They can be most of a log.
#[derive(Clone, Copy)]
pub(super) enum KeyUses<'k> {
    /// They are kept: what is read cannot be read again.
    Kept,
    /// Their keys are noted.
    Noted,
    /// Those of these keys are kept, and nothing else.
    Of(&'k HashSet<String>),
}

/// How to read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'r> {
    pub(super) player: &'r Player,
    pub(super) only: &'r Only,
    pub(super) key_uses: KeyUses<'r>,
}

/// What a part holds.
pub(super) struct Batch {
    pub(super) file: Arc<Path>,
    /// Events by kind.
    pub(super) counts: BTreeMap<&'static str, usize>,
    /// When and where they happened.
    pub(super) span: Span,
    /// When the first of them happened, of those that say so.
    pub(super) first: Option<Timestamp>,
    /// Events that were not asked for.
    pub(super) left_out: usize,
    /// Those that rules have something to say of, each with its line.
    pub(super) played: Vec<(usize, Box<Played>)>,
    /// Keys of records that matter only if these are exposed, and were not kept.
    pub(super) used: HashSet<String>,
    /// Lines that are no events, and why.
    pub(super) unreadable: Vec<(usize, String)>,
    /// Nothing stands in it.
    pub(super) is_blank: bool,
    /// What the file is, where this is its beginning and none of it is an event.
    pub(super) what: Option<String>,
}

/// For how many lines it is worth to look where exactly they are broken.
const LOCATED: usize = 20;

/// Plays all files and hands on what they hold.
///
/// # Errors
/// A file that cannot be read, and what `take` returns.
pub(super) fn each(
    files: &Files,
    reading: Reading<'_>,
    mut take: impl FnMut(Batch) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let (mut to, mut from) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (part_in, part_out) = sync_channel::<Part>(1);
            let (batch_in, batch_out) = sync_channel(1);
            scope.spawn(move || {
                for part in part_out {
                    // Nobody takes anything in any more when something has failed.
                    if batch_in.send(play(reading, part)).is_err() {
                        return;
                    }
                }
            });
            to.push(part_in);
            from.push(batch_out);
        }
        let reader = scope.spawn(move || {
            let mut turn = to.iter().cycle();
            parts(files, |part| turn.next().is_some_and(|worker| worker.send(part).is_ok()))
        });
        // The first worker that has nothing for its turn is the one after the last part's.
        for batch in from.iter().cycle().map_while(|worker| worker.recv().ok()) {
            take(batch)?;
        }
        reader.join().map_err(|_| anyhow!("the thread that reads the files panicked"))?
    })
}

fn play(reading: Reading<'_>, part: Part) -> Batch {
    let (file, first) = (Arc::clone(&part.file), part.line);
    let (text, error) = part.text();
    let mut batch = Batch::read(reading, file, first, &text);
    batch.is_blank = error.is_none() && text.trim().is_empty();
    if first == 1 && !batch.has_events() && !batch.unreadable.is_empty() {
        batch.what = foreign(&batch.file, &text);
    }
    batch.unreadable.extend(error.map(|error| (first, error)));
    batch.first = batch.span.times().map(|(first, _)| first);
    batch
}

impl Batch {
    fn new(file: Arc<Path>) -> Batch {
        Batch {
            file,
            counts: BTreeMap::new(),
            span: Span::default(),
            first: None,
            left_out: 0,
            played: Vec::new(),
            used: HashSet::new(),
            unreadable: Vec::new(),
            is_blank: false,
            what: None,
        }
    }

    /// Whether something in it is an event, asked for or not.
    pub(super) fn has_events(&self) -> bool {
        !self.counts.is_empty() || self.left_out > 0
    }

    /// A document that spans lines, or else line by line.
    fn read(reading: Reading<'_>, file: Arc<Path>, first: usize, text: &str) -> Batch {
        let mut lines = text.split('\n').enumerate().filter(|(_, line)| !line.trim().is_empty()).peekable();
        let spans = lines.peek().is_some_and(|(_, line)| line.len() < text.len() && goes_on(line));
        if spans {
            let mut batch = Batch::new(Arc::clone(&file));
            batch.take_in(reading, first, text);
            // A first line that was cut off is no reason to lose the others.
            if batch.has_events() {
                return batch;
            }
        }
        let mut batch = Batch::new(file);
        lines.for_each(|(i, line)| batch.take_in(reading, first + i, line));
        batch
    }

    fn take_in(&mut self, reading: Reading<'_>, line: usize, text: &str) {
        let mut others = Vec::new();
        self.take_in_but(reading, line, text, &mut |other| {
            let records = converted(other);
            let found = records.is_some();
            others.extend(records);
            found
        });
        // What is no event as it stands may hold records in another form; these are.
        for record in others.into_iter().flatten() {
            self.take_in_but(reading, line, &record, &mut |_| false);
        }
    }

    /// Takes in what is an event. What is an object of no kind that AWS sends is shown to `other` before it is named.
    fn take_in_but(
        &mut self,
        reading: Reading<'_>,
        line: usize,
        text: &str,
        other: &mut dyn FnMut(&str) -> bool,
    ) {
        entries(text, &mut |entry| {
            let own = entry.as_ref().map_or("", LogEntry::text);
            let taken = entry.and_then(|entry| {
                if let LogEntry::Record(outline, _) = &entry {
                    let (account, region) = (outline.header().account, outline.aws_region.or_empty());
                    if !self.wants(reading, outline.event_time.or_empty(), account, region) {
                        return Ok(());
                    }
                }
                let heard = match reading.player.hear(&entry) {
                    Err(Unreadable::NoKind) if other(entry.text()) => return Ok(()),
                    heard => heard?,
                };
                match heard {
                    Heard::Nothing(kind) => self.count(kind),
                    Heard::KeyUse(used) => {
                        self.count("cloudtrail");
                        let key = used.access_key_id;
                        match reading.key_uses {
                            KeyUses::Kept => self.put(line, Box::new(used.played()?)),
                            KeyUses::Of(keys) if keys.contains(key) => {
                                self.put(line, Box::new(used.played()?));
                            }
                            KeyUses::Of(_) => {}
                            KeyUses::Noted => {
                                if !self.used.contains(key) {
                                    self.used.insert(key.to_owned());
                                }
                            }
                        }
                    }
                    Heard::Played(played) => self.keep(reading, line, &entry, played),
                }
                Ok(())
            });
            if let Err(error) = taken {
                let locate = self.unreadable.len() < LOCATED;
                self.unreadable.push(if locate {
                    located(line, text, own, &error)
                } else {
                    (line, error.to_string())
                });
            }
        });
    }

    fn keep(&mut self, reading: Reading<'_>, line: usize, entry: &LogEntry<'_>, played: Box<Played>) {
        let is_record = matches!(entry, LogEntry::Record(..));
        let at = played.at.map(|at| at.to_string()).unwrap_or_default();
        if !is_record && !self.wants(reading, &at, &played.account, &played.region) {
            return;
        }
        self.count(played.kind);
        if !matches!(reading.key_uses, KeyUses::Of(_)) && !played.is_quiet() {
            self.put(line, played);
        }
    }

    /// An event without a time happened when the one before it did.
    fn put(&mut self, line: usize, mut played: Box<Played>) {
        if played.at.is_none()
            && let Some(before) = self.span.latest()
        {
            played.assume(before);
        }
        self.played.push((line, played));
    }

    /// Whether an event of this time, account and region is asked for; it is noted either way.
    fn wants(&mut self, reading: Reading<'_>, at: &str, account: &str, region: &str) -> bool {
        let wanted = reading.only.wants(at, account, region);
        if wanted {
            self.span.note(at, account, region);
        } else {
            self.left_out += 1;
        }
        wanted
    }

    fn count(&mut self, kind: &'static str) {
        *self.counts.entry(kind).or_default() += 1;
    }
}

/// The line of the file on which something is no event, and what is wrong there. The text begins on line `first`; `own` is the part
/// of it that was read, if it got so far.
fn located(first: usize, text: &str, own: &str, error: &Unreadable) -> (usize, String) {
    let said = error.to_string();
    let Unreadable::Json(_) = error else {
        let before = own.as_ptr().addr().checked_sub(text.as_ptr().addr());
        let before = before.and_then(|at| text.as_bytes().get(..at)).unwrap_or_default();
        return (first + before.iter().filter(|byte| **byte == b'\n').count(), said);
    };
    // The parser counts from where it began, which may be an item of a list.
    let words = without_place(&said);
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match values.find_map(Result::err) {
        Some(broken) => (first + broken.line().max(1) - 1, format!("{words}, at column {}", broken.column())),
        None => (first, words.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_is_told_with_its_own_line() {
        let told = |text: &str| {
            let mut all = Vec::new();
            entries(text, &mut |entry| {
                if let Err(error) = entry {
                    all.push(located(7, text, "", &error));
                }
            });
            all
        };
        let says = |line: usize, words: &str| vec![(line, format!("this is not an event: {words}"))];
        assert_eq!(told("Text."), says(7, "expected value, at column 1"));
        assert_eq!(
            told("{\"Records\": [\n{},\n{\"a\": 1,, }]}"),
            says(9, "key must be a string, at column 9")
        );
        let text = "[{},\n{\"b\": 1}]";
        let own = &text[text.find("{\"b").unwrap()..];
        assert_eq!(located(1, text, own, &Unreadable::NoKind).0, 2);
        assert_eq!(located(3, text, "elsewhere", &Unreadable::NoKind).0, 3);
    }
}
