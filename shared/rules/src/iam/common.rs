//! What the rules on users and credentials share.

use keepwatch_policy::Level;

use crate::kit::prelude::*;

/// Whether the call gives a credential to a user whom the Bedrock console makes: a rule of its own tells
/// that, see [`super::admin::service_credential`].
pub(super) fn holds_bedrock_key(user: &str) -> bool {
    user.starts_with("BedrockAPIKey-")
}

/// Raises a new credential for somebody else's user to what the user can do: whoever holds it is that user
/// from now on.
pub(super) fn graded(
    seen: Observation,
    record: &Record<'_>,
    cx: &Cx<'_>,
    user: &str,
) -> Result<Observation, Interrupt> {
    let arn = record.iam_arn("user", user);
    Ok(match power::of_principal(cx, PrincipalKind::User, user, Some(&arn))? {
        Power::Known(grant) if grant.level >= Level::PrivilegeEscalation => {
            seen.severity(Severity::High).detail("The user", grant.ability().to_string())
        }
        Power::Known(_) => seen,
        Power::Unknown(why) => seen.detail("The user", format!("what it may do is not known: {why}")),
    })
}

/// How bad an everyday change is: for the digest, and only on record where automation made it. A user agent does not
/// count, or whoever chooses theirs well would be in no digest.
pub(super) fn recorded(cx: &Cx<'_>) -> Severity {
    match cx.automation() {
        None | Some(Automation::Agent) => Severity::Low,
        Some(_) => Severity::Informational,
    }
}

/// Raises what the file manager S3 Browser does to users. It can, but hardly anybody administers IAM with it;
/// intruders who found an access key do, and were named after it.
pub(super) fn raised(seen: Observation, record: &Record<'_>) -> Observation {
    if record.user_agent.or_empty().to_ascii_lowercase().contains("s3 browser") {
        return seen.severity(Severity::High).detail(
            "Program",
            "S3 Browser, by its user agent: a file manager that intruders use to make users and keys",
        );
    }
    seen
}
