//! Who may be automation: proposals for the weekly mail, with what speaks for them. The owner decides.

use std::collections::{BTreeMap, BTreeSet};

use keepwatch_base::text::{clean, shell_word};
use keepwatch_base::time::Timestamp;
use keepwatch_base::wildcard::matches;
use keepwatch_core::event::is_long_term_key;
use keepwatch_core::finding::Finding;
use keepwatch_core::observation::Actor;
use keepwatch_core::severity::{MAILED_FROM, Severity};

use crate::layout::{Page, heading, keepwatch, listed, paragraph};

/// From how many findings in a week on a principal is proposed, and on how many days at least they must have come: one long
/// evening of an intruder is no routine.
const FINDINGS: usize = 5;
const DAYS: usize = 3;

/// From how many networks a machine acts at most.
const NETWORKS: usize = 2;

/// The most that one mail proposes.
const MOST: usize = 5;

/// What a week's findings say of one principal.
#[derive(Debug, Default)]
struct Evidence {
    actor: Actor,
    findings: usize,
    rules: BTreeSet<String>,
    days: BTreeSet<String>,
    networks: BTreeSet<String>,
    programs: BTreeSet<String>,
    /// When the first of them was first seen.
    since: Option<Timestamp>,
    from_outside: bool,
    /// Whether a user's access key signed a call from an address of the internet.
    key_outside: bool,
    critical: bool,
}

/// Those who acted in a week, by identity.
#[derive(Debug, Default)]
pub(super) struct Proposals(BTreeMap<String, Evidence>, Suspects);

impl Proposals {
    /// Adds a finding of the week that was mailed.
    pub(super) fn add(&mut self, finding: &Finding) {
        self.1.add(finding);
        let latest = finding.latest();
        let Some(actor) = latest.actor.as_ref().filter(|_| finding.severity >= MAILED_FROM) else { return };
        if !may_be_a_machine(actor) {
            return;
        }
        let evidence = self.0.entry(actor.identity()).or_default();
        evidence.findings += 1;
        evidence.since =
            Some(evidence.since.map_or(finding.first_seen, |since| since.min(finding.first_seen)));
        let key = actor.access_key_id.as_deref().is_some_and(is_long_term_key);
        evidence.from_outside |= actor.is_from_outside();
        evidence.key_outside |= key && actor.is_from_outside();
        evidence.critical |= finding.severity == Severity::Critical;
        evidence.rules.insert(finding.rule.clone());
        evidence.days.extend([latest.event.time.date(), finding.first_seen.date()]);
        evidence.networks.extend(actor.network());
        evidence.programs.extend(actor.user_agent.as_deref().map(program));
        evidence.actor = actor.clone();
    }

    /// The part of the mail; nothing where nobody is to be proposed. `listed` are the patterns that the owner has.
    pub(super) fn write(&self, out: &mut Page<'_>, listed_already: &[String]) {
        let known = |arn: &str| listed_already.iter().any(|pattern| matches(pattern, arn));
        let mut proposed: Vec<&Evidence> = self
            .0
            .values()
            .filter(|one| {
                one.findings >= FINDINGS && one.days.len() >= DAYS && one.networks.len() <= NETWORKS
            })
            // Routine is not critical, and a key in use outside is what is stolen most.
            .filter(|one| !one.critical && !one.key_outside && !self.1.name(&one.actor))
            .filter(|one| !known(&one.actor.identity()) && !one.actor.arn.as_deref().is_some_and(known))
            .collect();
        if proposed.is_empty() {
            return;
        }
        // Who has acted so for longest comes first.
        proposed.sort_by_key(|one| (one.since, std::cmp::Reverse(one.findings)));
        heading(out, "PERHAPS AUTOMATION OF YOURS");
        paragraph(
            out,
            "These acted like machines this week. If one is a pipeline that nobody else can act as, list it. A user agent \
             proves nothing; whose credentials these are, you know.",
        );
        paragraph(out, &silences());
        for one in proposed.into_iter().take(MOST) {
            let networks: Vec<&str> = one.networks.iter().map(String::as_str).collect();
            let programs: Vec<&str> = one.programs.iter().map(String::as_str).take(3).collect();
            let counts = format!(
                "{} findings of {} rules on {} days, from {}",
                one.findings,
                one.rules.len(),
                one.days.len(),
                if networks.is_empty() { "no address".to_owned() } else { networks.join(", ") },
            );
            let since = one.since.map_or_else(String::new, |since| {
                format!("first seen {since}, from {}", origin(one.from_outside))
            });
            let calls_itself = format!("calls itself {}", programs.join(", "));
            listed(out, &one.actor.identity(), &[&counts, &since, &calls_itself]);
            keepwatch(out, "List it", &tune(&one.actor));
        }
    }
}

