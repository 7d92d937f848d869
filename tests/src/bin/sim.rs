//! Runs the simulation over many seeds, on all cores, and says what it has covered.
//!
//! `sim --seeds N [--first SEED] [--threads T]` runs seeds; `sim --seed N [--trace]` runs one and can tell all that
//! happens in it. `--sabotage NAME` breaks the logic on purpose, to see that a check notices.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, anyhow, bail};
use keepwatch_tests::sim::{Options, Sabotage, Tally, Violation, run};

struct Arguments {
    seeds: u64,
    first: u64,
    threads: usize,
    one: Option<u64>,
    options: Options,
}

impl Arguments {
    fn read() -> anyhow::Result<Arguments> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut read =
            Arguments { seeds: 100_000, first: 0, threads, one: None, options: Options::default() };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            if word == "--trace" {
                read.options.trace = true;
                continue;
            }
            let value = words.next().with_context(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--seeds" => read.seeds = value.parse()?,
                "--first" => read.first = value.parse()?,
                "--threads" => read.threads = value.parse()?,
                "--seed" => read.one = Some(value.parse()?),
                "--sabotage" => {
                    let known =
                        Sabotage::named(&value).ok_or_else(|| anyhow!("there is no sabotage {value}"))?;
                    read.options.sabotage = Some(known);
                }
                _ => bail!("there is no argument {word}"),
            }
        }
        Ok(read)
    }
}

/// Seeds after so many failures are not worth their time.
const ENOUGH: usize = 20;

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::read()?;
    let mut out = io::stdout().lock();
    if let Some(seed) = arguments.one {
        let outcome = run(seed, arguments.options);
        for line in &outcome.trace {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "{}", outcome.tally)?;
        return verdict(&mut out, &[(seed, outcome.violations)], 1);
    }
    let begin = Instant::now();
    let (tally, failed) = all(&arguments);
    let seconds = begin.elapsed().as_secs_f64();
    writeln!(out, "{tally}")?;
    let done = tally.total("seeds done");
    writeln!(
        out,
        "{done} seeds in {seconds:.1} s on {} threads: {:.0} a second",
        arguments.threads,
        done as f64 / seconds
    )?;
    verdict(&mut out, &failed, done)
}

/// Runs all seeds, each by itself, on as many threads as there are cores.
fn all(arguments: &Arguments) -> (Tally, Vec<(u64, Vec<Violation>)>) {
    let next = AtomicU64::new(arguments.first);
    let end = arguments.first.saturating_add(arguments.seeds);
    let work = || {
        let (mut tally, mut failed) = (Tally::default(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return (tally, failed);
            }
            let outcome = run(seed, arguments.options);
            tally.merge(&outcome.tally);
            tally.count("seeds done", "all");
            if !outcome.violations.is_empty() {
                failed.push((seed, outcome.violations));
                if failed.len() >= ENOUGH {
                    next.store(end, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..arguments.threads).map(|_| scope.spawn(work)).collect();
        let (mut tally, mut failed) = (Tally::default(), Vec::new());
        for thread in threads {
            if let Ok((of, bad)) = thread.join() {
                tally.merge(&of);
                failed.extend(bad);
            }
        }
        failed.sort_by_key(|(seed, _)| *seed);
        (tally, failed)
    })
}

fn verdict(
    out: &mut impl io::Write,
    failed: &[(u64, Vec<Violation>)],
    done: u64,
) -> anyhow::Result<ExitCode> {
    let mut held = true;
    for (seed, violations) in failed.iter().filter(|(_, violations)| !violations.is_empty()) {
        held = false;
        for Violation { invariant, what } in violations.iter().take(4) {
            writeln!(out, "seed {seed}: {invariant}: {what}")?;
        }
        writeln!(
            out,
            "  cargo run --locked --release -p keepwatch-tests --bin sim -- --seed {seed} --trace"
        )?;
    }
    if held {
        writeln!(
            out,
            "All invariants held in {done} seeds: I1 I2 I3 I4 I5 I6 I9 I12, suppressions are obeyed and announced, \
             the daily call is missed when it is lost and only then, and no \
             planted row or forged message holds an alert back."
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
