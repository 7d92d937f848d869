//! New administrative power, however it is granted. What a grant gives is [`power`]'s to say; each rule knows one way
//! of granting.

use crate::kit::declare::theme;

theme! {
    managed_policy_attached::ManagedPolicyAttached,
    inline_policy::InlinePolicy,
    policy_written::PolicyWritten,
    trust_opened::TrustOpened,
    group_joined::GroupJoined,
    directory_group_joined::DirectoryGroupJoined,
    permission_set::PermissionSet,
    account_assignment::AccountAssignment,
    boundary::BoundaryWeakened,
    content_omitted::ContentOmitted,
    service_role::ServiceRole,
    role_passed::RolePassed,
    role_given::RoleGiven,
    eks_cluster_admin::EksClusterAdmin,
    guardrail_removed::GuardrailRemoved,
    federation_provider::FederationProvider,
    roles_anywhere::RolesAnywhere,
    service_credential::ServiceCredential,
    temporary_delegation::TemporaryDelegation,
    outbound_federation::OutboundFederation,
}
