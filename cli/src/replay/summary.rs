//! What a log comes to: for people in about twenty lines, and its findings for machines.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use indicatif::HumanCount;
use keepwatch_alert::list_as_automation;
use keepwatch_base::text::{defang, shell_word};
use keepwatch_base::time::Timestamp;
use keepwatch_core::engine::Rule;
use keepwatch_core::finding::{Finding, Status};
use keepwatch_core::observation::Verdict;
use keepwatch_core::severity::{MAILED_FROM, Severity};
use keepwatch_rules::registry::DOCUMENTED;
use serde_json::{Value, json};

use super::log::About;
use super::options::Replay;
use super::told::{Mails, Outcome, Sightings};
use crate::output::{self, Listed, Output, SarifResult};
use crate::screen::Screen;
use crate::words::path_word;

/// How many lines of problems are printed.
const LISTED: usize = 12;

/// How many of the noisiest rules, and of the most active principals, are named.
const NOISY: usize = 3;
const ACTIVE: usize = 4;

/// How often a rule has to speak to be called noisy.
const NOISE: usize = 5;

/// Prints in the format that was asked for.
///
/// # Errors
/// Output that cannot be written.
pub(super) fn print(
    replay: &Replay,
    rules: &[&dyn Rule],
    about: &About,
    outcome: &Outcome,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut findings: Vec<&Finding> =
        outcome.findings.values().filter(|finding| replay.lists(finding)).collect();
    findings.sort_by_key(|one| (!one.is_open(), Reverse(one.severity), one.first_seen, &one.finding_id));
    if replay.format != Output::Table {
        findings.retain(|finding| replay.min_severity.is_none_or(|least| finding.severity >= least));
    }
    let summary = Summary { replay, rules, about, outcome, findings: &findings };
    if replay.format == Output::Json {
        writeln!(out, "{:#}", summary.json()?)?;
        return Ok(());
    }
    let rows: Vec<Row<'_>> = findings.iter().map(|finding| Row(finding)).collect();
    output::write(out, replay.format, &rows, DOCUMENTED, "", |mut out| summary.people(&mut out))
}

/// A finding that a log leads to.
struct Row<'r>(&'r Finding);

impl Listed for Row<'_> {
    const HEADER: &'static [&'static str] = &[
        "severity",
        "state",
        "first_seen",
        "last_seen",
        "times",
        "mails",
        "rule",
        "account",
        "region",
        "resource",
        "aspect",
        "who",
        "title",
        "reason",
        "finding_id",
    ];

    fn json(&self) -> anyhow::Result<Value> {
        Ok(serde_json::to_value(self.0)?)
    }

    fn cells(&self) -> Vec<String> {
        let one = self.0;
        vec![
            one.severity.as_str().to_owned(),
            word(one).to_owned(),
            one.first_seen.to_string(),
            one.last_seen.to_string(),
            one.occurrences.to_string(),
            one.alert.sent.to_string(),
            one.rule.clone(),
            one.account.clone(),
            one.region.clone(),
            one.resource.clone(),
            one.aspect.clone().unwrap_or_default(),
            one.who.clone().unwrap_or_default(),
            one.title.clone(),
            one.strongest().reason.clone(),
            one.finding_id.clone(),
        ]
    }

    fn finding(&self) -> Option<Cow<'_, Finding>> {
        Some(Cow::Borrowed(self.0))
    }

    fn result(&self) -> SarifResult<'_> {
        SarifResult::of(self.0)
    }

    // A log has many regions, and each finding belongs to the Security Hub of its own.
    fn hub<'s>(&'s self, _: &'s str) -> &'s str {
        &self.0.region
    }
}

struct Summary<'a> {
    replay: &'a Replay,
    rules: &'a [&'a dyn Rule],
    about: &'a About,
    outcome: &'a Outcome,
    /// Those that are listed: what is there before what is gone, then worst first, then oldest first.
    findings: &'a [&'a Finding],
}

