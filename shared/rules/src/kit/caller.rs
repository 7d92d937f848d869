//! Who called, as an event tells it.

use keepwatch_core::event::Record;
use keepwatch_core::observation::Actor;
use serde_json::Value;

/// Who called, by the name that a person knows.
pub(crate) fn caller_name(record: &Record<'_>) -> String {
    Actor::name_of(record)
}

/// The name of the IAM user who calls.
pub(crate) fn calling_user<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    let who = &record.user_identity;
    if who.kind.or_empty() != "IAMUser" {
        return None;
    }
    who.user_name.get().or_else(|| who.arn.get().and_then(|arn| arn.rsplit_once('/')).map(|(_, name)| name))
}

/// The user that a call on IAM is about. A call that names nobody means its caller; no IAM user is called as root is.
pub(crate) fn named_user<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    match record.request().get("userName") {
        None | Some(Value::Null) => calling_user(record),
        Some(name) => name.as_str().filter(|name| !name.is_empty() && *name != "AWS ROOT USER"),
    }
}

/// The ARN of who calls, without the session: the user, or the role or user that a session comes from.
pub(crate) fn acting_arn<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    let who = &record.user_identity;
    let issuer = who.session_context.session_issuer.arn.get().filter(|_| who.kind.or_empty() != "IAMUser");
    issuer.or_else(|| who.arn.get())
}

/// Who acted, as the resource of a finding: the role behind a session, whatever the session calls itself; a user; else
/// what the event names. Calls from other accounts, and some services' records, name no role but have the session's name
/// in the rest.
pub(crate) fn acting_principal<'r>(record: &'r Record<'_>) -> &'r str {
    let who = &record.user_identity;
    let issuer = &who.session_context.session_issuer.arn;
    let arn = || who.arn.get().map(without_session);
    let id = || who.principal_id.get().map(|id| id.split(':').next().unwrap_or(id));
    let person = || who.on_behalf_of.user_id.get();
    let account = || who.account_id.get();
    issuer.get().or_else(arn).or_else(id).or_else(person).or_else(account).unwrap_or("an unnamed principal")
}

fn without_session(arn: &str) -> &str {
    match arn.rsplit_once('/') {
        Some((role, _)) if role.contains(":assumed-role/") => role,
        _ => arn,
    }
}

/// Whether Identity Center itself made the call, to provision a permission set into an account. The role's path is
/// reserved to AWS, so nobody else can have it; the permission set is what gets reported.
pub(crate) fn by_identity_center(record: &Record<'_>) -> bool {
    let issuer = record.user_identity.session_context.session_issuer.arn.or_empty();
    issuer.contains(":role/aws-service-role/sso.amazonaws.com/AWSServiceRoleForSSO")
}

/// What a console sign-in event says of its own outcome, `Success` or `Failure`, under its own name.
pub(crate) fn sign_in_result<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    record.response_text(&[record.event_name.or_empty()])
}