/// Who is never proposed: whoever an open finding that is HIGH or above names, as the one who acted or as what it is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Suspects(BTreeSet<String>);

impl Suspects {
    /// Takes note of a finding.
    pub(super) fn add(&mut self, finding: &Finding) {
        if !finding.is_open() || finding.severity < Severity::High {
            return;
        }
        let witnesses = finding.strongest.iter().chain(finding.witnesses.values());
        let arns = witnesses.filter_map(|witness| witness.actor.as_ref()?.arn.clone());
        self.0.extend(
            finding.actors().into_iter().chain(arns).chain([finding.resource.clone()]).map(|one| plain(&one)),
        );
    }

    /// Whether one of them names this principal.
    pub(super) fn name(&self, actor: &Actor) -> bool {
        self.0.contains(&plain(&actor.identity()))
            || actor.arn.as_deref().is_some_and(|arn| self.0.contains(&plain(arn)))
    }
}

/// A principal's ARN without what differs from call to call: a role's path and session. IAM does not tell names apart by case.
fn plain(arn: &str) -> String {
    let lower = arn.to_ascii_lowercase();
    let Some((of, rest)) = lower.split_once(":assumed-role/") else {
        return match lower.split_once(":role/") {
            Some((of, rest)) => format!("{of}:role/{}", rest.rsplit('/').next().unwrap_or_default()),
            None => lower,
        };
    };
    format!("{}:role/{}", of.replace(":sts:", ":iam:"), rest.split('/').next().unwrap_or_default())
}

/// What becomes of the everyday acts of somebody who is listed, and of the others; no whole sentence.
pub(super) const LISTED: &str = "recorded, and no mail when they happen. New administrators, removed logs and changes of Keepwatch are \
     mailed all the same";

/// What it means to list somebody, in a mail that proposes it.
pub(super) fn silences() -> String {
    format!(
        "Listed, its everyday acts are LOW: {LISTED}. An intruder acts like a machine as well: list nobody whose every call you \
         cannot account for. It is your decision, and nothing is listed without it."
    )
}

/// Where calls come from, in a mail.
pub(super) fn origin(from_outside: bool) -> &'static str {
    match from_outside {
        true => "addresses of the internet, which may be AWS's or anybody's",
        false => "services of AWS's or private addresses only",
    }
}

/// Neither root nor a person who comes through Identity Center.
pub(super) fn may_be_a_machine(actor: &Actor) -> bool {
    let person = |arn: &str| arn.contains(":assumed-role/AWSReservedSSO_");
    matches!(actor.kind.as_deref(), Some("AssumedRole" | "IAMUser"))
        && actor.arn.as_deref().is_some_and(|arn| !person(arn))
}

/// The command that lists a principal as automation, if it may be a machine: neither root, nor a service of AWS's, nor a person
/// who comes through Identity Center.
pub fn list_as_automation(actor: &Actor) -> Option<String> {
    may_be_a_machine(actor).then(|| format!("keepwatch {}", tune(actor)))
}

/// The same for any principal, without the program's name.
pub(super) fn tune(actor: &Actor) -> String {
    let identity = actor.identity();
    // A session's ARN ends with the session's name, which is another each time.
    let pattern = if identity.contains(":assumed-role/") { format!("{identity}/*") } else { identity };
    format!("tune values automation --add {}", shell_word(&pattern))
}

/// The first word of a user agent: the program, without what changes with each version of a library.
fn program(agent: &str) -> String {
    clean(agent.split_whitespace().next().unwrap_or_default(), 60)
}
