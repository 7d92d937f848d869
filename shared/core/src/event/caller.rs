//! Who made a call, by the name that a person knows.
//!
//! Fields and types: CloudTrail user guide, "CloudTrail userIdentity element".

use keepwatch_base::arn::is_account_id;

use super::cloudtrail::{Record, UserIdentity};

/// What AWS writes where a name may be a secret typed into the wrong field.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// Who made this call: a user, `role/session`, root, a service; of another account with the account.
pub(crate) fn name(record: &Record<'_>) -> String {
    let who = &record.user_identity;
    let mut name = own_name(record);
    // Identity Center puts the person's name into the sessions of its own roles.
    let role = who.session_context.session_issuer.user_name.or_empty();
    let person = person(who).filter(|person| !name.contains(person));
    if let Some(person) = person.filter(|_| !role.starts_with("AWSReservedSSO_")) {
        name = format!("{name} for Identity Center user {person}");
    }
    match foreign_account(record) {
        Some(account) if !name.contains(account) => format!("{name} of account {account}"),
        _ => name,
    }
}

/// What CloudTrail tells of somebody of another account whom it gives no ARN: the principal's id, which no caller chooses,
/// and the account.
pub(crate) fn foreign_id(record: &Record<'_>) -> Option<String> {
    let who = &record.user_identity;
    let principal = who.principal_id.or_empty().split(':').next().unwrap_or_default();
    Some(format!("{principal} of account {}", who.account_id.get()?).trim().to_owned())
}

fn own_name(record: &Record<'_>) -> String {
    let who = &record.user_identity;
    let kind = who.kind.or_empty();
    let session = who.principal_id.get().and_then(|id| id.split_once(':')).map(|(_, session)| session);
    let issuer = who.session_context.session_issuer.user_name.get();
    match (who.user_name.get().filter(|user| *user != HIDDEN), issuer, session) {
        // Auto Scaling, say, acts in root's name where root once set it up.
        _ if kind == "Root" => match who.invoked_by.get() {
            Some(service) => format!("{service} for root"),
            None => "root".to_owned(),
        },
        // Anybody may call a user so; the mail must not say that root did it.
        (Some(user), ..) if user.eq_ignore_ascii_case("root") => format!("IAM user {user}"),
        (Some(user), _, None) => user.to_owned(),
        (_, Some(role), Some(session)) => format!("{role}/{session}"),
        (Some(user), ..) => user.to_owned(),
        (_, Some(role), None) => role.to_owned(),
        _ => otherwise(record).unwrap_or_else(|| "somebody CloudTrail does not name".to_owned()),
    }
}

/// The name where neither the user's nor the role's own field has it.
fn otherwise(record: &Record<'_>) -> Option<String> {
    let who = &record.user_identity;
    let service = who.invoked_by.get();
    // S3 writes so of a call that nobody signed.
    if who.account_id.or_empty() == "ANONYMOUS_PRINCIPAL" || who.principal_id.or_empty() == "Anonymous" {
        return Some("somebody without credentials".to_owned());
    }
    if who.kind.or_empty() == "AWSService" && service.is_some() {
        return service.map(str::to_owned);
    }
    if let Some(arn) = who.arn.get() {
        return Some(name_in(arn).unwrap_or(arn).to_owned());
    }
    if let Some(person) = person(who) {
        return Some(format!("Identity Center user {person}"));
    }
    let source = record.source_ip_address.get().filter(|source| source.ends_with(".amazonaws.com"));
    let id = || who.principal_id.get().map(principal);
    let key = || who.access_key_id.get().map(|key| format!("whoever holds access key {key}"));
    let account = || foreign_account(record).map(|account| format!("account {account}"));
    service.or(source).map(str::to_owned).or_else(id).or_else(key).or_else(account)
}

/// What a principal's id tells (IAM user guide, "Unique identifiers"). A role's own id names nobody; its session does.
fn principal(id: &str) -> String {
    match id.split_once(':') {
        Some((role, session)) if role.starts_with("AROA") => format!("role session {session}"),
        None if id.starts_with("AROA") => format!("role with id {id}"),
        None if id.starts_with("AIDA") => format!("user with id {id}"),
        _ => id.to_owned(),
    }
}

/// The name in the ARN of a user or a session.
fn name_in(arn: &str) -> Option<&str> {
    let (kind, rest) = arn.splitn(6, ':').nth(5)?.split_once('/')?;
    match kind {
        "assumed-role" | "federated-user" => Some(rest),
        "user" | "role" => rest.rsplit('/').next(),
        _ => None,
    }
    .filter(|name| !name.is_empty())
}

/// The person of Identity Center behind the call.
fn person<'w>(who: &'w UserIdentity<'_>) -> Option<&'w str> {
    who.on_behalf_of.user_id.get()
}

