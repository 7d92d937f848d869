//! ARNs of users and roles as people write them, put into the forms that findings and rules compare.
//!
//! A role has two ARNs. IAM's has its path: `arn:aws:iam::111122223333:role/ops/deploy`. What the role does is done under the ARN
//! of its session, which has none: `arn:aws:sts::111122223333:assumed-role/deploy/SESSION` (IAM user guide, "IAM identifiers").
//! A role's name is its account's own whatever the path (IAM API reference, `CreateRole`: names must be unique within the
//! account). The table of settings keeps the one form that every version of Keepwatch compares.

use keepwatch_base::text::clean;
use keepwatch_base::wildcard::{is_all_wild, is_wild};

/// Between the account and the name of a role.
const ROLE: &str = ":role/";

/// Between the account and the name of a role of which there is a session.
const SESSION: &str = ":assumed-role/";

/// How the roles of Identity Center's permission sets are called. Their sessions have the names of people, whom AWS names.
const PERMISSION_SET: &str = "AWSReservedSSO_";

/// The pattern of those who act, in the form of [`keepwatch_core::observation::Actor::identity`]: a user's ARN, and of a role
/// `arn:aws:sts::ACCOUNT:assumed-role/NAME`, without path and session.
///
/// # Errors
/// A form that can mean nobody, with the right one.
pub(crate) fn actor(written: &str) -> Result<String, String> {
    let written = written.trim();
    named(written)?;
    if let Some((head, role)) = written.split_once(ROLE) {
        let (path, name) = role.rsplit_once('/').map_or(("", role), |(path, name)| (path, name));
        if name.is_empty() {
            return Err(format!("`{}` names no role behind the /", clean(written, 300)));
        }
        let head = head.replace(":iam:", ":sts:");
        if !path.is_empty() && is_wild(name) {
            return Err(format!(
                "what a role does is told without the role's path, so `{}` would mean roles of every path; name roles: \
                 {head}{SESSION}{name} for all that are called so",
                clean(written, 300)
            ));
        }
        return Ok(session(&head, name, None));
    }
    match written.split_once(SESSION) {
        Some((head, role)) => match role.split_once('/') {
            Some((name, of)) => Ok(session(head, name, Some(of))),
            None => Ok(session(head, role, None)),
        },
        None => Ok(written.to_owned()),
    }
}

/// The sessions of a role as findings name them.
fn session(head: &str, name: &str, of: Option<&str>) -> String {
    match of {
        Some(person) if name.starts_with(PERMISSION_SET) => format!("{head}{SESSION}{name}/{person}"),
        None if name.starts_with(PERMISSION_SET) && !name.ends_with('*') => {
            format!("{head}{SESSION}{name}/*")
        }
        _ => format!("{head}{SESSION}{name}"),
    }
}

/// A pattern of the list `automation`, in a form that rules compare: with the ARN of a user, with that of a role, and with that of
/// its session.
///
/// # Errors
/// A form that can mean nobody, with the right one.
pub(crate) fn automation(written: &str) -> Result<String, String> {
    let written = written.trim();
    named(written)?;
    if !written.starts_with("arn:") && !written.starts_with(['*', '?']) {
        return Err(format!(
            "`{}` is no ARN of a user or role, such as arn:aws:iam::111122223333:role/ci-deploy",
            clean(written, 300)
        ));
    }
    match written.split_once(SESSION) {
        // A session's ARN always has the session's name.
        Some((_, role)) if !role.contains('/') && !role.ends_with('*') => Ok(format!("{written}/*")),
        _ => Ok(written.to_owned()),
    }
}

/// What is wrong with a pattern that is stored, as an older version or a person may have written it: nobody acts under that form.
/// `form` is [`actor`] or [`automation`].
pub(crate) fn idle(stored: &str, form: fn(&str) -> Result<String, String>) -> Option<String> {
    match form(stored) {
        Ok(meant) if meant == stored => None,
        Ok(meant) => Some(format!("nobody acts under {}: write {}", clean(stored, 300), clean(&meant, 300))),
        Err(reason) => Some(reason),
    }
}

/// Refuses what lacks its account: no ARN ends there.
fn named(written: &str) -> Result<(), String> {
    let kinds = ["role/", "assumed-role/", "user/"];
    match kinds.iter().find(|kind| written.starts_with(**kind)) {
        Some(kind) => Err(format!(
            "`{}` is no ARN: write arn:aws:iam::111122223333:{}{} with your account's id",
            clean(written, 300),
            if *kind == "user/" { "user/" } else { "role/" },
            written.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("NAME"),
        )),
        None => Ok(()),
    }
}

/// A word on what was made of a pattern of actors, where that is not what was written.
pub(crate) fn note(written: &str, kept: &str) -> Option<String> {
    if written.trim() == kept {
        return None;
    }
    let session = written.split_once(SESSION).and_then(|(_, role)| role.split_once('/'));
    let why = match session {
        Some((_, session)) if !is_all_wild(session) => {
            ": whoever takes a role chooses the session's name, so it means the role"
        }
        _ => "",
    };
    Some(format!("{} is kept as {}{why}", clean(written.trim(), 300), clean(kept, 300)))
}

#[cfg(test)]
mod tests {
    use keepwatch_base::wildcard::matches;
    use keepwatch_core::observation::Actor;

    use super::*;

    /// The actor of a call in this session.
    fn identity(arn: &str) -> String {
        Actor { arn: Some(arn.to_owned()), ..Actor::default() }.identity()
    }

