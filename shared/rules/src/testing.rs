//! What tests are written with: events from a base record, facts, one rule at a time or all of them, and logs of several
//! events. The tests of other crates have it with the feature `testing`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::time::Duration;

use keepwatch_base::hash::short_hash;
use keepwatch_base::time::Timestamp;
use keepwatch_core::engine::dispatch::{Evaluation, Index};
use keepwatch_core::engine::replay::{Memory, Player};
use keepwatch_core::engine::{Config, Rule};
use keepwatch_core::event::log::entries;
use keepwatch_core::event::{Body, Event};
use keepwatch_core::memory::doers;
use keepwatch_core::memory::first_sight::FirstSeen;
use keepwatch_core::memory::window::{ENOUGH, WindowCount, WindowQuery};
use keepwatch_core::observation::Observation;
use keepwatch_core::settings::Override;
use keepwatch_core::severity::Severity;
use keepwatch_core::state::{Answer, Fact, Query, Value as StateValue};
use serde_json::{Value, json};

use crate::registry::RULES;

pub use keepwatch_core::observation::Verdict;

/// The account of all fixtures.
pub const ACCOUNT: &str = "111122223333";

/// A successful IAM call by the user alice, with `changes` merged in (objects deeply, `null` removes).
pub fn call(source: &str, name: &str, changes: Value) -> String {
    merged(base(source, name), [changes])
}

/// The same call, by root from a console session.
pub fn root_call(source: &str, name: &str, changes: Value) -> String {
    merged(base(source, name), [by_root(), changes])
}

/// The same call by alice, refused with this code.
pub fn failed_call(source: &str, name: &str, code: &str, changes: Value) -> String {
    merged(base(source, name), [json!({"errorCode": code}), changes])
}

/// A console sign-in event by root.
pub fn root_sign_in(name: &str, changes: Value) -> String {
    let sign_in = json!({"eventType": "AwsConsoleSignIn", "userIdentity": {"accessKeyId": null}});
    merged(base("signin", name), [by_root(), sign_in, changes])
}

fn base(source: &str, name: &str) -> Value {
    json!({
        "eventVersion": "1.11",
        "eventID": "6b2a5e0c-0000-4000-8000-000000000001",
        "eventTime": "2026-03-01T12:00:00Z",
        "eventType": "AwsApiCall",
        "eventSource": format!("{source}.amazonaws.com"),
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "aws-cli/2.15.30",
        "readOnly": false,
        "recipientAccountId": ACCOUNT,
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLEALICE",
            "arn": "arn:aws:iam::111122223333:user/alice",
            "accountId": ACCOUNT,
            "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
            "userName": "alice",
        },
        "requestParameters": null,
        "responseElements": null,
    })
}

fn by_root() -> Value {
    json!({"userIdentity": {
        "type": "Root", "principalId": ACCOUNT, "arn": "arn:aws:iam::111122223333:root", "userName": null,
    }})
}

fn merged<const N: usize>(mut record: Value, changes: [Value; N]) -> String {
    for change in changes {
        merge(&mut record, change);
    }
    record.to_string()
}

/// An event in an EventBridge envelope.
pub fn envelope(source: &str, detail_type: &str, detail: Value) -> String {
    json!({
        "version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602", "source": source, "detail-type": detail_type,
        "account": ACCOUNT, "region": "us-east-1", "time": "2026-03-01T12:00:00Z", "resources": [], "detail": detail,
    })
    .to_string()
}

