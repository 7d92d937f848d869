//! Which decisive events have been judged. The event history shows them all; only the others are judged from there.
//!
//! A receipt knows only what became a finding. An event that meant nothing must not be judged again a day later either: the
//! account may have changed since, and windows count what came after it.

use keepwatch_base::hash::short_hash;
use keepwatch_base::time::Timestamp;
use serde_json::Value;

use super::decisive::is_decisive;
use crate::event::{Body, Event};
use crate::memory::journal::{Journal, RECEIPTS_KEPT};

/// What rules judge an event by. It is part of the note, so that nobody has an event taken for heard by a forged message that
/// has its id and says something harmless.
const SAYS: [&str; 8] = [
    "eventSource",
    "eventName",
    "eventTime",
    "errorCode",
    "userIdentity",
    "requestParameters",
    "responseElements",
    "additionalEventData",
];

/// The journal's key of the note that an event was judged. The same whatever the order of the fields in its text.
pub(super) fn key(event: &Event<'_>) -> String {
    let id = event.occurrence_id();
    let Body::CloudTrail(record) = &event.body else { return format!("heard#{}", short_hash(&[&id])) };
    let whole = record.whole();
    if whole.is_null() {
        // A number in it has no value in Rust. The text tells what it says; written otherwise, it is judged once more.
        return format!("heard#{}", short_hash(&[&id, record.text()]));
    }
    let said = |field: &str| match whole.get(field) {
        None | Some(Value::Null) => String::new(),
        Some(value) => value.to_string(),
    };
    let said = SAYS.map(said);
    let parts: Vec<&str> = std::iter::once(id.as_str()).chain(said.iter().map(String::as_str)).collect();
    format!("heard#{}", short_hash(&parts))
}

/// Notes that an event was judged, if it is decisive.
///
/// # Errors
/// The journal's. Nothing is lost then: the event is judged once more, and its receipts know it.
pub async fn note<J: Journal>(journal: &J, event: &Event<'_>, now: Timestamp) -> Result<(), J::Error> {
    if is_decisive(event) {
        // Refused when it is noted already.
        journal.write(&key(event), &true, None, now.plus(RECEIPTS_KEPT)).await?;
    }
    Ok(())
}

/// Whether there is a note under this key.
///
/// # Errors
/// The journal's.
pub(super) async fn is_noted<J: Journal>(journal: &J, key: &str) -> Result<bool, J::Error> {
    Ok(journal.read::<bool>(key).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(text: &str) -> String {
        key(&Event::parse(text).unwrap())
    }

    const LOG: &str = r#"{"eventID": "e1", "eventSource": "iam.amazonaws.com", "eventName": "CreateUser",
        "requestParameters": {"userName": "bob", "tags": [1, 2]}, "responseElements": null, "userAgent": "x"}"#;

    #[test]
    fn the_same_event_has_the_same_key_however_it_is_written() {
        let otherwise = r#"{"version":"0","detail-type":"AWS API Call via CloudTrail","id":"x","detail":{
            "requestParameters":{"tags":[1,2],"userName":"bob"},"eventName":"CreateUser",
            "eventSource":"iam.amazonaws.com","eventID":"e1"}}"#;
        assert_eq!(key_of(LOG), key_of(otherwise));
    }

    /// JSON allows numbers that have no value in Rust. Such a record is told apart by its text.
    #[test]
    fn a_record_that_cannot_be_read_whole_is_not_known_by_its_id_alone() {
        let odd = LOG.replacen("\"x\"", "\"x\", \"n\": 1e999", 1);
        assert_ne!(key_of(&odd), key_of(&odd.replacen("CreateUser", "GetUser", 1)));
        assert_eq!(key_of(&odd), key_of(&odd));
    }

    #[test]
    fn a_message_with_the_id_that_says_something_else_has_another() {
        for (said, instead) in [
            ("CreateUser", "GetUser"),
            ("bob", "alice"),
            ("iam.amazonaws.com", "sts.amazonaws.com"),
            ("\"eventID\"", "\"errorCode\": \"AccessDenied\", \"eventID\""),
            ("\"eventID\"", "\"userIdentity\": {\"invokedBy\": \"sso.amazonaws.com\"}, \"eventID\""),
            ("null", "{\"x\": 1}"),
            ("e1", "e2"),
        ] {
            assert_ne!(key_of(LOG), key_of(&LOG.replacen(said, instead, 1)), "{instead}");
        }
    }
}
