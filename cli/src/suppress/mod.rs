//! `keepwatch suppress`: what is silenced, by whom, why and until when.

mod add;
mod list;
mod remove;
mod whole;

use std::process::ExitCode;

use clap::{Args, Subcommand};

pub(crate) use self::whole::whole;
use crate::account::Account;

/// What is silenced: recorded all the same, and nobody is mailed about it.
#[derive(Args)]
pub(crate) struct Suppress {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    account: Account,
}

#[derive(Subcommand)]
enum Command {
    /// Silences findings of a rule about some resources, until a day.
    #[command(after_help = add::HELP)]
    Add(add::Add),
    /// Lists what is silenced, what was, and rows of the settings that cannot be used.
    #[command(after_help = list::HELP)]
    List(list::List),
    /// Removes a suppression. Open findings of MEDIUM and above that it silenced are mailed.
    #[command(after_help = remove::HELP)]
    Remove(remove::Remove),
}

/// # Errors
/// Wrong use, or what AWS refused.
pub(crate) async fn run(suppress: &Suppress) -> anyhow::Result<ExitCode> {
    let account = &suppress.account;
    match &suppress.command {
        Command::Add(add) => add::run(add, account).await,
        Command::List(list) => list::run(list, account).await,
        Command::Remove(remove) => remove::run(remove, account).await,
    }
}
