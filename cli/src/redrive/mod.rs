//! `keepwatch redrive`: what was given up, why, and its way back.

pub(crate) mod letter;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use keepwatch_aws::dead_letters::{DeadLetter, DeadLetters};
use keepwatch_aws::function::invoke;
use keepwatch_aws::profiles::SdkConfig;
use keepwatch_aws::queue::Queue;
use keepwatch_aws::runtime::now;
use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::Finding;
use keepwatch_core::finding::record::FindingStore as _;
use keepwatch_core::history::reconcile::MessageQueue as _;
use keepwatch_core::severity::Severity;
use serde_json::{Value, json};

use self::letter::{Diagnosis, Way};
pub(crate) use self::letter::{Kind, tell};
use crate::account::{Account, Home};
use crate::catalogue::CATALOGUE;
use crate::doctor::deployment::{self, Deployment};
use crate::doctor::queues::is_dead_letters;
use crate::doctor::template::Names;
use crate::failure::Failure;
use crate::findings::change_found;
use crate::output::{self, Listed, Output, SarifResult};
use crate::progress;
use crate::table::table;

pub(crate) const HELP: &str = "\
Examples:
  keepwatch redrive                            what lies there, since when, why, and what returning it does
  keepwatch redrive --apply                    returns what can be returned
  keepwatch redrive --apply --kind event
  keepwatch redrive --discard --kind stream    takes it away unreturned, once it was done by hand

The stack's operator alone may look into dead letters. The command takes that role; taking it is logged and mailed, also
where it only looks. If nothing lies there it does not take it.

While it works, nobody else sees the messages; if it is interrupted, they are back after ten minutes. What is not
understood stays where it is.

Exit codes: 0 nothing is left of what was asked for, 1 something is, 2 wrong use, 3 AWS refused or cannot be reached.";

/// How long a message is hidden from others that look into the queue.
const HIDDEN: Duration = Duration::from_secs(600);

/// The most messages that are looked at in one go: each that stays is held back until the end, and SQS lets a queue hold
/// back 120,000 (SQS developer guide, "Quotas").
const MOST: usize = 20_000;

/// What the clock calls `scan` with. It looks into the event history as well, which a scan by hand does not.
const CLOCK: &str = r#"{"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}"#;

/// Shows what was given up and could not be judged, followed or told, and returns it.
#[derive(Args)]
pub(crate) struct Redrive {
    /// Return what can be returned, each kind by its own way.
    #[arg(long)]
    apply: bool,
    /// Take those of this kind away for good, unreturned.
    #[arg(long, requires = "kind", conflicts_with = "apply")]
    discard: bool,
    /// Only this kind.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Output,
    #[command(flatten)]
    account: Account,
}

/// Letters of one kind that were given up for the same reason and are returned in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    kind: Kind,
    reason: String,
    /// What `--apply` does with them.
    way: String,
    count: usize,
    /// When the oldest was sent.
    since: Option<Timestamp>,
    /// How many are gone from the queue.
    gone: usize,
    /// Why the last one that should be gone is not.
    stays: Option<String>,
}

/// # Errors
/// Wrong use, or what AWS refused.
pub(crate) async fn run(redrive: &Redrive) -> anyhow::Result<ExitCode> {
    let home = redrive.account.open().await?;
    let client = deployment::client(home.config()).await?;
    let (region, name) = (home.region(), redrive.account.stack());
    let found = Deployment::home(&client, &region, name).await?;
    let found = found.map_err(|fault| Failure::unasked(&fault, &region))?;
    let Some(deployment) = found else {
        bail!("there is no stack {name} in {region}: --region and --stack name another");
    };
    let mut urls = Vec::new();
    for queue in deployment.queues(&client, None).await?.into_iter().filter(|one| is_dead_letters(&one.id)) {
        // What may not be counted is looked at.
        if queue.depth.as_ref().map_or(true, |depth| depth.messages > 0) {
            urls.push(queue.url);
        }
    }
    let mut groups = Vec::new();
    if !urls.is_empty() {
        let operator = home.as_operator().await?;
        let mut work = Work { redrive, home: &home, operator, names: &deployment.names, scanned: None };
        let bar = progress::counter("dead letters read:");
        let looked = async {
            for url in &urls {
                work.through(url, &mut groups, || bar.inc(1)).await?;
            }
            anyhow::Ok(())
        };
        progress::while_shown(&bar, looked).await?;
    }
    groups.sort_by(|a: &Group, b| (a.kind, &a.way, &a.reason).cmp(&(b.kind, &b.way, &b.reason)));
    let left: usize = groups.iter().map(|group| group.count - group.gone).sum();
    output::print(redrive.format, &groups, CATALOGUE, &region, |out| people(redrive, &groups, out))?;
    Ok(ExitCode::from(u8::from(left > 0)))
}

