//! People and groups of Identity Center, as its directory's calls name them, and what they may do.

use keepwatch_core::engine::Cx;
use keepwatch_core::event::Record;
use keepwatch_core::event::json::text_at;
use keepwatch_core::state::{Fact, Interrupt};
use keepwatch_policy::{self as policy, Level};
use serde_json::Value;

use super::place::region;
use super::power::{self, Power};

/// Where identity providers provision people and groups (IAM Identity Center user guide, "Logging IAM Identity Center SCIM
/// API calls with CloudTrail").
pub(crate) const SCIM: &str = "identitystore-scim.amazonaws.com";

/// The most permission sets of one person or group that are read.
const MAX_SETS: usize = 5;

/// Whether the owner's identity provider made the call.
pub(crate) fn by_scim(record: &Record<'_>) -> bool {
    record.event_source.or_empty() == SCIM
}

/// The ARN of a person.
pub(crate) fn user_arn(record: &Record<'_>, id: &str) -> String {
    format!("arn:{}:identitystore:::user/{id}", record.partition())
}

/// The options of a command that name a person.
pub(crate) fn user_options<'r>(record: &'r Record<'_>, id: &'r str) -> [(&'static str, &'r str); 3] {
    let store = store(record).unwrap_or("YOUR_IDENTITY_STORE_ID");
    [("--region", region(record)), ("--identity-store-id", store), ("--user-id", id)]
}

/// The identity store that the call names.
pub(crate) fn store<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    record.param(&["identityStoreId"]).or_else(|| record.param(&["directoryId"]))
}

/// A value that AWS has not masked.
pub(crate) fn shown(text: &str) -> bool {
    !text.starts_with("HIDDEN_") && !text.starts_with('*')
}

/// The person whom a call makes or changes: by the answer, where it is made.
pub(crate) fn user<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    let (request, answer) = (record.request(), record.response());
    let answered: [&[&str]; 4] =
        [&["user", "userId"], &["userId"], &["httpBody", "id"], &["responseBody", "id"]];
    let asked: [&[&str]; 2] = [&["userId"], &["id"]];
    let found = answered.iter().find_map(|path| text_at(answer, path));
    found.or_else(|| asked.iter().find_map(|path| text_at(request, path)))
}

/// What the permission sets that are assigned to a person or a group give, in whatever account.
pub(crate) fn power_of(record: &Record<'_>, cx: &Cx<'_>, id: &str, group: bool) -> Result<Power, Interrupt> {
    let region = region(record);
    let sets = match cx.facts.assigned(store(record).unwrap_or_default(), id, group, region)? {
        Fact::Known(sets) => sets,
        Fact::Missing => Vec::new(),
        Fact::Unavailable(why) => {
            return Ok(Power::Unknown(format!("what is assigned to it could not be read ({why})")));
        }
    };
    let mut worst = Power::Known(policy::analyse(&[], None));
    for arn in sets.iter().take(MAX_SETS) {
        let instance = instance_of(arn);
        let power = match cx.facts.permission_set(&instance, arn, region)? {
            Fact::Known(held) => power::of_holdings(cx, &held, None)?,
            Fact::Missing => continue,
            Fact::Unavailable(why) => {
                Power::Unknown(format!("permission set {arn} could not be read ({why})"))
            }
        };
        worst = worst.or_worse(power);
        if worst.level() == Level::FullAdmin {
            break;
        }
    }
    Ok(worst)
}

/// The instance that a permission set belongs to, which stands in its ARN.
fn instance_of(arn: &str) -> String {
    match arn.split_once(":permissionSet/") {
        Some((head, rest)) => format!("{head}:instance/{}", rest.split('/').next().unwrap_or(rest)),
        None => String::new(),
    }
}

/// The members that a call adds to a group or takes from it, and the group.
pub(crate) fn membership<'r>(record: &'r Record<'_>) -> Option<(&'r str, Vec<&'r str>)> {
    let request = record.request();
    let group = ["groupId", "id"].iter().find_map(|key| text_at(request, &[key]))?;
    let paths: [&[&str]; 3] = [&["memberId", "userId"], &["member", "memberId"], &["memberId"]];
    if let Some(member) = paths.iter().find_map(|path| text_at(request, path)) {
        return Some((group, vec![member]));
    }
    // SCIM: a list of operations, each with a list of members (RFC 7644, 3.5.2).
    let body = request.get("httpBody").unwrap_or(&Value::Null);
    let operations = keepwatch_core::event::json::items_at(body, &["operations"]);
    let adds = operations.into_iter().filter(|operation| {
        let op = text_at(operation, &["op"]).unwrap_or_default();
        op.eq_ignore_ascii_case("add") || op.eq_ignore_ascii_case("replace")
    });
    let members = adds.flat_map(|operation| keepwatch_core::event::json::items_at(operation, &["value"]));
    let members: Vec<&str> = members.filter_map(|member| text_at(member, &["value"])).collect();
    (!members.is_empty()).then_some((group, members))
}
