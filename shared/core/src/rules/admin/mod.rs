//! New administrative power, however it is granted. What a grant gives is [`power`]'s to say; each rule knows one way
//! of granting.

pub(crate) mod account_assignment;
pub(crate) mod content_omitted;
pub(crate) mod group_joined;
pub(crate) mod inline_policy;
pub(crate) mod managed_policy_attached;
pub(crate) mod permission_set;
pub(crate) mod policy_written;
pub(crate) mod power;
pub(crate) mod trust_opened;
