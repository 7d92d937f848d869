//! What one principal does within a few minutes makes one mail.
//!
//! A deployment changes twenty things in a minute, and so does an intruder. Twenty mails would bury the one that counts, so
//! the first that is high goes out at once and opens a window; what the same principal does until the window ends waits for its
//! end and is told in one mail, worst first. What is critical never waits, nor what is done to Keepwatch itself, as root or with
//! an exposed key. A finding that is medium, to be reviewed this week,
//! opens a window without a mail.
//!
//! What befalls the forwarders of several regions at once makes one mail as well: one lost role or bus silences all of them. Each
//! region has a finding of its own, and all that a sweep or a scan has told of are sent by a sweep, in one list.

use std::time::Duration;

use keepwatch_base::hash::short_hash;
use keepwatch_base::time::Timestamp;
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::finding::Finding;
use keepwatch_core::memory::journal::{Journal, RECEIPTS_KEPT};
use keepwatch_core::observation::Actor;
use keepwatch_core::posture::forwarders::is_of_forwarders;
use keepwatch_core::severity::Severity;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::layout::{Page, command, heading, listed, paragraph};
use crate::line::Line;
use crate::mail::Besides;
use crate::related::RelatedActs;
use crate::sender::Sender;
use crate::{Alert, mail, proposal};

/// From which severity on the first of a window is told at once.
const AT_ONCE: Severity = Severity::High;

/// How many findings a mail tells; the others of a principal follow in the next.
pub(super) const MAX_TOLD: usize = 100;

/// Attempts to open or to raise a window. Where others keep writing it, the alert is told at once.
const ATTEMPTS: usize = 5;

/// When an alert is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Now.
    Now,
    /// With the others of its window, when that ends.
    At(Timestamp),
}

/// What the journal remembers of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    /// When it opened, in milliseconds since 1970.
    opened_at: i64,
    /// The worst that was told at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told: Option<Severity>,
}

/// Who is to be told apart from others: account and principal. None where no caller is named, and for AWS services, which
/// act for everybody.
pub(super) fn principal(finding: &Finding) -> Option<(&str, String)> {
    let actor = finding.headline().actor.as_ref()?;
    let named = actor.arn.is_some() && actor.kind.as_deref() != Some("AWSService");
    named.then(|| (finding.account.as_str(), actor.identity()))
}

/// Findings that a sweep tells in one mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Together {
    /// What one principal did: the account, and who.
    Principal(String, String),
    /// What is wrong with the forwarders of several regions: the account, and the rule.
    Forwarders(String, String),
}

/// With what else this finding is told; none where it is told by itself.
pub(super) fn together(finding: &Finding) -> Option<Together> {
    let account = finding.account.clone();
    if is_of_forwarders(&finding.rule) {
        return Some(Together::Forwarders(account, finding.rule.clone()));
    }
    principal(finding).map(|(_, who)| Together::Principal(account, who))
}

/// Whether the finding of this id is left to a sweep, before which all of its kind are written: the stream brings them one by one.
/// With a window of no length each finding has a mail of its own.
pub(super) fn is_left_to_sweeps(finding_id: &str, length: Duration) -> bool {
    let rule = finding_id.rsplit_once('-').map_or("", |(rule, _)| rule);
    is_of_forwarders(rule) && !length.is_zero()
}

/// Whether the alert of this finding is told now.
///
/// # Errors
/// The journal's.
pub(super) async fn turn<J: Journal>(
    journal: &J,
    finding: &Finding,
    length: Duration,
    now: Timestamp,
) -> Result<Turn, J::Error> {
    let Some((account, who)) = principal(finding).filter(|_| !length.is_zero()) else {
        return Ok(Turn::Now);
    };
    // It has waited for a window already, and does not wait for another.
    let waited = finding.alert.waits_until.map(Timestamp::from_millis);
    if waited.is_some_and(|until| until <= now) {
        return Ok(Turn::Now);
    }
    let key = format!("group#{}", short_hash(&[account, &who]));
    for _ in 0..ATTEMPTS {
        let entry = journal.read::<Window>(&key).await?;
        let expected = entry.as_ref().map(|entry| entry.version);
        let open = entry.map(|entry| entry.value).filter(|window| window.is_open(length, now));
        let window = open.unwrap_or(Window { opened_at: now.millis(), told: None });
        let (turn, after) = window.take(finding.severity, length);
        if open == Some(after) || journal.write(&key, &after, expected, now.plus(RECEIPTS_KEPT)).await? {
            return Ok(turn);
        }
    }
    Ok(Turn::Now)
}

impl Window {
    fn is_open(self, length: Duration, now: Timestamp) -> bool {
        let opened_at = Timestamp::from_millis(self.opened_at);
        !opened_at.is_ahead_of(now) && now < opened_at.plus(length)
    }

    /// The turn of an alert of this severity, and the window after it.
    fn take(self, severity: Severity, length: Duration) -> (Turn, Window) {
        let first = severity >= AT_ONCE && self.told.is_none();
        if first || severity == Severity::Critical {
            return (Turn::Now, Window { told: self.told.max(Some(severity)), ..self });
        }
        (Turn::At(Timestamp::from_millis(self.opened_at).plus(length)), self)
    }
}

