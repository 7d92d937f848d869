//! Reading the findings table, and showing what stands in it.

use std::process::ExitCode;

use keepwatch_alert::sweep::AllFindings;
use keepwatch_aws::AwsError;
use keepwatch_aws::findings::FindingsTable;
use keepwatch_base::text::{clean, defang};
use keepwatch_core::finding::Finding;
use keepwatch_core::finding::record::FindingStore;

use crate::account::OpenTable;
use crate::failure::Failure;
use crate::progress;
use crate::words::Likest;

/// The most characters of one text in a table.
const MAX_SHOWN: usize = 400;

/// How many findings are named that an id may mean.
const NAMED: usize = 10;

/// Text of an event, for a terminal. It was cleaned when it was recorded, but people can edit the table.
pub(crate) fn shown(text: &str) -> String {
    defang(&clean(text, MAX_SHOWN))
}

/// Looks at every finding, and counts the items that are none.
pub(crate) async fn visit(
    table: &OpenTable<FindingsTable>,
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
pub(super) fn report_unreadable(unreadable: usize) -> ExitCode {
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
pub(super) async fn find(table: &OpenTable<FindingsTable>, id: &str) -> anyhow::Result<Finding> {
    // Mails write what looks like the name of a host so that nobody makes a link of it.
    let id = id.trim().replace("[.]", ".");
    let id = id.as_str();
    if id.is_empty() {
        anyhow::bail!("an id is needed: `keepwatch findings list` shows them");
    }
    if let Some(finding) = table.table.get(id).await.map_err(|error| table.failed(&error))? {
        return Ok(finding);
    }
    let mut meant: Vec<Finding> = Vec::new();
    let mut others = 0_usize;
    let mut like = Likest::new(id);
    let unreadable = visit(table, |finding| {
        if !finding.finding_id.starts_with(id) && !finding.finding_id.ends_with(id) {
            like.look(&finding.finding_id);
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
            "no finding's id begins or ends with {}{}: `keepwatch findings list --all` shows all",
            clean(id, 128),
            like.meant()
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
