//! What is asked about a deployment, against hand-made answers.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use keepwatch_base::time::Timestamp;

use super::actions;
use super::shapes::missed;
use super::wire::{Mood, Wire, at};
use crate::deployed::*;
use crate::node::tests::LOOKUPS;
use crate::{Client, Fault};

const REGION: &str = "eu-west-1";
const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/111122223333/keepwatch-IntakeQueue-1A";

fn ask<T, F: Future<Output = T>>(wire: &Wire, question: impl FnOnce(Client) -> F) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(question(wire.client().hurried()))
}

fn calm() -> Wire {
    Wire::new(Mood::default())
}

fn gone() -> Wire {
    Wire::new(Mood { gone: true, ..Mood::default() })
}

/// Every question, with what came of it left out.
async fn put(question: &str, client: Client) -> Result<(), Fault> {
    let c = &client;
    match question {
        "stack" => stack(c, REGION, "keepwatch").await.map(drop),
        "event rules" => event_rules(c, REGION, Some("keepwatch-regions"), "keepwatch-").await.map(drop),
        "depth" => depth(c, REGION, QUEUE).await.map(drop),
        "mappings" => mappings(c, REGION, "keepwatch-detect").await.map(drop),
        "concurrency" => reserved_concurrency(c, REGION, "keepwatch-detect").await.map(drop),
        "alarms" => alarms(c, REGION, "keepwatch-").await.map(drop),
        "subscriptions" => subscriptions(c, REGION, "arn:aws:sns:eu-west-1:111122223333:t").await.map(drop),
        "support" => support_answers(c).await.map(drop),
        "health" => health_answers(c).await.map(drop),
        "hub" => security_hub(c, REGION).await.map(drop),
        "heard" => heard_regions(c, REGION, "keepwatch-JournalTable-1A").await.map(drop),
        "daily calls" => daily_calls(c, REGION, "keepwatch-JournalTable-1A").await.map(drop),
        "history" => heard_calls(c, REGION, "StartLogging", at()).await.map(drop),
        other => panic!("{other}"),
    }
}

const QUESTIONS: [&str; 13] = [
    "stack",
    "event rules",
    "depth",
    "mappings",
    "concurrency",
    "alarms",
    "subscriptions",
    "support",
    "health",
    "hub",
    "heard",
    "daily calls",
    "history",
];

#[test]
fn a_refusal_names_the_action() {
    let refusal = "User: u is not authorized to perform: x";
    for question in QUESTIONS {
        let wire = calm();
        ask(&wire, |client| put(question, client)).unwrap();
        for call in wire.calls() {
            let refused = BTreeSet::from([call.clone()]);
            let expected = actions(&refused);
            let wire = Wire::new(Mood { refused, refusal, ..Mood::default() });
            match ask(&wire, |client| put(question, client)) {
                Err(Fault::Refused(refusals)) => {
                    assert_eq!(expected.first(), Some(&refusals[0].action), "{question} without {call}");
                }
                other => panic!("{question} without {call}: {other:?}"),
            }
        }
    }
}

/// A proxy that answers with a page of its own must not look like a deployment without anything in it.
#[test]
fn nonsense_is_no_answer() {
    for question in QUESTIONS {
        for garbage in ["<html><body>Sign in</body>", "{\"oops\": "] {
            let wire = Wire::new(Mood { garbage: Some(garbage), ..Mood::default() });
            let came = ask(&wire, |client| put(question, client));
            assert!(matches!(came, Err(Fault::Failed(_))), "{question}: {came:?}");
        }
    }
}

#[test]
fn only_fields_of_the_models_are_read() {
    // Messages and patterns are texts of somebody's own; the parts of an item are DynamoDB's; of Health no field is read.
    for question in QUESTIONS
        .into_iter()
        .filter(|one| !["event rules", "depth", "heard", "daily calls", "health"].contains(one))
    {
        LOOKUPS.take();
        let wire = Wire::new(Mood { full: true, ..Mood::default() });
        ask(&wire, |client| put(question, client)).unwrap();
        assert_eq!(missed(), [""; 0], "{question}");
    }
}

#[test]
fn a_stack_is_read_with_its_resources() {
    let stack =
        ask(&calm(), |client| async move { stack(&client, REGION, "keepwatch").await }).unwrap().unwrap();
    assert_eq!(stack.status, "UPDATE_COMPLETE");
    assert_eq!(stack.outputs["Version"], "0.1.0");
    assert_eq!(
        (stack.parameters["AlertEmail"].as_str(), stack.parameters["KeyArn"].as_str()),
        ("a@example.com", "")
    );
    let topic = &stack.resources["AlertTopic"];
    assert_eq!(
        (topic.kind.as_str(), stack.resources.len()),
        ("AWS::SNS::Topic", 1),
        "one without a name is not made"
    );
}

