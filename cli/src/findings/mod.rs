//! `keepwatch findings`: what is wrong, and what people say about it.

mod change;
mod list;
mod read;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};

pub(crate) use self::change::change_found;
pub(crate) use self::list::severity;
pub(crate) use self::read::{shown, visit};
use crate::account::Account;

/// What is wrong, and what people say about it.
#[derive(Args)]
pub(crate) struct Findings {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    account: Account,
}

#[derive(Subcommand)]
enum Command {
    /// Lists findings: those that are open and not silenced, worst first and then oldest first.
    #[command(after_help = list::HELP)]
    List(list::List),
    /// Shows one finding as its mail tells it: who, what, where, when, why it matters, what to do.
    #[command(after_help = show::HELP)]
    Show(show::Show),
    /// Takes a finding on: repetitions are counted without a mail until it is gone or gets worse.
    #[command(after_help = change::ACK_HELP)]
    Ack(change::Ack),
    /// Says that a finding is gone. If it happens again, it is reopened and mailed.
    #[command(after_help = change::RESOLVE_HELP)]
    Resolve(change::Resolve),
}

/// # Errors
/// Wrong use, wrong data, or what AWS refused.
pub(crate) async fn run(findings: &Findings) -> anyhow::Result<ExitCode> {
    let account = &findings.account;
    match &findings.command {
        Command::List(list) => list::run(list, account).await,
        Command::Show(show) => show::run(show, account).await,
        Command::Ack(ack) => change::acknowledge(ack, account).await,
        Command::Resolve(resolve) => change::resolve(resolve, account).await,
    }
}
