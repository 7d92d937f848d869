//! AWS Security Hub, to which findings are sent with `BatchImportFindings`.
//!
//! The format is JSON and so is the call: `POST /findings/import` with the findings as `format::asff` writes
//! them. The SDK's crate for it is 368,505 lines, nearly all of them types for the details of two hundred
//! kinds of resources, and would have the JSON that exists built again field by field. Signature, TLS,
//! credentials and timeouts are the SDK's all the same: the crates used here are those that its other clients
//! are made of.

use std::io;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::byte_stream::ByteStream;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use crate::http::Http;
use crate::signed::Signer;

/// The most findings that one call takes.
pub const MAX_FINDINGS: usize = 100;

/// The most bytes that a finding may have: 240 KB.
pub const MAX_FINDING: usize = 240_000;

/// The most bytes that the findings of a call may have: 6 MB, less what stands around them.
pub const MAX_CALL: usize = 5_999_000;

/// How often a call is made that meets a service out of order, and the pause before the second time.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

const JSON: &str = "application/json";

/// Security Hub in the region at hand.
#[derive(Debug)]
pub struct SecurityHub {
    http: Http,
    url: String,
    signer: Signer,
    attempt_timeout: Duration,
    operation_timeout: Duration,
}

/// A call failed, and none of its findings is imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Something is wrong with what was sent, and will be the next time.
    #[error("securityhub:BatchImportFindings: {0}")]
    Invalid(String),
    /// Security Hub is out of order, busy, off, or refuses the caller.
    #[error("securityhub:BatchImportFindings: {0}")]
    Failed(String),
    /// The same, and trying again at once may help.
    #[error("securityhub:BatchImportFindings: {0}")]
    Busy(String),
}

/// One finding of a call was not imported.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FailedFinding {
    /// Its id.
    pub id: String,
    /// What kind of mistake.
    pub error_code: String,
    /// What is wrong.
    #[serde(default)]
    pub error_message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Imported {
    failed_count: usize,
    #[serde(default)]
    failed_findings: Vec<FailedFinding>,
}

/// REST services spell these names in two ways.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default, rename = "Code", alias = "code", alias = "__type")]
    code: String,
    #[serde(default, rename = "Message", alias = "message")]
    message: String,
}

impl SecurityHub {
    /// Security Hub where the configuration points to.
    ///
    /// # Errors
    /// Without root certificates.
    pub fn new(config: &SdkConfig) -> io::Result<SecurityHub> {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let url = config.endpoint_url().map_or_else(|| endpoint(&region), str::to_owned);
        let timeouts = config.timeout_config();
        Ok(SecurityHub {
            http: Http::new()?,
            url: format!("{}/findings/import", url.trim_end_matches('/')),
            signer: Signer { credentials: config.credentials_provider(), region, service: "securityhub" },
            attempt_timeout: timeouts.and_then(|t| t.operation_attempt_timeout()).unwrap_or(Duration::MAX),
            operation_timeout: timeouts.and_then(|t| t.operation_timeout()).unwrap_or(Duration::MAX),
        })
    }

    /// Sends findings, each an object in JSON; those that were not imported. A call that may succeed when it
    /// is made again is made again.
    ///
    /// # Errors
    /// When none was imported.
    pub async fn import(&self, findings: &[&str]) -> Result<Vec<FailedFinding>, ImportError> {
        let body = format!(r#"{{"Findings":[{}]}}"#, findings.join(","));
        let mut attempt = 0;
        let tries = async {
            loop {
                attempt += 1;
                let answer = timeout(self.attempt_timeout, self.call(&body)).await;
                match answer.unwrap_or_else(|_| Err(ImportError::Busy("no answer in time".to_owned()))) {
                    Err(ImportError::Busy(_)) if attempt < ATTEMPTS => {
                        sleep(PAUSE * 4_u32.pow(attempt - 1)).await
                    }
                    outcome => return outcome,
                }
            }
        };
        let outcome = timeout(self.operation_timeout, tries).await;
        outcome.unwrap_or_else(|_| Err(ImportError::Busy("no answer in time".to_owned())))
    }

    async fn call(&self, body: &str) -> Result<Vec<FailedFinding>, ImportError> {
        let headers = [("content-type", JSON)];
        let request = self
            .signer
            .post(&self.url, &headers, body)
            .await
            .map_err(|reason| ImportError::Failed(reason.to_string()))?;
        let response = self.http.call(request).await;
        let mut response = response.map_err(|error| ImportError::Busy(error.to_string()))?;
        let text = ByteStream::new(response.take_body()).collect().await;
        let text = text.map_err(|error| ImportError::Busy(error.to_string()))?.to_vec();
        if !response.status().is_success() {
            return Err(refused(&response, &text));
        }
        let imported: Imported = serde_json::from_slice(&text)
            .map_err(|error| ImportError::Failed(format!("the answer cannot be read: {error}")))?;
        if imported.failed_count > imported.failed_findings.len() {
            return Err(ImportError::Failed("the answer does not name what failed".to_owned()));
        }
        Ok(imported.failed_findings)
    }
}

fn endpoint(region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://securityhub.{region}.{domain}")
}

/// What an error answer means.
fn refused(response: &HttpResponse, text: &[u8]) -> ImportError {
    let status = response.status().as_u16();
    let body: Refusal = serde_json::from_slice(text).unwrap_or_default();
    let code = response.headers().get("x-amzn-errortype").unwrap_or(&body.code);
    // Some services add an address: `InvalidInputException:http://internal.amazon.com/coral/`.
    let code = code.split(':').next().unwrap_or_default();
    let reason = format!("{status} {code}: {}", body.message);
    let is = |part| code.contains(part);
    if status >= 500 || status == 429 || is("Throttl") || is("TooManyRequests") || is("LimitExceeded") {
        ImportError::Busy(reason)
    } else if status == 413 || is("InvalidInput") || is("Validation") || is("Serialization") {
        ImportError::Invalid(reason)
    } else {
        ImportError::Failed(reason)
    }
}
