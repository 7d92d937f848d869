//! Taking another role, for the command line: which one a table's policy spares, it decides itself.
//!
//! Behind the feature `profiles`, which the functions do without.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use aws_sdk_dynamodb::operation::get_resource_policy::GetResourcePolicyError;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Credentials;

use crate::{AwsError, Cause, failed};

/// How long the credentials of a role are good for, in seconds: the least that STS gives. A command takes less.
const SESSION: i32 = 900;

/// The name of the session. Who took the role is in the event of the call; a name would only be the caller's word for it.
const SESSION_NAME: &str = "keepwatch";

/// A table that has a policy.
#[derive(Clone, Debug)]
pub struct Guarded {
    /// ARN of the table.
    pub arn: String,
    /// The policy, as JSON.
    pub policy: String,
}

/// The policy of a table of this name; `None` where it has none.
///
/// # Errors
/// When AWS does not say.
pub async fn policy_of(config: &SdkConfig, table: &str) -> Result<Option<Guarded>, AwsError> {
    let client = aws_sdk_dynamodb::Client::new(config);
    let described = client.describe_table().table_name(table).send().await;
    let described = described.map_err(failed("dynamodb:DescribeTable"))?;
    let Some(arn) = described.table.and_then(|table| table.table_arn) else { return Ok(None) };
    match client.get_resource_policy().resource_arn(&arn).send().await {
        Ok(answer) => Ok(answer.policy.map(|policy| Guarded { arn, policy })),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(GetResourcePolicyError::is_policy_not_found_exception) =>
        {
            Ok(None)
        }
        Err(error) => Err(failed("dynamodb:GetResourcePolicy")(error)),
    }
}

/// The configuration with the credentials of the role, for a quarter of an hour.
///
/// # Errors
/// When AWS refuses, or gives none.
pub async fn assume(config: &SdkConfig, role: &str) -> Result<SdkConfig, AwsError> {
    let asked = Client::new(config)
        .assume_role()
        .role_arn(role)
        .role_session_name(SESSION_NAME)
        .duration_seconds(SESSION);
    let given = asked.send().await.map_err(failed("sts:AssumeRole"))?.credentials;
    let given = given.ok_or_else(|| AwsError::Call {
        operation: "sts:AssumeRole",
        cause: Cause::Other("the answer has no credentials".to_owned()),
    })?;
    let credentials = Credentials::new(
        given.access_key_id,
        given.secret_access_key,
        Some(given.session_token),
        None,
        "AssumeRole",
    );
    Ok(config.to_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build())
}

/// ARN of whoever has these credentials. Everybody may ask.
///
/// # Errors
/// When AWS does not say.
pub async fn caller(config: &SdkConfig) -> Result<String, AwsError> {
    let answer = Client::new(config).get_caller_identity().send().await;
    Ok(answer.map_err(failed("sts:GetCallerIdentity"))?.arn.unwrap_or_default())
}