/// What every letter meets.
struct Work<'w> {
    redrive: &'w Redrive,
    home: &'w Home,
    operator: SdkConfig,
    names: &'w Names,
    /// What came of the run that stands for all that failed; nothing as long as none was wanted.
    scanned: Option<Result<(), String>>,
}

impl Work<'_> {
    /// Goes through a queue, and puts back what stays.
    async fn through(&mut self, url: &str, groups: &mut Vec<Group>, each: impl Fn()) -> anyhow::Result<()> {
        let letters = DeadLetters::new(&self.operator, url);
        let mut kept = Vec::new();
        let outcome = self.all(&letters, groups, &mut kept, each).await;
        let shown = letters.put_back(&kept).await.map_err(|error| self.failed(&error));
        outcome?;
        Ok(shown?)
    }

    async fn all(
        &mut self,
        letters: &DeadLetters,
        groups: &mut Vec<Group>,
        kept: &mut Vec<DeadLetter>,
        each: impl Fn(),
    ) -> anyhow::Result<()> {
        let mut seen = BTreeSet::new();
        while seen.len() < MOST {
            let taken = letters.take(HIDDEN).await.map_err(|error| self.failed(&error))?;
            let mut fresh = false;
            for letter in taken {
                if !seen.insert(letter.id.clone()) {
                    continue;
                }
                fresh = true;
                each();
                let told = tell(&letter, self.names);
                let wanted = self.redrive.kind.is_none_or(|kind| kind == told.kind);
                let done = if wanted { self.done_with(letters, &letter, &told).await } else { Ok(false) };
                if wanted {
                    count(groups, told, letter.sent_at, &done);
                }
                if done != Ok(true) {
                    // What it says is not needed any more.
                    kept.push(DeadLetter { body: String::new(), ..letter });
                }
            }
            if !fresh {
                break;
            }
        }
        Ok(())
    }

    /// Does with a letter what was asked for; whether it is gone, or why not.
    async fn done_with(
        &mut self,
        letters: &DeadLetters,
        letter: &DeadLetter,
        told: &Diagnosis,
    ) -> Result<bool, String> {
        if self.redrive.apply {
            if matches!(told.way, Way::Hand(_)) {
                return Ok(false);
            }
            self.returned(letter, &told.way).await?;
        } else if !self.redrive.discard {
            return Ok(false);
        }
        letters.remove(letter).await.map(|()| true).map_err(|error| self.failed(&error).to_string())
    }

    /// Returns a letter. It is taken away after that: what is done twice counts once, and nothing is lost.
    async fn returned(&mut self, letter: &DeadLetter, way: &Way) -> Result<(), String> {
        match way {
            Way::Judge => self.sent("IntakeQueue", &letter.body).await,
            Way::Recheck => self.sent("RecheckQueue", &letter.body).await,
            Way::Tell(findings) => self.tell_again(findings).await.map_err(|error| error.to_string()),
            Way::Scan => self.scanned().await,
            Way::Nothing(_) => Ok(()),
            Way::Hand(what) => Err((*what).to_owned()),
        }
    }

    async fn sent(&self, queue: &str, body: &str) -> Result<(), String> {
        let url = self.names.physical(queue).ok_or_else(|| format!("the stack has no {queue}"))?;
        Queue::new(&self.operator, url).send(body).await.map_err(|error| self.failed(&error).to_string())
    }

    /// One run does the work of all that failed.
    async fn scanned(&mut self) -> Result<(), String> {
        if let Some(scanned) = &self.scanned {
            return scanned.clone();
        }
        let outcome = async {
            let function = self.names.physical("ScanFunction").ok_or("the stack has no ScanFunction")?;
            let payload: Value = serde_json::from_str(CLOCK).map_err(|error| error.to_string())?;
            let answer = invoke(self.home.config(), function, &payload).await;
            answer.map(drop).map_err(|error| clean(&error.to_string(), 300))
        };
        let outcome = outcome.await;
        self.scanned.insert(outcome).clone()
    }

    /// Sets the findings due of a mail that did not arrive. One that is resolved, silenced, taken on or due already needs no mail.
    async fn tell_again(&self, ids: &BTreeSet<String>) -> anyhow::Result<()> {
        let table = self.home.findings().await?;
        let mut found = Vec::new();
        for id in ids {
            // A mail has other words that look like an id.
            found.extend(table.table.get(id).await.map_err(|error| table.failed(&error))?);
        }
        if found.is_empty() {
            bail!("none of the findings that it names is in the table any more");
        }
        let due = |finding: &mut Finding, now| Ok(finding.tell_again(now));
        for finding in found {
            if finding.clone().tell_again(now()) {
                change_found(self.home, finding, due).await?;
            }
        }
        Ok(())
    }

    fn failed(&self, error: &keepwatch_aws::AwsError) -> Failure {
        Failure::of(error, "the queue of dead letters", &self.names.region)
    }
}