/// Findings that are told in one line: alike, or just one.
struct Line<'a> {
    first: &'a Finding,
    more: usize,
    times: u64,
    mails: u64,
}

impl Summary<'_> {
    fn people(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let screen = Screen::of_output();
        self.log(&screen, out)?;
        if self.about.events() == 0 {
            return Ok(());
        }
        self.outcome(&screen, out)?;
        self.problems(&screen, out)?;
        self.noise(&screen, out)?;
        self.unjudged(&screen, out)?;
        if self.findings.is_empty() {
            return Ok(());
        }
        let files = self.replay.files.iter().chain(&self.replay.lookup.lookup);
        let files: Vec<&PathBuf> = files.collect();
        let paths: Vec<String> = files.iter().take(2).map(|path| path_word(path)).collect();
        let paths = if files.len() > 2 { "...".to_owned() } else { paths.join(" ") };
        writeln!(out)?;
        let more = "Every finding: --all. Every sighting: --detections.";
        screen.line(out, &format!("One as its mail tells it: keepwatch replay {paths} --finding ID. {more}"))
    }

    /// What was read.
    fn log(&self, screen: &Screen, out: &mut impl Write) -> anyhow::Result<()> {
        let About { by_kind, span, unreadable, left_out, digests, .. } = self.about;
        let mut read = format!("{} events", HumanCount(self.about.events() as u64));
        if let Some((first, last)) = span.times() {
            read.push_str(&format!(
                ", {} to {} UTC ({})",
                minute(first),
                minute(last),
                long(last.since(first))
            ));
        }
        read.push_str(&named(", account", ", accounts", &span.accounts));
        read.push_str(&named(", region", ", regions", &span.regions));
        screen.line(out, &format!("{read}."))?;
        let mut aside: Vec<String> = by_kind
            .iter()
            .filter(|(kind, _)| !matches!(**kind, "cloudtrail"))
            .map(|(kind, count)| format!("{} {kind}", HumanCount(*count as u64)))
            .collect();
        if *unreadable > 0 {
            let what =
                plural(*unreadable, "line or file that is no event", "lines or files that are no events");
            aside.push(format!("{} {what} (named above)", HumanCount(*unreadable as u64)));
        }
        if *digests > 0 {
            aside.push(format!("{} digest files passed over", HumanCount(*digests as u64)));
        }
        if *left_out > 0 {
            aside.push(format!("{} events not asked for and left out", HumanCount(*left_out as u64)));
        }
        if !aside.is_empty() {
            screen.line(out, &format!("Not CloudTrail's records: {}.", aside.join(", ")))?;
        }
        if let Some(wrong) = span.wrong_clocks() {
            let which = plural(wrong, "is", "are");
            let wrong = counted(wrong, "event");
            screen.line(
                out,
                &format!(
                    "{wrong} {which} dated before 2006 or in the future. Such a clock is wrong: taken to be of the log's beginning \
                     or end."
                ),
            )?;
        }
        if span.untimed > 0 {
            let untimed = counted(span.untimed, "event");
            screen.line(
                out,
                &format!("{untimed} without a time: taken to be of its neighbour's, or of its file's."),
            )?;
        }
        Ok(())
    }

    /// What it comes to.
    fn outcome(&self, screen: &Screen, out: &mut impl Write) -> anyhow::Result<()> {
        let Mails { alerts, digests, reports, ref worst_day } = self.outcome.mails;
        let kept = self.outcome.findings.len();
        let mut text = format!(
            "Keepwatch would have kept {} and sent {}",
            counted(kept, "finding"),
            counted(alerts + digests, "mail")
        );
        if digests > 0 {
            text.push_str(&format!(", {} of them {}", digests, plural(digests, "a digest", "digests")));
        }
        if let Some((day, mails)) = worst_day
            && *mails < alerts + digests
        {
            text.push_str(&format!("; the worst day was {day} with {mails}"));
        }
        text.push_str(&format!(". Daily and weekly reports: {reports}."));
        writeln!(out)?;
        screen.strong(out, &text)?;
        let mut parts: Vec<String> = Vec::new();
        for severity in
            [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Informational]
        {
            let count = self.findings.iter().filter(|finding| finding.severity == severity).count();
            if count > 0 {
                parts.push(format!("{} {}", HumanCount(count as u64), severity.as_str()));
            }
        }
        let fixed = self.findings.iter().filter(|finding| !finding.is_open()).count();
        let silenced = self.findings.iter().filter(|finding| finding.status == Status::Suppressed).count();
        if parts.is_empty() {
            return Ok(());
        }
        let mut text = parts.join(", ");
        if fixed > 0 {
            text.push_str(&format!("; {} fixed within the log", HumanCount(fixed as u64)));
        }
        if silenced > 0 {
            text.push_str(&format!("; {} suppressed", HumanCount(silenced as u64)));
        }
        screen.line(out, &format!("{text}. What is below MEDIUM is kept and not mailed."))
    }

    /// The problems, worst first.
    fn problems(&self, screen: &Screen, out: &mut impl Write) -> anyhow::Result<()> {
        let all = self.replay.all;
        let least =
            self.replay.min_severity.unwrap_or(if all { Severity::Informational } else { MAILED_FROM });
        let shown: Vec<&Finding> =
            self.findings.iter().copied().filter(|one| one.severity >= least).collect();
        if shown.is_empty() {
            return Ok(());
        }
        let lines = if all || shown.len() <= LISTED { each(&shown) } else { alike(&shown) };
        let most = if all { lines.len() } else { LISTED };
        writeln!(out)?;
        if screen.is_pipe() {
            writeln!(out, "SEVERITY\tSTATE\tFIRST (UTC)\tTIMES\tMAILS\tID\tWHAT")?;
        } else {
            let what = if screen.is_narrow() { "" } else { "        WHAT" };
            screen.strong(out, &format!("SEVERITY  STATE    FIRST (UTC)  TIMES  MAILS  ID{what}"))?;
        }
        for line in lines.iter().take(most) {
            let finding = line.first;
            let more = match line.more {
                0 => String::new(),
                more => format!(" (and {} like it)", HumanCount(more as u64)),
            };
            let (state, first) = (word(finding), day_and_minute(finding.first_seen));
            let times = HumanCount(line.times).to_string();
            let (mails, id) = (line.mails, short_id(&finding.finding_id));
            let title = format!("{}{more}", defang(&finding.title));
            if screen.is_pipe() {
                let severity = finding.severity.as_str();
                writeln!(out, "{severity}\t{state}\t{first}\t{times}\t{mails}\t{id}\t{title}")?;
                continue;
            }
            let severity = screen.severity(finding.severity, 8);
            let head = format!("{severity}  {state:<7}  {first}  {times:>5}  {mails:>5}  {id}");
            // The head's own columns: colours take none.
            let columns = 46 + finding.severity.as_str().len().max(8);
            screen.headed(out, &head, columns, &title)?;
        }
        if lines.len() > most {
            let rest = lines.iter().skip(most).map(|line| 1 + line.more).sum::<usize>();
            screen.line(out, &format!("and {} more: --all lists them", HumanCount(rest as u64)))?;
        }
        Ok(())
    }

    /// What speaks most often, and how to have it speak less.
    fn noise(&self, screen: &Screen, out: &mut impl Write) -> anyhow::Result<()> {
        let mut rules: Vec<(&str, &Sightings)> = self
            .outcome
            .sightings
            .rules
            .iter()
            .filter(|(_, seen)| seen.times >= NOISE && seen.worst >= Some(MAILED_FROM))
            .map(|(id, seen)| (*id, seen))
            .collect();
        rules.sort_by_key(|(id, seen)| (Reverse(seen.times), *id));
        if !rules.is_empty() {
            writeln!(out)?;
            screen
                .strong(out, "NOISIEST RULES, and a line for each if what it tells of is meant to be so")?;
            for (id, seen) in rules.into_iter().take(NOISY) {
                let times = HumanCount(seen.times as u64).to_string();
                if screen.is_pipe() {
                    writeln!(out, "{times}\t{id}\t{}", quieter(id, seen))?;
                } else {
                    screen.command(out, &format!("{times:>7}  {id}"), &quieter(id, seen))?;
                }
            }
        }
        let mut active: Vec<&(usize, String)> = self.outcome.sightings.principals.values().collect();
        active.sort_by_key(|(times, name)| (Reverse(*times), name));
        if !active.is_empty() {
            let named: Vec<String> = active
                .iter()
                .take(ACTIVE)
                .map(|(times, name)| format!("{} ({})", defang(name), HumanCount(*times as u64)))
                .collect();
            writeln!(out)?;
            screen.line(out, &format!("Most active: {}.", named.join(", ")))?;
        }
        Ok(())
    }

    /// What was not judged, and why.
    fn unjudged(&self, screen: &Screen, out: &mut impl Write) -> anyhow::Result<()> {
        let unsure: usize = self.outcome.sightings.rules.values().map(|seen| seen.unsure).sum();
        let off = self.rules.iter().filter(|rule| rule.about().opt_in).count();
        let off = off.saturating_sub(self.replay.on.len());
        let mut parts = Vec::new();
        if unsure > 0 {
            parts.push(format!(
                "{} {} UNSURE, because a log does not say what the account held at that time",
                HumanCount(unsure as u64),
                plural(unsure, "sighting is", "sightings are"),
            ));
        }
        let other = self.about.by_kind.get("other").copied().unwrap_or(0);
        if other > 0 {
            parts.push(format!("{} events are of a kind that no rule reads", HumanCount(other as u64)));
        }
        if off > 0 {
            parts
                .push(format!("{off} rules are off until you switch them on (`keepwatch rules list`, --on)"));
        }
        if parts.is_empty() {
            return Ok(());
        }
        screen.line(out, &format!("Not judged: {}.", parts.join("; ")))
    }

    fn json(&self) -> anyhow::Result<Value> {
        let Mails { alerts, digests, reports, ref worst_day } = self.outcome.mails;
        let times = self.about.span.times();
        let findings: Vec<Value> =
            self.findings.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
        let rules: BTreeMap<&str, usize> =
            self.outcome.sightings.rules.iter().map(|(id, seen)| (*id, seen.times)).collect();
        Ok(json!({
            "events": self.about.by_kind,
            "from": times.map(|(first, _)| first),
            "to": times.map(|(_, last)| last),
            "accounts": self.about.span.accounts,
            "regions": self.about.span.regions,
            "unreadable": self.about.unreadable,
            "left_out": self.about.left_out,
            "without_time": self.about.span.untimed,
            "wrong_clock": self.about.span.wrong_clocks().unwrap_or(0),
            "detections": self.outcome.sightings.detections,
            "mails": {
                "alerts": alerts,
                "digests": digests,
                "reports": reports,
                "worst_day": worst_day.as_ref().map(|(day, mails)| json!({"day": day, "mails": mails})),
            },
            "rules": rules,
            "findings": findings,
        }))
    }
}

