//! Calls of services of which only one operation is needed. They are JSON and are written as such; what else the SDK does for
//! a call is here: the address, attempts, what an error answer means.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::byte_stream::ByteStream;
use keepwatch_base::partition::Partition;
use keepwatch_base::refusal::Refusal;
use tokio::time::{sleep, timeout};

use crate::http::Http;
use crate::signed::Signer;

/// A service.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    /// What the service is called in its address and in signatures.
    name: &'static str,
    /// Made when the first call needs it: a cold start does not wait for what is asked seldom.
    http: Arc<OnceLock<Http>>,
    /// Instead of its own address.
    endpoint: Option<String>,
    credentials: Option<SharedCredentialsProvider>,
    attempt_timeout: Duration,
    /// The pauses between the attempts at a call that meets a service out of order or busy; there is one attempt more.
    pauses: &'static [Duration],
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'c> {
    /// Where.
    pub(crate) region: &'c str,
    /// The path, which begins with `/`.
    pub(crate) path: &'c str,
    /// `content-type`.
    pub(crate) content_type: &'static str,
    /// `x-amz-target`: the operation, for services that tell operations apart by it.
    pub(crate) target: Option<&'static str>,
    /// The body, which is JSON.
    pub(crate) body: &'c str,
}

/// A call that brought no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The service is out of order, busy or did not answer, and making the call again may help.
    #[error("{0}")]
    Busy(String),
    /// The service refuses it: status, code, and both with the service's own words.
    #[error("{reason}")]
    Refused { status: u16, code: String, reason: String },
    /// It could not be made.
    #[error("{0}")]
    Failed(String),
}

impl Service {
    /// The service of this name where the configuration points to.
    pub(crate) fn new(config: &SdkConfig, name: &'static str, pauses: &'static [Duration]) -> Service {
        let attempt = config.timeout_config().and_then(|timeouts| timeouts.operation_attempt_timeout());
        Service {
            name,
            http: Arc::default(),
            endpoint: config.endpoint_url().map(|url| url.trim_end_matches('/').to_owned()),
            credentials: config.credentials_provider(),
            attempt_timeout: attempt.unwrap_or(Duration::MAX),
            pauses,
        }
    }

    /// Its address in a region, without a slash at the end.
    pub(crate) fn endpoint(&self, region: &str) -> String {
        let own = || format!("https://{}.{region}.{}", self.name, Partition::of_region(region).dns_suffix);
        self.endpoint.clone().unwrap_or_else(own)
    }

    fn http(&self) -> io::Result<&Http> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        let http = Http::shared()?;
        Ok(self.http.get_or_init(|| http))
    }

    /// Makes the call, again where that may help; the body of the answer.
    ///
    /// # Errors
    /// [`CallError`] of the last attempt.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Vec<u8>, CallError> {
        let mut pauses = self.pauses.iter();
        loop {
            let answer = timeout(self.attempt_timeout, self.attempt(call)).await;
            match answer.unwrap_or_else(|_| Err(CallError::Busy("no answer in time".to_owned()))) {
                Err(CallError::Busy(reason)) => match pauses.next() {
                    Some(pause) => sleep(*pause).await,
                    None => return Err(CallError::Busy(reason)),
                },
                outcome => return outcome,
            }
        }
    }

    async fn attempt(&self, call: Call<'_>) -> Result<Vec<u8>, CallError> {
        let url = format!("{}{}", self.endpoint(call.region), call.path);
        let mut headers = vec![("content-type", call.content_type)];
        headers.extend(call.target.map(|target| ("x-amz-target", target)));
        let credentials = self.credentials.clone();
        let signer = Signer { credentials, region: call.region.to_owned(), service: self.name };
        let request = signer.post(&url, &headers, call.body).await;
        let request = request.map_err(|reason| CallError::Failed(reason.to_string()))?;
        let http = self.http().map_err(|reason| CallError::Failed(reason.to_string()))?;
        let response = http.call(request).await;
        let mut response = response.map_err(|error| CallError::Busy(error.to_string()))?;
        let text = ByteStream::new(response.take_body()).collect().await;
        let text = text.map_err(|error| CallError::Busy(error.to_string()))?.to_vec();
        if response.status().is_success() { Ok(text) } else { Err(refused(&response, &text)) }
    }
}

/// What an error answer means.
fn refused(response: &HttpResponse, text: &[u8]) -> CallError {
    let status = response.status().as_u16();
    let body: Refusal = serde_json::from_slice(text).unwrap_or_default();
    let code = body.code(response.headers().get("x-amzn-errortype")).to_owned();
    let reason = format!("{status} {code}: {}", body.message());
    let is = |part| code.contains(part);
    if status >= 500 || status == 429 || is("Throttl") || is("TooManyRequests") || is("LimitExceeded") {
        CallError::Busy(reason)
    } else {
        CallError::Refused { status, code, reason }
    }
}
