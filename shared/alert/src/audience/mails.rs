//! What the mails tell about the audience: nobody is there, some are gone, and what was mailed while they were.

use keepwatch_base::text::{MAX_TEXT, clean};
use keepwatch_base::time::Timestamp;
use keepwatch_core::severity::Severity;
use serde_json::json;

use super::subscribed::Circle;
use crate::Alert;
use crate::layout::{Page, command, gap, heading, keepwatch, listed, paragraph};
use crate::line::{Line, by_severity};
use crate::runbook::Runbook;
use crate::sender::Sender;

/// How many findings the list of what was missed names.
const MAX_LISTED: usize = 150;

/// How many subscribers a mail names of each kind.
const MAX_NAMED: usize = 20;

/// One of the topics, as a mail calls it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Alerts,
    Operations,
}

impl Which {
    pub(super) fn key(self) -> &'static str {
        match self {
            Which::Alerts => "alerts",
            Which::Operations => "operations",
        }
    }

    /// What of it is not heard.
    fn lost(self) -> &'static str {
        match self {
            Which::Alerts => "the alerts",
            Which::Operations => "the alarms about Keepwatch itself",
        }
    }

    fn topic(self) -> &'static str {
        match self {
            Which::Alerts => "AlertTopic",
            Which::Operations => "OpsTopic",
        }
    }
}

fn what_to_do(out: &mut Page<'_>, which: Which) {
    heading(out, "WHAT TO DO NOW");
    Runbook::Subscribers.point(out);
    paragraph(
        out,
        "Subscribe again, and confirm so that nobody can unsubscribe by a link: docs/operator.md of Keepwatch, \"Who gets the \
         mails\". Two addresses at different providers are better than one. TOPIC is the ARN of the stack's output.",
    );
    command(
        out,
        &format!("Who is subscribed (TOPIC is the output {})", which.topic()),
        "aws sns list-subscriptions-by-topic --topic-arn TOPIC",
    );
    command(
        out,
        "Subscribe an address; SNS sends it a mail with a link, which holds a token",
        "aws sns subscribe --topic-arn TOPIC --protocol email --notification-endpoint ADDRESS",
    );
    command(
        out,
        "Confirm with the token instead of the link: only who is signed in can unsubscribe then",
        "aws sns confirm-subscription --topic-arn TOPIC --token TOKEN --authenticate-on-unsubscribe true",
    );
}

fn those_gone(out: &mut Page<'_>, circle: &Circle) {
    let mut gone: Vec<_> = circle.gone.iter().collect();
    gone.sort_by_key(|(_, gone)| std::cmp::Reverse(gone.missed));
    let rows = gone.iter().map(|(who, gone)| (*who, format!("missed since {}", gone.missed)));
    named(out, "NO MORE SUBSCRIBED", rows.collect());
}

fn those_there(out: &mut Page<'_>, circle: &Circle) {
    let seen = |since: Option<Timestamp>| since.map_or_else(String::new, |since| format!("since {since}"));
    let rows = circle.newest().into_iter().map(|(who, since)| (who, seen(since)));
    named(out, "SUBSCRIBED NOW, THE NEWEST FIRST", rows.collect());
}

/// Subscribers with a note each, under a heading; nothing for nobody.
fn named(out: &mut Page<'_>, title: &str, rows: Vec<(&String, String)>) {
    if !rows.is_empty() {
        heading(out, title);
    }
    for (who, note) in rows.iter().take(MAX_NAMED) {
        listed(out, who, &[note]);
    }
    if rows.len() > MAX_NAMED {
        listed(out, &format!("and {} more", rows.len() - MAX_NAMED), &[]);
    }
}

fn who_is_that(out: &mut Page<'_>, which: Which) {
    paragraph(
        out,
        "Does anybody read along whom you do not know? Then somebody wanted the mails for himself. End his subscription, and \
         look what else he did.",
    );
    command(
        out,
        &format!("The ARN of each subscription (TOPIC is the output {})", which.topic()),
        "aws sns list-subscriptions-by-topic --topic-arn TOPIC",
    );
    command(out, "End one", "aws sns unsubscribe --subscription-arn ARN");
}

/// Nobody gets what is published to this topic.
pub(super) fn nobody(
    which: Which,
    since: Timestamp,
    circle: &Circle,
    account: &str,
    sender: &Sender,
) -> Alert {
    let mut out = Page::new(sender);
    let why = if circle.gone.is_empty() {
        "Nobody has confirmed a subscription yet: AWS sends a mail that asks for it, and the link in it is good for some days."
    } else {
        "Every mail of SNS has a link that ends its subscription without signing in, and programs that scan mails follow links. \
         Whoever wants Keepwatch to be silent may have done it as well. CloudTrail does not tell of it."
    };
    paragraph(&mut out, &format!("Since {since} nobody gets {}. {why}", which.lost()));
    if which == Which::Alerts {
        paragraph(
            &mut out,
            "Nothing is lost: alerts stay due as long as nobody would get them, and are sent within a minute once somebody has \
             confirmed.",
        );
    }
    those_gone(&mut out, circle);
    what_to_do(&mut out, which);
    let severity = if circle.gone.is_empty() { Severity::Medium } else { Severity::Critical };
    let json = json!({"audience": {"topic": which.key(), "subscribers": 0, "since": since}});
    Alert::new(severity, &format!("Nobody gets {}", which.lost()), account, out, json)
}