/// One line each.
fn each<'a>(findings: &[&'a Finding]) -> Vec<Line<'a>> {
    let line =
        |first: &&'a Finding| Line { first, more: 0, times: first.occurrences, mails: first.alert.sent };
    findings.iter().map(line).collect()
}

/// What the same rule says of the same principal's doing in one line, under its worst. The order stays.
fn alike<'a>(findings: &[&'a Finding]) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = Vec::new();
    let mut known: BTreeMap<(&str, Severity, &str, Option<String>), usize> = BTreeMap::new();
    for finding in findings {
        let who = finding.headline().actor.as_ref().map(keepwatch_core::observation::Actor::identity);
        let key = (finding.rule.as_str(), finding.severity, word(finding), who);
        let (times, mails) = (finding.occurrences, finding.alert.sent);
        match known.get(&key) {
            Some(&line) => {
                let line = &mut lines[line];
                line.more += 1;
                line.times += times;
                line.mails += mails;
            }
            None => {
                known.insert(key, lines.len());
                lines.push(Line { first: finding, more: 0, times, mails });
            }
        }
    }
    lines
}

/// The command that has a rule speak less, as narrow as what it saw allows.
fn quieter(rule: &str, seen: &Sightings) -> String {
    let about = DOCUMENTED.find(rule);
    let is_core = about.is_none_or(|about| about.is_core());
    if !is_core
        && seen.worst < Some(Severity::Critical)
        && let Some(command) = seen.mostly_by().and_then(list_as_automation)
    {
        return command;
    }
    let resource = seen.mostly_on().filter(|resource| !resource.contains(['*', '?']));
    let actor = seen.nearly_all_by();
    if resource.is_none() && actor.is_none() && !is_core && seen.worst < Some(Severity::Critical) {
        return format!("keepwatch tune rule {} --severity LOW --note TEXT", shell_word(rule));
    }
    let id = shell_word(about.map_or(rule, |about| about.finding));
    let resource = resource.map_or_else(|| "RESOURCE".to_owned(), shell_word);
    let actor = actor.map(|actor| format!(" --actor {}", shell_word(actor))).unwrap_or_default();
    format!(
        "keepwatch suppress add --rule {id} --resource {resource}{actor} --owner NAME --reason TEXT --days 30"
    )
}

