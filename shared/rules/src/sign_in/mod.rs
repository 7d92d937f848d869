//! Sign-ins to the console by others than root, which has rules of its own.

mod common;

use crate::kit::declare::theme;

theme! {
    no_mfa::NoMfa,
    failures::Failures,
    new_address::NewAddress,
    federated_user::FederatedUser,
    console_link::ConsoleLink,
    switched_role::SwitchedRole,
    identity_center::IdentityCenter,
    cli_login::CliLogin,
}
