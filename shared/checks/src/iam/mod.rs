//! IAM users: passwords, MFA, the password policy.

use crate::kit::declare::theme;

theme! {
    console_mfa::ConsoleMfa,
}