/// `, account 111122223333`, or how many and the largest of them.
fn named(one: &str, several: &str, all: &BTreeMap<String, usize>) -> String {
    const NAMED: usize = 3;
    let mut largest: Vec<(&String, &usize)> = all.iter().collect();
    largest.sort_by_key(|(name, events)| (Reverse(**events), *name));
    let names: Vec<&str> = largest.iter().take(NAMED).map(|(name, _)| name.as_str()).collect();
    match all.len() {
        0 => String::new(),
        1 => format!("{one} {}", names.concat()),
        count if count <= NAMED => format!("{several} {}", names.join(", ")),
        count => format!(", {count}{} ({} ...)", several.trim_start_matches(','), names.join(", ")),
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{} {what}{}", HumanCount(count as u64), plural(count, "", "s"))
}

fn plural<'a>(count: usize, one: &'a str, several: &'a str) -> &'a str {
    if count == 1 { one } else { several }
}

/// How long a log goes on, about.
fn long(span: Duration) -> String {
    let minutes = usize::try_from(span.as_secs() / 60).unwrap_or(usize::MAX);
    match minutes {
        0..120 => counted(minutes, "minute"),
        120..2_880 => counted(minutes / 60, "hour"),
        _ => counted(minutes / 1_440, "day"),
    }
}

/// `2026-03-01 12:00`.
fn minute(time: Timestamp) -> String {
    let text = time.to_string();
    text.get(..16).unwrap_or(&text).replacen('T', " ", 1)
}

/// `03-01 12:00`.
fn day_and_minute(time: Timestamp) -> String {
    let text = minute(time);
    text.get(5..).unwrap_or(&text).to_owned()
}

/// The end of an id, which is unique enough to name it by.
fn short_id(id: &str) -> &str {
    id.get(id.len().saturating_sub(8)..).unwrap_or(id)
}

/// The word for what a finding came to.
fn word(finding: &Finding) -> &'static str {
    if !finding.is_open() {
        "FIXED"
    } else if finding.headline().verdict == Verdict::Unknown {
        "UNSURE"
    } else {
        "PROBLEM"
    }
}
