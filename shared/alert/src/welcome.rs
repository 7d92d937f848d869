//! The one mail that greets whoever has confirmed first: what is watched, what is missing, and how to test it.

use std::collections::BTreeSet;

use keepwatch_base::text::shell_word;
use keepwatch_base::time::Timestamp;
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::history::first_look::{Caller, FirstLook};
use keepwatch_core::regions::Forwarders;
use keepwatch_core::severity::Severity;
use serde_json::json;

use crate::Alert;
use crate::layout::{Page, command, gap, heading, keepwatch, line, listed, paragraph};
use crate::proposal::{Suspects, may_be_a_machine, origin, silences, tune};
use crate::sender::Sender;

/// From how many calls on, on how many days and from how many networks at most somebody is proposed as automation.
const CALLS: usize = 5;
const DAYS: usize = 3;
const NETWORKS: usize = 2;

/// The most that are proposed.
const MOST: usize = 5;

/// What the mail is made from.
pub(super) struct Facts<'f> {
    pub account: &'f str,
    pub catalogue: Catalogue,
    /// What `scan` found; nothing where it did not answer.
    pub look: Option<&'f FirstLook>,
    pub forwarders: &'f Forwarders,
    /// Who gets the alerts.
    pub subscribers: &'f BTreeSet<String>,
    /// Who is not to be proposed as automation.
    pub suspects: &'f Suspects,
    /// Whether the owner has listed automation already.
    pub listed: bool,
}

impl Facts<'_> {
    /// The regions that send nothing yet.
    fn deaf_regions(&self) -> Vec<&str> {
        let Some(look) = self.look else { return Vec::new() };
        let heard = |region: &&str| *region == look.home || self.forwarders.0.contains_key(*region);
        look.regions.iter().map(String::as_str).filter(|region| !heard(region)).collect()
    }

    fn machines(&self) -> Vec<(&Caller, String)> {
        let callers = self.look.map_or(&[][..], |look| &look.callers[..]);
        let mut machines: Vec<_> = callers
            .iter()
            .filter(|one| one.calls >= CALLS && one.days >= DAYS && one.networks <= NETWORKS)
            // An intruder who has been there for two weeks acts like a machine too.
            .filter(|one| !one.key_outside && !one.granted && !self.suspects.name(&one.actor))
            // Of which an older version has not said where it acts from.
            .filter(|one| one.since != Timestamp::default())
            .filter(|one| may_be_a_machine(&one.actor))
            .map(|one| (one, tune(&one.actor)))
            .collect();
        machines.sort_by_key(|(one, _)| (one.since, std::cmp::Reverse(one.calls)));
        machines.truncate(MOST);
        machines
    }
}

/// The mail.
pub(super) fn alert(facts: &Facts<'_>, sender: &Sender) -> Alert {
    let mut out = Page::new(sender);
    let all: Vec<&str> = facts.catalogue.all().map(|about| about.id).collect();
    // A check has its theme before a dot.
    let checks = all.iter().filter(|id| id.contains('.')).count();
    let rules = all.len() - checks;
    paragraph(
        &mut out,
        &format!(
            "Keepwatch watches account {} and mails this address. This mail comes once. It says what is watched, what is \
             missing, and how to see that it works.",
            facts.account
        ),
    );
    heading(&mut out, "WHAT IS WATCHED");
    line(&mut out, "Events", &format!("judged by {rules} rules, within seconds"));
    line(&mut out, "The account", &format!("looked at by {checks} checks, once a day and after changes"));
    let home = facts.look.map_or("the region of the stack", |look| look.home.as_str());
    let forwarders: Vec<&str> = facts.forwarders.0.keys().map(String::as_str).collect();
    let regions = [&[home][..], &forwarders].concat();
    line(&mut out, "Regions heard", &regions.join(", "));
    line(&mut out, "Mailed to", &facts.subscribers.iter().map(String::as_str).collect::<Vec<_>>().join(", "));

    let mut missing = Vec::new();
    heading(&mut out, "WHAT IS MISSING");
    missing.extend(trails(&mut out, facts));
    let deaf = facts.deaf_regions();
    if !deaf.is_empty() {
        missing.push("regions");
        lacks(
            &mut out,
            "Other regions are not heard",
            &[&deaf.join(", "), "A trail that is stopped or a miner that starts there is not heard."],
        );
        command(&mut out, "Hear them; a cent a month each", "make deploy-regions REGIONS=all");
    }
    if facts.subscribers.len() < 2 {
        missing.push("subscribers");
        lacks(
            &mut out,
            "Nobody else is subscribed",
            &[
                "One click on the link under a mail, and nobody is. A second address at another provider helps.",
            ],
        );
        command(
            &mut out,
            "Subscribe another (TOPIC is the stack's output AlertTopic, and OpsTopic for the alarms)",
            "aws sns subscribe --topic-arn TOPIC --protocol email --notification-endpoint ADDRESS",
        );
    }
    if !facts.listed {
        missing.push("automation");
        automation(&mut out, facts);
    }
    if missing.is_empty() {
        paragraph(&mut out, "Nothing that Keepwatch knows of.");
    }
    heading(&mut out, "SEE THAT IT WORKS");
    keepwatch(&mut out, "Every part of it, each with what mends it", "doctor");
    keepwatch(&mut out, "A harmless event through all of it, to this mailbox", "test-alert");
    keepwatch(
        &mut out,
        "Look at the whole account now instead of tonight; one mail tells of all",
        "scan --remote",
    );
    gap(&mut out);
    paragraph(
        &mut out,
        "A mail on Mondays says that Keepwatch is alive. If it does not come, something is wrong with the mails themselves.",
    );
    let severity = if missing.contains(&"trail") { Severity::High } else { Severity::Informational };
    let headline = if missing.contains(&"trail") {
        "No trail feeds Keepwatch, which watches this account"
    } else {
        "Keepwatch watches this account"
    };
    let json = json!({"welcome": {
        "account": facts.account, "rules": rules, "checks": checks, "regions": regions, "regions_not_heard": deaf,
        "missing": missing,
    }});
    Alert::new(severity, headline, facts.account, out, json)
}