/// The mail about several findings that are told together, which are not none.
pub(super) fn alert(
    findings: &[&Finding],
    catalogue: Catalogue,
    sender: &Sender,
    related: &RelatedActs,
) -> Option<Alert> {
    let worst = findings.iter().copied().max_by_key(|finding| finding.severity)?;
    match worst.headline().actor.as_ref() {
        _ if is_of_forwarders(&worst.rule) => {
            Some(of_forwarders(findings, worst, catalogue, sender, related))
        }
        Some(actor) => Some(of_principal(findings, worst, actor, catalogue, sender, related)),
        None => None,
    }
}

/// The mail about the forwarders of several regions, by the names of the regions.
fn of_forwarders(
    findings: &[&Finding],
    worst: &Finding,
    catalogue: Catalogue,
    sender: &Sender,
    related: &RelatedActs,
) -> Alert {
    let mut sorted = findings.to_vec();
    sorted.sort_by(|a, b| a.region.cmp(&b.region));
    let count = sorted.len();
    let mut out = Page::new(sender);
    paragraph(
        &mut out,
        &format!(
            "{count} regions have the same trouble, told in one mail. One of them is told in full below. What befalls many at \
             once is often one thing that all of them need: look first whether the role of the forwarders and the event bus of \
             the home stack are there and unchanged."
        ),
    );
    heading(&mut out, "WHICH REGIONS");
    for finding in &sorted {
        let title = format!("{}: {}", finding.region, finding.headline().title);
        let line = Line::of(finding);
        listed(&mut out, &title, &[&line.when(), &line.finding_id]);
    }
    let regions: Vec<&str> =
        sorted.iter().map(|one| one.region.as_str()).filter(|region| *region != "global").collect();
    heading(&mut out, "FOR ALL OF THEM");
    let deploy = format!("make deploy-regions REGIONS={}", regions.join(","));
    command(&mut out, "Deploy these forwarders again, from the folder of Keepwatch", &deploy);
    heading(&mut out, "ONE OF THEM");
    mail::write(&mut out, worst, catalogue, Besides::only(related));
    let ids: Vec<&str> = sorted.iter().map(|finding| finding.finding_id.as_str()).collect();
    let group = json!({"findings": count, "finding_ids": ids, "regions": regions});
    Alert::of_group(worst, &format!("{count} regions: "), out, group, catalogue, related)
}

/// The mail about several findings of one principal, worst first.
fn of_principal(
    findings: &[&Finding],
    worst: &Finding,
    actor: &Actor,
    catalogue: Catalogue,
    sender: &Sender,
    related: &RelatedActs,
) -> Alert {
    let mut sorted = findings.to_vec();
    sorted.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.last_seen));
    let others: Vec<&Finding> =
        sorted.iter().copied().filter(|one| one.finding_id != worst.finding_id).collect();
    let mut out = Page::new(sender);
    paragraph(
        &mut out,
        &format!(
            "{} findings by {}, told in one mail. This is the worst; the others are listed below its commands.",
            findings.len(),
            actor.name
        ),
    );
    // Not under an alarm: whoever has just been woken must not be shown how to silence it for good.
    let machine = (worst.severity < Severity::Critical && proposal::may_be_a_machine(actor)).then_some(actor);
    mail::write(&mut out, worst, catalogue, Besides { related, others: &others, machine });
    let ids: Vec<&str> = sorted.iter().map(|finding| finding.finding_id.as_str()).collect();
    let group = json!({"findings": ids.len(), "finding_ids": ids, "principal": actor.identity()});
    Alert::of_group(worst, &format!("{} by {}: ", findings.len(), actor.name), out, group, catalogue, related)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(600);

    fn turns(severities: &[Severity]) -> Vec<bool> {
        let mut window = Window { opened_at: 0, told: None };
        let at_once = |severity: &Severity| {
            let (turn, after) = window.take(*severity, LENGTH);
            window = after;
            turn == Turn::Now
        };
        severities.iter().map(at_once).collect()
    }

    #[test]
    fn the_first_that_is_high_and_what_is_critical_never_wait() {
        use Severity::{Critical, High, Medium};
        assert_eq!(turns(&[High, High, Medium, High]), [true, false, false, false]);
        assert_eq!(turns(&[Medium, Medium, High, Critical]), [false, false, true, true]);
        assert_eq!(turns(&[Critical, High, Critical]), [true, false, true]);
    }

    #[test]
    fn a_window_ends_and_one_from_the_future_is_none() {
        let window = Window { opened_at: 0, told: None };
        assert!(window.is_open(LENGTH, Timestamp::from_millis(599_999)));
        assert!(!window.is_open(LENGTH, Timestamp::from_millis(600_000)));
        let planted = Window { opened_at: 4_070_908_800_000, told: Some(Severity::Critical) };
        assert!(!planted.is_open(LENGTH, Timestamp::from_millis(600_000)));
    }
}