/// Counts a letter.
fn count(groups: &mut Vec<Group>, told: Diagnosis, sent: Option<Timestamp>, done: &Result<bool, String>) {
    let way = told.way.text();
    let same =
        |group: &&mut Group| group.kind == told.kind && group.reason == told.reason && group.way == way;
    let group = match groups.iter_mut().find(same) {
        Some(group) => group,
        None => {
            let (kind, reason) = (told.kind, told.reason);
            groups.push(Group { kind, reason, way, count: 0, since: None, gone: 0, stays: None });
            let last = groups.len() - 1;
            &mut groups[last]
        }
    };
    group.count += 1;
    group.since = [group.since, sent].into_iter().flatten().min();
    match done {
        Ok(gone) => group.gone += usize::from(*gone),
        Err(why) => group.stays = Some(why.clone()),
    }
}

/// Prints the groups for people.
fn people(redrive: &Redrive, groups: &[Group], out: &mut dyn Write) -> anyhow::Result<()> {
    if groups.is_empty() {
        writeln!(
            out,
            "no dead letters{}",
            redrive.kind.map(|kind| format!(" of kind {}", kind.as_str())).unwrap_or_default()
        )?;
        return Ok(());
    }
    let does = if redrive.apply || redrive.discard { "LEFT" } else { "WITH --apply" };
    let mut rows = table(["KIND", "COUNT", "SINCE", "WHY", does]);
    for group in groups {
        let since = group.since.map(|at| at.to_string()).unwrap_or_default();
        let last = if redrive.apply || redrive.discard {
            let left = group.count - group.gone;
            match &group.stays {
                _ if left == 0 => "none".to_owned(),
                Some(why) => format!("{left}: {why}"),
                None => format!("{left}: {}", group.way),
            }
        } else {
            group.way.clone()
        };
        rows.add_row([
            group.kind.as_str().to_owned(),
            group.count.to_string(),
            since,
            group.reason.clone(),
            last,
        ]);
    }
    writeln!(out, "{rows}")?;
    let mut by_kind: BTreeMap<Kind, usize> = BTreeMap::new();
    for group in groups {
        *by_kind.entry(group.kind).or_default() += group.count;
    }
    let told: Vec<String> = by_kind.iter().map(|(kind, count)| format!("{count} {}", kind.named())).collect();
    writeln!(out, "{}", told.join(", "))?;
    let gone: usize = groups.iter().map(|group| group.gone).sum();
    if redrive.apply {
        writeln!(out, "{gone} returned; the alarm falls silent some minutes after the last has gone")?;
    } else if redrive.discard {
        writeln!(out, "{gone} taken away")?;
    } else if groups.iter().any(|group| !group.way.starts_with("stays")) {
        writeln!(out, "keepwatch redrive --apply returns them")?;
    }
    let looked: usize = groups.iter().map(|group| group.count).sum();
    if looked >= MOST {
        writeln!(out, "there may be more: run it again")?;
    }
    Ok(())
}

