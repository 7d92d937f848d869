//! The input on all cores: one thread reads, one for each core plays, and the caller settles in the order of the log.
//!
//! Parts go round the workers in turn and come back in the same turn, so that nothing needs to be sorted, and what is
//! waiting is bounded by the channels.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use anyhow::anyhow;
use keepwatch_core::engine::replay::{Played, Player};
use keepwatch_core::event::log::{entries, goes_on};

use crate::input::{Part, parts};

/// What a part holds.
pub(super) struct Batch {
    pub(super) file: Arc<Path>,
    /// Events by kind.
    pub(super) counts: BTreeMap<&'static str, usize>,
    /// Those that rules have something to say of, each with its line.
    pub(super) played: Vec<(usize, Played)>,
    /// Lines that are no events, and why.
    pub(super) unreadable: Vec<(usize, String)>,
}

/// Plays all files and hands on what they hold, in order.
///
/// # Errors
/// A file that cannot be read, and what `settle` returns.
pub(super) fn each(
    files: &[PathBuf],
    player: &Player,
    mut settle: impl FnMut(Batch) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let (mut to, mut from) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (part_in, part_out) = sync_channel::<Part>(1);
            let (batch_in, batch_out) = sync_channel(1);
            scope.spawn(move || {
                for part in part_out {
                    // Nobody settles any more when the output is closed.
                    if batch_in.send(play(player, part)).is_err() {
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
            settle(batch)?;
        }
        reader.join().map_err(|_| anyhow!("the thread that reads the files panicked"))?
    })
}

fn play(player: &Player, part: Part) -> Batch {
    let (file, first) = (Arc::clone(&part.file), part.line);
    let (text, error) = part.text();
    let mut batch = Batch::read(player, file, first, &text);
    batch.unreadable.extend(error.map(|error| (first, error)));
    batch
}

impl Batch {
    /// A document that spans lines, or else line by line.
    fn read(player: &Player, file: Arc<Path>, first: usize, text: &str) -> Batch {
        let new = || Batch {
            file: Arc::clone(&file),
            counts: BTreeMap::new(),
            played: Vec::new(),
            unreadable: Vec::new(),
        };
        let mut lines = text.split('\n').enumerate().filter(|(_, line)| !line.trim().is_empty()).peekable();
        let spans = lines.peek().is_some_and(|(_, line)| line.len() < text.len() && goes_on(line));
        if spans {
            let mut batch = new();
            batch.take_in(player, first, text);
            // A first line that was cut off is no reason to lose the others.
            if !batch.counts.is_empty() {
                return batch;
            }
        }
        let mut batch = new();
        lines.for_each(|(i, line)| batch.take_in(player, first + i, line));
        batch
    }

    fn take_in(&mut self, player: &Player, line: usize, text: &str) {
        entries(text, &mut |entry| match entry.and_then(|entry| player.play(&entry)) {
            Ok(played) => {
                *self.counts.entry(played.kind).or_default() += 1;
                if !played.is_quiet() {
                    self.played.push((line, played));
                }
            }
            Err(error) => self.unreadable.push((line, error.to_string())),
        });
    }
}
