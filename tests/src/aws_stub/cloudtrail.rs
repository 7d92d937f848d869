//! `LookupEvents`: one attribute a call or none, pages of at most fifty, the latest event first, tokens that are good for the same
//! question only (CloudTrail API reference).

use keepwatch_base::time::Timestamp;
use serde_json::{Value, json};

use super::dynamodb::Refusal;
use super::signature::signed;
use crate::http::Request;

/// What comes before the operation in `x-amz-target`.
pub(super) const TARGET: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101";

/// The event history.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Records as log files have them.
    pub(super) records: Vec<Value>,
    /// How many calls are still to be throttled.
    pub(super) throttled: usize,
    /// Values that nobody may look up.
    pub(super) refused: Vec<String>,
    /// The names of the trails whose logging was to be started.
    pub(super) started: Vec<String>,
    /// Whether nobody may do that.
    pub(super) start_refused: bool,
}

impl History {
    /// There is no trail.
    pub(super) fn start_logging(&mut self, request: &Request) -> Result<Value, Refusal> {
        signed(request, "cloudtrail", &["content-type", "x-amz-target"])
            .map_err(|complaint| Refusal::of("InvalidSignatureException", complaint))?;
        if self.start_refused {
            return Err(Refusal::denied());
        }
        let call: Value = serde_json::from_str(&request.body)
            .map_err(|error| Refusal::of("SerializationException", error.to_string()))?;
        let name = call["Name"].as_str().unwrap_or_default();
        self.started.push(name.to_owned());
        Err(Refusal::of("TrailNotFoundException", format!("Unknown trail: {name}")))
    }

    pub(super) fn answer(&mut self, request: &Request) -> Result<Value, Refusal> {
        signed(request, "cloudtrail", &["content-type", "x-amz-target"])
            .map_err(|complaint| Refusal::of("InvalidSignatureException", complaint))?;
        if self.throttled > 0 {
            self.throttled -= 1;
            return Err(Refusal::of("ThrottlingException", "Rate exceeded"));
        }
        let call: Value = serde_json::from_str(&request.body)
            .map_err(|error| Refusal::of("SerializationException", error.to_string()))?;
        let (key, value) = match call["LookupAttributes"].as_array().map(Vec::as_slice) {
            None => ("", ""),
            Some([attribute]) => {
                let text = |name: &str| attribute[name].as_str().unwrap_or_default();
                (text("AttributeKey"), text("AttributeValue"))
            }
            Some(_) => {
                return Err(Refusal::of("InvalidLookupAttributesException", "one attribute is expected"));
            }
        };
        if self.refused.iter().any(|refused| refused == value) {
            return Err(Refusal::denied());
        }
        let (Some(from), Some(to)) = (call["StartTime"].as_i64(), call["EndTime"].as_i64()) else {
            return Err(Refusal::of("InvalidTimeRangeException", "two times in seconds are expected"));
        };
        let size = usize::try_from(call["MaxResults"].as_u64().unwrap_or(50)).unwrap_or(0);
        if from > to || !(1..=50).contains(&size) {
            return Err(Refusal::of("InvalidMaxResultsException", "times or size of the page are wrong"));
        }
        let question = format!("{key}={value} {from} {to} ");
        let first = match call["NextToken"].as_str() {
            None => 0,
            Some(token) => token
                .strip_prefix(&question)
                .and_then(|first| first.parse().ok())
                .ok_or_else(|| Refusal::of("InvalidNextTokenException", "not a token of this question"))?,
        };
        let fits = |record: &&Value| {
            let own = match key {
                "EventName" => record["eventName"].as_str(),
                "Username" if record["userIdentity"]["type"] == "Root" => Some("root"),
                "Username" => record["userIdentity"]["userName"].as_str(),
                // CloudTrail finds the names of resources in a call's parameters.
                "ResourceName" => {
                    let named = record["requestParameters"].to_string().contains(&format!("\"{value}\""));
                    named.then_some(value)
                }
                _ => None,
            };
            (key.is_empty() || own == Some(value)) && (from..=to).contains(&second(record))
        };
        let mut found: Vec<&Value> = self.records.iter().filter(fits).collect();
        found.sort_by_key(|record| std::cmp::Reverse(second(record)));
        let more = found.len() > first + size;
        let event = |record: &&Value| {
            json!({
                "EventId": record["eventID"], "EventName": record["eventName"], "EventTime": second(record),
                "CloudTrailEvent": record.to_string(),
            })
        };
        let page: Vec<Value> = found.iter().skip(first).take(size).map(event).collect();
        let mut answer = json!({"Events": page});
        if more {
            answer["NextToken"] = json!(format!("{question}{}", first + size));
        }
        Ok(answer)
    }
}

fn second(record: &Value) -> i64 {
    let time = record["eventTime"].as_str().and_then(Timestamp::parse);
    time.map_or(0, |time| time.millis() / 1_000)
}
