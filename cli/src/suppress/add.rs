//! `keepwatch suppress add`.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use keepwatch_aws::runtime::now;
use keepwatch_base::hash::short_hash;
use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::Finding;
use keepwatch_core::settings::{DAYS, Suppression, Unfit};
use serde_json::{Value, json};

use super::whole::whole;
use crate::account::{Account, Home};
use crate::catalogue::CATALOGUE;
use crate::findings::{shown, visit};
use crate::words::{did_you_mean, time};
use crate::{principal, settings};

pub(super) const HELP: &str = "\
Examples:
  keepwatch suppress add --rule admin-inline-policy --resource 'arn:aws:iam::111122223333:user/ci-*' \\
      --owner alice --reason 'the pipeline makes its users' --days 30
  keepwatch suppress add --rule 'admin-*' --resource '*' --actor arn:aws:iam::111122223333:role/ci-deploy \\
      --owner alice --reason 'the pipeline grants what it deploys' --days 30
  keepwatch suppress add --rule 'root-*' --resource '*' --account 111122223333 --name audit-week \\
      --owner bob --reason 'the auditor needs root, TICKET-7' --days 7
  keepwatch suppress add --rule network-changed --resource '*' --owner alice --reason 'a try' --days 7 --print > try.yaml
  keepwatch replay logs --settings try.yaml     what it would silence in a log, before anything is written

Patterns have * and ?. Quote them, or the shell looks for files. A resource may be followed by a space and the part of it
that the finding is about, such as a policy's name. A role is meant whatever its sessions are called, and may be written with
either of its ARNs. At most 366 days; at most 30 for root, exposed keys and Keepwatch's own safety.

Exit codes: 0 written, 2 not valid or the name is taken, 3 AWS refused or cannot be reached.";

const DAY: u64 = 86_400;

/// How many findings are named that become silent.
const NAMED: usize = 5;

/// How much of a pattern the name is made of.
const MAX_NAME: usize = 40;

/// The arguments.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("end").required(true).args(["days", "until"])))]
pub(super) struct Add {
    /// The rules: an id, or a pattern of ids (`keepwatch rules list` names them).
    #[arg(long, value_name = "PATTERN")]
    rule: String,
    /// The resources: an ARN or id as the finding shows it, or a pattern.
    #[arg(long, value_name = "PATTERN")]
    resource: String,
    /// Only while nobody else acts on it: the ARN of a user or role, or a pattern. The ARN stands under WHO in the mail; a role may
    /// be written as arn:aws:iam::ACCOUNT:role/NAME, as arn:aws:sts::ACCOUNT:assumed-role/NAME, and with a session behind it.
    #[arg(long, value_name = "PATTERN")]
    actor: Option<String>,
    /// Only in this account.
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Who answers for it.
    #[arg(long, value_name = "NAME")]
    owner: String,
    /// Why it is right.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// It ends this many days from now.
    #[arg(long, value_name = "N")]
    days: Option<u64>,
    /// It ends then: 2026-03-31, which is midnight UTC, or 2026-03-31T18:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// What to call it: letters, digits, - _ and . (made from rule and resource if not given).
    #[arg(long)]
    name: Option<String>,
    /// Overwrite the one of this name, to renew or to change it.
    #[arg(long)]
    replace: bool,
    /// Write nothing, and print the row for `replay --settings`, as it also stands in a file of `settings export`. No account is
    /// needed.
    #[arg(long, conflicts_with = "replace")]
    print: bool,
}

impl Add {
    /// The suppression, if it is valid.
    pub(super) fn suppression(&self) -> anyhow::Result<Suppression> {
        self.from(now()).map_err(|reason| anyhow::anyhow!("this cannot be suppressed: {reason}"))
    }

