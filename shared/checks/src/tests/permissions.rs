//! A scan without one permission, for every permission: exactly the verdicts that rest on it are unknown.
//!
//! What must be unknown is not taken from the scan that lacks the permission. It follows from the questions that the checks
//! declare: of each question that needs the action, the recorded answer is replaced by many other answers that AWS might have
//! given (a switch the other way, an empty list, what another resource has, a policy that gives everything). A verdict that
//! any of these turns rests on the answer; without the answer it must be unknown. A verdict that none of them turns must stay
//! as it is. So a refusal hides no known failure where another answer decides it (a bucket that its policy opens is public,
//! whatever its access control list says), and where the answer adds a detail or moves the severity only (how old root's key
//! is). [`STAYS`] names the few verdicts that rest on an answer and yet stay without it, with the reason.

use std::collections::{BTreeMap, BTreeSet};

use keepwatch_core::posture::{Judged, Judgement, Question, State};
use serde_json::{Value, json};

use crate::check::Check;
use crate::parameters::{Parameters, Profile};
use crate::registry::CHECKS;
use crate::run::run;

/// The most other values that one place of an answer is given from the same place of others.
const OTHERS: usize = 3;

/// Verdicts that stay without an answer which could turn them: the check, the action, and the ends of the resources' names.
const STAYS: [(&str, &str, &[&str]); 6] = [
    // AWS has found the user's key in public. That all its keys are off would make it a line to know; as long as nobody can
    // tell, the worse is said.
    ("key.exposed", "iam:GenerateCredentialReport", &["quarantined"]),
    ("key.exposed", "iam:GetCredentialReport", &["quarantined"]),
    // The password policy is weak. That no user has a password would make it a line to know.
    ("iam.password-policy", "iam:GenerateCredentialReport", &["root"]),
    ("iam.password-policy", "iam:GetCredentialReport", &["root"]),
    // Where RestrictPublicBuckets is on, no policy makes the bucket public; that other accounts may be let in is left open by
    // the aspect of the verdict.
    ("s3.public-policy", "s3:GetBucketPolicy", &["policy-restricted", "good", "split-bpa"]),
    // The aliases spare the question about each key that is AWS's own. Without them it is put, and the key itself tells.
    ("kms.pending-deletion", "kms:ListAliases", &[""]),
];

/// Answers that the recorded account has nowhere, for questions of one place each.
const SAMPLES: [(Question, &str); 5] = [
    (Question::SecurityContact, "{}"),
    (Question::RootFeatures, r#"["RootCredentialsManagement"]"#),
    (
        Question::AccountPublicAccess,
        r#"{"block_public_acls": true, "ignore_public_acls": true, "block_public_policy": true, "restrict_public_buckets": true}"#,
    ),
    (Question::PrefixList, r#"["0.0.0.0/0"]"#),
    (
        Question::Trails,
        r#"[{"arn": "arn:aws:cloudtrail:us-east-1:111122223333:trail/all", "name": "all", "home_region": "us-east-1",
            "bucket": "b", "multi_region": true, "global_events": true, "organization": false, "kms_key": null,
            "validation": true, "log_group": null}]"#,
    ),
];

/// What would be answered about the trail among the samples.
const OF_SAMPLES: [(Question, &str, &str); 2] = [
    (
        Question::TrailStatus,
        "arn:aws:cloudtrail:us-east-1:111122223333:trail/all",
        r#"{"logging": true, "delivery_error": null}"#,
    ),
    (
        Question::TrailSelectors,
        "arn:aws:cloudtrail:us-east-1:111122223333:trail/all",
        r#"{"basic": [{"read_write": "All", "management": true, "excluded": []}], "advanced": []}"#,
    ),
];

/// Check, region, resource, aspect.
type Key = (&'static str, String, String, Option<String>);

fn key(one: &Judgement) -> Key {
    let subject = one.subject.clone();
    (one.check.id, subject.region, subject.resource, subject.aspect)
}

fn verdicts(checks: &[&dyn Check], state: &State) -> BTreeMap<Key, Judged> {
    let parameters = Parameters::of(Profile::Default);
    run(checks, state, &parameters, state.at).iter().map(|one| (key(one), one.verdict)).collect()
}

/// Whether an unknown verdict speaks for what it has the list of: a user for its keys, a region or the account for all in it.
fn covers(unknown: &Key, one: &Key, root: &str) -> bool {
    let (check, region, resource, aspect) = unknown;
    let whole =
        resource == root && (region == "global" || *region == one.1 || one.2 == root && one.1 == "global");
    *check == one.0 && (whole || *resource == one.2 && aspect.is_none() && *region == one.1)
}

fn stays((check, _, resource, _): &Key, action: &str) -> bool {
    let named = |ends: &[&str]| ends.iter().any(|end| resource.ends_with(end));
    STAYS.iter().any(|(of, without, ends)| of == check && *without == action && named(ends))
}

/// The verdicts of a check in a region, whatever their subjects are called.
fn tally(verdicts: &BTreeMap<Key, Judged>, like: &Key) -> Vec<Judged> {
    let alike = verdicts.iter().filter(|(key, _)| key.0 == like.0 && key.1 == like.1);
    let mut all: Vec<Judged> = alike.map(|(_, verdict)| *verdict).collect();
    all.sort();
    all
}

/// What has become of a verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Now {
    /// The same, perhaps of a subject that is called otherwise (a key by its place and not by its id) or of a part of it.
    Same,
    Unknown,
    Other,
}