/// An entry of what is missing, set off from the command before it.
fn lacks(out: &mut Page<'_>, what: &str, why: &[&str]) {
    if !out.text.ends_with("MISSING\n") {
        gap(out);
    }
    listed(out, what, why);
}

fn trails(out: &mut Page<'_>, facts: &Facts<'_>) -> Option<&'static str> {
    let said = |verdict: &'static str| {
        facts.look.into_iter().flat_map(|look| &look.trails).filter(move |one| one.verdict == verdict)
    };
    let failing: Vec<_> = said("failing").collect();
    if let Some(first) = failing.first() {
        let titles: Vec<&str> = failing.iter().map(|one| one.title.as_str()).collect();
        lacks(
            out,
            &titles.join(". "),
            &[
                "Without a trail EventBridge gets no events of calls: Keepwatch sees only what it looks up once a day.",
            ],
        );
        let show = format!("keepwatch checks show {}", shell_word(&first.check));
        command(out, "Why, and how to mend it", &show);
        return Some("trail");
    }
    if said("passing").next().is_none() {
        lacks(
            out,
            "Not known: whether a trail logs management events",
            &["Without one EventBridge gets no events of calls. The next scan tells."],
        );
        let trails = format!("aws cloudtrail describe-trails{}", out.sender_region());
        command(out, "The account's trails", &trails);
        return Some("trail not known");
    }
    None
}