fn merge(base: &mut Value, changes: Value) {
    match (base, changes) {
        (Value::Object(base), Value::Object(changes)) => {
            for (key, value) in changes {
                if value.is_null() && !["requestParameters", "responseElements"].contains(&key.as_str()) {
                    base.remove(&key);
                } else {
                    merge(base.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (base, changes) => *base = changes,
    }
}

/// What this rule alone makes of the event when the account's state cannot be read.
pub fn observe(rule: &'static dyn Rule, event: &str) -> Vec<Observation> {
    observe_with(rule, event, &[])
}

/// What this rule alone makes of the event, given answers; every other question is refused.
pub fn observe_with(rule: &'static dyn Rule, event: &str, answers: &[(Query, Answer)]) -> Vec<Observation> {
    let rules: &'static [&'static dyn Rule] = Box::leak(Box::new([rule]));
    evaluate(rules, event, answers, Config { overrides: switched_on(rule), ..settings() })
}

/// What all rules make of the event when the account's state cannot be read.
pub fn evaluate_all(event: &str) -> Vec<Observation> {
    evaluate_all_with(event, &[])
}

/// What all rules make of the event, given answers; every other question is refused.
pub fn evaluate_all_with(event: &str, answers: &[(Query, Answer)]) -> Vec<Observation> {
    evaluate(RULES, event, answers, settings())
}

/// The setting that has the rule asked, whether or not it waits for that.
pub fn switched_on(rule: &dyn Rule) -> BTreeMap<String, Override> {
    let on = Override { enabled: Some(true), ..Override::default() };
    BTreeMap::from([(rule.about().id.to_owned(), on)])
}

/// What `detect` is told of the stack's queues, topics and roles.
fn own_arns() -> Vec<String> {
    let named = |service, ids: &[&str]| {
        let arn = |id| format!("arn:aws:{service}keepwatch-{id}-A1B2C3");
        ids.iter().map(arn).collect::<Vec<_>>()
    };
    [
        named(
            "sqs:us-east-1:111122223333:",
            &[
                "IntakeQueue",
                "RecheckQueue",
                "DeadLetterQueue",
                "InvocationDeadLetterQueue",
                "MailDeadLetterQueue",
            ],
        ),
        named("sns:us-east-1:111122223333:", &["AlertTopic", "OpsTopic"]),
        named("iam::111122223333:role/", &["DetectRole", "NotifyRole", "ScanRole", "OperatorRole"]),
    ]
    .concat()
}

/// The settings of most tests.
pub fn settings() -> Config {
    Config {
        trusted_accounts: vec!["444455556666".to_owned()],
        stack: "keepwatch".to_owned(),
        own_arns: own_arns(),
        ..Config::default()
    }
}

/// What this rule alone makes of the event under these settings, when the account's state cannot be read.
pub fn observe_under(rule: &'static dyn Rule, event: &str, config: Config) -> Vec<Observation> {
    evaluate(Box::leak(Box::new([rule])), event, &[], config)
}

fn evaluate(
    rules: &'static [&'static dyn Rule],
    event: &str,
    answers: &[(Query, Answer)],
    config: Config,
) -> Vec<Observation> {
    let observations = seen(judge(rules, event, answers, &config));
    #[cfg(test)]
    caller::each(&observations, event, &config, |event| judge(rules, event, answers, &config).observations);
    observations
}

fn judge(
    rules: &'static [&'static dyn Rule],
    event: &str,
    answers: &[(Query, Answer)],
    config: &Config,
) -> Evaluation {
    let index = Index::new(rules);
    let event = Event::parse(event).expect("the fixture is an event");
    index.evaluate_answering(&event, config, Timestamp::from_millis(0), |query| {
        match answers.iter().find(|(known, _)| known == query) {
            Some((_, answer)) => answer.clone(),
            // The findings table is Keepwatch's own and can be read; the account's state cannot.
            None if matches!(query, Query::ExposedKey { .. }) => Fact::Known(StateValue::Flag(false)),
            None => Fact::Unavailable("AccessDenied".to_owned()),
        }
    })
}

/// What was seen, which is a mail as well.
fn seen(evaluation: Evaluation) -> Vec<Observation> {
    assert!(evaluation.errors.is_empty(), "{:?}", evaluation.errors);
    #[cfg(test)]
    rendered::each(&evaluation.observations);
    evaluation.observations
}

/// Every fixture of every rule is rendered as a mail, and the mail is checked.
#[cfg(test)]
mod rendered {
    use std::cell::Cell;

    use keepwatch_alert::check;
    use keepwatch_core::observation::Observation;

    /// How many evaluations of one test are rendered: more than any test has fixtures. Property tests make more than
    /// anybody would wait for.
    const MOST: usize = 500;

    pub(super) fn each(observations: &[Observation]) {
        thread_local!(static RENDERED: Cell<usize> = const { Cell::new(0) });
        if RENDERED.replace(RENDERED.get() + 1) < MOST {
            for observation in observations {
                check::renders_well(observation, crate::registry::DOCUMENTED);
            }
        }
    }
}

/// Every fixture of every rule is judged again with other words in the fields that a caller chooses, and as somebody else's
/// doing: neither may take a mail away.
#[cfg(test)]
mod caller {
    use std::cell::Cell;

    use keepwatch_core::engine::Config;
    use keepwatch_core::finding::{AlertReason, AlertState, Finding};
    use keepwatch_core::observation::{Observation, Verdict};
    use keepwatch_core::severity::MAILED_FROM;
    use serde_json::{Value, json};

    /// How many evaluations of one test are judged again; see [`super::rendered`].
    const MOST: usize = 60;

    /// User agents that tools have, AWS's services among them.
    const AGENTS: [&str; 9] = [
        "HashiCorp Terraform/1.9 (+https://www.terraform.io) terraform-provider-aws/5.0",
        "APN/1.0 Pulumi/1.0 PulumiAWS/6.0",
        "OpenTofu/1.8",
        "ansible/2.16",
        "aws-cdk/2.150",
        "crossplane-provider-aws/0.50",
        "cloudformation.amazonaws.com",
        "AWS Internal",
        "Jersey/${project.version} (HttpUrlConnection 17.0.12)",
    ];

    /// One that says nothing: some words make an act worse, and who leaves them out is judged like everybody.
    const NEUTRAL: &str = "aws-cli/2.15.30";

    fn mailed(observation: &Observation) -> bool {
        observation.verdict != Verdict::Passing && observation.severity >= MAILED_FROM
    }

    pub(super) fn each(
        observations: &[Observation],
        event: &str,
        config: &Config,
        judge: impl Fn(&str) -> Vec<Observation>,
    ) {
        thread_local!(static JUDGED: Cell<usize> = const { Cell::new(0) });
        if !observations.iter().any(mailed) || JUDGED.replace(JUDGED.get() + 1) >= MOST {
            return;
        }
        let Ok(event) = serde_json::from_str::<Value>(event) else { return };
        let mut neutral = event.clone();
        let Some(record) = record(&mut neutral) else { return };
        record["userAgent"] = json!(NEUTRAL);
        let told = judge(&neutral.to_string());
        for other in other_words(&event) {
            let again = judge(&other.to_string());
            for one in told.iter().filter(|one| mailed(one)) {
                let same = |o: &&Observation| o.rule.id == one.rule.id && o.subject == one.subject;
                let as_bad = again.iter().filter(same).any(mailed);
                assert!(as_bad, "{} is told no more of: {other}", one.rule.id);
            }
        }
        for one in observations.iter().filter(|one| mailed(one)) {
            somebody_else(one, &event, config, &judge);
        }
        without_answer(&told, &event, &judge);
    }

    /// Rules that know from the answer alone what was done, and the calls.
    const ANSWERED: [(&str, &str); 11] = [
        // The role that the code runs with.
        ("compute-code-replaced", "UpdateFunctionCode20150331v2"),
        ("compute-code-replaced", "UpdateFunctionConfiguration20150331v2"),
        ("compute-code-replaced", "StartBuild"),
        ("compute-code-replaced", "UpdateProject"),
        // How many of which type a launch template starts.
        ("compute-expensive-instances-started", "RunInstances"),
        // What stands for a setting that the caller left out.
        ("data-unencrypted-store-created", "CreateDBInstance"),
        ("data-unencrypted-store-created", "CreateDBCluster"),
        ("data-unencrypted-store-created", "CreateCluster"),
        ("exposure-database-public", "CreateDBInstance"),
        // Whose function a mapping is for.
        ("self-function-changed", "UpdateEventSourceMapping20150331"),
        ("self-function-changed", "DeleteEventSourceMapping20150331"),
    ];

    /// The same where CloudTrail kept the answer to itself: what was asked for and done is still told.
    fn without_answer(told: &[Observation], event: &Value, judge: &impl Fn(&str) -> Vec<Observation>) {
        let mut silent = event.clone();
        let Some(record) = record(&mut silent) else { return };
        // A sign-in is answered by whether it succeeded, and nothing else says so.
        if record["responseElements"].is_null() || record["eventSource"] == "signin.amazonaws.com" {
            return;
        }
        record["responseElements"] = Value::Null;
        let name = record["eventName"].as_str().unwrap_or_default().to_owned();
        let again = judge(&silent.to_string());
        for one in told.iter().filter(|one| mailed(one)) {
            let still =
                again.iter().any(|other| other.rule.id == one.rule.id && other.verdict != Verdict::Passing);
            let listed = ANSWERED.contains(&(one.rule.id, name.as_str()));
            assert!(still || listed, "{} says nothing without an answer to {name}: {silent}", one.rule.id);
        }
    }

    /// Where the record of a CloudTrail event is: the event itself, or in its envelope.
    fn record(event: &mut Value) -> Option<&mut Value> {
        let inside = event.get("detail").is_some();
        let record = if inside { &mut event["detail"] } else { event };
        record.get("eventSource").is_some().then_some(record)
    }

    fn other_words(event: &Value) -> Vec<Value> {
        let mut others = Vec::new();
        for agent in AGENTS {
            let mut other = event.clone();
            let Some(record) = record(&mut other) else { return others };
            record["userAgent"] = json!(agent);
            others.push(other);
        }
        let mut other = event.clone();
        if let Some(record) = record(&mut other) {
            let who = &mut record["userIdentity"];
            for (field, separator) in [("arn", '/'), ("principalId", ':')] {
                if who["type"] == "AssumedRole"
                    && let Some((head, _)) = who[field].as_str().and_then(|text| text.rsplit_once(separator))
                    && !head.contains("AWSReservedSSO_")
                {
                    who[field] = json!(format!("{head}{separator}terraform-aws-internal-ci"));
                }
            }
            if record["requestParameters"].is_object() {
                record["requestParameters"]["clientToken"] = json!("terraform-20260301");
                record["requestParameters"]["clientRequestToken"] = json!("terraform-20260301");
            }
            others.push(other);
        }
        others
    }

    /// The same by another user: on the same finding it is news.
    fn somebody_else(
        one: &Observation,
        event: &Value,
        config: &Config,
        judge: &impl Fn(&str) -> Vec<Observation>,
    ) {
        let mut other = event.clone();
        let Some(record) = record(&mut other) else { return };
        let who = &mut record["userIdentity"];
        let by_user = who["type"] == "IAMUser" && who.get("invokedBy").is_none();
        if !by_user || one.covered_by.is_some() || !config.automation.is_empty() {
            return;
        }
        who["userName"] = json!("trudy");
        who["arn"] = json!("arn:aws:iam::111122223333:user/trudy");
        record["eventID"] = json!("6b2a5e0c-0000-4000-8000-00000000000e");
        let again = judge(&other.to_string());
        let same = again.iter().find(|o| o.finding_id() == one.finding_id() && mailed(o));
        let (Some(same), Some(mut finding)) = (same, Finding::open(one, None, None)) else { return };
        if same.event.id == one.event.id {
            return;
        }
        finding.alert.state = AlertState::Sent;
        finding.apply(same);
        let told = finding.alert.state == AlertState::Pending
            && matches!(finding.alert.reason, Some(AlertReason::SomebodyElse | AlertReason::Worse));
        assert!(told, "{}: what trudy did after alice is told to nobody: {other}", one.rule.id);
    }
}

/// The one observation of a rule that must fire.
pub fn fired(rule: &'static dyn Rule, event: &str) -> Observation {
    fired_with(rule, event, &[])
}

/// The two observations of a rule that must fire and say in the same breath that it is over.
pub fn fired_and_over(rule: &'static dyn Rule, event: &str) -> [Observation; 2] {
    let observations = observe(rule, event);
    let verdicts: Vec<Verdict> = observations.iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [Verdict::Failing, Verdict::Passing], "{observations:?} of {event}");
    assert_eq!(observations[0].subject, observations[1].subject);
    observations.try_into().unwrap()
}

