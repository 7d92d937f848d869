//! New administrative power, however it is granted. What a grant gives is [`power`]'s to say; each rule knows one way
//! of granting.

pub(crate) mod account_assignment;
pub(crate) mod boundary;
pub(crate) mod content_omitted;
pub(crate) mod eks_cluster_admin;
pub(crate) mod federation_provider;
pub(crate) mod group_joined;
pub(crate) mod guardrail_removed;
pub(crate) mod inline_policy;
pub(crate) mod managed_policy_attached;
pub(crate) mod permission_set;
pub(crate) mod policy_written;
pub(crate) mod power;
pub(crate) mod role_passed;
pub(crate) mod roles_anywhere;
pub(crate) mod service_credential;
pub(crate) mod service_role;
pub(crate) mod trust_opened;
