//! Commands that many rules recommend.

use keepwatch_core::event::Record;
use keepwatch_core::observation::{Observation, shorthand};

/// Adds the step that stops the caller, where the call was signed by a key that can be stopped.
pub(crate) fn stop_caller(observation: Observation, record: &Record<'_>) -> Observation {
    let who = &record.user_identity;
    match (who.access_key_id.get(), who.user_name.get()) {
        (Some(key), Some(user)) if key.starts_with("AKIA") => observation.step(
            "If the caller's key is not in its owner's hands, stop it",
            "iam update-access-key",
            &[("--user-name", user), ("--access-key-id", key), ("--status", "Inactive")],
        ),
        _ => observation,
    }
}

/// Adds the step that ends all sessions that a user's keys have made: they outlive the keys.
pub(crate) fn deny_user(observation: Observation, record: &Record<'_>, user: &str) -> Observation {
    let deny = format!("arn:{}:iam::aws:policy/AWSDenyAll", record.partition());
    observation.step(
        "If it was nobody you know: deny everything to the user, which ends the sessions too",
        "iam attach-user-policy",
        &[("--policy-arn", &deny), ("--user-name", user)],
    )
}

/// What else the caller did: the attribute of `cloudtrail lookup-events` that CloudTrail lists its calls under.
pub(crate) fn calls_of(record: &Record<'_>) -> String {
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
