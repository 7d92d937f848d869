//! What the rules on leaked credentials share.

use keepwatch_policy::managed;

use serde_json::Value;

use crate::kit::prelude::*;

/// The finding that all witnesses of an exposed key share.
pub(super) const EXPOSED: &str = "exposed-access-key";

/// Whose key it is. An IAM user may be called "root"; only the source of the name can tell the two apart.
#[derive(Clone, Copy)]
pub(super) enum Owner<'o> {
    Root,
    User(&'o str),
    Unknown,
}

impl<'o> Owner<'o> {
    /// By a name that Health or Trusted Advisor gives; they name IAM users and root in one field.
    pub(super) fn by_name(name: Option<&'o str>) -> Owner<'o> {
        match name {
            None => Owner::Unknown,
            Some(name) if name.eq_ignore_ascii_case("root") || name.contains("root_account") => Owner::Root,
            Some(name) => Owner::User(name),
        }
    }

    /// Of the key that signed this call.
    pub(super) fn of(record: &'o Record<'_>) -> Owner<'o> {
        match record.user_identity.user_name.get() {
            _ if record.user_identity.kind.or_empty() == "Root" => Owner::Root,
            Some(user) => Owner::User(user),
            None => Owner::Unknown,
        }
    }

    /// ` of user bob`, ` of the root user`, or nothing.
    pub(super) fn phrase(self) -> String {
        match self {
            Owner::Root => " of the root user".to_owned(),
            Owner::User(user) => format!(" of user {user}"),
            Owner::Unknown => String::new(),
        }
    }
}

/// Begins the observation that a key is exposed, with the steps that contain it. All witnesses build it here, so that
/// they agree on whose finding it is.
pub(super) fn exposed(cx: &Cx<'_>, key: &str, owner: Owner<'_>, title: &str) -> Observation {
    let seen = of_key(cx, key, owner, title);
    let seen = match owner {
        Owner::Unknown => stop(whose(seen, "Whose key is it?", key), key, owner),
        Owner::Root | Owner::User(_) => stop(seen, key, owner),
    };
    let seen = match owner {
        Owner::User(user) => seen
            .step(
                "Does it still exist, and has the user others?",
                "iam list-access-keys",
                &[("--user-name", user)],
            )
            .step(
                "What may this user do? (list-user-policies and list-groups-for-user have the rest)",
                "iam list-attached-user-policies",
                &[("--user-name", user)],
            ),
        Owner::Root | Owner::Unknown => seen,
    };
    done_with(seen, key)
}

/// Begins an observation on a key.
pub(super) fn of_key(cx: &Cx<'_>, key: &str, owner: Owner<'_>, title: &str) -> Observation {
    let seen = cx.failing(key, title).global().detail("Access key", key);
    match owner {
        Owner::Root => seen.detail("User", "the root user"),
        Owner::User(user) => seen.detail("User", user),
        Owner::Unknown => seen,
    }
}

/// The step that stops the key.
pub(super) fn stop(seen: Observation, key: &str, owner: Owner<'_>) -> Observation {
    let (purpose, user) = match owner {
        Owner::Root => return seen.step(
            "Delete root's key: sign in as root, then Security credentials, Access keys. What the account says of it",
            "iam get-account-summary",
            &[],
        ),
        Owner::User(user) => ("Stop the key (undo: --status Active)", user),
        Owner::Unknown => ("Stop it (it can be started again)", "THE_USER"),
    };
    let options = [("--user-name", user), ("--access-key-id", key), ("--status", "Inactive")];
    seen.step(purpose, "iam update-access-key", &options)
}

/// The step that tells whose key it is, and when it was last used where.
pub(super) fn whose(seen: Observation, purpose: &str, key: &str) -> Observation {
    seen.step(purpose, "iam get-access-key-last-used", &[("--access-key-id", key)])
}

/// The step that lists the calls signed with the key.
pub(super) fn done_with(seen: Observation, key: &str) -> Observation {
    let lookup = lookup("AccessKeyId", key);
    seen.step(
        "What has the key done? (us-east-1 has its calls to IAM; repeat in every enabled region; without --start-time it tells of \
         90 days)",
        "cloudtrail lookup-events --region us-east-1",
        &[("--lookup-attributes", &lookup)],
    )
}

/// Whether the text has the shape of an access key id (IAM user guide, "Understanding unique ID prefixes").
pub(super) fn is_access_key(text: &str) -> bool {
    (text.starts_with("AKIA") || text.starts_with("ASIA")) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Whom a call attaches AWS's quarantine policy to, or detaches it from, and that policy.
pub(super) fn quarantined<'r>(record: &'r Record<'_>) -> Option<(PrincipalKind, &'r str, &'r str)> {
    let (kind, name) = power::grantee(record)?;
    let attached = || record.param(&["policyArn"]).filter(|policy| managed::is_quarantine(policy));
    let inline = || record.param(&["policyName"]).filter(|policy| is_inline_quarantine(record, policy));
    let policy = attached().or_else(inline)?;
    Some((kind, name, policy))
}

/// Whether it is the quarantine as AWS put it on users before there were managed policies for it: an inline policy of this
/// name that denies everything. Anybody can give a policy that name; one that allows something is none.
fn is_inline_quarantine(record: &Record<'_>, policy: &str) -> bool {
    let named = policy == "AWSExposedCredentialPolicy_DO_NOT_REMOVE"
        || policy.starts_with("AWSCompromisedKeyQuarantine");
    let document = record.request().get("policyDocument").filter(|document| !document.is_null());
    let effects = document.map(|document| match document {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        parsed => parsed.clone(),
    });
    let denies = |document: &Value| {
        let statements = items_at(document, &["statement"]);
        statements.iter().all(|one| text_at(one, &["effect"]) == Some("Deny"))
    };
    named && effects.as_ref().is_none_or(denies)
}