fn now(key: &Key, before: &BTreeMap<Key, Judged>, after: &BTreeMap<Key, Judged>, root: &str) -> Now {
    let mut unknown = after.iter().filter(|(_, now)| **now == Judged::Unknown).map(|(key, _)| key);
    let mut parts = after
        .iter()
        .filter(|(other, _)| (other.0, &other.1, &other.2) == (key.0, &key.1, &key.2))
        .map(|(_, now)| now);
    match after.get(key) {
        Some(Judged::Unknown) => Now::Unknown,
        Some(now) if *now == before[key] => Now::Same,
        Some(_) => Now::Other,
        None if unknown.any(|unknown| covers(unknown, key, root)) => Now::Unknown,
        None if tally(before, key) == tally(after, key) => Now::Same,
        None if parts.any(|now| *now == before[key]) => Now::Same,
        None => Now::Other,
    }
}

/// Values that stand at the same place of answers, the place without the numbers of its lists: `users.[].mfa`.
type Pool = BTreeMap<String, BTreeSet<String>>;

fn gather(value: &Value, path: &str, pool: &mut Pool) {
    pool.entry(path.to_owned()).or_default().insert(value.to_string());
    match value {
        Value::Array(items) => items.iter().for_each(|item| gather(item, &format!("{path}.[]"), pool)),
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| gather(field, &format!("{path}.{name}"), pool));
        }
        _ => {}
    }
}