impl Listed for Group {
    const HEADER: &'static [&'static str] =
        &["kind", "count", "since", "reason", "returning", "gone", "stays"];

    fn json(&self) -> anyhow::Result<Value> {
        Ok(json!({
            "kind": self.kind.as_str(), "count": self.count, "since": self.since, "reason": self.reason,
            "returning": self.way, "gone": self.gone, "stays": self.stays,
        }))
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.kind.as_str().to_owned(),
            self.count.to_string(),
            self.since.map(|at| at.to_string()).unwrap_or_default(),
            self.reason.clone(),
            self.way.clone(),
            self.gone.to_string(),
            self.stays.clone().unwrap_or_default(),
        ]
    }

    fn finding(&self) -> Option<Cow<'_, Finding>> {
        None
    }

    fn result(&self) -> SarifResult<'_> {
        let left = self.count - self.gone;
        SarifResult {
            rule: "dead-letters",
            kind: if left > 0 { "fail" } else { "pass" },
            severity: if left > 0 { Severity::High } else { Severity::Informational },
            text: format!("{left} {}: {}", self.kind.named(), self.reason),
            resource: self.kind.as_str(),
            aspect: None,
            region: "global",
            id: format!("redrive/{}/{}/{}", self.kind.as_str(), self.reason, self.way),
            suppressed: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::letter::tests::letter;
    use super::*;
    use crate::doctor::template::{HOME, names_for_tests};

    fn redrive(apply: bool) -> Redrive {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            redrive: Redrive,
        }
        let words: &[&str] = if apply { &["redrive", "--apply"] } else { &["redrive"] };
        <Line as clap::Parser>::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).redrive
    }

    fn groups(done: &[Result<bool, String>]) -> Vec<Group> {
        let names = names_for_tests(HOME, &[]);
        let mut groups = Vec::new();
        for (second, done) in (1..).zip(done) {
            let told = tell(&letter("{}", &[("reason", "this is not an event")]), &names);
            count(&mut groups, told, Some(Timestamp::from_millis(-second * 1_000)), done);
        }
        groups
    }

    #[test]
    fn letters_of_one_reason_are_one_line_with_the_oldest() {
        let all = groups(&[Ok(false), Ok(false), Ok(false)]);
        let [group] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((group.count, group.gone, group.since), (3, 0, Some(Timestamp::from_millis(-3_000))));
        let mut out = Vec::new();
        people(&redrive(false), &all, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("event\t3\t1969-12-31T23:59:57Z\tthis is not an event\tgoes to the intake queue"),
            "{text}"
        );
        assert!(
            text.ends_with("3 events that were not judged\nkeepwatch redrive --apply returns them\n"),
            "{text}"
        );
    }

    #[test]
    fn what_is_left_says_why() {
        let all = groups(&[Ok(true), Err("AWS refused sqs:SendMessage".to_owned())]);
        let mut out = Vec::new();
        people(&redrive(true), &all, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("\t1: AWS refused sqs:SendMessage\n") && text.contains("1 returned"), "{text}");
        assert_eq!(all[0].result().kind, "fail");
        let gone = groups(&[Ok(true)]);
        assert_eq!(gone[0].result().kind, "pass");
        let mut out = Vec::new();
        people(&redrive(true), &gone, &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("\tnone\n"));
    }
}
