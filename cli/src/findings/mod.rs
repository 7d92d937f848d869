//! `keepwatch findings`: what is wrong, and what people say about it.

mod change;
mod list;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keepwatch_aws::AwsError;
use keepwatch_aws::findings::FindingsTable;
use keepwatch_core::alert::sweep::Census;
use keepwatch_core::finding::Finding;
use keepwatch_core::finding::record::FindingStore;
use keepwatch_core::text::{clean, defang};

use crate::account::{Account, Named};
use crate::failure::Failure;
use crate::progress;

/// The most characters of one text in a table.
const MAX_SHOWN: usize = 400;

/// How many findings are named that an id may mean.
const NAMED: usize = 10;

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

/// Text of an event, for a terminal. It was cleaned when it was recorded, but people can edit the table.
pub(crate) fn shown(text: &str) -> String {
    defang(&clean(text, MAX_SHOWN))
}

/// Looks at every finding, and counts the items that are none.
pub(crate) async fn visit(
    table: &Named<FindingsTable>,
    mut each: impl FnMut(Finding) + Send,
) -> Result<usize, AwsError> {
    let bar = progress::counter("findings read:");
    let counted = |finding| {
        bar.inc(1);
        each(finding);
    };
    progress::while_shown(&bar, table.table.visit(counted)).await
}

/// Says that items were left out, if any were.
fn told_of_unreadable(unreadable: usize) -> ExitCode {
    if unreadable == 0 {
        return ExitCode::SUCCESS;
    }
    let are = if unreadable == 1 {
        " of the findings table is no finding"
    } else {
        "s of the findings table are no findings"
    };
    anstream::eprintln!("{unreadable} item{are} and left out: edited by hand, or written by a newer version");
    ExitCode::from(1)
}

/// The finding that an id means: its own, or the beginning or the end of it.
async fn find(table: &Named<FindingsTable>, id: &str) -> anyhow::Result<Finding> {
    let id = id.trim();
    if id.is_empty() {
        anyhow::bail!("an id is needed: `keepwatch findings list` shows them");
    }
    if let Some(finding) = table.table.get(id).await.map_err(|error| table.failed(&error))? {
        return Ok(finding);
    }
    let mut meant: Vec<Finding> = Vec::new();
    let mut others = 0_usize;
    let unreadable = visit(table, |finding| {
        if !finding.finding_id.starts_with(id) && !finding.finding_id.ends_with(id) {
            return;
        }
        if meant.len() < NAMED { meant.push(finding) } else { others += 1 }
    })
    .await
    .map_err(|error| table.failed(&error))?;
    match meant.len() + others {
        1 => Ok(meant.remove(0)),
        0 if unreadable > 0 => Err(Failure::data(format!(
            "no finding's id begins or ends with {}; {unreadable} items of the table cannot be read",
            clean(id, 128)
        ))
        .into()),
        0 => anyhow::bail!(
            "no finding's id begins or ends with {}: `keepwatch findings list --all` shows all",
            clean(id, 128)
        ),
        count => {
            let lines: Vec<String> = meant
                .iter()
                .map(|finding| format!("\n  {}  {}", clean(&finding.finding_id, 128), shown(&finding.title)))
                .collect();
            anyhow::bail!("{} may mean {count} findings; write more of it:{}", clean(id, 128), lines.concat())
        }
    }
}
