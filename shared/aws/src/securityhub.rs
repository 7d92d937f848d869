//! AWS Security Hub, to which findings are sent with `BatchImportFindings`.
//!
//! The format is JSON and so is the call: `POST /findings/import` with the findings as `format::asff` writes
//! them. The SDK's types would have the JSON that exists built again field by field.

use std::time::Duration;

use aws_config::SdkConfig;
use serde::Deserialize;
use tokio::time::timeout;

use crate::service::{Call, CallError, Service};

/// The most findings that one call takes.
pub const MAX_FINDINGS: usize = 100;

/// The most bytes that a finding may have: 240 KB.
pub const MAX_FINDING: usize = 240_000;

/// The most bytes that the findings of a call may have: 6 MB, less what stands around them.
pub const MAX_CALL: usize = 5_999_000;

/// The pauses before the second and the third attempt at a call that meets a service out of order.
const PAUSES: &[Duration] = &[Duration::from_millis(200), Duration::from_millis(800)];

/// Security Hub in the region at hand.
#[derive(Debug)]
pub struct SecurityHub {
    service: Service,
    region: String,
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

impl SecurityHub {
    /// Security Hub where the configuration points to.
    pub fn new(config: &SdkConfig) -> SecurityHub {
        let timeouts = config.timeout_config();
        SecurityHub {
            service: Service::new(config, "securityhub", PAUSES),
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            operation_timeout: timeouts.and_then(|t| t.operation_timeout()).unwrap_or(Duration::MAX),
        }
    }

    /// Sends findings, each an object in JSON; those that were not imported. A call that may succeed when it
    /// is made again is made again.
    ///
    /// # Errors
    /// When none was imported.
    pub async fn import(&self, findings: &[&str]) -> Result<Vec<FailedFinding>, ImportError> {
        let body = format!(r#"{{"Findings":[{}]}}"#, findings.join(","));
        let call = Call {
            region: &self.region,
            path: "/findings/import",
            content_type: "application/json",
            target: None,
            body: &body,
        };
        let answer = timeout(self.operation_timeout, self.service.call(call)).await;
        let text = answer.unwrap_or_else(|_| Err(CallError::Busy("no answer in time".to_owned())))?;
        let imported: Imported = serde_json::from_slice(&text)
            .map_err(|error| ImportError::Failed(format!("the answer cannot be read: {error}")))?;
        if imported.failed_count > imported.failed_findings.len() {
            return Err(ImportError::Failed("the answer does not name what failed".to_owned()));
        }
        Ok(imported.failed_findings)
    }
}

impl From<CallError> for ImportError {
    fn from(error: CallError) -> ImportError {
        match error {
            CallError::Refused { status, code, reason }
                if status == 413
                    || ["InvalidInput", "Validation", "Serialization"]
                        .iter()
                        .any(|part| code.contains(part)) =>
            {
                ImportError::Invalid(reason)
            }
            other => ImportError::Failed(other.to_string()),
        }
    }
}
