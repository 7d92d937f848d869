//! Who may be automation: proposals for the weekly mail, with what speaks for them. The owner decides.

use std::collections::{BTreeMap, BTreeSet};

use keepwatch_base::text::{clean, shell_word};
use keepwatch_base::wildcard::matches;
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
    critical: bool,
}

/// Those who acted in a week, by identity.
#[derive(Debug, Default)]
pub(super) struct Proposals(BTreeMap<String, Evidence>);

impl Proposals {
    /// Adds a finding of the week that was mailed.
    pub(super) fn add(&mut self, finding: &Finding) {
        let latest = finding.latest();
        let Some(actor) = latest.actor.as_ref().filter(|_| finding.severity >= MAILED_FROM) else { return };
        if !may_be_a_machine(actor) {
            return;
        }
        let evidence = self.0.entry(actor.identity()).or_default();
        evidence.findings += 1;
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
            // Routine is not critical.
            .filter(|one| !one.critical)
            .filter(|one| !known(&one.actor.identity()) && !one.actor.arn.as_deref().is_some_and(known))
            .collect();
        if proposed.is_empty() {
            return;
        }
        proposed.sort_by_key(|one| std::cmp::Reverse(one.findings));
        heading(out, "PERHAPS AUTOMATION OF YOURS");
        paragraph(
            out,
            "These acted like machines this week. If one is a pipeline that nobody else can act as, list it: what it does is \
             then in the daily digest only. A user agent proves nothing; whose credentials these are, you know.",
        );
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
            listed(out, &one.actor.identity(), &[&counts, &format!("calls itself {}", programs.join(", "))]);
            keepwatch(out, "List it", &tune(&one.actor));
        }
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