    #[test]
    fn every_form_of_a_role_means_what_it_does() {
        let deploy = identity("arn:aws:sts::111122223333:assumed-role/ci-deploy/s1");
        let person = identity("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admins_0a1b/carol");
        for (written, kept, is_deploy, is_person) in [
            ("arn:aws:sts::111122223333:assumed-role/ci-deploy", None, true, false),
            (
                "arn:aws:iam::111122223333:role/ci-deploy",
                Some("arn:aws:sts::111122223333:assumed-role/ci-deploy"),
                true,
                false,
            ),
            (
                " arn:aws:iam::111122223333:role/ops/ci-deploy ",
                Some("arn:aws:sts::111122223333:assumed-role/ci-deploy"),
                true,
                false,
            ),
            (
                "arn:aws:sts::111122223333:assumed-role/ci-deploy/s1",
                Some("arn:aws:sts::111122223333:assumed-role/ci-deploy"),
                true,
                false,
            ),
            (
                "arn:aws:sts::111122223333:assumed-role/ci-deploy/*",
                Some("arn:aws:sts::111122223333:assumed-role/ci-deploy"),
                true,
                false,
            ),
            ("arn:aws:iam::*:role/ci-*", Some("arn:aws:sts::*:assumed-role/ci-*"), true, false),
            ("*:role/ci-deploy", Some("*:assumed-role/ci-deploy"), true, false),
            ("*ci-deploy", None, true, false),
            ("*", None, true, true),
            (
                "arn:aws:iam::111122223333:role/other",
                Some("arn:aws:sts::111122223333:assumed-role/other"),
                false,
                false,
            ),
            ("arn:aws:iam::111122223333:user/ops/alice", None, false, false),
            ("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admins_0a1b/carol", None, false, true),
            (
                "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admins_0a1b",
                Some("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admins_0a1b/*"),
                false,
                true,
            ),
        ] {
            let made = actor(written).unwrap();
            assert_eq!(made, kept.unwrap_or(written), "{written}");
            assert_eq!(actor(&made).as_ref(), Ok(&made), "what is kept stays");
            assert_eq!(
                (matches(&made, &deploy), matches(&made, &person)),
                (is_deploy, is_person),
                "{written}"
            );
        }
    }

    #[test]
    fn a_form_that_means_nobody_is_refused_with_the_right_one() {
        for (written, hint) in [
            ("role/ci-deploy", "write arn:aws:iam::111122223333:role/ci-deploy"),
            ("user/ops/alice", "write arn:aws:iam::111122223333:user/alice"),
            ("assumed-role/ci-deploy", "write arn:aws:iam::111122223333:role/"),
        ] {
            assert!(actor(written).unwrap_err().contains(hint), "{written}");
            assert!(automation(written).unwrap_err().contains(hint), "{written}");
        }
        let path = actor("arn:aws:iam::111122223333:role/ops/*").unwrap_err();
        assert!(path.contains("arn:aws:sts::111122223333:assumed-role/*"), "{path}");
        assert!(actor("arn:aws:iam::111122223333:role/").is_err());
    }

    #[test]
    fn a_role_is_automation_in_every_form() {
        let (issuer, session) = (
            "arn:aws:iam::111122223333:role/ops/ci-deploy",
            "arn:aws:sts::111122223333:assumed-role/ci-deploy/s1",
        );
        for (written, kept) in [
            ("arn:aws:iam::111122223333:role/ops/ci-deploy", None),
            ("arn:aws:iam::111122223333:role/ops/*", None),
            (
                "arn:aws:sts::111122223333:assumed-role/ci-deploy",
                Some("arn:aws:sts::111122223333:assumed-role/ci-deploy/*"),
            ),
            ("arn:aws:sts::111122223333:assumed-role/ci-deploy/*", None),
            ("arn:aws:sts::111122223333:assumed-role/ci-deploy/s1", None),
            ("arn:aws:sts::111122223333:assumed-role/ci-*", None),
            ("arn:*", None),
        ] {
            let made = automation(written).unwrap();
            assert_eq!(made, kept.unwrap_or(written));
            assert!(matches(&made, issuer) || matches(&made, session), "{made}");
        }
    }

    #[test]
    fn what_is_stored_in_a_form_that_nobody_has_is_told() {
        let role = "arn:aws:iam::111122223333:role/ci-deploy";
        let told = idle(role, actor).unwrap();
        assert!(told.ends_with(": write arn:aws:sts::111122223333:assumed-role/ci-deploy"), "{told}");
        assert_eq!(idle(role, automation), None);
        assert_eq!(idle("arn:aws:sts::111122223333:assumed-role/ci-deploy", actor), None);
        assert!(idle("arn:aws:sts::111122223333:assumed-role/ci-deploy", automation).is_some());
        assert!(automation("ci-deploy").unwrap_err().contains("no ARN"));
    }

    #[test]
    fn a_session_that_is_taken_for_its_role_is_told() {
        let told = |written: &str| note(written, &actor(written).unwrap());
        assert_eq!(told("arn:aws:sts::111122223333:assumed-role/ci-deploy"), None);
        let session = told("arn:aws:sts::111122223333:assumed-role/ci-deploy/s1").unwrap();
        assert!(session.contains("means the role"), "{session}");
        let role = told("arn:aws:iam::111122223333:role/ci-deploy").unwrap();
        assert!(role.ends_with("is kept as arn:aws:sts::111122223333:assumed-role/ci-deploy"), "{role}");
    }
}
