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
use keepwatch_core::settings::Settings;
use keepwatch_rules::registry::DOCUMENTED;

use self::log::{About, Log};
pub(crate) use self::options::Replay;
use self::span::Only;
use self::told::LogReplay;
use crate::input::{self, Between};
use crate::words::Likest;

/// How many empty files are named.
const NAMED: usize = 5;

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
    // In a folder it is a quiet day, as --lookup writes it.
    about.empty.retain(|path| replay.files.contains(path));
    for path in about.empty.iter().take(NAMED) {
        match path.as_os_str() == "-" {
            true => anstream::eprintln!("standard input is empty"),
            false => anstream::eprintln!("{}: this file is empty", path.display()),
        }
    }
    if about.empty.len() > NAMED {
        anstream::eprintln!("{} more files are empty", about.empty.len() - NAMED);
    }
    if about.events() == 0 && about.unreadable == 0 && about.empty.len() < files.paths.len() {
        let but = if about.left_out > 0 {
            ": none is of the time, account or region that is asked for"
        } else {
            ""
        };
        let which = match &files.paths[..] {
            [one] => one.display().to_string(),
            all => format!("the {} files that were read", all.len()),
        };
        anstream::eprintln!("there is no event in {which}{but}");
    }
    out_of_time(&settings, &about);
    let whole = complete && about.unreadable == 0 && about.empty.is_empty();
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
        let mut seen = settle(at, played);
        let moved = time.map(|time| about.span.moved(time));
        if moved != time {
            seen.iter_mut().for_each(|one| one.event.time = moved.unwrap_or_default());
        }
        told.take_in(moved, &mut seen)
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

/// Names the suppressions that silence nothing in a log because they hold at another time.
fn out_of_time(settings: &Settings, about: &About) {
    let Some((first, last)) = about.span.times() else { return };
    for one in settings.suppressions.iter().filter(|one| last < one.created_at || one.expires_at <= first) {
        anstream::eprintln!(
            "suppression#{}: it silences nothing here: it holds from {} to {}, and the log goes from {first} to {last}. Without \
             created_at it holds from the log's beginning",
            clean(&one.id, 100),
            one.created_at,
            one.expires_at
        );
    }
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
    let alert = Alert::of(finding, DOCUMENTED, &Sender::none(), &related);
    writeln!(out, "Subject: {}\n", clean(&alert.subject, MAX_LINE))?;
    for line in alert.text.lines() {
        writeln!(out, "{}", clean(line, MAX_LINE))?;
    }
    Ok(())
}
