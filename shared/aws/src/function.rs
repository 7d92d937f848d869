//! Calling a function: `Invoke` of Lambda, and waiting for its answer.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use serde_json::Value;

use crate::service::{Call, Service};
use crate::{AwsError, Cause};

/// As long as Lambda lets a function work.
const LONGEST: Duration = Duration::from_secs(900);

/// Calls the function once, and returns what it answers.
///
/// # Errors
/// What Lambda refuses, and what the function failed with.
pub async fn invoke(config: &SdkConfig, name: &str, payload: &Value) -> Result<Value, AwsError> {
    let failed =
        |reason: String| AwsError::Call { operation: "lambda:InvokeFunction", cause: Cause::Other(reason) };
    let region = config.region().map(ToString::to_string).unwrap_or_default();
    let patient = TimeoutConfig::builder().operation_attempt_timeout(LONGEST).build();
    let config = config.to_builder().timeout_config(patient).build();
    // Once: a second call would be a second run.
    let service = Service::new(&config, "lambda", &[]);
    let call = Call {
        region: &region,
        path: &format!("/2015-03-31/functions/{name}/invocations"),
        content_type: "application/json",
        target: None,
        body: &payload.to_string(),
    };
    let text = service.call(call).await.map_err(|error| failed(error.to_string()))?;
    let answer: Value = serde_json::from_slice(&text)
        .map_err(|error| failed(format!("the answer cannot be read: {error}")))?;
    // A function that failed is answered with 200 and this (Lambda API reference, `Invoke`).
    match answer["errorMessage"].as_str() {
        Some(reason) => Err(failed(format!("the function failed: {reason}"))),
        None => Ok(answer),
    }
}
