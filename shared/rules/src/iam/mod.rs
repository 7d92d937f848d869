//! IAM users, their keys, passwords and MFA devices, and whoever tries what IAM allows.
//!
//! What root does to them is told by the rules on root: here it only settles what it mends.

mod common;

use crate::kit::declare::theme;

theme! {
    access_key_created::AccessKeyCreated,
    user_created::UserCreated,
    password_set::PasswordSet,
    mfa_removed::MfaRemoved,
    mfa_added::MfaAdded,
    password_policy::PasswordPolicy,
    policy_on_user::PolicyOnUser,
    changed::Changed,
    access_key_reactivated::AccessKeyReactivated,
    signing_credential::SigningCredential,
    enumeration::Enumeration,
    principals_probed::PrincipalsProbed,
    access_denied::AccessDenied,
}
