//! Who has made a call before, in this account: one set of [`super::first_sight`] for each call that counts here.
//!
//! Somebody who makes such a call for the first time is worth a look, and in the first weeks everybody would be. So the sets
//! are filled from CloudTrail's event history at first start ([`crate::history::seed`]).
//!
//! What being known excuses is little, because an attacker may have acted before the seeding and is in the sets then: it
//! keeps at LOW what is LOW of its kind, and lowers nothing. Whatever is MEDIUM or above by what it gives or takes, an
//! administrator's role above all, stays so whoever does it.

use std::time::Duration;

use keepwatch_base::hash::short_hash;
use keepwatch_base::time::Timestamp;

use crate::event::Record;
use crate::memory::journal::RECEIPTS_KEPT;
use crate::observation::Actor;
use crate::state::FirstSeenQuery;

/// The calls, by source: those by which the code is replaced that runs with a role, and those by which somebody gets onto a
/// machine, with whatever role that has.
pub const CALLS: &[(&str, &[&str])] = &[
    ("lambda.amazonaws.com", &["UpdateFunctionCode20150331v2", "UpdateFunctionConfiguration20150331v2"]),
    ("codebuild.amazonaws.com", &["StartBuild", "StartBuildBatch", "UpdateProject"]),
    ("ecs.amazonaws.com", &["RunTask", "ExecuteCommand"]),
    ("glue.amazonaws.com", &["UpdateJob"]),
    ("states.amazonaws.com", &["UpdateStateMachine"]),
    ("ec2.amazonaws.com", &["CreateLaunchTemplateVersion", "ModifyLaunchTemplate", "GetPasswordData"]),
    ("ssm.amazonaws.com", &["SendCommand", "StartSession"]),
    ("ec2-instance-connect.amazonaws.com", &["SendSSHPublicKey"]),
];

/// How long a set is remembered after its last member came.
pub const KEPT: Duration = RECEIPTS_KEPT;

/// The key of the set of those who have made this call in this account.
pub fn key(account: &str, source: &str, name: &str) -> String {
    format!("doers#{}", short_hash(&[account, source, name]))
}

/// Who made the call, as the sets tell doers apart: the user, the role, of Identity Center the person; never the session's name.
pub fn doer(record: &Record<'_>) -> String {
    Actor::of(record).identity()
}

/// The question when this doer was first seen; none where the call does not count here or nobody is named.
pub fn question(record: &Record<'_>, account: &str, time: Timestamp) -> Option<FirstSeenQuery> {
    let (source, name) = (record.event_source.or_empty(), record.event_name.or_empty());
    let counts = CALLS.iter().any(|(of, names)| *of == source && names.contains(&name));
    let named = record.user_identity.arn.get().is_some();
    (counts && named).then(|| FirstSeenQuery {
        key: key(account, source, name),
        member: doer(record),
        time,
        kept: KEPT,
    })
}
