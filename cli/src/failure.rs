//! Errors that are not the user's, each as one line that says what to do.

use std::fmt;

use keepwatch_aws::{AwsError, Cause};
use keepwatch_base::text::clean;
use keepwatch_collect::Fault;
use keepwatch_core::posture::Refusal;

/// What is in the tables is not right.
const DATA: u8 = 1;

/// AWS refused, or could not be reached.
const AWS: u8 = 3;

/// The most characters of what AWS said that are shown.
const MAX_REASON: usize = 600;

/// What AWS says of credentials that are not, or not any more, or not in a region that is switched off (STS API reference,
/// common errors).
const NOT_ACCEPTED: [&str; 7] = [
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// An error with an exit code of its own; all others are wrong use.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the process ends with.
    pub(crate) code: u8,
    text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// What is in the tables is not right.
    pub(crate) fn data(text: impl Into<String>) -> Failure {
        Failure { code: DATA, text: text.into() }
    }

    /// AWS refused, or could not be reached. The text may be AWS's own.
    pub(crate) fn aws(text: &str) -> Failure {
        Failure { code: AWS, text: clean(text, MAX_REASON) }
    }

    /// What came of a call about a table in a region.
    pub(crate) fn of(error: &AwsError, table: &str, region: &str) -> Failure {
        match error {
            AwsError::Call { operation, cause } => Failure::aws(&advice(operation, cause, table, region)),
            other => Failure::data(clean(&other.to_string(), MAX_REASON)),
        }
    }

    /// Why nothing can be asked in this region.
    pub(crate) fn unasked(fault: &Fault, region: &str) -> Failure {
        match fault {
            Fault::Refused(refusals) => {
                Failure::aws(&format!("nothing can be asked without it: {}", told(refusals)))
            }
            Fault::Code { code, why } if NOT_ACCEPTED.contains(&code.as_str()) => Failure::aws(&format!(
                "AWS does not accept your credentials in {region} ({why}): sign in again, and look at this computer's clock and \
                 whether {region} is switched on for the account; `aws sts get-caller-identity` must work"
            )),
            Fault::Code { why, .. } => Failure::aws(&format!("AWS in {region} says: {why}")),
            Fault::Failed(why) => Failure::aws(&format!(
                "AWS in {region} cannot be asked: {why}. Look at the network, and at AWS_REGION, --region and AWS_ENDPOINT_URL"
            )),
        }
    }
}

/// `AWS refused ec2:DescribeRegions: …`.
pub(crate) fn told(refusals: &[Refusal]) -> String {
    let all: Vec<String> =
        refusals.iter().map(|one| format!("AWS refused {}: {}", one.action, one.why)).collect();
    all.join("; ")
}

/// The reason, led or followed by what to do about it. The operation is named as IAM names the action.
fn advice(operation: &str, cause: &Cause, table: &str, region: &str) -> String {
    let (code, message) = match cause {
        Cause::Answered { code, message } => (code.as_str(), message.as_str()),
        Cause::TimedOut | Cause::Unreachable => {
            return format!(
                "{operation} in {region}: {cause}. Look at the network, and at --region and AWS_ENDPOINT_URL"
            );
        }
        Cause::Cancelled { codes } if codes.iter().any(|code| is_busy(code)) => return busy(cause),
        Cause::Cancelled { .. } | Cause::Other(_) => {
            return format!("{operation} on {table} in {region}: {cause}");
        }
    };
    match code {
        // The table's policy spares the operator's role, which could not be read from it.
        "AccessDeniedException" if message.contains("explicit deny in a resource-based policy") => format!(
            "AWS refused {operation} on {table}: its policy takes changes from the stack's operator role alone. To see which \
             role that is, your credentials need dynamodb:DescribeTable and dynamodb:GetResourcePolicy"
        ),
        "AccessDeniedException" | "AccessDenied" | "KMSAccessDeniedException" => {
            let action = denied_action(message).unwrap_or(operation);
            format!("AWS refused {operation} on {table}: your credentials need {action}. {message}")
        }
        "ResourceNotFoundException" => format!(
            "there is no table {table} in {region}: is it in another region (--region) or account (--profile), or called \
             otherwise?"
        ),
        "ExpiredTokenException"
        | "ExpiredToken"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "InvalidClientTokenId"
        | "MissingAuthenticationTokenException"
        | "RequestExpired" => format!(
            "AWS does not accept your credentials ({cause}): sign in again, and look at this computer's clock; \
             `aws sts get-caller-identity` must work"
        ),
        code if is_busy(code) => busy(cause),
        _ => format!("{operation} on {table} in {region}: {cause}"),
    }
}