/// Some do not get any more what others still get.
pub(super) fn missing(
    which: Which,
    gone: &[&String],
    since: Timestamp,
    circle: &Circle,
    account: &str,
    sender: &Sender,
) -> Alert {
    let mut out = Page::new(sender);
    let names = names(gone);
    paragraph(
        &mut out,
        &format!(
            "Since {since} this subscriber does not get {} any more: {names}. Every mail of SNS has a link that ends its \
             subscription without signing in, and programs that scan mails follow links.",
            which.lost()
        ),
    );
    if which == Which::Alerts {
        paragraph(
            &mut out,
            "Others are still mailed. Once he is subscribed again, at this address or another, a list of what he has missed is \
             mailed. If he was meant to leave, nothing needs to be done.",
        );
    }
    those_gone(&mut out, circle);
    those_there(&mut out, circle);
    gap(&mut out);
    who_is_that(&mut out, which);
    what_to_do(&mut out, which);
    let there: Vec<String> =
        circle.newest().iter().take(MAX_NAMED).map(|(who, _)| clean(who, MAX_TEXT)).collect();
    let json = json!({"audience": {
        "topic": which.key(), "subscribers": circle.here.len(), "missing": clean(&names, MAX_TEXT), "since": since,
        "there": there,
    }});
    Alert::new(Severity::High, &format!("One less gets {}: {names}", which.lost()), account, out, json)
}

fn names(all: &[&String]) -> String {
    let named: Vec<&str> = all.iter().take(MAX_NAMED).map(|who| who.as_str()).collect();
    match all.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// What was mailed while somebody was missing, for those who are back or have come since.
pub(super) fn returned(
    circle: &Circle,
    since: Timestamp,
    lines: &mut [Line],
    account: &str,
    sender: &Sender,
) -> Alert {
    lines.sort_by_key(|line| (std::cmp::Reverse(line.severity), line.last_seen));
    let counts = by_severity(lines.iter().map(|line| line.severity));
    let mut out = Page::new(sender);
    let back: Vec<&String> = circle.back.keys().collect();
    paragraph(
        &mut out,
        &format!(
            "A subscriber was missing, and is back or somebody else has come since: {}. These findings were mailed since \
             {since}, to others or perhaps to nobody.",
            names(&back)
        ),
    );
    heading(&mut out, "MAILED MEANWHILE");
    for line in lines.iter().take(MAX_LISTED) {
        let title = format!("{}: {}", line.severity.as_str(), line.title);
        listed(&mut out, &title, &[&line.when(), &line.finding_id]);
    }
    if lines.len() > MAX_LISTED {
        listed(&mut out, &format!("and {} more", lines.len() - MAX_LISTED), &[]);
    }
    those_gone(&mut out, circle);
    those_there(&mut out, circle);
    heading(&mut out, "WHAT TO DO NOW");
    keepwatch(&mut out, "All that is open", "findings list");
    keepwatch(&mut out, "Everything about one of them", "findings show FINDING_ID");
    gap(&mut out);
    who_is_that(&mut out, Which::Alerts);
    let worst = lines.first().map_or(Severity::Informational, |line| line.severity);
    let ids: Vec<&str> = lines.iter().map(|line| line.finding_id.as_str()).collect();
    let json = json!({"back": {"since": since, "findings": ids.len(), "finding_ids": ids}});
    Alert::new(worst, &format!("Mailed while a subscriber was missing: {counts}"), account, out, json)
}

#[cfg(test)]
mod tests {
    use super::super::subscribed::tests::{at, named};
    use super::*;

    #[test]
    fn the_mails_are_what_mails_should_be() {
        let mut circle = Circle::default();
        circle.look(&named(&["email alice@example.com", "email bob@example.com"]), at(0));
        circle.look(&named(&["email bob@example.com"]), at(10));
        let gone = circle.gone["email alice@example.com"];
        circle.look(&named(&["email bob@example.com", "email carol@example.com"]), at(20));
        // Carol is the newest, and may be somebody whom nobody knows.
        assert!(circle.newest()[0].0.contains("carol"));
        let mut lines = vec![Line::unreadable("one of the findings")];
        let list = returned(&circle, at(0), &mut lines, "111122223333", crate::check::sender());
        assert_eq!(crate::check::faults(&list), [""; 0], "{}", list.text);
        assert!(list.text.contains("carol") && list.text.contains("alice"), "{}", list.text);
        circle.look(&named(&["email bob@example.com"]), at(30));
        for which in [Which::Alerts, Which::Operations] {
            let alice = "email alice@example.com".to_owned();
            let one = missing(which, &[&alice], gone.missed, &circle, "111122223333", crate::check::sender());
            assert_eq!(crate::check::faults(&one), [""; 0], "{}", one.text);
            assert!(
                one.text.contains("bob@example")
                    && one.json["audience"]["there"][0] == "email bob@example.com"
            );
            for circle in [&circle, &Circle::default()] {
                let none = nobody(which, at(10), circle, "111122223333", crate::check::sender());
                assert_eq!(crate::check::faults(&none), [""; 0], "{}", none.text);
            }
        }
    }
}
