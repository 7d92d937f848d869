//! IAM users, their keys, passwords and MFA devices, and whoever tries what IAM allows.
//!
//! What root does to them is told by the rules on root: here it only settles what it mends.

pub(crate) mod access_denied;
pub(crate) mod access_key_created;
pub(crate) mod access_key_reactivated;
pub(crate) mod changed;
pub(crate) mod enumeration;
pub(crate) mod mfa_added;
pub(crate) mod mfa_removed;
pub(crate) mod password_policy;
pub(crate) mod password_set;
pub(crate) mod policy_on_user;
pub(crate) mod principals_probed;
pub(crate) mod signing_credential;
pub(crate) mod user_created;

use serde_json::Value;

use super::Cx;
use super::admin::power::{self, Power};
use super::automation::Automation;
use crate::event::Record;
use crate::observation::{Observation, Severity};
use crate::policy::Level;
use crate::state::{Interrupt, PrincipalKind};

/// The name of the IAM user who calls.
fn caller<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    let who = &record.user_identity;
    if who.kind.or_empty() != "IAMUser" {
        return None;
    }
    who.user_name.get().or_else(|| who.arn.get().and_then(|arn| arn.rsplit_once('/')).map(|(_, name)| name))
}

/// The user that a call is about. A call that names nobody means its caller; no IAM user is called as root
/// is.
pub(super) fn user_of<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    match record.request().get("userName") {
        None | Some(Value::Null) => caller(record),
        Some(name) => name.as_str().filter(|name| !name.is_empty() && *name != "AWS ROOT USER"),
    }
}

/// Whether the call gives a credential to a user whom the Bedrock console makes: a rule of its own tells
/// that, see [`super::admin::service_credential`].
fn holds_bedrock_key(user: &str) -> bool {
    user.starts_with("BedrockAPIKey-")
}

/// The ARN of who calls, without the session: the user, or the role or user that a session comes from.
fn principal<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    let who = &record.user_identity;
    let issuer = who.session_context.session_issuer.arn.get().filter(|_| who.kind.or_empty() != "IAMUser");
    issuer.or_else(|| who.arn.get())
}

/// Raises a new credential for somebody else's user to what the user can do: whoever holds it is that user
/// from now on.
fn graded(seen: Observation, record: &Record<'_>, cx: &Cx<'_>, user: &str) -> Result<Observation, Interrupt> {
    let arn = record.iam_arn("user", user);
    Ok(match power::of_principal(cx, PrincipalKind::User, user, Some(&arn))? {
        Power::Known(grant) if grant.level >= Level::PrivilegeEscalation => {
            seen.severity(Severity::High).detail("The user", &grant.ability)
        }
        Power::Known(_) => seen,
        Power::Unknown(why) => seen.detail("The user", format!("what it may do is not known: {why}")),
    })
}

/// How bad an everyday change is: for the digest, and only on record where automation made it. A user agent does not
/// count, or whoever chooses theirs well would be in no digest.
fn recorded(cx: &Cx<'_>) -> Severity {
    match cx.automation() {
        None | Some(Automation::Agent) => Severity::Low,
        Some(_) => Severity::Informational,
    }
}

/// Raises what the file manager S3 Browser does to users. It can, but hardly anybody administers IAM with it;
/// intruders who found an access key do, and were named after it.
fn raised(seen: Observation, record: &Record<'_>) -> Observation {
    if record.user_agent.or_empty().to_ascii_lowercase().contains("s3 browser") {
        return seen.severity(Severity::High).detail(
            "Program",
            "S3 Browser, by its user agent: a file manager that intruders use to make users and keys",
        );
    }
    seen
}

/// Replays of several events in order, with windows that really count.
#[cfg(test)]
pub(crate) mod replay {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::cell::RefCell;
    use std::collections::HashMap;

    use serde_json::{Value, json};

    use crate::alert::tests::check;
    use crate::event::Event;
    use crate::observation::Observation;
    use crate::rules::dispatch::Index;
    use crate::rules::testing::switched_on;
    use crate::rules::{Config, Rule};
    use crate::seen::Seen;
    use crate::state::{Fact, Query, Value as Answer};
    use crate::time::Timestamp;
    use crate::window::Window;

    /// What the rule makes of each of the events.
    pub(crate) fn all(rule: &'static dyn Rule, events: &[String]) -> Vec<Vec<Observation>> {
        let rules: &'static [&'static dyn Rule] = Box::leak(Box::new([rule]));
        let config = Config { overrides: switched_on(rule), ..Config::default() };
        let index = Index::new(rules);
        let windows: RefCell<HashMap<String, Window>> = RefCell::default();
        let sets: RefCell<HashMap<String, Seen>> = RefCell::default();
        let mut each = |text: &String| {
            let event = Event::parse(text).unwrap();
            let evaluation =
                index.evaluate_answering(&event, &config, Timestamp::from_millis(0), |query| match query {
                    Query::Window(asked) => {
                        let mut windows = windows.borrow_mut();
                        let window = windows.entry(asked.key.clone()).or_default();
                        let (crowd, _) = window.add(&asked.member, asked.time, asked.span);
                        Fact::Known(Answer::Crowd(crowd))
                    }
                    Query::FirstSeen(asked) => {
                        let mut sets = sets.borrow_mut();
                        let set = sets.entry(asked.key.clone()).or_default();
                        Fact::Known(Answer::FirstSeen(set.add(&asked.member, asked.time).0))
                    }
                    _ => Fact::Unavailable("AccessDenied".to_owned()),
                });
            assert!(evaluation.errors.is_empty(), "{:?}", evaluation.errors);
            evaluation.observations.iter().for_each(check::renders_well);
            evaluation.observations
        };
        events.iter().map(&mut each).collect()
    }

    /// The one observation that the last of the events, and none before it, gives.
    pub(crate) fn last_fired(rule: &'static dyn Rule, events: &[String]) -> Observation {
        let mut seen = all(rule, events);
        let mut last = seen.pop().unwrap();
        assert!(seen.iter().all(Vec::is_empty), "{seen:?}");
        assert_eq!(last.len(), 1, "{last:?}");
        last.remove(0)
    }

    /// Asserts that none of the events gives anything.
    pub(crate) fn quiet(rule: &'static dyn Rule, events: &[String]) {
        let seen = all(rule, events);
        assert!(seen.iter().all(Vec::is_empty), "{seen:?}");
    }

    /// The event again and again, every `apart` seconds, each an event of its own.
    pub(crate) fn repeated(event: &str, times: usize, apart: usize) -> Vec<String> {
        (0..times).map(|i| at(event, &format!("repeated-{i}"), i * apart)).collect()
    }

    /// The event with another id, so many seconds later than noon.
    pub(crate) fn at(event: &str, id: &str, seconds: usize) -> String {
        let mut record: Value = serde_json::from_str(event).unwrap();
        record["eventID"] = json!(id);
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        record["eventTime"] = json!(format!("2026-03-01T12:{minutes:02}:{seconds:02}Z"));
        record.to_string()
    }
}
