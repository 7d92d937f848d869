//! Credentials that leaked or were stolen.
//!
//! One exposed key is one finding, whoever speaks first: AWS Health, Trusted Advisor, the quarantine policy, or the key
//! itself at work. Each is a rule of its own and a witness on the finding of [`exposed_access_key`].

mod common;

use crate::kit::declare::theme;

theme! {
    exposed_access_key::ExposedAccessKey,
    health_risk::HealthRisk,
    health_abuse::HealthAbuse,
    trusted_advisor::ExposedKeyListed,
    quarantine_attached::QuarantineAttached,
    quarantine_detached::QuarantineDetached,
    exposed_key_used::ExposedKeyUsed,
    key_new_address::KeyNewAddress,
    attack_tool::AttackTool,
    session_from_key::SessionFromKey,
}