/// The caller's account, where it is not the one that the event belongs to.
fn foreign_account<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    let who = &record.user_identity;
    let in_arn = || who.arn.get().and_then(|arn| arn.split(':').nth(4));
    let account = who.account_id.get().or_else(in_arn).filter(|account| is_account_id(account))?;
    let own = record.recipient_account_id.get()?;
    let service = who.kind.or_empty() == "AWSService" || record.event_type.or_empty() == "AwsServiceEvent";
    (account != own && !service).then_some(account)
}

#[cfg(test)]
mod tests {
    use keepwatch_rules::testing::call;
    use serde_json::{Value, json};

    use crate::event::{Body, Event};
    use crate::observation::Actor;

    const OTHER: &str = "444455556666";

    /// Of this identity, with nothing else in it.
    fn actor(identity: &Value) -> Actor {
        let mut event: Value = serde_json::from_str(&call("s3", "DeleteBucket", json!({}))).unwrap();
        event["userIdentity"] = identity.clone();
        let text = event.to_string();
        let event = Event::parse(&text).unwrap();
        let Body::CloudTrail(record) = &event.body else { panic!("{text}") };
        Actor::of(record)
    }

    fn name(identity: Value) -> String {
        actor(&identity).name
    }

    #[test]
    fn a_caller_of_another_account_is_told_with_it() {
        let session = json!({"type": "AssumedRole", "principalId": "AROAEXAMPLE:ci", "accountId": OTHER,
            "arn": "arn:aws:sts::444455556666:assumed-role/deployer/ci"});
        assert_eq!(name(session.clone()), "deployer/ci of account 444455556666");
        let mut known = session;
        known["sessionContext"] = json!({"sessionIssuer": {"userName": "deployer"}});
        assert_eq!(name(known.clone()), "deployer/ci of account 444455556666");
        known["accountId"] = json!("111122223333");
        assert_eq!(name(known), "deployer/ci");
        let user = json!({"type": "IAMUser", "userName": "bob", "arn": "arn:aws:iam::444455556666:user/bob"});
        assert_eq!(name(user), "bob of account 444455556666");
        let root = json!({"type": "Root", "principalId": OTHER, "accountId": OTHER});
        assert_eq!(name(root), "root of account 444455556666");
    }

    #[test]
    fn a_session_is_told_by_its_name_and_known_by_its_role() {
        let of = |id: &str| json!({"type": "AWSAccount", "principalId": id, "accountId": OTHER});
        let (one, two) = (actor(&of("AROAEXAMPLE:ci")), actor(&of("AROAEXAMPLE:other")));
        assert_eq!(one.name, "role session ci of account 444455556666");
        assert_eq!(one.identity(), "AROAEXAMPLE of account 444455556666");
        assert_eq!(one.identity(), two.identity());
        assert_eq!(name(of("AIDAEXAMPLE")), "user with id AIDAEXAMPLE of account 444455556666");
        assert_eq!(name(json!({"type": "AWSAccount", "accountId": OTHER})), "account 444455556666");
    }

    #[test]
    fn the_person_of_identity_center_is_told() {
        let person = json!({"userId": "544894e8", "identityStoreArn": "arn:aws:identitystore::111122223333:identitystore/d-1"});
        let portal = json!({"type": "IdentityCenterUser", "accountId": "111122223333", "onBehalfOf": person});
        assert_eq!(name(portal), "Identity Center user 544894e8");
        assert_eq!(name(json!({"type": "Unknown", "onBehalfOf": person})), "Identity Center user 544894e8");
        let session = |role: &str| {
            json!({"type": "AssumedRole", "principalId": "AROAEXAMPLE:s", "onBehalfOf": person,
                "sessionContext": {"sessionIssuer": {"userName": role}}})
        };
        assert_eq!(name(session("app")), "app/s for Identity Center user 544894e8");
        assert_eq!(name(session("AWSReservedSSO_Admins_1")), "AWSReservedSSO_Admins_1/s");
    }

    #[test]
    fn whatever_the_event_names_is_told() {
        for (identity, expected) in [
            (json!({"type": "AssumedRole", "principalId": "AROAEXAMPLE:s"}), "role session s"),
            (json!({"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/app/s"}), "app/s"),
            (json!({"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/team/bob"}), "bob"),
            (json!({"type": "FederatedUser", "arn": "arn:aws:sts::111122223333:federated-user/bob"}), "bob"),
            (json!({"invokedBy": "organizations.amazonaws.com"}), "organizations.amazonaws.com"),
            (json!({"accessKeyId": "ASIAIOSFODNN7EXAMPLE"}), "whoever holds access key ASIAIOSFODNN7EXAMPLE"),
            (
                json!({"type": "WebIdentityUser", "userName": "repo:a/b", "principalId": "arn:x:y"}),
                "repo:a/b",
            ),
            (json!("<REDACTED>"), "somebody CloudTrail does not name"),
            (json!({"userName": "HIDDEN_DUE_TO_SECURITY_REASONS"}), "somebody CloudTrail does not name"),
            (json!({"type": "IAMUser", "userName": "root"}), "IAM user root"),
        ] {
            assert_eq!(name(identity.clone()), expected, "{identity}");
        }
    }
}
