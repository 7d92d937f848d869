//! The mail of a finding, for somebody who has just been woken.

use keepwatch_base::text::shell_word;
use keepwatch_core::about::About;
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::finding::{AlertReason, Finding, Status, Witness};
use keepwatch_core::observation::{Actor, Verdict};
use keepwatch_core::severity::Severity;

use crate::layout::{Page, command, gap, heading, keepwatch, line, link, listed, paragraph, shown};
use crate::line::Line;
use crate::related::RelatedActs;
use crate::runbook::Runbook;
use crate::{console, proposal};

/// The most bytes of details, and of commands, in one mail: what comes after them must not be cut off.
const MAX_BYTES: usize = 12_000;

/// What a mail tells besides its finding.
#[derive(Clone, Copy)]
pub(super) struct Besides<'a> {
    /// What else the same hand did.
    pub(super) related: &'a RelatedActs,
    /// The other findings of the same principal that this mail tells.
    pub(super) others: &'a [&'a Finding],
    /// The principal, where it may be a machine and may be proposed as one.
    pub(super) machine: Option<&'a Actor>,
}

impl<'a> Besides<'a> {
    /// Nothing but that.
    pub(super) fn only(related: &'a RelatedActs) -> Besides<'a> {
        Besides { related, others: &[], machine: None }
    }
}

/// Writes the whole of it.
pub(super) fn write(out: &mut Page<'_>, finding: &Finding, catalogue: Catalogue, besides: Besides<'_>) {
    let headline = finding.headline();
    // A finding may have several rules as witnesses; the one that speaks explains itself.
    let rule = catalogue.find(&headline.rule);
    let docs = catalogue.docs(&headline.rule);

    paragraph(out, &format!("{}.", headline.title.trim_end_matches('.')));
    if !headline.reason.is_empty() {
        paragraph(out, &headline.reason);
    }
    if headline.verdict == Verdict::Unknown {
        paragraph(
            out,
            "Keepwatch could not find out whether this is a danger. Treat it as one until you know.",
        );
        paragraph(out, &what_would_settle_it(finding));
    }
    if let Some(note) = what_changed(finding) {
        paragraph(out, &note);
    }
    if let Some(act) = besides.related.acts.first().filter(|act| act.severity >= Severity::High) {
        paragraph(
            out,
            &format!("The same {}, {}: {}.", act.same.as_str(), act.when, act.title.trim_end_matches('.')),
        );
    }

    // What it means and what stops it come before the rest: more than the first screen is not read at three in the morning.
    let said = |heading: &str| docs?.section(heading);
    if let Some(why) = said("Why it matters") {
        heading(out, "WHY IT MATTERS");
        paragraph(out, &why);
    }
    // Whoever has several accounts must not run the commands in another.
    let is_id = !finding.account.is_empty() && finding.account.bytes().all(|b| b.is_ascii_digit());
    let place = if is_id { format!(", IN ACCOUNT {}", finding.account) } else { String::new() };
    heading(out, &format!("WHAT TO DO NOW{place}"));
    if let Some(what) = said("What to do") {
        // Nobody answers at three in the morning.
        let alone = finding.severity >= Severity::High && what.starts_with("Ask ");
        let alone = if alone { " If nobody answers now, act as if it was not meant." } else { "" };
        paragraph(out, &format!("{what}{alone}"));
    }
    steps(out, finding);
    if let Some(runbook) = Runbook::of_rule(&finding.rule) {
        gap(out);
        runbook.point(out);
    }
    if let Some(page) = console::link(finding) {
        gap(out);
        link(out, "Console", &page);
    }

    together(out, besides.others);
    related(out, besides.related);

    heading(out, "WHO");
    match headline.actor.as_ref().or_else(|| finding.actor().filter(|_| headline.event.is_scan())) {
        Some(actor) => who(out, actor),
        None if headline.event.is_scan() => {
            line(out, "By", "a scan saw it; the event history of the last 90 days names nobody");
        }
        None => line(out, "By", "AWS itself reports this and names no caller"),
    }
    others(out, finding);
    heading(out, "WHAT AND WHERE");
    what(out, finding);
    heading(out, "WHEN");
    when(out, finding);

    // What a check explains besides.
    for (section, title) in
        [("What it costs", "WHAT PUTTING IT RIGHT COSTS"), ("What may break", "WHAT MAY BREAK")]
    {
        if let Some(text) = said(section) {
            heading(out, title);
            paragraph(out, &text);
        }
    }

    heading(out, "IF IT IS EXPECTED");
    if let Some(harmless) = said("False positives") {
        paragraph(out, &harmless);
    }
    for (purpose, call) in silencing(finding) {
        keepwatch(out, purpose, &call);
    }
    if let Some(machine) = besides.machine {
        let sure = format!(
            "It is a pipeline of yours, and nobody but the pipeline can act as it: list it as automation. Its everyday acts are LOW \
             then: {}",
            proposal::LISTED
        );
        keepwatch(out, &sure, &proposal::tune(machine));
    }
    heading(out, "THIS FINDING");
    about(out, finding, rule);
}

/// What makes sure of what Keepwatch could not find out: a permission that it was refused, and what a person looks at.
fn what_would_settle_it(finding: &Finding) -> String {
    let headline = finding.headline();
    let look = merged_steps(finding).into_iter().find(|(_, command)| settles(command)).map_or_else(
        || "To be sure, ask whoever did it.".to_owned(),
        |(purpose, _)| format!("To be sure, run the command below that says \"{purpose}\". It only reads."),
    );
    let details = headline.details.iter().map(|(_, value)| value.as_str());
    let said = std::iter::once(headline.reason.as_str()).chain(details);
    let refused = said.filter_map(refused).next();
    match refused {
        Some((action, Some(role))) => format!(
            "What is missing is a permission: the role {role} of Keepwatch may not call {action}. Once it may, Keepwatch finds out \
             by itself the next time. {look}"
        ),
        Some((action, None)) => {
            format!(
                "What is missing is a permission: Keepwatch may not call {action}. Once it may, it finds out by itself the next \
                 time. {look}"
            )
        }
        None => look,
    }
}

/// Whether a command of the AWS CLI changes nothing, by the name of its call.
fn looks(command: &str) -> bool {
    let call = command.split_whitespace().nth(2).unwrap_or_default();
    ["describe-", "get-", "head-", "list-", "lookup-"].iter().any(|verb| call.starts_with(verb))
}

/// Whether a command shows what something allows or holds. Who somebody is, and what was called, says nothing of that.
fn settles(command: &str) -> bool {
    let elsewhere = ["aws identitystore ", "aws cloudtrail lookup-events"];
    looks(command) && !elsewhere.iter().any(|start| command.starts_with(start))
}

/// The action that AWS refused, and the role that it refused it, by the words of the refusal: `User:
/// arn:aws:sts::111122223333:assumed-role/NAME/SESSION is not authorized to perform: iam:GetRole on resource: ...` (IAM user
/// guide, "Troubleshoot access denied error messages").
fn refused(text: &str) -> Option<(&str, Option<&str>)> {
    let (before, after) = text.split_once("is not authorized to perform: ")?;
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    let action = after.split_whitespace().next()?.trim_end_matches(['.', ',', ';', ')']);
    let (service, call) = action.split_once(':')?;
    let named = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !named(service) || !named(call) {
        return None;
    }
    let role = before.rsplit_once(":assumed-role/").and_then(|(_, role)| role.split('/').next());
    Some((action, role.filter(|role| !role.is_empty() && role.chars().all(of_a_name))))
}

/// What a reader who knows this finding already has to be told: that it is back, or goes on, or is over.
fn what_changed(finding: &Finding) -> Option<String> {
    if finding.status == Status::Resolved {
        let how = finding.passed.as_ref().map(|gone| format!(" {}.", gone.title)).unwrap_or_default();
        return Some(format!("It is over already:{how} Find out what was done in the meantime."));
    }
    Some(match finding.alert.reason? {
        AlertReason::Reopened => match &finding.passed {
            Some(gone) => format!("It was gone at {} ({}), and is back.", gone.at, gone.title),
            None => "It was gone, and is back.".to_owned(),
        },
        AlertReason::Again => format!(
            "You have been told before and it goes on: {} times since {}.",
            finding.occurrences, finding.first_seen
        ),
        AlertReason::Worse => "You have been told of this finding before. Now it is worse.".to_owned(),
        AlertReason::NewWitness => "You have been told of this finding before. This is new.".to_owned(),
        AlertReason::SomebodyElse => {
            "You have been told of this finding before. Now it was somebody else, or somebody from another network."
                .to_owned()
        }
        AlertReason::SuppressionEnded => {
            "It was suppressed until now. The suppression has ended, and the problem is still there."
                .to_owned()
        }
        AlertReason::New | AlertReason::Other => return None,
    })
}

fn who(out: &mut Page<'_>, actor: &Actor) {
    line(out, "By", &actor.name);
    let optional = [
        ("Type", actor.kind.as_deref()),
        ("ARN", actor.arn.as_deref()),
        ("Access key", actor.access_key_id.as_deref()),
        ("Source IP", actor.source_ip.as_deref()),
        ("User agent", actor.user_agent.as_deref()),
    ];
    for (label, value) in optional {
        line(out, label, value.unwrap_or_default());
    }
    // Of whoever comes through Identity Center, CloudTrail says so in any case: MFA is asked for elsewhere.
    let by_identity_center =
        actor.arn.as_deref().is_some_and(|arn| arn.contains(":assumed-role/AWSReservedSSO_"));
    let mfa = match actor.mfa {
        Some(false) if by_identity_center => "",
        Some(true) => "the session was opened with MFA",
        Some(false) => "the session was opened without MFA",
        None => "",
    };
    line(out, "MFA", mfa);
}

/// The other findings of the same principal, worst first.
fn together(out: &mut Page<'_>, findings: &[&Finding]) {
    if findings.is_empty() {
        return;
    }
    heading(out, "WHAT ELSE THIS PRINCIPAL DID");
    for finding in findings {
        let line = Line::of(finding);
        let title = format!("{}: {}", line.severity.as_str(), line.title);
        listed(out, &title, &[&line.when(), &line.finding_id]);
    }
    keepwatch(out, "Everything about one of them, with its commands", "findings show FINDING_ID");
}

/// What else the same hand did.
fn related(out: &mut Page<'_>, related: &RelatedActs) {
    if related.acts.is_empty() && related.unread.is_none() {
        return;
    }
    heading(out, "RELATED, WITHIN 24 HOURS");
    for act in &related.acts {
        let title = format!("{}: {}", act.severity.as_str(), act.title);
        let same = format!("by the same {}, {}", act.same.as_str(), act.when);
        listed(out, &title, &[&same, &act.finding_id]);
    }
    if let Some(why) = &related.unread {
        let what = "What else this key, principal or address did in the last 24 hours could not be looked up";
        listed(out, what, &[why]);
    }
}

/// Everybody who acted on a finding, where that was not one alone.
fn others(out: &mut Page<'_>, finding: &Finding) {
    if finding.alert.told.len() < 2 {
        return;
    }
    for told in &finding.alert.told {
        line(out, "Acted", &format!("{}, first at {}", told.who, told.at));
    }
}

fn what(out: &mut Page<'_>, finding: &Finding) {
    let details = details(finding);
    // An access key, say, is a detail under its own label.
    if !details.iter().any(|(_, value)| *value == finding.resource) && finding.resource != finding.account {
        line(out, "Resource", &finding.resource);
    }
    let kept = fitting(&details, |(label, value)| label.len() + shown(value).len());
    for (label, value) in kept {
        line(out, label, value);
    }
    if kept.len() < details.len() {
        line(out, "And more", &format!("{} more lines in the findings table", details.len() - kept.len()));
    }
    line(out, "Account", &finding.account);
    // Rules on global resources may name the region that a call went to.
    if !details.iter().any(|(label, _)| *label == "Region") {
        line(out, "Region", &finding.region);
    }
}

fn when(out: &mut Page<'_>, finding: &Finding) {
    let headline = finding.headline();
    line(out, "Event", &format!("{} at {}", headline.event.name, headline.event.time));
    if headline.actor.is_some() {
        // What AWS tells by itself has ids that nothing can be looked up by.
        line(out, "Event id", &headline.event.id);
    }
    let scanned = finding.current_witnesses().filter(|witness| witness.event.is_scan());
    if let Some(time) = scanned.map(|witness| witness.event.time).max().filter(|_| !headline.event.is_scan())
    {
        line(out, "Confirmed", &format!("by a scan at {time}"));
    }
    let (first, last) = (finding.first_seen, finding.last_seen);
    match finding.occurrences {
        0 | 1 => {}
        times if first == last => line(out, "Seen", &format!("{times} times, all at {first}")),
        times => line(out, "Seen", &format!("{times} times since {first}, last at {last}")),
    }
    let mut witnesses: Vec<&Witness> = finding.current_witnesses().collect();
    witnesses.sort_by_key(|witness| witness.age());
    if witnesses.len() > 1 {
        for witness in witnesses {
            let event = &witness.event;
            line(out, "Witness", &format!("{} {}: {}", event.time, event.name, witness.title));
        }
    }
}

fn steps(out: &mut Page<'_>, finding: &Finding) {
    let mut steps = merged_steps(finding);
    if finding.status == Status::Resolved {
        // What would be taken back is gone.
        steps.sort_by_key(|(_, command)| !looks(command));
    }
    for (purpose, call) in fitting(&steps, |(purpose, call)| purpose.len() + call.len()) {
        command(out, purpose, call);
    }
}

fn about(out: &mut Page<'_>, finding: &Finding, rule: Option<&About>) {
    line(out, "Finding id", &finding.finding_id);
    let status = match &finding.status_reason {
        Some(reason) => format!("{} ({reason})", finding.status.as_str()),
        None => finding.status.as_str().to_owned(),
    };
    line(out, "Status", &status);
    line(
        out,
        "Severity",
        &format!("{} (confidence {})", finding.severity.as_str(), finding.confidence.as_str()),
    );
    if let Some(rule) = rule {
        line(out, "Rule", &format!("{} ({})", rule.id, rule.catalogue.join(", ")));
    }
}

/// How to silence this finding rightly: with a name, a reason and an end.
fn silencing(finding: &Finding) -> Vec<(&'static str, String)> {
    let id = shell_word(&finding.finding_id);
    // As narrow as the finding: another policy on the same user is another matter.
    let subject = match &finding.aspect {
        Some(aspect) => format!("{} {aspect}", finding.resource),
        None => finding.resource.clone(),
    };
    let (rule, resource) = (shell_word(&finding.rule), shell_word(&subject));
    // And for the one who acted: when somebody else does the same, that is another matter as well.
    let actor = match &finding.actors()[..] {
        [one] if one.starts_with("arn:") => format!(" --actor {}", shell_word(one)),
        _ => String::new(),
    };
    let mut ways = vec![(
        "You know of it and work on it: no mail when it repeats",
        format!("findings ack {id} --by NAME --note TEXT"),
    )];
    if is_made_once(finding) {
        let close = format!("findings resolve {id} --by NAME --note TEXT");
        ways.push(("It is meant to be so: close it. Another key is another finding", close));
        return ways;
    }
    // A name with a wildcard in it would silence others as well, and whoever chose the name knows that.
    if !subject.contains(['*', '?']) && !actor.contains(['*', '?']) {
        ways.push((
            if actor.is_empty() {
                "It is meant to be so: no mail of it for 30 days"
            } else {
                "It is meant to be so: no mail of it for 30 days, unless somebody else does it"
            },
            format!(
                "suppress add --rule {rule} --resource {resource}{actor} --owner NAME --reason TEXT --days 30"
            ),
        ));
    }
    ways
}

/// Whether it is about a key that was made, by the key's own id: the next key has another, so that whoever silences this one
/// silences nothing.
fn is_made_once(finding: &Finding) -> bool {
    finding.rule == "iam-access-key-created" && !finding.resource.starts_with("arn:")
}

/// The longest run of first elements that fits into [`MAX_BYTES`].
fn fitting<T>(all: &[T], bytes: impl Fn(&T) -> usize) -> &[T] {
    let mut sum = 0;
    let count = all.iter().take_while(|element| {
        sum += bytes(element);
        sum <= MAX_BYTES
    });
    &all[..count.count()]
}

/// The details of all witnesses, the headline's first, each line once.
fn details(finding: &Finding) -> Vec<(&str, &str)> {
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for (label, value) in headline_first(finding).iter().flat_map(|witness| &witness.details) {
        if !lines.contains(&(label, value)) {
            lines.push((label, value));
        }
    }
    lines
}

/// The steps of all witnesses, the headline's first, each command once.
fn merged_steps(finding: &Finding) -> Vec<(&str, &str)> {
    let mut steps: Vec<(&str, &str)> = Vec::new();
    for step in headline_first(finding).iter().flat_map(|witness| &witness.steps) {
        match steps.iter_mut().find(|(_, command)| but_its_start(command) == but_its_start(&step.command)) {
            // They differ by the day that they begin on, if at all: the earlier one has all.
            Some((_, known)) => *known = step.command.as_str().min(known),
            None => steps.push((&step.purpose, &step.command)),
        }
    }
    steps
}

/// A command without the day that a look into the event history begins on: what comes before it, and after it.
fn but_its_start(command: &str) -> (&str, &str) {
    match command.split_once(" --start-time ") {
        Some((before, start)) => (before, start.split_once(' ').map_or("", |(_, after)| after)),
        None => (command, ""),
    }
}

fn headline_first(finding: &Finding) -> Vec<&Witness> {
    let mut witnesses: Vec<&Witness> = finding.current_witnesses().collect();
    witnesses.sort_by_key(|witness| std::cmp::Reverse(witness.rank()));
    witnesses.insert(0, finding.strongest());
    witnesses.insert(0, finding.headline());
    witnesses
}
