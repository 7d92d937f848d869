//! Commands that the owner pastes: what the AWS CLI makes of them is what the rule meant, whatever an attacker's name holds.

use keepwatch_core::observation::{RemediationStep, shorthand};
use keepwatch_rules::testing::{fired, root_sign_in, rule};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The words of a command line, as a POSIX shell reads it.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            '\\' if !quoted => word.get_or_insert_default().extend(rest.next()),
            _ => {
                assert!(quoted || c.is_ascii_alphanumeric() || "_-+=,.@/:%".contains(c), "{c} of {line}");
                word.get_or_insert_default().push(c);
            }
        }
    }
    assert!(!quoted, "{line}");
    words.extend(word);
    words
}

/// What the AWS CLI makes of an option's value that is a structure: JSON where it begins with a brace, and otherwise its
/// shorthand (aws/aws-cli, `awscli/argprocess.py` and `awscli/shorthand.py`). A value that is quoted, escaped or a list of
/// its own is no part of what is written here.
fn structure(text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with(['{', '[']) {
        return serde_json::from_str(text).map_err(|error| error.to_string());
    }
    let mut pairs = serde_json::Map::new();
    let mut last: Option<String> = None;
    for part in text.split(',') {
        let key_ends = part.find(|c: char| !c.is_ascii_alphanumeric());
        let value = match key_ends.filter(|at| *at > 0 && part[*at..].starts_with('=')) {
            Some(at) => {
                last = Some(part[..at].to_owned());
                &part[at + 1..]
            }
            None => part,
        };
        if value.contains(['=', '"', '\'', '\\', '[', ']', '{', '}'])
            || value.trim() != value
            || value.contains(' ')
        {
            return Err(format!("{value} is more than a plain value"));
        }
        match (&last, key_ends.is_some_and(|at| part[at..].starts_with('='))) {
            (Some(key), true) => {
                pairs.insert(key.clone(), json!(value));
            }
            // A further value makes the one before a list.
            (Some(key), false) => {
                let so_far = pairs[key].take();
                let mut list = so_far.as_array().cloned().unwrap_or_else(|| vec![so_far]);
                list.push(json!(value));
                pairs.insert(key.clone(), json!(list));
            }
            (None, _) => return Err(format!("{part} has no key")),
        }
    }
    // `Values` is a list to AWS's model, of one where the shorthand has one.
    if let Some(value) = pairs.get_mut("Values").filter(|value| value.is_string()) {
        *value = json!([value.take()]);
    }
    Ok(Value::Object(pairs))
}

/// What the AWS CLI is told by this step.
fn told(pairs: &[(&str, &str)]) -> Value {
    let step = RemediationStep::aws("", "cloudtrail lookup-events", &[("--option", &shorthand(pairs))]);
    let words = words(&step.command);
    assert_eq!(words[..4], ["aws", "cloudtrail", "lookup-events", "--option"], "{}", step.command);
    assert_eq!(words.len(), 5, "{}", step.command);
    let told = structure(&words[4]);
    assert!(told.is_ok(), "{}: {told:?}", step.command);
    told.unwrap_or_default()
}

#[test]
fn a_look_into_the_history_holds_what_came_just_before_midnight_and_what_was_refused() {
    let at = json!({"eventTime": "2026-03-01T00:04:00Z", "responseElements": {"ConsoleLogin": "Success"}});
    let seen = || {
        let mut seen = fired(rule("root-console-sign-in"), &root_sign_in("ConsoleLogin", at.clone()));
        seen.steps.clear();
        seen
    };
    let (call, by) = ("cloudtrail lookup-events", "AttributeKey=Username,AttributeValue=root");
    let options = [("--region", "us-east-1"), ("--lookup-attributes", by)];
    let listed = seen().step("What else?", call, &options).steps.remove(0).command;
    assert!(listed.contains(" --start-time 2026-02-28 ") && listed.contains("Failed:contains("), "{listed}");
    let named = seen().look_for("Who?", "us-east-1", by, "/ro`le\"").steps.remove(0).command;
    let filter = r#"Events[?contains(CloudTrailEvent,`"/role\""`)].{At:EventTime,"#;
    assert!(named.contains(" --start-time 2026-02-28 ") && named.contains(filter), "{named}");
    // What was written before may be months old, and its parameters are what is asked for.
    let before = seen().look_back("What was it?", "us-east-1", by).steps.remove(0);
    assert!(before.purpose.contains("90 days"), "{before:?}");
    assert!(!before.command.contains("--start-time"), "{before:?}");
    assert!(before.command.ends_with(" --query 'Events[].[CloudTrailEvent]' --output text"), "{before:?}");
    let of_one = ("--lookup-attributes", "AttributeKey=EventId,AttributeValue=e1");
    assert_eq!(
        seen().step("It", call, &[of_one]).steps[0].command,
        format!("aws {call} {} {}", of_one.0, of_one.1)
    );
}

#[test]
fn names_that_an_attacker_chose_stay_names() {
    for name in [
        "alice", "a,b=c", "a=b", "a,b", "[x]", "{}", "it's", "a b", "\"", "a\\,b", "file://x", "$(id)", "@x",
        "",
    ] {
        let told = told(&[("AttributeKey", "Username"), ("AttributeValue", name)]);
        assert_eq!(told, json!({"AttributeKey": "Username", "AttributeValue": name}));
    }
    assert_eq!(
        told(&[("Name", "key-name"), ("Values", "a,b")]),
        json!({"Name": "key-name", "Values": ["a,b"]})
    );
    assert_eq!(
        told(&[("Name", "group-id"), ("Values", "sg-1")]),
        json!({"Name": "group-id", "Values": ["sg-1"]})
    );
    // As it is read most easily, where it can be.
    assert_eq!(shorthand(&[("Name", "group-id"), ("Values", "sg-1")]), "Name=group-id,Values=sg-1");
}

proptest! {
    #[test]
    fn every_name_stays_a_name(name in "[ -~\u{e4}\u{4e2d}]{0,64}", plain in "[a-z0-9=,@.+_-]{0,64}") {
        for name in [&name, &plain] {
            let told = told(&[("AttributeKey", "Username"), ("AttributeValue", name)]);
            prop_assert_eq!(told, json!({"AttributeKey": "Username", "AttributeValue": name}));
        }
    }
}
