//! `keepwatch replay`.

mod detections;
mod log;
mod lookup;
mod options;
mod order;
mod parallel;
mod span;
mod summary;
mod told;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use keepwatch_alert::{Alert, RelatedActs, Sender};
use keepwatch_base::text::{clean, defang};
use keepwatch_core::engine::replay::{Memory, Player};
use keepwatch_core::finding::Finding;
use keepwatch_core::observation::Observation;
use keepwatch_rules::registry::DOCUMENTED;

use self::log::Log;
pub(crate) use self::options::Replay;
use self::span::Only;
use self::told::LogReplay;
use crate::input::{self, Between};
use crate::words::Likest;

/// No line of a mail is longer.
const MAX_LINE: usize = 4_000;

/// # Errors
/// A file that cannot be read, or output that cannot be written.
pub(crate) async fn run(replay: &Replay) -> anyhow::Result<ExitCode> {
    let (rules, complete) = replay.rules()?;
    replay.check(rules)?;
    let settings = replay.settings()?;
    let mut named = replay.files.clone();
    named.extend(replay.lookup.fetch(&replay.region).await?);
    let between = Between { since: replay.since, until: replay.until };
    let files = input::files(&named, replay.lookup.profile(), between).await?;
    let player = Player::new(rules, replay.config(&settings));
    let only = Only {
        since: replay.since,
        until: replay.until,
        accounts: replay.account.clone(),
        regions: replay.region.clone(),
    };
    let log = Log::read(&files, &player, &only)?;
    let place = |place: order::Place| {
        let file = files.paths.get(place.0 as usize).map_or(Path::new("?"), PathBuf::as_path);
        format!("{}:{}", file.display(), place.1)
    };
    let mut memory = Memory::default();
    let mut settle = |at, played| -> Vec<Observation> {
        let evaluation = memory.settle(&player, played);
        for error in evaluation.errors {
            anstream::eprintln!("{}: {error}", place(at));
        }
        evaluation.observations
    };
    let mut out = BufWriter::new(anstream::AutoStream::auto(io::stdout()).lock());
    let Log { mut about, ordered } = log;
    about.digests = files.digests;
    if about.events() == 0 && about.unreadable == 0 {
        let but = if about.left_out > 0 {
            ": none is of the time, account or region that is asked for"
        } else {
            ""
        };
        anstream::eprintln!("there is no event in what was read{but}");
    }
    let whole = complete && about.unreadable == 0;
    if replay.detections {
        let mut printed = detections::Printer::new(replay, &mut out);
        ordered.each(&player, |at, played| printed.print(&settle(at, played)))?;
        printed.finish(&about)?;
        out.flush()?;
        return Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(1) });
    }
    let account = about.span.accounts.keys().next().cloned().unwrap_or_default();
    let automation = settings.lists.automation.clone();
    let mut told = LogReplay::new(settings, &account);
    ordered.each(&player, |at, played| {
        let time = played.at;
        told.take_in(time, &mut settle(at, played))
    })?;
    let outcome = told.finish()?;
    match &replay.finding {
        Some(id) => show(&outcome.findings, id, &automation, &mut out)?,
        None => summary::print(replay, rules, &about, &outcome, &mut out)?,
    }
    out.flush()?;
    let fails = |finding: &Finding| {
        finding.is_open() && replay.fail_on.is_some_and(|least| finding.severity >= least)
    };
    let failed = outcome.findings.values().any(|finding| replay.lists(finding) && fails(finding));
    Ok(if whole && !failed { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Shows one finding as its mail tells it.
fn show(
    all: &BTreeMap<String, Finding>,
    id: &str,
    automation: &[String],
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let id = id.trim();
    let means = |one: &&Finding| one.finding_id.starts_with(id) || one.finding_id.ends_with(id);
    let meant: Vec<&Finding> = all.values().filter(|one| !id.is_empty() && means(one)).collect();
    let [finding] = meant[..] else {
        let lines = meant.iter().take(10);
        let lines: String =
            lines.map(|one| format!("\n  {}  {}", one.finding_id, defang(&one.title))).collect();
        match meant.len() {
            0 => {
                let mut like = Likest::new(id);
                all.keys().for_each(|id| like.look(id));
                let meant = like.meant();
                bail!(
                    "no finding's id begins or ends with {}{meant}: --all lists all of them",
                    clean(id, 128)
                )
            }
            count => bail!("{} may mean {count} findings; write more of it:{lines}", clean(id, 128)),
        }
    };
    let related = RelatedActs::among(finding, all.values(), automation);
    for line in Alert::of(finding, DOCUMENTED, &Sender::none(), &related).text.lines() {
        writeln!(out, "{}", clean(line, MAX_LINE))?;
    }
    Ok(())
}
