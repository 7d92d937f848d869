//! CloudTrail's event history: `LookupEvents`, JSON of version 1.1.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use keepwatch_core::history::decisive::Lookup;
use keepwatch_core::history::progress::Span;
use keepwatch_core::history::reconcile::{EventHistory, Page};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::service::{Call, Service};
use crate::{AwsError, Cause};

const OPERATION: &str = "cloudtrail:LookupEvents";

/// The least time from one call to the next in a region. AWS allows two a second for all of the account's callers in a region
/// together (CloudTrail API reference, `LookupEvents`).
const PACE: Duration = Duration::from_millis(600);

/// How long a call that is throttled waits, each time; the others who are asking want their turn too.
const PAUSES: &[Duration] = &[
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];

/// The most events that a page has.
const PAGE: usize = 50;

/// The history of the account at hand.
#[derive(Debug)]
pub struct CloudTrailHistory {
    service: Service,
    /// When each region may be asked next.
    turns: Mutex<HashMap<String, Instant>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    events: Vec<Event>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    cloud_trail_event: Option<String>,
}

/// Reads an answer.
fn read(text: &[u8]) -> serde_json::Result<Page> {
    let answer: Answer = serde_json::from_slice(text)?;
    let all = answer.events.len();
    let events: Vec<String> = answer.events.into_iter().filter_map(|event| event.cloud_trail_event).collect();
    let missing = all - events.len();
    Ok(Page { events, missing, next: answer.next_token.filter(|token| !token.is_empty()) })
}

impl CloudTrailHistory {
    /// The history of these credentials' account.
    pub fn new(config: &SdkConfig) -> CloudTrailHistory {
        CloudTrailHistory { service: Service::new(config, "cloudtrail", PAUSES), turns: Mutex::default() }
    }

    /// When this call may be made; the next one may be some time after it.
    fn turn(&self, region: &str) -> Instant {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.get(region).copied().unwrap_or_else(Instant::now).max(Instant::now());
        turns.insert(region.to_owned(), turn + PACE);
        turn
    }
}

impl EventHistory for CloudTrailHistory {
    type Error = AwsError;

    async fn page(
        &self,
        region: &str,
        lookup: Lookup<'_>,
        span: Span,
        next: Option<&str>,
    ) -> Result<Page, AwsError> {
        let (key, value) = lookup.attribute();
        let attributes = json!([{"AttributeKey": key, "AttributeValue": value}]);
        self.ask(region, Some(attributes), span, next).await
    }
}

impl CloudTrailHistory {
    /// Reads a page of whatever happened; `next` is the token that the page before it had. Waits as the service asks for.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn whatever(&self, region: &str, span: Span, next: Option<&str>) -> Result<Page, AwsError> {
        self.ask(region, None, span, next).await
    }

    async fn ask(
        &self,
        region: &str,
        attributes: Option<serde_json::Value>,
        span: Span,
        next: Option<&str>,
    ) -> Result<Page, AwsError> {
        let failed = |reason: String| AwsError::Call { operation: OPERATION, cause: Cause::Other(reason) };
        let mut request = json!({
            "StartTime": seconds(span.from.millis()),
            "EndTime": seconds(span.to.millis()),
            "MaxResults": PAGE,
        });
        if let Some(attributes) = attributes {
            request["LookupAttributes"] = attributes;
        }
        if let Some(next) = next {
            request["NextToken"] = json!(next);
        }
        sleep_until(self.turn(region)).await;
        let call = Call {
            region,
            path: "/",
            content_type: "application/x-amz-json-1.1",
            target: Some("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"),
            body: &request.to_string(),
        };
        let text = self.service.call(call).await.map_err(|error| failed(error.to_string()))?;
        read(&text).map_err(|error| failed(format!("the answer cannot be read: {error}")))
    }
}

/// A time as the protocol writes it; events have whole seconds.
fn seconds(millis: i64) -> i64 {
    millis.div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AWS's model has all members of an event as optional.
    #[test]
    fn an_event_without_its_record_is_counted_and_the_others_are_read() {
        let text = json!({"Events": [
            {"EventId": "1", "CloudTrailEvent": "{}"}, {"EventId": "2"}, {"EventId": "3", "CloudTrailEvent": null},
        ], "NextToken": "more"});
        let page = read(text.to_string().as_bytes()).unwrap();
        assert_eq!(
            (page.events, page.missing, page.next),
            (vec!["{}".to_owned()], 2, Some("more".to_owned()))
        );
        assert_eq!(read(br#"{"Events": [], "NextToken": ""}"#).unwrap(), Page::default());
        assert!(read(b"{").is_err());
    }
}
