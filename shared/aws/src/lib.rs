//! The ports of core and alert, made with the AWS SDK: tables, topics, queue, IAM, Identity Center, Security Hub, CloudTrail's
//! event history; and what every function needs to start.
//!
//! What lives here: adapters, one a file, that turn a port into calls and answers into types. What may never be here: a
//! decision. What an answer means is said by core, alert or a rule.

pub mod account;
pub mod clients;
#[cfg(feature = "profiles")]
pub mod dead_letters;
mod dynamodb;
pub mod findings;
#[cfg(feature = "profiles")]
pub mod function;
pub mod history;
mod http;
mod identity_center;
pub mod journal;
#[cfg(feature = "profiles")]
pub mod operator;
mod otherwise;
mod outbox;
#[cfg(feature = "profiles")]
pub mod profiles;
pub mod queue;
pub mod runtime;
pub mod securityhub;
mod service;
pub mod settings;
mod signed;
pub mod source_queue;
pub mod tables;
pub mod topic;

use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};

/// AWS did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// The service answered with an error, or did not answer.
    #[error("{operation}: {cause}")]
    Call {
        /// The API operation.
        operation: &'static str,
        /// Why it was not done.
        cause: Cause,
    },
    /// An item of the table is not a finding.
    #[error("item {finding_id} of the findings table is not a finding: {reason}")]
    NotAFinding {
        /// Its key.
        finding_id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Others kept writing a finding.
    #[error("finding {finding_id} is written by too many at once")]
    Contended {
        /// Its key.
        finding_id: String,
    },
    /// A value that no item can hold, or an item that is no JSON.
    #[error("an item could not be made or read: {0}")]
    Item(String),
}

/// Why a call was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The service answered with an error.
    #[error("{code}{}{message}", if message.is_empty() { "" } else { ": " })]
    Answered {
        /// Its code, such as `AccessDeniedException`.
        code: String,
        /// Its message; empty where it has none.
        message: String,
    },
    /// DynamoDB cancelled a transaction.
    #[error("the transaction was cancelled: {}", codes.join(", "))]
    Cancelled {
        /// The code of each of its writes, such as `ThrottlingError`.
        codes: Vec<String>,
    },
    /// The service did not answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The service could not be reached.
    #[error("the service could not be reached")]
    Unreachable,
    /// Something else, in words.
    #[error("{0}")]
    Other(String),
}

/// An SDK error with its operation.
pub(crate) fn failed<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> AwsError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    move |error| AwsError::Call { operation, cause: cause(&error) }
}

/// The service's own code and message where it answered, else what failed on the way.
pub(crate) fn cause<E, R>(error: &SdkError<E, R>) -> Cause
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match error.code() {
        Some(code) => {
            let message = error.message().unwrap_or_default().to_owned();
            Cause::Answered { code: code.to_owned(), message }
        }
        None => match error {
            SdkError::TimeoutError(_) => Cause::TimedOut,
            SdkError::DispatchFailure(_) => Cause::Unreachable,
            other => Cause::Other(other.to_string()),
        },
    }
}
