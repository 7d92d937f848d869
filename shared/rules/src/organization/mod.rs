//! The organization and the account itself: who belongs to it, who governs it, where it runs, what watches its costs,
//! and the domain names it holds.

use crate::kit::declare::theme;

theme! {
    account_lost::AccountLost,
    full_access_attached::FullAccessAttached,
    account_joined::AccountJoined,
    delegation::Delegation,
    stack_set::StackSetRolledOut,
    region_switched::RegionSwitched,
    unexpected_region::UnexpectedRegion,
    cost_watch_removed::CostWatchRemoved,
    domain_moved::DomainMoved,
}