/// The one observation of a rule that must fire, given answers.
pub fn fired_with(rule: &'static dyn Rule, event: &str, answers: &[(Query, Answer)]) -> Observation {
    let mut observations = observe_with(rule, event, answers);
    assert_eq!(observations.len(), 1, "{observations:?} of {event}");
    let observation = observations.remove(0);
    assert_ne!(observation.verdict, Verdict::Passing);
    assert!(!observation.title.is_empty());
    observation
}

/// Asserts that the rule fires with this severity.
pub fn fires_at(rule: &'static dyn Rule, severity: Severity, event: &str) -> Observation {
    let observation = fired(rule, event);
    assert_eq!(observation.severity, severity, "{observation:?}");
    observation
}

/// A call of alice's with these parameters and no answer.
pub fn asked(source: &str, name: &str, request: Value) -> String {
    call(source, name, json!({"requestParameters": request}))
}

/// Asserts that the rule fires with this severity and title, and that the other event settles it.
pub fn opens_and_closes(
    rule: &'static dyn Rule,
    severity: Severity,
    (open, title): (&str, &str),
    close: &str,
) {
    let seen = fires_at(rule, severity, open);
    assert_eq!(seen.title, title);
    let closed = observe(rule, close);
    let settles =
        |one: &Observation| one.verdict == Verdict::Passing && one.finding_id() == seen.finding_id();
    assert!(closed.iter().any(settles), "{closed:?} of {close} does not settle {title}");
}

