//! A record of the event history as the message that EventBridge would have sent.

use keepwatch_base::time::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::decisive::is_decisive;
use super::heard;
use crate::event::{Body, Event, Unreadable};

/// A decisive event that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The source's own id.
    pub event_id: String,
    /// The key of the note that it was judged.
    pub heard: String,
    /// The message for the intake queue.
    pub message: String,
}

/// What a record is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// When it happened.
    pub time: Option<Timestamp>,
    /// The event, if it is decisive.
    pub found: Option<Found>,
}

/// EventBridge's envelope (EventBridge user guide, "Events"). `version` comes first, as EventBridge writes it.
#[derive(Serialize)]
struct Envelope<'e> {
    version: &'static str,
    id: &'e str,
    #[serde(rename = "detail-type")]
    detail_type: &'static str,
    source: String,
    account: &'e str,
    time: &'e str,
    region: &'e str,
    resources: [&'static str; 0],
    detail: &'e RawValue,
}

/// Reads the text of `CloudTrailEvent`, a record as CloudTrail's log files have it.
///
/// # Errors
/// [`Unreadable`] when it is no JSON object.
pub fn read(text: &str) -> Result<Read, Unreadable> {
    let event = Event::record(text)?;
    let Body::CloudTrail(record) = &event.body else { return Ok(Read::default()) };
    let time = record.time();
    if !is_decisive(&event) {
        return Ok(Read { time, found: None });
    }
    let event_id = event.occurrence_id();
    let service = record.event_source.or_empty();
    let message = serde_json::to_string(&Envelope {
        version: "0",
        id: &event_id,
        detail_type: detail_type(record.event_type.or_empty()),
        source: format!("aws.{}", service.strip_suffix(".amazonaws.com").unwrap_or(service)),
        account: record.account(),
        time: record.event_time.or_empty(),
        region: record.aws_region.or_empty(),
        resources: [],
        detail: serde_json::from_str(text)?,
    })?;
    Ok(Read { time, found: Some(Found { heard: heard::key(&event), event_id, message }) })
}

/// Under which detail-type EventBridge sends records of an `eventType` (EventBridge events reference, "CloudTrail").
fn detail_type(event_type: &str) -> &'static str {
    match event_type {
        "AwsConsoleSignIn" => "AWS Console Sign In via CloudTrail",
        "AwsConsoleAction" => "AWS Console Action via CloudTrail",
        "AwsServiceEvent" => "AWS Service Event via CloudTrail",
        _ => "AWS API Call via CloudTrail",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGN_IN: &str = r#"{
        "eventVersion": "1.11", "userIdentity": {"type": "Root", "accountId": "111122223333"},
        "eventTime": "2026-03-01T12:00:00Z", "eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin",
        "awsRegion": "us-east-1", "eventID": "e1", "eventType": "AwsConsoleSignIn", "recipientAccountId": "111122223333",
        "responseElements": {"ConsoleLogin": "Success", "a number": 1.10}
    }"#;

    #[test]
    fn the_message_is_read_like_the_one_of_eventbridge() {
        let read = read(SIGN_IN).unwrap();
        assert_eq!(read.time, Timestamp::parse("2026-03-01T12:00:00Z"));
        let found = read.found.unwrap();
        assert_eq!(found.event_id, "e1");
        assert!(found.message.starts_with(r#"{"version":"0","#), "{}", found.message);
        let event = Event::parse(&found.message).unwrap();
        assert_eq!(event.envelope.detail_type.or_empty(), "AWS Console Sign In via CloudTrail");
        assert_eq!(event.envelope.source.or_empty(), "aws.signin");
        assert_eq!((event.account(), event.region()), ("111122223333", "us-east-1"));
        assert_eq!(event.occurrence_id(), "e1");
        // Digit by digit as CloudTrail has it.
        assert!(found.message.contains(SIGN_IN));
    }

    #[test]
    fn each_event_type_has_its_detail_type() {
        for (event_type, wanted) in [
            ("AwsApiCall", "AWS API Call via CloudTrail"),
            ("AwsServiceEvent", "AWS Service Event via CloudTrail"),
            ("AwsConsoleAction", "AWS Console Action via CloudTrail"),
        ] {
            let record = SIGN_IN.replace("AwsConsoleSignIn", event_type);
            let message = read(&record).unwrap().found.map(|found| found.message).unwrap_or_default();
            // What is called a service event and names root was not root itself, and yet a sign-in is decisive.
            assert!(message.contains(wanted), "{message}");
        }
    }

    #[test]
    fn what_is_not_decisive_has_a_time_and_no_message_and_what_is_no_json_is_an_error() {
        let other = SIGN_IN.replace("ConsoleLogin", "CheckMfa").replace("Root", "IAMUser");
        let found = read(&other).unwrap();
        assert_eq!((found.time.is_some(), found.found), (true, None));
        assert!(read("{").is_err());
        assert!(read("[]").is_err());
    }
}