    fn from(&self, now: Timestamp) -> Result<Suppression, String> {
        let actor = self.actor.as_deref().map(principal::actor).transpose();
        let actor = actor.map_err(|reason| format!("--actor: {reason}"))?;
        let name = self.name.clone().unwrap_or_else(|| self.made_up_name(actor.as_deref()));
        // One day too many is as wrong as a thousand years, which no date could say.
        let days = Duration::from_secs(self.days.unwrap_or(0).min(DAYS + 1) * DAY);
        let mut row = json!({
            "rule": self.rule,
            "resource": self.resource,
            "owner": self.owner,
            "reason": self.reason,
            "created_at": now,
            "expires_at": self.until.unwrap_or_else(|| now.plus(days)),
        });
        if let Some(account) = &self.account {
            row["account"] = json!(account);
        }
        if let Some(actor) = &actor {
            row["actor"] = json!(actor);
        }
        let read = Suppression::read(&name, &row, CATALOGUE).map_err(|unfit| as_options(&unfit, &name))?;
        whole(&row, &read, "--", "")?;
        Ok(read)
    }

    /// The same for the same rule and resource, so that asking twice is noticed.
    fn made_up_name(&self, actor: Option<&str>) -> String {
        let kept = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
        let words: String = self.rule.chars().filter(kept).take(MAX_NAME).collect();
        let words = if words.trim_matches('-').is_empty() { "all" } else { words.trim_matches('-') };
        let account = self.account.as_deref().unwrap_or_default();
        let mut parts = vec![self.rule.trim(), self.resource.trim(), account];
        parts.extend(actor);
        let hash = short_hash(&parts);
        format!("{words}-{}", hash.get(..8).unwrap_or(&hash))
    }
}

/// What is wrong, in the words of the command line instead of the table's.
fn as_options(unfit: &Unfit, name: &str) -> String {
    match unfit {
        Unfit::Missing { name } => format!("--{name} is missing: write a text"),
        Unfit::Name => format!("the name {} must be of letters, digits, - _ and .", clean(name, 60)),
        Unfit::Account => "--account must be twelve digits".to_owned(),
        Unfit::Over => "its end is not in the future".to_owned(),
        Unfit::TooLong { days, core } => {
            let why = core.map(|core| format!(" because it covers {core}")).unwrap_or_default();
            format!(
                "it may last {days} days{why}: let it end earlier (--days, --until), and renew it when it ends"
            )
        }
        // What the command line writes by itself has its names, and times that are times.
        Unfit::NoRule { rule } => {
            format!("{unfit}{}", did_you_mean(rule, CATALOGUE.all().map(|about| about.finding)))
        }
        Unfit::Attribute { .. } | Unfit::Time { .. } => unfit.to_string(),
    }
}