/// Asserts that the rule says nothing of any of these events.
pub fn quiet(rule: &'static dyn Rule, events: &[String]) {
    for event in events {
        let observations = observe(rule, event);
        assert!(observations.is_empty(), "{observations:?} of {event}");
    }
}

/// The built-in rule with this id.
pub fn rule(id: &str) -> &'static dyn Rule {
    *RULES.iter().find(|rule| rule.about().id == id).unwrap_or_else(|| panic!("there is no rule {id}"))
}

/// The answer that, of this rule's window for `key`, this member stands among `count`.
pub fn among(rule: &dyn Rule, key: &str, member: &str, span: Duration, count: usize) -> (Query, Answer) {
    let time = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
    let key = format!("{}#{}", rule.about().id, short_hash(&[ACCOUNT, key]));
    let query = Query::Window(WindowQuery { key, member: member.to_owned(), time, span, enough: ENOUGH });
    (query, Fact::Known(StateValue::WindowCount(WindowCount { count, since: time })))
}

/// The answer that who makes this call is known for ten days, and this caller since then, or not.
pub fn known_caller(event: &str, before: bool) -> (Query, Answer) {
    let parsed = Event::parse(event).unwrap();
    let Body::CloudTrail(record) = &parsed.body else { panic!("no record: {event}") };
    let time = parsed.time().unwrap();
    let any = time.minus(Duration::from_secs(10 * 86_400));
    let seen = FirstSeen { member: if before { any } else { time }, any };
    let asked = doers::question(record, ACCOUNT, time).expect("the call counts");
    (Query::FirstSeen(asked), Fact::Known(StateValue::FirstSeen(seen)))
}

