//! The root user: it can do everything, nothing limits it, and nobody should need it on an ordinary day.

mod common;

use crate::kit::declare::theme;

theme! {
    console_sign_in::ConsoleSignIn,
    failed_sign_in::FailedSignIn,
    api_call::ApiCall,
    access_key::AccessKey,
    mfa_removed::MfaRemoved,
    mfa_added::MfaAdded,
    password::Password,
    contact::Contact,
    assume_root::AssumeRoot,
    login_profile::LoginProfile,
    centralized_root::CentralizedRoot,
    mfa_challenge_failed::MfaChallengeFailed,
}
