//! What the checks on keys share.

use keepwatch_core::posture::ask::AccessKeys;
use keepwatch_core::posture::facts::iam::{Credentials, ReportKey};

use crate::kit::cx::{Cx, GLOBAL};
use crate::kit::time::days_since;

/// What tells a user's keys apart: the id, where the keys were listed, which they are for users with a key that is worth a
/// line. The credential report itself knows slots only.
pub(super) fn aspect(cx: &mut Cx<'_>, user: &Credentials, key: &ReportKey) -> String {
    let by_slot = format!("{}/AccessKey{}", user.user, key.slot);
    let Ok(listed) = cx.try_known(AccessKeys, (GLOBAL, user.user.as_str())) else { return by_slot };
    let place = user.keys.iter().position(|other| other.slot == key.slot);
    // A key that was made or deleted since the report would be taken for another.
    match place.filter(|_| listed.len() == user.keys.len()).and_then(|place| listed.get(place)) {
        Some(found) if found.active == key.active => found.id.clone(),
        _ => by_slot,
    }
}

/// The key as a command's option, where its id is known.
pub(super) fn option(aspect: &str) -> &str {
    if aspect.contains('/') { "ID" } else { aspect }
}

/// For how many days a key has not been used: since its last use, or since it was made. None where the report tells neither.
pub(super) fn idle_days(key: &ReportKey, cx: &Cx<'_>) -> Option<u64> {
    key.used.at().max(key.rotated.at()).map(|at| days_since(at, cx.now))
}

/// For how many days a password has not been used: since its last use, or since it or the user was made.
pub(super) fn password_idle_days(user: &Credentials, cx: &Cx<'_>) -> Option<u64> {
    let last = user.password_used.at().max(user.password_changed.at()).max(user.created.at());
    last.map(|at| days_since(at, cx.now))
}
