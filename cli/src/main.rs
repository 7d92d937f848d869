//! `keepwatch`: the command line. Its commands run the same rules as the Lambdas.

mod corpus;
mod input;
mod replay;
mod rules;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// Keepwatch on the command line: the rules, and an account's own logs through them.
#[derive(Parser)]
#[command(
    name = "keepwatch",
    version,
    after_help = "Exit codes: 0 done, 1 the command found what it looks for to be wrong, 2 wrong use or unreadable input."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What the rules are, and what is generated from them.
    #[command(subcommand)]
    Rules(rules::RulesCommand),
    /// Plays recorded events through the rules, without an account.
    Replay(replay::Replay),
    /// Reads every event of a folder of recorded events and says what each was understood as.
    #[command(hide = true)]
    Corpus(corpus::Corpus),
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
        Command::Rules(command) => rules::run(&command),
        Command::Replay(command) => replay::run(&command),
        Command::Corpus(command) => corpus::run(&command),
    };
    match outcome {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// `keepwatch … | head` closes the pipe early, which is no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}
