//! Commands that many rules recommend.

use keepwatch_base::text::{MAX_TEXT, clean, shell_word};
use keepwatch_core::event::{Record, is_long_term_key};
use keepwatch_core::observation::{Observation, shorthand};
use keepwatch_core::severity::Severity;

use super::arns::last_part;
use super::place::{region, region_option};

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
    let calls = calls_of(record);
    let by_key = lookup("AccessKeyId", who.access_key_id.or_empty());
    let of_caller = |command: &str| [&calls, &by_key].iter().any(|by| command.contains(&shell_word(by)));
    if seen.severity < Severity::High || seen.steps.iter().any(|step| of_caller(&step.command)) {
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

/// Ends the sessions of a role that have begun so far, by the inline policy that the IAM console writes (IAM user guide,
/// "Revoke IAM role temporary security credentials"). So far means until the command is run: after the event whoever did it
/// may have opened others.
const END_SESSIONS: &str = r#"iam put-role-policy --policy-name AWSRevokeOlderSessions --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"'"$(date -u +%Y-%m-%dT%H:%M:%SZ)"'"}}}]}'"#;

/// Adds the step that ends the sessions of the caller's role. Nobody may write policies on the roles of services and of
/// Identity Center; of the latter, somebody signed in whom its directory knows by the session's name.
fn end_sessions(observation: Observation, record: &Record<'_>) -> Observation {
    let issuer = record.user_identity.session_context.session_issuer.arn.or_empty();
    match (issuer.split_once(":role/"), session_name(record)) {
        (Some((_, role)), _) if !role.starts_with("aws-") => observation.step(
            "If the caller is none of yours, end all sessions that its role has had so far (programs that use the role must get \
             new ones)",
            END_SESSIONS,
            &[("--role-name", last_part(role))],
        ),
        (Some((_, role)), Some(person)) if role.starts_with("aws-reserved/sso.amazonaws.com/") => observation.step(
            "If the caller is none of yours: find its user, in the account and region of Identity Center. Disable the user there \
             and delete its active sessions. What it has open in this account lasts until the permission set's session duration is \
             over",
            "identitystore list-users",
            &[
                ("--region", "REGION_OF_IDENTITY_CENTER"),
                ("--identity-store-id", "YOUR_IDENTITY_STORE_ID"),
                ("--filters", &shorthand(&[("AttributePath", "UserName"), ("AttributeValue", person)])),
            ],
        ),
        _ => observation,
    }
}

/// The name of the caller's session, where it has one.
fn session_name<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    let id = record.user_identity.principal_id.get()?;
    id.split_once(':').map(|(_, session)| session)
}

/// Adds the step that tells what was done with what somebody was given: what a user did, and who took a role on. A group does
/// nothing.
pub(crate) fn done_by_holder(
    observation: Observation,
    record: &Record<'_>,
    kind: &str,
    name: &str,
) -> Observation {
    match kind {
        "user" => observation.step(
            &format!("What has user {name} done since? (repeat in every enabled region)"),
            "cloudtrail lookup-events",
            &[region_option(record), ("--lookup-attributes", &lookup("Username", name))],
        ),
        "role" => observation.look_for(
            &format!("Who has taken on role {name} since? (repeat in every enabled region)"),
            region(record),
            "AttributeKey=EventSource,AttributeValue=sts.amazonaws.com",
            // How an ARN of the role ends; one of its sessions goes on.
            &format!("/{name}\""),
        ),
        _ => observation,
    }
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
    let session = session_name(record);
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

#[cfg(test)]
mod tests {
    use keepwatch_core::observation::Observation;
    use serde_json::{Value, json};

    use crate::registry::RULES;
    use crate::testing::*;

    const ADMIN: &str = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

    /// What is seen when this caller makes user or role `bob` an administrator.
    fn made_by(caller: Value, kind: &str) -> Observation {
        let name = format!("{}Name", kind.to_lowercase());
        let request = json!({name: "bob", "policyName": "p", "policyDocument": ADMIN});
        let changes = json!({"requestParameters": request, "userIdentity": caller});
        let rule = RULES.iter().find(|rule| rule.about().id == "admin-inline-policy");
        fired(*rule.expect("the rule is there"), &call("iam", &format!("Put{kind}Policy"), changes))
    }

    /// Somebody with a session of this role.
    fn session(role: &str, name: &str) -> Value {
        let short = role.rsplit('/').next().unwrap_or(role);
        json!({"type": "AssumedRole", "principalId": format!("AROAEXAMPLE:{name}"), "userName": null,
            "accessKeyId": "ASIAIOSFODNN7EXAMPLE", "arn": format!("arn:aws:sts::111122223333:assumed-role/{short}/{name}"),
            "sessionContext": {"sessionIssuer": {"type": "Role", "userName": short,
                "arn": format!("arn:aws:iam::111122223333:role/{role}")}}})
    }

    fn commands(seen: &Observation) -> Vec<&str> {
        seen.steps.iter().map(|step| step.command.as_str()).collect()
    }

    #[test]
    fn sessions_end_that_began_before_the_command_is_run() {
        let seen = made_by(session("ci", "run-7"), "User");
        let all = commands(&seen);
        let end =
            all.iter().find(|command| command.contains("AWSRevokeOlderSessions")).expect("it is a step");
        assert!(end.contains("$(date -u ") && end.ends_with(" --role-name ci"), "{end}");
        assert!(!end.contains(&seen.event.time.date()), "{end}");
    }

    #[test]
    fn whoever_came_through_identity_center_is_stopped_there() {
        let role = "aws-reserved/sso.amazonaws.com/AWSReservedSSO_Dev_0123456789abcdef";
        let seen = made_by(session(role, "ana"), "User");
        let all = commands(&seen);
        let find = "aws identitystore list-users --region REGION_OF_IDENTITY_CENTER --identity-store-id YOUR_IDENTITY_STORE_ID \
                    --filters AttributePath=UserName,AttributeValue=ana";
        assert!(all.contains(&find), "{all:?}");
        assert!(!all.iter().any(|command| command.contains("put-role-policy")), "{all:?}");
        // A service's role is stopped by nobody.
        let seen = made_by(session("aws-service-role/x.amazonaws.com/AWSServiceRoleForX", "x"), "User");
        let all = commands(&seen);
        assert!(!all.iter().any(|command| command.contains("identitystore")), "{all:?}");
    }

    #[test]
    fn a_user_s_calls_are_asked_for_and_who_took_on_a_role() {
        let alice = || json!({"userName": "alice"});
        let asked = |kind: &str, words: &str| {
            let seen = made_by(alice(), kind);
            let of_caller = "AttributeKey=Username,AttributeValue=alice";
            assert!(commands(&seen).iter().any(|command| command.contains(of_caller)), "{:?}", seen.steps);
            commands(&seen).iter().any(|command| command.contains(words))
        };
        assert!(asked("User", "AttributeKey=Username,AttributeValue=bob"));
        assert!(asked("Role", r#"contains(CloudTrailEvent,`"/bob\""`)"#));
        assert!(!asked("Group", "bob\\"));
    }
}
