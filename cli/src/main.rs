//! `keepwatch`: the command line. Its commands run the same rules as the Lambdas, and change the same tables.

mod account;
mod catalogue;
mod checks;
mod doctor;
mod failure;
mod findings;
mod input;
mod operator;
mod output;
mod policy;
mod principal;
mod progress;
mod redrive;
mod replay;
mod rules;
mod scan;
mod screen;
mod settings;
#[cfg(feature = "sigma")]
mod sigma;
mod suppress;
mod table;
mod test_alert;
mod tune;
mod words;

use std::future::Future;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

/// A replay of many findings spends a seventh of its time in glibc's allocator (`make bench-rules EVENTS=folder`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Keepwatch on the command line: findings and what silences them, the rules, and an account's own logs through them.
#[derive(Parser)]
#[command(
    name = "keepwatch",
    version,
    after_help = "Exit codes: 0 done, 1 the command found a problem, 2 wrong use or unreadable input, 3 AWS refused or cannot be reached."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists findings, shows them, acknowledges and resolves them.
    Findings(findings::Findings),
    /// What is silenced: recorded all the same, and nobody is mailed about it.
    Suppress(suppress::Suppress),
    /// Changes the severity or threshold of a rule, and the lists that rules use.
    Tune(tune::Tune),
    /// Suppressions, tuning and lists as a file that can lie under version control.
    Settings(settings::SettingsFile),
    /// Looks whether what is deployed hears, judges and tells: one line each, with the command that mends it.
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::Doctor),
    /// Sends a harmless event through everything that is deployed, and waits until its mail is published.
    #[command(after_help = test_alert::HELP)]
    TestAlert(test_alert::TestAlert),
    /// Shows what was given up and could not be judged, followed or told, and returns it.
    #[command(after_help = redrive::HELP)]
    Redrive(redrive::Redrive),
    /// What the rules are.
    #[command(subcommand)]
    Rules(rules::RulesCommand),
    /// What policy documents say, without an account.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Looks at an account as it is, and judges it by the checks; nothing of Keepwatch need be deployed.
    #[command(after_help = scan::HELP)]
    Scan(scan::Scan),
    /// What the checks are.
    #[command(subcommand)]
    Checks(checks::ChecksCommand),
    Replay(replay::Replay),
    /// Prints a completion script for your shell: keepwatch completions bash > /etc/bash_completion.d/keepwatch.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Writes the manual's pages, one for each command: keepwatch man ~/.local/share/man/man1 && man keepwatch-replay.
    Man {
        /// The folder to write them into, which is made if it is not there.
        folder: std::path::PathBuf,
    },
}

/// How to print.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// For machines: one JSON object a line.
    Ndjson,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Findings(command) => wait(findings::run(&command)),
        Command::Suppress(command) => wait(suppress::run(&command)),
        Command::Tune(command) => wait(tune::run(&command)),
        Command::Settings(command) => wait(settings::run(&command)),
        Command::Doctor(command) => wait(doctor::run(&command)),
        Command::TestAlert(command) => wait(test_alert::run(&command)),
        Command::Redrive(command) => wait(redrive::run(&command)),
        Command::Rules(command) => rules::run(&command),
        Command::Policy(command) => policy::run(&command),
        Command::Scan(command) => wait(scan::run(&command)),
        Command::Checks(command) => checks::run(&command),
        Command::Replay(command) => wait(replay::run(&command)),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "keepwatch", &mut script);
            // The generator would panic where the pipe is closed.
            std::io::stdout().write_all(&script).map(|()| ExitCode::SUCCESS).map_err(anyhow::Error::from)
        }
        Command::Man { folder } => manual(&folder),
    };
    match outcome {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::from(error.downcast_ref::<failure::Failure>().map_or(2, |failure| failure.code))
        }
    }
}

/// Writes the manual's pages.
fn manual(folder: &std::path::Path) -> anyhow::Result<ExitCode> {
    let named = || format!("cannot write the manual into {}", folder.display());
    std::fs::create_dir_all(folder).with_context(named)?;
    clap_mangen::generate_to(Cli::command(), folder).with_context(named)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a command that asks AWS.
fn wait(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("the asynchronous runtime cannot be started")?.block_on(command)
}

/// `keepwatch … | head` closes the pipe early, which is no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |kind: Option<std::io::ErrorKind>| kind == Some(std::io::ErrorKind::BrokenPipe);
    error.chain().any(|cause| {
        broken(cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind))
            || broken(cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind))
    })
}