/// Logs of several events, replayed in order, with windows that really count.
pub mod log {
    use super::*;

    /// What this rule alone makes of each of the events.
    pub fn all(rule: &'static dyn Rule, events: &[String]) -> Vec<Vec<Observation>> {
        let rules: &'static [&'static dyn Rule] = Box::leak(Box::new([rule]));
        played(&Player::new(rules, Config { overrides: switched_on(rule), ..settings() }), events)
    }

    /// What all rules make of each of the events.
    pub fn all_rules(events: &[String]) -> Vec<Vec<Observation>> {
        played(&Player::new(RULES, settings()), events)
    }

    fn played(player: &Player, events: &[String]) -> Vec<Vec<Observation>> {
        let mut memory = Memory::default();
        let mut each = |text: &String| {
            let mut played = Vec::new();
            entries(text, &mut |entry| played.push(player.play(&entry.unwrap()).unwrap()));
            let [played] = <[_; 1]>::try_from(played).unwrap();
            seen(memory.settle(player, played))
        };
        events.iter().map(&mut each).collect()
    }

    /// The one observation that the last of the events, and none before it, gives.
    pub fn last_fired(rule: &'static dyn Rule, events: &[String]) -> Observation {
        let mut seen = all(rule, events);
        let mut last = seen.pop().unwrap();
        assert!(seen.iter().all(Vec::is_empty), "{seen:?}");
        assert_eq!(last.len(), 1, "{last:?}");
        last.remove(0)
    }

    /// Asserts that none of the events gives anything.
    pub fn quiet(rule: &'static dyn Rule, events: &[String]) {
        let seen = all(rule, events);
        assert!(seen.iter().all(Vec::is_empty), "{seen:?}");
    }

    /// The event again and again, every `apart` seconds, each an event of its own.
    pub fn repeated(event: &str, times: usize, apart: usize) -> Vec<String> {
        (0..times).map(|i| at(event, &format!("repeated-{i}"), i * apart)).collect()
    }

    /// The event with another id, so many seconds later than noon.
    pub fn at(event: &str, id: &str, seconds: usize) -> String {
        let mut record: Value = serde_json::from_str(event).unwrap();
        record["eventID"] = json!(id);
        let (hour, minutes, seconds) = (12 + seconds / 3_600, seconds / 60 % 60, seconds % 60);
        record["eventTime"] = json!(format!("2026-03-01T{hour}:{minutes:02}:{seconds:02}Z"));
        record.to_string()
    }
}
