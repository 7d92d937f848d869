//! IAM users and roles: passwords, MFA, administrators, what nobody uses.

use crate::kit::declare::theme;

theme! {
    password_policy::PasswordStrength,
    password_age::PasswordAge,
    password_manager::PasswordManager,
    sharing::CredentialSharing,
    console_mfa::ConsoleMfa,
    user_mfa_all::UserMfaAll,
    privileged_hardware_mfa::PrivilegedHardwareMfa,
    mfa_protected_api::MfaProtectedApi,
    admin_user::AdminUser,
    federation::Federation,
    audit::Audit,
}
