//! Encryption, backups, secrets, and the destruction of data.

pub(crate) mod backup_deleted;
pub(crate) mod bucket_protection;
pub(crate) mod database;
pub(crate) mod ebs_encryption;
pub(crate) mod kms_key;
pub(crate) mod mass_deletion;
pub(crate) mod secrets_read;
pub(crate) mod store_deleted;
pub(crate) mod unencrypted;

use std::time::Duration;

use crate::event::Record;

/// How close together calls must lie to be one act: the time a script takes.
pub(crate) const TEN_MINUTES: Duration = Duration::from_secs(600);

/// Who acted, as a resource: the role behind a session, whatever the session calls itself; a user; else what the event
/// names. Calls from other accounts, and some services' records, name no role but have the session's name in the rest.
pub(crate) fn principal<'r>(record: &'r Record<'_>) -> &'r str {
    let who = &record.user_identity;
    let issuer = &who.session_context.session_issuer.arn;
    let arn = || who.arn.get().map(without_session);
    let id = || who.principal_id.get().map(|id| id.split(':').next().unwrap_or(id));
    issuer.get().or_else(arn).or_else(id).unwrap_or("an unnamed principal")
}

fn without_session(arn: &str) -> &str {
    match arn.rsplit_once('/') {
        Some((role, _)) if role.contains(":assumed-role/") => role,
        _ => arn,
    }
}

/// What else the caller did: the name that CloudTrail lists its calls under.
pub(crate) fn calls_of(record: &Record<'_>) -> String {
    let who = &record.user_identity;
    let session = who.principal_id.get().and_then(|id| id.split_once(':')).map(|(_, session)| session);
    let name =
        if record.by_root() { "root" } else { session.or_else(|| who.user_name.get()).unwrap_or("NAME") };
    format!("AttributeKey=Username,AttributeValue={name}")
}

/// The ARN of a bucket.
fn bucket_arn(record: &Record<'_>, bucket: &str) -> String {
    format!("arn:{}:s3:::{bucket}", record.partition())
}

#[cfg(test)]
pub(crate) mod testing {
    //! Windows for the tests of rules that count.
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use crate::finding::short_hash;
    use crate::rules::Rule;
    use crate::rules::testing::ACCOUNT;
    use crate::state::{Answer, Fact, Query, Value, WindowQuery};
    use crate::time::Timestamp;
    use crate::window::Crowd;

    /// The answer that, of this rule's window for `key`, this member stands among `count`.
    pub(crate) fn among(
        rule: &dyn Rule,
        key: &str,
        member: &str,
        span: Duration,
        count: usize,
    ) -> (Query, Answer) {
        let time = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
        let key = format!("{}#{}", rule.meta().id, short_hash(&[ACCOUNT, key]));
        let query = Query::Window(WindowQuery { key, member: member.to_owned(), time, span });
        (query, Fact::Known(Value::Crowd(Crowd { count, since: time })))
    }
}
