//! Prints the mails of four ordinary weeks: `bench-noise`, or `bench-noise --full` with each mail's text.

use std::io::{self, Write as _};
use std::process::ExitCode;

use keepwatch_tests::noise::{WEEKS, run};

fn main() -> anyhow::Result<ExitCode> {
    let full = std::env::args().any(|word| word == "--full");
    let outcome = run();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} events in {WEEKS} weeks, of which EventBridge brings {}; {} findings",
        outcome.events,
        outcome.brought,
        outcome.findings.values().sum::<usize>()
    )?;
    for ((severity, rule), count) in &outcome.findings {
        writeln!(out, "  {count:>4} {:<13} {rule}", severity.0.as_str())?;
    }
    for week in 0..WEEKS {
        let letters = outcome.mails.iter().filter(|mail| mail.week == week && mail.letter).count();
        writeln!(
            out,
            "\nweek {}: {} alerts, {letters} digests and reports",
            week + 1,
            outcome.alerts(week).count()
        )?;
        for mail in outcome.alerts(week) {
            writeln!(out, "  {}  {}", mail.at, mail.subject)?;
            if full {
                writeln!(out, "{}\n", mail.text)?;
            }
        }
    }
    for error in &outcome.errors {
        writeln!(out, "{error}")?;
    }
    Ok(if outcome.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
