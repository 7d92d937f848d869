//! The one call that has no effect and that CloudTrail logs all the same, and CloudTrail's event history.

use keepwatch_base::time::Timestamp;
use serde_json::json;

use crate::client::{Client, Input};
use crate::fault::Fault;
use crate::operation::{LOOKUP_EVENTS, START_LOGGING};

/// Starts a trail that is not there: a call that changes nothing whatever comes of it, counts as a write, and is logged with
/// the name and the error `TrailNotFoundException`.
///
/// # Errors
/// [`Fault`], where AWS does not answer that there is no such trail.
pub async fn start_nothing(client: &Client, region: &str, name: &str) -> Result<(), Fault> {
    match client.call(&START_LOGGING, region, Input::none().member("Name", name)).await {
        Err(fault) if fault.is(&["TrailNotFoundException"]) => Ok(()),
        Err(fault) => Err(fault),
        Ok(_) => Err(Fault::Failed(format!("there is a trail {name}, whose name was made up for a test"))),
    }
}

/// The calls of this name in the event history of a region since then, as CloudTrail's own JSON, the latest first. It has every
/// management event, with a trail or without.
///
/// # Errors
/// [`Fault`].
pub async fn heard_calls(
    client: &Client,
    region: &str,
    name: &str,
    since: Timestamp,
) -> Result<Vec<String>, Fault> {
    let input = Input::none()
        .member("LookupAttributes", json!([{"AttributeKey": "EventName", "AttributeValue": name}]))
        .member("StartTime", since.millis() / 1_000);
    let pages = client.pages(&LOOKUP_EVENTS, region, input).await?;
    Ok(pages.iter().flat_map(|page| page.texts("Events/CloudTrailEvent")).collect())
}
