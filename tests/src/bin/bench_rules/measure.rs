//! The clock. The contenders take turns, so that a busy moment of the machine falls on all of them, and the fastest turn
//! of each counts: whatever made a turn slower was not the code.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::contenders::Builtin;
use crate::corpus::Corpus;

/// How many turns each has.
pub(crate) const ROUNDS: usize = 7;

/// How long a turn takes at least.
const TURN: Duration = Duration::from_millis(150);

/// What is measured, by name; it returns how much it found.
pub(crate) type Contender<'c> = (&'static str, Box<dyn FnMut() -> usize + 'c>);

/// What one event costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) micros: f64,
}

/// The fastest turn of each, by name. `events` is how many one call reads.
pub(crate) fn fastest(contenders: &mut [Contender<'_>], events: usize) -> BTreeMap<&'static str, Measured> {
    let mut best: BTreeMap<&str, Measured> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (name, contender) in contenders.iter_mut() {
            let begin = Instant::now();
            let mut calls = 0_usize;
            while begin.elapsed() < TURN {
                black_box(contender());
                calls += 1;
            }
            let micros = begin.elapsed().as_secs_f64() * 1e6 / (calls * events) as f64;
            let known = best.entry(name).or_insert(Measured { micros });
            known.micros = known.micros.min(micros);
        }
    }
    best
}

/// What an event costs with one thread and with one for each core, and how many those are.
pub(crate) fn on_all_cores(corpus: &Corpus, rules: &Builtin) -> (Measured, Measured, usize) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let best = |threads: usize| {
        let turns = (0..ROUNDS).map(|_| together(corpus, rules, threads));
        Measured { micros: turns.fold(f64::INFINITY, f64::min) }
    };
    (best(1), best(cores), cores)
}

fn together(corpus: &Corpus, rules: &Builtin, threads: usize) -> f64 {
    /// Enough for the threads' own start to be nothing.
    const CALLS: usize = 8;
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                (0..CALLS).for_each(|_| {
                    black_box(rules.count_files(corpus));
                })
            });
        }
    });
    begin.elapsed().as_secs_f64() * 1e6 / (threads * CALLS * corpus.len()) as f64
}
