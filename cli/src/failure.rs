//! Errors that are not the user's, each as one line that says what to do.

use std::fmt;

use keepwatch_aws::AwsError;
use keepwatch_base::text::clean;

/// What is in the tables is not right.
const DATA: u8 = 1;

/// AWS refused, or could not be reached.
const AWS: u8 = 3;

/// The most characters of what AWS said that are shown.
const MAX_REASON: usize = 600;

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
            AwsError::Call { operation, reason } => Failure::aws(&advice(operation, reason, table, region)),
            other => Failure::data(clean(&other.to_string(), MAX_REASON)),
        }
    }
}

/// The reason, led or followed by what to do about it. The operation is named as IAM names the action.
fn advice(operation: &str, reason: &str, table: &str, region: &str) -> String {
    let (code, message) = reason.split_once(": ").unwrap_or((reason, ""));
    match code {
        // The table's policy spares the operator's role, which could not be read from it.
        "AccessDeniedException" if message.contains("explicit deny in a resource-based policy") => format!(
            "AWS refused {operation} on {table}: its policy takes changes from the stack's operator role alone. To see which \
             role that is, your credentials need dynamodb:DescribeTable and dynamodb:GetResourcePolicy"
        ),
        "AccessDeniedException" | "AccessDenied" | "KMSAccessDeniedException" => {
            // Often it is the key that the table is encrypted with, and not the table.
            let named = message.split_once("is not authorized to perform: ");
            let action = named.and_then(|(_, rest)| rest.split_whitespace().next()).unwrap_or(operation);
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
            "AWS does not accept your credentials ({reason}): sign in again, and look at this computer's clock; \
             `aws sts get-caller-identity` must work"
        ),
        "ThrottlingException" | "ProvisionedThroughputExceededException" | "RequestLimitExceeded" => {
            format!("AWS is asked too often at the moment ({reason}): try again in a minute")
        }
        "the service could not be reached" | "no answer in time" => format!(
            "{operation} in {region}: {reason}. Look at the network, and at --region and AWS_ENDPOINT_URL"
        ),
        _ => format!("{operation} on {table} in {region}: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(reason: &str) -> String {
        let error = AwsError::Call { operation: "dynamodb:Scan", reason: reason.to_owned() };
        let failure = Failure::of(&error, "findings", "eu-west-1");
        assert_eq!(failure.code, AWS);
        failure.to_string()
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        for (reason, hint) in [
            (
                "AccessDeniedException: User: u is not authorized to perform: kms:Decrypt on resource: key",
                "need kms:Decrypt.",
            ),
            ("AccessDeniedException: no", "need dynamodb:Scan."),
            (
                "AccessDeniedException: User: u is not authorized to perform: dynamodb:PutItem on resource: t with an \
                 explicit deny in a resource-based policy",
                "need dynamodb:DescribeTable and dynamodb:GetResourcePolicy",
            ),
            ("ResourceNotFoundException: Requested resource not found", "no table findings in eu-west-1"),
            ("ExpiredTokenException: The security token has expired", "sign in again"),
            ("ThrottlingException: slow down", "try again"),
            ("the service could not be reached", "AWS_ENDPOINT_URL"),
            ("InternalServerError", "dynamodb:Scan on findings in eu-west-1: InternalServerError"),
        ] {
            assert!(told(reason).contains(hint), "{reason}: {}", told(reason));
        }
    }

    #[test]
    fn it_is_one_line_and_nothing_else_for_the_terminal() {
        let text = told("SomeException: a\nb\u{1b}[31mc");
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }

    #[test]
    fn an_item_that_is_no_finding_is_no_refusal() {
        let error = AwsError::NotAFinding { finding_id: "x".to_owned(), reason: "no `title`".to_owned() };
        assert_eq!(Failure::of(&error, "findings", "eu-west-1").code, DATA);
    }
}
