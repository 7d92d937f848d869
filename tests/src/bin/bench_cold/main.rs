//! What a cold start of detect costs, beside an empty function in the same run: size, start, memory, CPU, and the
//! first alert at the share of a core that Lambda gives 128 MB. Ends with an error when a bound is missed.
//!
//! Build all three binaries with the same profile; `make bench-cold` does.

mod measure;
mod table;

use std::io::{self, Write as _};
use std::process::ExitCode;

use keepwatch_tests::throttle::Throttle;
use measure::{Bench, median, millis};
use table::{Bound, Row, Table};

/// The memory of the function whose share of a core is given, in MB.
const MEMORY_MB: u64 = 128;

fn main() -> anyhow::Result<ExitCode> {
    let throttle = Throttle::of_memory(MEMORY_MB);
    let bench = Bench::new()?;
    let mut table = Table::default();

    let (noop, detect) = bench.sizes()?;
    table.add(Row::new("binary, MiB", noop, detect).bound(Bound::Detect(7.0)));

    let starts = bench.starts()?;
    let best = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
    table.add(
        Row::new("spawn to first /next, best, ms", best(&starts.noop), best(&starts.tls))
            .bound(Bound::Ratio(10.0)),
    );
    table.add(Row::new("  median", median(&starts.noop), median(&starts.tls)));
    table.add(Row::new("  best, AWS without TLS", best(&starts.noop), best(&starts.plain)));

    let (noop, detect) = (bench.quiet(&bench.noop)?, bench.quiet(&bench.detect)?);
    table.add(Row::new("CPU of an event that no rule matches, µs", noop.cpu_us, detect.cpu_us));
    table.add(Row::new("resident after the first event, MiB", noop.resident, detect.resident));
    table.add(Row::new("resident at its peak, MiB", noop.peak, detect.peak).bound(Bound::Detect(16.0)));

    let alerts = bench.alerts(&throttle)?;
    let (cold, warm) = (median(&alerts.cold), median(&alerts.warm));
    let first = Row::alone("first alert, throttled, median, ms", millis(cold));
    table.add(first.against(millis(warm)).bound(Bound::Ratio(3.0)));
    table.add(Row::alone("  the same, warm", millis(warm)));
    let (cold, warm) = (median(&alerts.cold_cpu), median(&alerts.warm_cpu));
    table.add(Row::alone("  CPU of the first alert, ms", millis(cold)).against(millis(warm)));
    table.add(Row::alone("  CPU of a warm alert, ms", millis(warm)));

    let mut out = io::stdout().lock();
    writeln!(out, "Cold start of detect and of an empty function, {} starts each.", measure::RUNS)?;
    writeln!(out, "Throttled from the first /next on: {}.", throttle.name())?;
    writeln!(out, "Trusted roots: {}.\n\n{table}", bench.roots)?;
    Ok(if table.met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