/// Adds.
pub(super) async fn run(add: &Add, account: &Account) -> anyhow::Result<ExitCode> {
    // Before AWS is asked for anything: what is wrong with the arguments costs no sign-in.
    let new = &add.suppression()?;
    let note = add.actor.as_deref().zip(new.actor.as_deref());
    let note = note.and_then(|(written, kept)| principal::note(written, kept));
    if add.print {
        note.into_iter().for_each(|note| anstream::eprintln!("--actor: {note}"));
        // Whoever applied this row alone would take all others away.
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "# To try: keepwatch replay LOGS --settings FILE. To keep: add it to the file of `keepwatch settings export`."
        )?;
        out.write_all(settings::document(&new.row())?.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let home = &account.open().await?;
    let settings = home.settings_to_change().await?;
    // Counted before, so that the answer stands there even if somebody is faster than the sweep.
    let silenced = silenced(new, home).await;
    let written = if add.replace {
        settings.table.put(&new.row()).await.map(|()| true)
    } else {
        settings.table.add(new).await
    };
    if !written.map_err(|error| settings.failed(&error))? {
        anyhow::bail!(
            "there is a suppression {} already: `keepwatch suppress list` shows it, --replace overwrites it, --name gives \
             this one another name",
            new.id
        );
    }
    let mut out = anstream::AutoStream::auto(io::stdout()).lock();
    writeln!(out, "{} is written: {} until {}", new.id, shown(&new.scope()), new.expires_at)?;
    if let Some(note) = note {
        writeln!(out, "--actor: {note}.")?;
    }
    match silenced {
        Ok(silenced) => tell(&mut out, &silenced)?,
        // Whoever may write settings need not be one who may read findings.
        Err(error) => anstream::eprintln!("how many findings it silences now is not known: {error:#}"),
    }
    writeln!(out, "It takes effect within a minute, and a mail to everybody announces it.")?;
    writeln!(out, "Take it away again: keepwatch suppress remove {}", new.id)?;
    Ok(ExitCode::SUCCESS)
}

/// The open findings that it silences, worst first, and how many of them are not silenced yet.
async fn silenced(new: &Suppression, home: &Home) -> anyhow::Result<Covered> {
    let findings = home.findings().await?;
    let mut covered = Covered::default();
    let by_anybody = Suppression { actor: None, ..new.clone() };
    let each = |finding: Finding| {
        let (subject, actors) = (finding.subject(), finding.actors());
        if !finding.is_open() {
            return;
        }
        if new.covers(&finding.rule, &subject, &actors) {
            covered.silenced.push(finding);
        } else if by_anybody.covers(&finding.rule, &subject, &actors) {
            covered.by_others += 1;
            covered.others.extend(actors);
        }
    };
    visit(&findings, each).await.map_err(|error| findings.failed(&error))?;
    covered.silenced.sort_by_key(|finding| (Reverse(finding.severity), finding.first_seen));
    Ok(covered)
}

/// The open findings of a suppression's rules and resources.
#[derive(Default)]
struct Covered {
    /// Those that it silences.
    silenced: Vec<Finding>,
    /// How many it does not silence, because others acted on them than it names.
    by_others: usize,
    /// Who acted on those.
    others: BTreeSet<String>,
}

fn tell(out: &mut impl io::Write, Covered { silenced, by_others, others }: &Covered) -> io::Result<()> {
    let anew = silenced.iter().filter(|finding| finding.silence.is_none()).count();
    match (silenced.len(), anew) {
        (0, _) => writeln!(out, "No open finding matches it now; it is for those to come.")?,
        (1, 1) => writeln!(out, "It silences 1 open finding:")?,
        (all, anew) if all == anew => writeln!(out, "It silences {all} open findings:")?,
        (all, anew) => {
            writeln!(out, "It matches {all} open findings, {} of them silenced already:", all - anew)?
        }
    }
    for finding in silenced.iter().take(NAMED) {
        let (severity, id) = (finding.severity.as_str(), clean(&finding.finding_id, 128));
        writeln!(out, "  {severity:<8}  {}  ({id})", shown(&finding.title))?;
    }
    if silenced.len() > NAMED {
        writeln!(out, "  and {} more", silenced.len() - NAMED)?;
    }
    if *by_others > 0 {
        let named: Vec<String> = others.iter().take(NAMED).map(|one| shown(one)).collect();
        let more = if others.len() > NAMED { ", ..." } else { "" };
        let which = match by_others {
            1 => "1 open finding of that rule and resource stays as it is: others acted on it".to_owned(),
            many => format!(
                "{many} open findings of that rule and resource stay as they are: others acted on them"
            ),
        };
        writeln!(out, "{which}, {}{more}", named.join(", "))?;
    }
    Ok(())
}

/// A row as JSON, with the name that the command line knows it by.
pub(super) fn machine(suppression: &Suppression, state: &str) -> Value {
    let mut row = suppression.row();
    row["name"] = json!(suppression.id);
    row["state"] = json!(state);
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add() -> Add {
        Add {
            rule: "admin-inline-policy".to_owned(),
            resource: "arn:aws:iam::111122223333:user/ci-*".to_owned(),
            actor: None,
            account: None,
            owner: "alice".to_owned(),
            reason: "the pipeline".to_owned(),
            days: Some(30),
            until: None,
            name: None,
            replace: false,
            print: false,
        }
    }

    fn at(text: &str) -> Timestamp {
        time(text).unwrap()
    }

    fn refused(add: &Add) -> String {
        add.from(at("2026-03-01")).unwrap_err()
    }

    #[test]
    fn days_and_until_say_when_it_ends() {
        let now = at("2026-03-01T12:00:00Z");
        assert_eq!(add().from(now).unwrap().expires_at, at("2026-03-31T12:00:00Z"));
        let until = Add { days: None, until: Some(at("2026-03-05")), ..add() };
        assert_eq!(until.from(now).unwrap().expires_at, at("2026-03-05T00:00:00Z"));
        assert!(time("next week").is_err());
    }

    #[test]
    fn the_name_is_the_same_for_the_same_and_else_another() {
        let now = at("2026-03-01");
        let name = |add: Add| add.from(now).unwrap().id;
        assert!(name(add()).starts_with("admin-inline-policy-"));
        assert_eq!(name(add()), name(Add { owner: "bob".to_owned(), days: Some(3), ..add() }));
        assert_ne!(name(add()), name(Add { actor: Some("arn:aws:iam::*:role/ci".to_owned()), ..add() }));
        assert_ne!(name(add()), name(Add { account: Some("111122223333".to_owned()), ..add() }));
        assert!(name(Add { rule: "*".to_owned(), ..add() }).starts_with("all-"));
    }

    /// Whichever of a role's ARNs is written: one row, with the name that it always had.
    #[test]
    fn a_role_is_the_same_in_every_form() {
        let kept = "arn:aws:sts::111122223333:assumed-role/ci-deploy";
        let with =
            |actor: &str| Add { actor: Some(actor.to_owned()), ..add() }.from(at("2026-03-01")).unwrap();
        for written in
            ["arn:aws:iam::111122223333:role/ops/ci-deploy", &format!("{kept}/s1"), &format!("{kept}/*")]
        {
            assert_eq!(with(written), with(kept));
        }
        assert_eq!(with(kept).actor.as_deref(), Some(kept));
    }

    /// The table's words were once put into the command line's by replacing them in the whole sentence, what the user had
    /// written included.
    #[test]
    fn what_the_user_wrote_is_told_as_written() {
        let odd = Add { rule: "`owner`".to_owned(), ..add() };
        assert!(refused(&odd).starts_with("no rule is called ``owner``"), "{}", refused(&odd));
    }

    #[test]
    fn what_is_not_valid_is_told_in_words_of_the_command_line() {
        for (odd, hint) in [
            (Add { rule: "admin-polcy".to_owned(), ..add() }, "keepwatch rules list"),
            (Add { owner: " ".to_owned(), ..add() }, "--owner is missing"),
            (Add { days: Some(0), ..add() }, "its end is not in the future"),
            (Add { days: Some(u64::MAX), ..add() }, "it may last 366 days"),
            (
                Add { days: Some(31), rule: "root-*".to_owned(), ..add() },
                "it may last 30 days because it covers",
            ),
            (Add { account: Some("prod".to_owned()), ..add() }, "--account must be twelve digits"),
            (Add { actor: Some(" ".to_owned()), ..add() }, "--actor is missing"),
            (Add { actor: Some("x".repeat(400)), ..add() }, "--actor is too long"),
            (Add { actor: Some("role/ci".to_owned()), ..add() }, "--actor: `role/ci` is no ARN"),
            (Add { name: Some("a b".to_owned()), ..add() }, "the name a b must be of letters"),
            (Add { resource: "x".repeat(400), ..add() }, "--resource is too long"),
            (Add { resource: "a\u{202e}b".to_owned(), ..add() }, "--resource is too long or has characters"),
        ] {
            assert!(refused(&odd).contains(hint), "{}", refused(&odd));
            assert!(!refused(&odd).contains("expires_at"), "{}", refused(&odd));
        }
    }
}