fn automation(out: &mut Page<'_>, facts: &Facts<'_>) {
    let machines = facts.machines();
    lacks(
        out,
        "No automation is listed",
        &[
            "What a pipeline does every day is mailed as if a person did it. Listed, it is recorded and not mailed.",
        ],
    );
    if !machines.is_empty() {
        gap(out);
        paragraph(out, &silences());
    }
    for (one, tune) in machines {
        let evidence = format!(
            "{} calls that deployments make, on {} of the last 14 days, the first at {}, from {}. Is it a pipeline that nobody \
             else can act as? Then list it",
            one.calls,
            one.days,
            one.since,
            origin(one.from_outside > 0)
        );
        lacks(out, &one.actor.identity(), &[]);
        keepwatch(out, &evidence, &tune);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use keepwatch_core::history::first_look::OfTrails;
    use keepwatch_core::observation::Actor;
    use keepwatch_core::regions::Forwarder;

    use super::*;

    fn look(verdict: &str) -> FirstLook {
        let caller = |arn: &str, kind: &str, days| Caller {
            actor: Actor {
                name: "x".to_owned(),
                kind: Some(kind.to_owned()),
                arn: Some(arn.to_owned()),
                ..Actor::default()
            },
            calls: 9,
            days,
            networks: 1,
            since: Timestamp::parse("2026-02-20T12:00:00Z").unwrap(),
            ..Caller::default()
        };
        let unlike = |name: &str, change: fn(&mut Caller)| {
            let mut one = caller(&format!("arn:aws:iam::111122223333:user/{name}"), "IAMUser", 6);
            change(&mut one);
            one
        };
        FirstLook {
            at: Timestamp::default(),
            home: "us-east-1".to_owned(),
            regions: ["us-east-1", "eu-west-1", "eu-north-1"].map(str::to_owned).to_vec(),
            trails: vec![OfTrails {
                check: "trail.multi-region".to_owned(),
                verdict: verdict.to_owned(),
                title: "No trail records all management events of all regions".to_owned(),
            }],
            callers: vec![
                caller("arn:aws:iam::111122223333:user/ci", "IAMUser", 6),
                caller("arn:aws:iam::111122223333:user/evening", "IAMUser", 1),
                caller("arn:aws:iam::111122223333:root", "Root", 6),
                unlike("thief", |one| (one.key_outside, one.from_outside) = (true, 9)),
                unlike("risen", |one| one.granted = true),
                unlike("unknown", |one| one.since = Timestamp::default()),
                caller("arn:aws:sts::111122223333:assumed-role/Suspect/x", "AssumedRole", 6),
                unlike("older", |one| one.since = Timestamp::parse("2026-02-18T12:00:00Z").unwrap()),
            ],
        }
    }

    fn mail(look: Option<&FirstLook>, subscribers: &[&str], listed: bool) -> Alert {
        let version = "0123456789abcdef".to_owned();
        let forwarder = Forwarder { version, at: Timestamp::default() };
        let forwarders = Forwarders(BTreeMap::from([("eu-west-1".to_owned(), forwarder)]));
        let subscribers = subscribers.iter().map(|who| (*who).to_owned()).collect();
        let catalogue = keepwatch_rules::registry::DOCUMENTED;
        let mut suspects = Suspects::default();
        let mut open = crate::check::finding(&[keepwatch_rules::testing::fired(
            keepwatch_rules::testing::rule("self-topic-changed"),
            &keepwatch_rules::testing::call(
                "sns",
                "DeleteTopic",
                json!({"requestParameters":
                {"topicArn": "arn:aws:sns:us-east-1:111122223333:keepwatch-AlertTopic-A1B2C3"}}),
            ),
        )]);
        open.resource = "arn:aws:iam::111122223333:role/team/suspect".to_owned();
        suspects.add(&open);
        let facts = Facts {
            account: "111122223333",
            catalogue,
            look,
            forwarders: &forwarders,
            subscribers: &subscribers,
            suspects: &suspects,
            listed,
        };
        let alert = alert(&facts, &Sender::default());
        assert_eq!(crate::check::faults(&alert), [""; 0], "{}", alert.text);
        alert
    }

    #[test]
    fn it_says_what_is_missing_with_the_command_that_mends_it() {
        let alert = mail(Some(&look("failing")), &["email ann@example.com"], false);
        assert!(
            alert
                .subject
                .starts_with("[HIGH] No trail feeds Keepwatch, which watches this account (111122223333)"),
            "{}",
            alert.subject
        );
        assert_eq!(
            alert.json["welcome"]["missing"],
            json!(["trail", "regions", "subscribers", "automation"]),
            "{}",
            alert.text
        );
        assert_eq!(alert.json["welcome"]["regions_not_heard"], json!(["eu-north-1"]));
        for part in [
            "Regions heard   us-east-1, eu-west-1",
            "keepwatch checks show trail'.'multi-region",
            "make deploy-regions REGIONS=all",
            "keepwatch tune values automation --add arn:aws:iam::111122223333:user/ci\n",
            "keepwatch doctor",
            "keepwatch test-alert",
        ] {
            assert!(alert.text.contains(part), "no {part:?} in\n{}", alert.text);
        }
        for name in ["thief", "risen", "unknown", "Suspect"] {
            assert!(!alert.text.contains(name), "{name} is proposed in\n{}", alert.text);
        }
        let place = |name: &str| alert.text.find(&format!("user/{name}")).unwrap();
        assert!(place("older") < place("ci"), "who acts for longest comes first");
        for part in ["It is your decision", "its everyday acts are LOW", "2026-02-18T12:00:00Z"] {
            let text = alert.text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        // One long evening is no routine, and root no machine.
        assert!(!alert.text.contains("evening") && !alert.text.contains(":root"), "{}", alert.text);
    }

    #[test]
    fn what_is_there_is_not_called_missing_and_what_is_not_known_is_said() {
        let mut whole = look("passing");
        whole.regions.truncate(2);
        let alert = mail(Some(&whole), &["email ann@example.com", "email bob@example.org"], true);
        assert_eq!(alert.json["welcome"]["missing"], json!([]), "{}", alert.text);
        assert!(alert.subject.starts_with("[INFORMATIONAL]"), "{}", alert.subject);
        let blind = mail(None, &["email ann@example.com", "email bob@example.org"], true);
        assert_eq!(blind.json["welcome"]["missing"], json!(["trail not known"]), "{}", blind.text);
    }
}
