//! Access keys and passwords: age, use, exposure.

mod common;

use crate::kit::declare::theme;

theme! {
    rotation::Rotation,
    unused::Unused,
    password_unused::PasswordUnused,
    app_with_password::AppWithPassword,
    console_with_keys::ConsoleWithKeys,
    exposed::Exposed,
    git_secrets::GitSecrets,
    short_lived::ShortLived,
}
