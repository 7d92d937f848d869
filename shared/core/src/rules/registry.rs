//! All rules, in the order of the catalogue. A new rule is one line here.

use super::{Meta, Rule, admin, keys, root};

/// The built-in rules.
pub static RULES: &[&dyn Rule] = &[
    &root::console_sign_in::ConsoleSignIn,
    &root::failed_sign_in::FailedSignIn,
    &root::api_call::ApiCall,
    &root::access_key::AccessKey,
    &root::mfa_removed::MfaRemoved,
    &root::mfa_added::MfaAdded,
    &root::password::Password,
    &root::contact::Contact,
    &root::assume_root::AssumeRoot,
    &root::login_profile::LoginProfile,
    &root::centralized_root::CentralizedRoot,
    &root::mfa_challenge_failed::MfaChallengeFailed,
    &keys::exposed_access_key::ExposedAccessKey,
    &keys::health_risk::HealthRisk,
    &keys::health_abuse::HealthAbuse,
    &keys::trusted_advisor::ExposedKeyListed,
    &keys::quarantine_attached::QuarantineAttached,
    &keys::quarantine_detached::QuarantineDetached,
    &keys::exposed_key_used::ExposedKeyUsed,
    &admin::managed_policy_attached::ManagedPolicyAttached,
    &admin::inline_policy::InlinePolicy,
    &admin::policy_written::PolicyWritten,
    &admin::trust_opened::TrustOpened,
    &admin::group_joined::GroupJoined,
    &admin::permission_set::PermissionSet,
    &admin::account_assignment::AccountAssignment,
    &admin::boundary::BoundaryWeakened,
    &admin::content_omitted::ContentOmitted,
    &admin::service_role::ServiceRole,
    &admin::role_passed::RolePassed,
    &admin::eks_cluster_admin::EksClusterAdmin,
    &admin::guardrail_removed::GuardrailRemoved,
    &admin::federation_provider::FederationProvider,
    &admin::roles_anywhere::RolesAnywhere,
    &admin::service_credential::ServiceCredential,
];

/// A rule's metadata by id.
pub fn meta(id: &str) -> Option<&'static Meta> {
    RULES.iter().map(|rule| rule.meta()).find(|meta| meta.id == id)
}
