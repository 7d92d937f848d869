//! The root user.

use crate::kit::declare::theme;

theme! {
    access_key::AccessKey,
    mfa::Mfa,
    hardware_mfa::HardwareMfa,
    usage::Usage,
    password::Password,
    credentials_removed::CredentialsRemoved,
}
