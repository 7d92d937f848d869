//! Commands that many rules recommend.

use keepwatch_base::text::{MAX_TEXT, clean, shell_word};
use keepwatch_core::event::{Record, is_long_term_key};
use keepwatch_core::observation::{Observation, shorthand};
use keepwatch_core::severity::Severity;
use serde_json::json;

use super::arns::last_part;
use super::place::region_option;

/// Adds the step that stops the caller: its key, or the sessions of its role. What is worth a phone call also gets the step
/// that tells what else the caller did.
pub(crate) fn stop_caller(observation: Observation, record: &Record<'_>) -> Observation {
    let who = &record.user_identity;
    let seen = match (who.access_key_id.get(), who.user_name.get()) {
        (Some(key), Some(user)) if is_long_term_key(key) => observation.step(
            "If somebody else may have the caller's key, stop it (undo: --status Active)",
            "iam update-access-key",
            &[("--user-name", user), ("--access-key-id", key), ("--status", "Inactive")],
        ),
        _ => end_sessions(observation, record),
    };
    let looked_up = |seen: &Observation| seen.steps.iter().any(|step| step.command.contains("lookup-events"));
    if seen.severity < Severity::High || looked_up(&seen) {
        return seen;
    }
    callers_calls(seen, record, "What else did the caller do? (repeat in every enabled region)")
}

/// Adds the step that tells what else the caller did in this region.
pub(crate) fn what_else(observation: Observation, record: &Record<'_>) -> Observation {
    callers_calls(observation, record, "What else did the caller do?")
}

/// Adds the step that lists the caller's calls; `purpose` says where to.
pub(crate) fn callers_calls(observation: Observation, record: &Record<'_>, purpose: &str) -> Observation {
    observation.step(
        purpose,
        "cloudtrail lookup-events",
        &[region_option(record), ("--lookup-attributes", &calls_of(record))],
    )
}

/// Adds the step that ends the sessions of the caller's role which have begun so far, by the inline policy that the IAM
/// console writes (IAM user guide, "Revoke IAM role temporary security credentials"). Not for the roles of services and of
/// Identity Center: nobody may write policies on those.
fn end_sessions(observation: Observation, record: &Record<'_>) -> Observation {
    let issuer = record.user_identity.session_context.session_issuer.arn.or_empty();
    let Some((_, role)) = issuer.split_once(":role/").filter(|(_, role)| !role.starts_with("aws-")) else {
        return observation;
    };
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": observation.event.time}}}]});
    observation.step(
        "If the caller is none of yours, end all sessions that its role has had so far (programs that use the role must get new \
         ones)",
        "iam put-role-policy",
        &[
            ("--role-name", last_part(role)),
            ("--policy-name", "AWSRevokeOlderSessions"),
            ("--policy-document", &policy.to_string()),
        ],
    )
}

/// Adds the step that tells what a user has done who was given something; groups and roles do nothing under their own name.
pub(crate) fn done_by_holder(
    observation: Observation,
    record: &Record<'_>,
    kind: &str,
    name: &str,
) -> Observation {
    if kind != "user" {
        return observation;
    }
    observation.step(
        &format!("What has user {name} done since? (repeat in every enabled region)"),
        "cloudtrail lookup-events",
        &[region_option(record), ("--lookup-attributes", &lookup("Username", name))],
    )
}

/// Adds the step that shows what a managed policy allows: `get-policy` alone shows that there is one.
pub(crate) fn read_policy(observation: Observation, purpose: &str, arn: &str) -> Observation {
    let version = format!(
        "iam get-policy-version --version-id \"$(aws iam get-policy --query 'Policy|DefaultVersionId' --output text --policy-arn {})\"",
        shell_word(&clean(arn, MAX_TEXT))
    );
    observation.step(purpose, &version, &[("--policy-arn", arn)])
}

/// AWS's policy that denies everything, in the partition of this record.
pub(crate) fn deny_all(record: &Record<'_>) -> String {
    format!("arn:{}:iam::aws:policy/AWSDenyAll", record.partition())
}

/// Adds the step that ends all sessions that a user's keys have made: they outlive the keys.
pub(crate) fn deny_user(observation: Observation, record: &Record<'_>, user: &str) -> Observation {
    let deny = deny_all(record);
    observation.step(
        "If it was nobody you know: deny everything to the user, which ends the sessions too",
        "iam attach-user-policy",
        &[("--policy-arn", &deny), ("--user-name", user)],
    )
}

/// What else the caller did: the attribute of `cloudtrail lookup-events` that CloudTrail lists its calls under.
fn calls_of(record: &Record<'_>) -> String {
    let who = &record.user_identity;
    let session = who.principal_id.get().and_then(|id| id.split_once(':')).map(|(_, session)| session);
    let name =
        if record.by_root() { "root" } else { session.or_else(|| who.user_name.get()).unwrap_or("NAME") };
    lookup("Username", name)
}

/// Which events `cloudtrail lookup-events` lists: those with this value of the attribute.
pub(crate) fn lookup(attribute: &str, value: &str) -> String {
    shorthand(&[("AttributeKey", attribute), ("AttributeValue", value)])
}

/// What a `describe` call of EC2's or DMS's lists: what has this value.
pub(crate) fn filter(name: &str, value: &str) -> String {
    shorthand(&[("Name", name), ("Values", value)])
}