/// Policies that an account might have, whatever the recorded one has.
fn documents() -> [Value; 3] {
    let statement = |text: Value| json!(json!({"Version": "2012-10-17", "Statement": [text]}).to_string());
    [
        statement(json!({"Effect": "Allow", "Action": "*", "Resource": "*"})),
        statement(json!({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"})),
        statement(json!({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"})),
    ]
}

/// Other values for one place.
fn others(value: &Value, path: &str, pool: &Pool, names: &[Value]) -> Vec<Value> {
    let mut others: Vec<Value> = match value {
        Value::Bool(flag) => vec![json!(!flag)],
        Value::Number(_) => vec![json!(0), json!(100_000)],
        // All that has a name is in the list.
        Value::Array(items) if items.iter().all(Value::is_string) => vec![json!([]), json!(names)],
        Value::Array(_) => vec![json!([])],
        Value::String(_) => vec![json!(""), json!("2020-01-01T00:00:00Z"), json!("2026-11-30T00:00:00Z")],
        Value::Null => vec![json!(1), json!(100_000), json!(true), json!(names)],
        Value::Object(_) => vec![Value::Null],
    };
    if ["document", "text", "trust"].iter().any(|name| path.ends_with(name)) {
        others.extend(documents());
    }
    let found = pool.get(path).into_iter().flatten().filter_map(|text| serde_json::from_str(text).ok());
    others.extend(found.filter(|other: &Value| other != value).take(OTHERS));
    others
}

/// An answer with one place changed, in many ways; the coarse ones first.
fn changed(value: &Value, path: &str, pool: &Pool, names: &[Value]) -> Vec<Value> {
    let mut all = others(value, path, pool, names);
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                for other in changed(item, &format!("{path}.[]"), pool, names) {
                    let mut copy = items.clone();
                    copy[at] = other;
                    all.push(Value::Array(copy));
                }
            }
        }
        Value::Object(fields) => {
            // A field that only others have is one as well.
            let prefix = format!("{path}.");
            let of_others = pool.keys().filter_map(|other| other.strip_prefix(&prefix));
            let known: BTreeSet<&str> = of_others.filter(|name| !name.contains('.')).collect();
            for name in known {
                let field = fields.get(name).unwrap_or(&Value::Null);
                for other in changed(field, &format!("{path}.{name}"), pool, names) {
                    let mut copy = fields.clone();
                    copy.insert(name.to_owned(), other);
                    all.push(Value::Object(copy));
                }
            }
        }
        _ => {}
    }
    all
}

/// The verdicts of a check that other answers to a question can turn.
fn resting_on(
    question: Question,
    check: &'static dyn Check,
    whole: &Value,
    names: &[Value],
) -> BTreeSet<Key> {
    // The check reads nothing else, and less is faster to read.
    let mut written = whole.clone();
    let asked: BTreeSet<&str> = check.meta().asks.iter().map(|question| question.name()).collect();
    written["answers"].as_object_mut().unwrap().retain(|name, _| asked.contains(name.as_str()));
    let state = State::from_json(&written.to_string()).unwrap();
    let root = state.root_arn();
    let before = verdicts(&[check], &state);
    let mut open: BTreeSet<&Key> =
        before.iter().filter(|(_, verdict)| **verdict != Judged::Unknown).map(|(key, _)| key).collect();

    let answers = written["answers"][question.name()].as_array().cloned().unwrap_or_default();
    let was = |answer: &Value| answer[1].get("known").map_or(Value::Null, |known| known[0].clone());
    let at = written["at"].clone();
    let known = |value: Value| json!({"known": [value, at]});
    let mut pool = Pool::new();
    for answer in &answers {
        gather(&was(answer), "", &mut pool);
    }
    let all_as = |value: &Value| -> Vec<Value> { answers.iter().map(|one| json!([one[0], value])).collect() };
    let sample = SAMPLES.iter().find(|(of, _)| *of == question);
    let sample = sample.map(|(_, text)| serde_json::from_str(text).unwrap());
    // The same for all places, and then each place by itself.
    let coarse = [json!([]), json!({"users": [], "groups": [], "roles": [], "policies": []})]
        .into_iter()
        .chain(sample);
    let coarse = coarse.map(|value| all_as(&known(value))).chain([all_as(&json!("absent"))]);
    let fine = answers.iter().enumerate().flat_map(|(at, answer)| {
        let answers = &answers;
        changed(&was(answer), "", &pool, names).into_iter().map(move |value| {
            let mut copy = answers.clone();
            copy[at][1] = known(value);
            copy
        })
    });
    let mut found = BTreeSet::new();
    for other in coarse.chain(fine) {
        if open.is_empty() {
            break;
        }
        written["answers"][question.name()] = Value::Array(other);
        // What is no answer to the question, such as a number where a list belongs.
        let Ok(state) = serde_json::from_value(written.clone()) else { continue };
        let after = verdicts(&[check], &state);
        open.retain(|key| {
            let turned = now(key, &before, &after, &root) == Now::Other;
            if turned {
                found.insert((*key).clone());
            }
            !turned
        });
    }
    found
}

/// What a scan without the permission would have brought.
fn without(action: &str, whole: &State) -> State {
    let mut state = whole.clone();
    for question in Question::ALL.iter().filter(|question| question.actions().contains(&action)) {
        state.refuse(*question, action);
    }
    state
}

#[test]
fn without_a_permission_exactly_the_verdicts_that_rest_on_it_are_unknown() {
    let whole = State::from_json(include_str!("../testing/state.json")).unwrap();
    let mut written: Value = serde_json::from_str(&whole.to_json().unwrap()).unwrap();
    for (question, of, value) in OF_SAMPLES {
        let value: Value = serde_json::from_str(value).unwrap();
        let answer = json!([{"region": "us-east-1", "of": of}, {"known": [value, written["at"]]}]);
        written["answers"][question.name()].as_array_mut().unwrap().push(answer);
    }
    let root = whole.root_arn();
    let before = verdicts(CHECKS, &whole);
    // All that has a name, to be put on lists.
    let mut names = BTreeSet::new();
    for (_, _, resource, aspect) in before.keys() {
        names.extend(resource.rsplit([':', '/']).next().map(str::to_owned));
        names.insert(resource.clone());
        names.extend(aspect.clone());
    }
    let names: Vec<Value> = names.into_iter().map(Value::String).collect();
    let mut resting: BTreeMap<Question, BTreeSet<Key>> = BTreeMap::new();
    for check in CHECKS {
        for question in check.meta().asks {
            resting.entry(*question).or_default().extend(resting_on(*question, *check, &written, &names));
        }
    }
    let actions: BTreeSet<&str> =
        Question::ALL.iter().flat_map(|question| question.actions()).copied().collect();
    let mut wrong = Vec::new();
    for action in actions {
        let questions = Question::ALL.iter().filter(|question| question.actions().contains(&action));
        let rests = |key: &Key| {
            questions.clone().any(|question| resting.get(question).is_some_and(|all| all.contains(key)))
        };
        let after = verdicts(CHECKS, &without(action, &whole));
        for (key, was) in before.iter().filter(|(_, was)| **was != Judged::Unknown) {
            let expected = if rests(key) && !stays(key, action) { Now::Unknown } else { Now::Same };
            let now = now(key, &before, &after, &root);
            if now != expected {
                wrong.push(format!("{action}: {key:?} was {was:?}, is {now:?}, expected {expected:?}"));
            }
        }
        // Where the recorded scan found nothing to judge: a region without a volume.
        for (key, _) in
            after.iter().filter(|(key, now)| **now == Judged::Unknown && !before.contains_key(*key))
        {
            let meta = CHECKS.iter().map(|check| check.meta()).find(|meta| meta.about.id == key.0).unwrap();
            if !meta.asks.iter().any(|question| question.actions().contains(&action)) {
                wrong.push(format!("{action}: {key:?} is unknown, and never asked for it"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
