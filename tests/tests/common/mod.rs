//! What the tests of the compiled functions share: how a function is started beside an AWS that runs in the test, handed what
//! Lambda would hand it, and what it answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(dead_code, reason = "each file of tests uses a part")]

use std::process::Stdio;

use keepwatch_base::time::Timestamp;
use keepwatch_tests::aws_stub::{AwsStub, NOTIFY, QUEUE, TABLES};
use keepwatch_tests::events::{root_sign_in, sqs_batch};
use keepwatch_tests::function::{Function, binary};
use keepwatch_tests::runtime_api::{ACCOUNT, Outcome};
use serde_json::Value;

pub(crate) const DAY: i64 = 86_400_000;

/// What the clock calls notify and scan with.
pub(crate) const CLOCK: &str = r#"{"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}"#;

/// What the template tells `scan`.
pub(crate) const SCAN: [(&str, &str); 6] = [
    TABLES[0],
    TABLES[1],
    TABLES[2],
    ("INTAKE_QUEUE_URL", QUEUE),
    ("RECHECK_QUEUE_URL", QUEUE),
    ("WATCHED_REGIONS", "us-east-1"),
];

/// The function of this name beside this AWS, with these settings.
pub(crate) fn start(name: &str, aws: &AwsStub, settings: &[(&str, &str)]) -> Function {
    start_with_errors(name, aws, settings, Stdio::inherit())
}

fn start_with_errors(name: &str, aws: &AwsStub, settings: &[(&str, &str)], errors: Stdio) -> Function {
    let binary = binary(name).unwrap_or_else(|error| panic!("{error}"));
    let all = [&[("AWS_ENDPOINT_URL", aws.endpoint())], settings].concat();
    Function::start(&binary, &all, errors).unwrap()
}

pub(crate) fn detect(aws: &AwsStub) -> Function {
    start("detect", aws, &TABLES)
}

pub(crate) fn notify(aws: &AwsStub) -> Function {
    start("notify", aws, &[&TABLES[..], &NOTIFY[..]].concat())
}

pub(crate) fn scan(aws: &AwsStub) -> Function {
    start("scan", aws, &SCAN)
}

/// Asserts that the function does not start without one of its settings, and names it.
pub(crate) fn names_what_is_missing(name: &str, settings: &[(&str, &str)], missing: &str) {
    let aws = AwsStub::http().unwrap();
    let mut settings = settings.to_vec();
    settings.retain(|(setting, _)| *setting != missing);
    let mut function = start_with_errors(name, &aws, &settings, Stdio::piped());
    let (status, text) = function.ended().unwrap().expect("it must not start");
    assert!(!status.success(), "{name} without {missing}: {status}");
    let wanted = format!("environment variable {missing} is not set");
    assert!(text.contains(&wanted), "{name} without {missing} says: {text}");
}

/// What the function makes of the event: its answer, or why it failed.
pub(crate) fn answer(function: &Function, event: &str) -> Result<String, String> {
    match function.invoke(event).expect("the function did not answer").outcome {
        Outcome::Response(text) => Ok(text),
        Outcome::Error(reason) => Err(reason),
    }
}

/// A run by the clock; whether it succeeded.
pub(crate) fn sweep(notify: &Function) -> bool {
    answer(notify, CLOCK).is_ok()
}

/// The ids that the function gives back to the queue or the stream.
pub(crate) fn failures(function: &Function, batch: &str) -> Vec<String> {
    let text = answer(function, batch).unwrap_or_else(|reason| panic!("the batch failed: {reason}"));
    let response: Value = serde_json::from_str(&text).unwrap();
    let failures = response["batchItemFailures"].as_array().expect("a partial batch response");
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

/// Hands the function messages of its queue, which it must take all.
pub(crate) fn taken(function: &Function, messages: &[String]) {
    let messages: Vec<(&str, &str)> = messages.iter().map(|message| ("m", message.as_str())).collect();
    assert_eq!(failures(function, &sqs_batch(&messages)), [""; 0]);
}

/// The present, in milliseconds since 1970.
pub(crate) fn now() -> i64 {
    keepwatch_aws::runtime::now().millis()
}

/// So many minutes ago, to the second, as CloudTrail has times.
pub(crate) fn minutes_ago(minutes: i64) -> String {
    Timestamp::from_millis(now() / 1_000 * 1_000 - minutes * 60_000).to_string()
}

/// The message, of a call so many minutes ago.
pub(crate) fn ago(minutes: i64, message: &str) -> String {
    let mut message: Value = serde_json::from_str(message).unwrap();
    message["detail"]["eventTime"] = minutes_ago(minutes).into();
    message.to_string()
}

/// An AWS whose table holds one finding that is due an alert, written by detect itself; and the finding's id.
pub(crate) fn pending() -> (AwsStub, String) {
    let aws = AwsStub::http().unwrap();
    taken(&detect(&aws), &[root_sign_in(ACCOUNT, "e1")]);
    let ids: Vec<String> = aws.items().into_keys().collect();
    let [id] = &ids[..] else { panic!("one finding is expected: {ids:?}") };
    (aws, id.clone())
}

/// An attribute of a finding as text, whatever its type.
pub(crate) fn attribute(aws: &AwsStub, finding_id: &str, name: &str) -> Option<String> {
    let item = aws.items().remove(finding_id)?;
    let (_, value) = item.get(name)?.as_object()?.iter().next()?;
    value.as_str().map(str::to_owned)
}

/// The subjects of all mails so far.
pub(crate) fn subjects(aws: &AwsStub) -> Vec<String> {
    aws.published().into_iter().filter_map(|mut message| message.remove("Subject")).collect()
}