/// Whether AWS is asked too often: codes of answers, and of the writes of a cancelled transaction (DynamoDB API reference,
/// `TransactWriteItems`).
fn is_busy(code: &str) -> bool {
    matches!(
        code,
        "ThrottlingException"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "ThrottlingError"
            | "ProvisionedThroughputExceeded"
    )
}

fn busy(cause: &Cause) -> String {
    format!("AWS is asked too often at the moment ({cause}): try again in a minute")
}

/// The action that is missing. AWS names it in its message alone, and often it is one on the key that the table is encrypted
/// with, and not on the table.
fn denied_action(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("is not authorized to perform: ")?;
    rest.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(cause: Cause) -> String {
        let error = AwsError::Call { operation: "dynamodb:Scan", cause };
        let failure = Failure::of(&error, "findings", "eu-west-1");
        assert_eq!(failure.code, AWS);
        failure.to_string()
    }

    fn answered(code: &str, message: &str) -> Cause {
        Cause::Answered { code: code.to_owned(), message: message.to_owned() }
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        for (cause, hint) in [
            (
                answered(
                    "AccessDeniedException",
                    "User: u is not authorized to perform: kms:Decrypt on resource: key",
                ),
                "need kms:Decrypt.",
            ),
            (answered("AccessDeniedException", "no"), "need dynamodb:Scan."),
            (
                answered(
                    "AccessDeniedException",
                    "User: u is not authorized to perform: dynamodb:PutItem on resource: t with an explicit deny in a \
                     resource-based policy",
                ),
                "need dynamodb:DescribeTable and dynamodb:GetResourcePolicy",
            ),
            (
                answered("ResourceNotFoundException", "Requested resource not found"),
                "no table findings in eu-west-1",
            ),
            (answered("ExpiredTokenException", "The security token has expired"), "sign in again"),
            (answered("ThrottlingException", "slow down"), "try again"),
            (Cause::Unreachable, "AWS_ENDPOINT_URL"),
            (Cause::TimedOut, "no answer in time. Look at the network"),
            (
                answered("InternalServerError", ""),
                "dynamodb:Scan on findings in eu-west-1: InternalServerError",
            ),
        ] {
            let text = told(cause.clone());
            assert!(text.contains(hint), "{cause:?}: {text}");
        }
    }

    /// The code was once cut out of the sentence that told it, at the first colon: of a cancelled transaction that was the
    /// sentence's beginning, and nobody was told to try again.
    #[test]
    fn a_transaction_that_met_a_busy_table_is_to_be_tried_again() {
        let codes = vec!["None".to_owned(), "ThrottlingError".to_owned()];
        let text = told(Cause::Cancelled { codes });
        assert!(
            text.ends_with("(the transaction was cancelled: None, ThrottlingError): try again in a minute"),
            "{text}"
        );
    }

    /// What only reads like an answer of AWS's was once taken for one.
    #[test]
    fn words_that_begin_like_a_refusal_are_none() {
        let cause = Cause::Other("AccessDenied: the proxy lets nobody through".to_owned());
        let text = told(cause.clone());
        assert!(!text.contains("your credentials need"), "{text}");
        assert!(!crate::operator::is_refused(&AwsError::Call { operation: "dynamodb:PutItem", cause }));
    }

    #[test]
    fn it_is_one_line_and_nothing_else_for_the_terminal() {
        let text = told(answered("SomeException", "a\nb\u{1b}[31mc"));
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }

    #[test]
    fn an_item_that_is_no_finding_is_no_refusal() {
        let error = AwsError::NotAFinding { finding_id: "x".to_owned(), reason: "no `title`".to_owned() };
        assert_eq!(Failure::of(&error, "findings", "eu-west-1").code, DATA);
    }
}
