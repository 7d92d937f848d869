//! SDK configuration, in one place.

use std::error::Error;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};

use crate::http::Http;
use crate::runtime::variable;

/// The configuration that all clients share: one HTTP client, so that connections are kept and root certificates are
/// read once.
///
/// Region and credentials come from the environment, where Lambda puts them; the SDK's default chain would bring
/// profiles, instance metadata and web identity along, which no function uses and every cold start would read from disk.
/// `AWS_ENDPOINT_URL` is honoured for local clouds.
///
/// The TLS provider is ring: a quarter smaller than AWS-LC, no C cross-compiler, and no CPU-jitter entropy, which costs
/// up to a second of a throttled Lambda's first call.
///
/// # Errors
/// Without a region, or without root certificates.
pub fn config() -> Result<SdkConfig, Box<dyn Error + Send + Sync>> {
    let credentials = SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new());
    let (region, http) = (variable("AWS_REGION")?, Http::new()?);
    http.share();
    Ok(built(region, credentials, variable("AWS_ENDPOINT_URL").ok(), http))
}

/// The same for an AWS that runs in a test and asks for no credentials.
///
/// # Errors
/// Without root certificates.
pub fn local_config(endpoint: &str) -> Result<SdkConfig, Box<dyn Error + Send + Sync>> {
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "none", None, None, "test");
    let credentials = SharedCredentialsProvider::new(credentials);
    Ok(built("us-east-1".to_owned(), credentials, Some(endpoint.to_owned()), Http::new()?))
}

fn built(
    region: String,
    credentials: SharedCredentialsProvider,
    endpoint: Option<String>,
    http: Http,
) -> SdkConfig {
    let connector = SharedHttpConnector::new(http);
    let http = http_client_fn(move |_, _| connector.clone());
    // A call that hangs must end well before the function's timeout, or the message takes its neighbours with it.
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(4))
        .operation_timeout(Duration::from_secs(10))
        .build();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(credentials)
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(3));
    config.set_endpoint_url(endpoint);
    config.build()
}
