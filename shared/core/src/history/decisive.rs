//! The events whose loss would hurt most, and what CloudTrail is asked to find them.

use crate::event::{Body, Event};

/// The calls, by source: those by which an account is taken over or its watch is blinded. Each is one that a rule listens to,
/// and each rule on something CRITICAL has one here or a reason why not (`shared/rules/src/tests/history.rs`). Calls that
/// undo these are not among them: a finding that stays open is looked at, one that never opens is not.
///
/// Each name is one question a run, at most two a second; so there are a few dozen and not all that rules listen to.
pub const CALLS: &[(&str, &[&str])] = &[
    // Who deploys Keepwatch: asked first, because it explains what else its deployment has done.
    ("cloudformation.amazonaws.com", &["DeleteStack", "ExecuteChangeSet", "UpdateStack"]),
    // What takes EventBridge's events away, and the rules that bring them. Nobody tells of these at once.
    ("cloudtrail.amazonaws.com", &["StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"]),
    ("events.amazonaws.com", &["RemoveTargets", "DisableRule", "DeleteRule", "PutTargets", "PutRule"]),
    // Events that were in the queue, its own among them.
    ("sqs.amazonaws.com", &["PurgeQueue"]),
    // Lambda's older calls have the date of their interface in their names.
    ("lambda.amazonaws.com", &["UpdateFunctionCode20150331v2"]),
    ("guardduty.amazonaws.com", &["DeleteDetector"]),
    // New ways in.
    ("signin.amazonaws.com", &["ConsoleLogin"]),
    (
        "iam.amazonaws.com",
        &[
            "CreateUser",
            "CreateAccessKey",
            "CreateLoginProfile",
            "UpdateLoginProfile",
            "CreateRole",
            "UpdateAssumeRolePolicy",
            // New power.
            "AttachUserPolicy",
            "AttachGroupPolicy",
            "AttachRolePolicy",
            "PutUserPolicy",
            "PutGroupPolicy",
            "PutRolePolicy",
            "CreatePolicyVersion",
            "SetDefaultPolicyVersion",
            "AddUserToGroup",
            "DeactivateMFADevice",
        ],
    ),
    (
        "sso.amazonaws.com",
        &["CreateAccountAssignment", "AttachManagedPolicyToPermissionSet", "PutInlinePolicyToPermissionSet"],
    ),
    // Identity Center's directory, by its API and by its console.
    ("identitystore.amazonaws.com", &["CreateGroupMembership"]),
    ("sso-directory.amazonaws.com", &["AddMemberToGroup"]),
    // Data for everybody.
    ("s3.amazonaws.com", &["PutBucketPolicy"]),
];

/// One question to the event history, which takes one attribute a call (CloudTrail API reference, `LookupEvents`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<'n> {
    /// Everything that root did.
    Root,
    /// Every call of this name, of whatever service.
    Call(&'n str),
    /// Everything that was done to the resource of this name.
    Resource(&'n str),
}

impl<'n> Lookup<'n> {
    /// All questions of a run, in the order in which they are asked first.
    pub fn all() -> impl Iterator<Item = Lookup<'static>> {
        let calls = CALLS.iter().flat_map(|(_, names)| names.iter().copied().map(Lookup::Call));
        calls.chain([Lookup::Root])
    }

    /// The questions that are asked in a region that has a forwarder: whether its stack was deleted, which explains what follows,
    /// and what was done to event rules. Whoever makes a region deaf does it by one of these calls, and they are rare.
    pub fn of_event_rules() -> impl Iterator<Item = Lookup<'static>> {
        let calls = CALLS.iter().filter(|(source, _)| *source == "events.amazonaws.com");
        let names = calls.flat_map(|(_, names)| names.iter().copied());
        ["DeleteStack"].into_iter().chain(names).map(Lookup::Call)
    }

    /// Key and value of the attribute. AWS's own example for the user name is `root`.
    pub fn attribute(self) -> (&'static str, &'n str) {
        match self {
            Lookup::Root => ("Username", "root"),
            Lookup::Call(name) => ("EventName", name),
            Lookup::Resource(name) => ("ResourceName", name),
        }
    }

    /// What people call it: `root`, or the name of the call or resource.
    pub fn name(self) -> &'n str {
        self.attribute().1
    }
}

/// Whether an event is decisive: one of [`CALLS`], or root's own doing. A question brings others too: calls of the same name
/// at other services, and what an IAM user did who is called root.
pub fn is_decisive(event: &Event<'_>) -> bool {
    let Body::CloudTrail(record) = &event.body else { return false };
    let header = record.header();
    header.by_root()
        || CALLS.iter().any(|(source, names)| *source == header.source && names.contains(&header.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decisive(record: &str) -> bool {
        is_decisive(&Event::parse(record).unwrap())
    }

    #[test]
    fn a_call_is_decisive_at_its_own_service_only() {
        assert!(decisive(r#"{"eventName": "CreateUser", "eventSource": "iam.amazonaws.com"}"#));
        assert!(!decisive(r#"{"eventName": "CreateUser", "eventSource": "transfer.amazonaws.com"}"#));
        assert!(!decisive(r#"{"eventName": "ListUsers", "eventSource": "iam.amazonaws.com"}"#));
    }

    #[test]
    fn root_is_decisive_whatever_it_does_and_a_user_called_root_is_not() {
        let by = |who: &str| {
            decisive(&format!(
                r#"{{"eventName": "ListBuckets", "eventSource": "s3.amazonaws.com", "userIdentity": {who}}}"#
            ))
        };
        assert!(by(r#"{"type": "Root", "arn": "arn:aws:iam::111122223333:root"}"#));
        assert!(!by(r#"{"type": "IAMUser", "userName": "root"}"#));
        assert!(!by(r#"{"type": "Root", "invokedBy": "trustedadvisor.amazonaws.com"}"#));
    }

    #[test]
    fn each_question_is_asked_once() {
        let mut names: Vec<&str> = Lookup::all().map(Lookup::name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(all <= 40, "{all} questions take too much of the account's two calls a second");
    }
}
