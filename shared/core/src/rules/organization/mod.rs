//! The organization and the account itself: who belongs to it, who governs it, where it runs, what watches its costs,
//! and the domain names it holds.

pub(crate) mod account_joined;
pub(crate) mod account_lost;
pub(crate) mod cost_watch_removed;
pub(crate) mod delegation;
pub(crate) mod domain_moved;
pub(crate) mod full_access_attached;
pub(crate) mod region_switched;
pub(crate) mod unexpected_region;

use crate::event::Record;

/// A parameter by its name in the API. CloudTrail writes some services' names as the API has them (`BudgetName`) and
/// others' with a small first letter.
fn param<'r>(record: &'r Record<'_>, name: &str) -> Option<&'r str> {
    let mut lower = name.to_owned();
    if let Some(first) = lower.get_mut(0..1) {
        first.make_ascii_lowercase();
    }
    record.param(&[&lower]).or_else(|| record.param(&[name]))
}
