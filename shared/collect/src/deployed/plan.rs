//! What AWS tells an account by its support plan.

use crate::client::{Client, Input};
use crate::fault::{Fault, Otherwise as _};
use crate::operation::{DESCRIBE_EVENTS, DESCRIBE_SEVERITY_LEVELS};

/// So both services answer an account whose plan does not have them (AWS Support API reference, DescribeSeverityLevels; AWS
/// Health API reference, "Welcome").
const NO_PLAN: &[&str] = &["SubscriptionRequiredException"];

/// Whether the account's support plan has the Support API, and with it all of Trusted Advisor's checks.
///
/// # Errors
/// [`Fault`].
pub async fn support_answers(client: &Client) -> Result<bool, Fault> {
    let home = client.partition().home_region;
    let found = client.call(&DESCRIBE_SEVERITY_LEVELS, home, Input::none()).await;
    found.map(|answer| !answer.all("severityLevels").is_empty()).or_if(NO_PLAN, false)
}

/// Whether the account's support plan has the API of AWS Health. Its events come to EventBridge with any plan.
///
/// # Errors
/// [`Fault`].
pub async fn health_answers(client: &Client) -> Result<bool, Fault> {
    let home = client.partition().home_region;
    let found = client.call(&DESCRIBE_EVENTS, home, Input::none().member("maxResults", 10)).await;
    found.map(|_| true).or_if(NO_PLAN, false)
}