#[test]
fn rules_queues_functions_and_alarms_are_read() {
    let rules = ask(&calm(), |client| async move { event_rules(&client, REGION, None, "k").await }).unwrap();
    assert!(rules.iter().all(|rule| !rule.state.is_empty() && !rule.targets.is_empty()), "{rules:?}");
    let target = &rules[0].targets[0];
    let pair = |name: &str, value: &str| (format!("InputTransformer/{name}"), value.to_owned());
    let instead =
        [pair("InputPathsMap/who", "$.detail.userIdentity.arn"), pair("InputTemplate", "\"<who>\"")];
    assert_eq!(target.instead, std::collections::BTreeMap::from(instead));
    assert_eq!((target.max_age, target.retries), (60, 3));
    assert_eq!(target.role.as_deref(), Some("arn:aws:iam::111122223333:role/r"));
    assert_eq!(target.dead_letters.as_deref(), Some("arn:aws:sqs:us-east-1:111122223333:q"));
    let found = ask(&calm(), |client| async move { depth(&client, REGION, QUEUE).await }).unwrap();
    assert_eq!(found, Depth { messages: 3, oldest: Some(Duration::from_secs(3)) });
    let found = ask(&calm(), |client| async move { mappings(&client, REGION, "f").await }).unwrap();
    assert_eq!((found[0].id.as_str(), found[0].state.as_str()), ("m-1", "Disabled"));
    let reserved = ask(&calm(), |client| async move { reserved_concurrency(&client, REGION, "f").await });
    assert_eq!(reserved, Ok(Some(0)));
    let alarms = ask(&calm(), |client| async move { alarms(&client, REGION, "k").await }).unwrap();
    assert_eq!((alarms[0].name.as_str(), alarms[0].enabled, alarms[0].actions.len()), ("bill", true, 1));
}

#[test]
fn a_subscription_nobody_confirmed_has_no_arn() {
    let topic = "arn:aws:sns:eu-west-1:111122223333:t";
    let found = ask(&calm(), |client| async move { subscriptions(&client, REGION, topic).await }).unwrap();
    let read: Vec<_> =
        found.iter().map(|one| (one.arn.is_some(), one.endpoint.as_str(), one.signed)).collect();
    assert_eq!(read, [(true, "a@example.com", Some(true)), (false, "b@example.com", None)]);
}

#[test]
fn what_is_off_is_an_answer() {
    assert_eq!(ask(&calm(), |client| async move { security_hub(&client, REGION).await }), Ok(true));
    assert_eq!(ask(&gone(), |client| async move { security_hub(&client, REGION).await }), Ok(false));
    // By the code of what is off an account is refused as well: that tells nothing of the hub.
    let words = Some("Account 111122223333 is not an administrator for this organization");
    let barred = Wire::new(Mood { gone: true, gone_words: words, ..Mood::default() });
    let found = ask(&barred, |client| async move { security_hub(&client, REGION).await });
    assert!(matches!(&found, Err(Fault::Code { why, .. }) if why.contains("administrator")), "{found:?}");
    assert_eq!(ask(&calm(), |client| async move { support_answers(&client).await }), Ok(true));
    assert_eq!(ask(&gone(), |client| async move { support_answers(&client).await }), Ok(false));
}

#[test]
fn forwarders_are_read_from_the_journal() {
    let heard = ask(&calm(), |client| async move { heard_regions(&client, REGION, "j").await }).unwrap();
    let forwarder = &heard["eu-central-1"];
    assert_eq!(forwarder.version, "0123456789abcdef");
    assert_eq!(Some(forwarder.at), Timestamp::parse("2026-11-22T11:45:00Z"));
}

/// Nothing else may pass for the answer that there is no such trail.
#[test]
fn the_call_without_effect_must_have_none() {
    let start =
        |client: Client| async move { start_nothing(&client, REGION, "keepwatch-test-alert-0").await };
    assert_eq!(ask(&gone(), start), Ok(()));
    assert!(matches!(ask(&calm(), start), Err(Fault::Failed(why)) if why.contains("keepwatch-test-alert-0")));
    let refused = BTreeSet::from(["cloudtrail:StartLogging".to_owned()]);
    let refused = Wire::new(Mood { refused, refusal: "no", ..Mood::default() });
    assert!(matches!(ask(&refused, start), Err(Fault::Refused(_))));
}
