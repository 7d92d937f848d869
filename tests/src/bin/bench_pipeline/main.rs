//! The pipeline under load: events from the queue to the mail, through the compiled `detect` and `notify`, with tables that answer
//! in 5 ms. How long a CRITICAL alert takes is compared with how long it takes when nothing else happens, in the same run.
//!
//! `bench-pipeline --rates 10,100,1000 --seconds 30`. Ends with an error when a bound is missed. A rate for which the machine has
//! not enough cores is said to be that; there a message must not fail either, but how long an alert takes is not judged.

mod cost;
mod measure;
mod mix;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use keepwatch_tests::pipeline::{BATCH, COPIES};

use measure::{Load, Measured};
use mix::Mix;

/// How long the tables and topics take for an answer.
const LATENCY: Duration = Duration::from_millis(5);

/// How many times its unloaded value the 99th percentile of a CRITICAL alert may be.
const SLOWER: f64 = 3.0;

struct Arguments {
    rates: Vec<u32>,
    seconds: u64,
}

impl Arguments {
    fn read() -> anyhow::Result<Arguments> {
        let mut read = Arguments { rates: vec![10, 100, 1_000], seconds: 30 };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let value = words.next().with_context(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--rates" => read.rates = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
                "--seconds" => read.seconds = value.parse()?,
                _ => bail!("there is no argument {word}: --rates 10,100,1000 --seconds 30"),
            }
        }
        Ok(read)
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { rates, seconds } = Arguments::read()?;
    let mix = Mix::new();
    let mut out = io::stdout().lock();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    writeln!(
        out,
        "{COPIES} copies of detect, batches of {BATCH}, one notify, on {cores} cores. Answers of AWS take {} ms.\n",
        LATENCY.as_millis()
    )?;
    writeln!(out, "{}", Measured::HEADING)?;
    let seconds = Duration::from_secs(seconds);
    let unloaded = measure::run(&mix, Load { name: "nothing else", rate: 0, hot: false }, seconds)?;
    writeln!(out, "{}", unloaded.line(&unloaded))?;
    let (mut met, mut unjudged) = (unloaded.nothing_failed(), Vec::new());
    for rate in rates {
        for (name, hot) in [("ordinary", false), ("one hot principal", true)] {
            // What is slower than that shows as well in half the time.
            let seconds = if rate >= 1_000 { seconds / 2 } else { seconds };
            let measured = measure::run(&mix, Load { name, rate, hot }, seconds)?;
            writeln!(out, "{}", measured.line(&unloaded))?;
            for complaint in measured.complaints() {
                writeln!(out, "      {complaint}")?;
            }
            met &= measured.nothing_failed();
            if measured.machine_is_the_limit() {
                unjudged.push(format!("{rate} ({name})"));
            } else {
                met &= measured.ratio(&unloaded) <= SLOWER;
            }
        }
    }
    let word = if met { "met" } else { "missed" };
    writeln!(
        out,
        "\nNo message fails, and p99 of a CRITICAL is at most {SLOWER}x its unloaded value: {word}"
    )?;
    if !unjudged.is_empty() {
        writeln!(out, "Too much for this machine to judge p99 by: {} events a second", unjudged.join(", "))?;
    }
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
