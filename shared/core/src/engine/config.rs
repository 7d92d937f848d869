//! What the owner has set, as the rules read it.

use std::collections::BTreeMap;

use crate::about::About;
use crate::settings::{Override, Settings};

/// Settings that rules read.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Ids of accounts that the owner trusts: other accounts of the same organization, a vendor's account.
    pub trusted_accounts: Vec<String>,
    /// Patterns of identities that the owner trusts, of providers that everybody has: `repo:octo-org/*`.
    pub trusted_identities: Vec<String>,
    /// Patterns of ARNs of users and roles that act without a person.
    pub automation: Vec<String>,
    /// Regions in use; none when nobody has said.
    pub expected_regions: Vec<String>,
    /// The name of Keepwatch's own stack, with which its resources' names begin.
    pub stack: String,
    /// ARNs of that stack's queues, topics and roles: what the policies of its queues and tables name.
    pub own_arns: Vec<String>,
    /// What is set for single rules.
    pub overrides: BTreeMap<String, Override>,
}

impl Config {
    /// With what the settings table adds.
    pub fn with(&self, settings: &Settings) -> Config {
        let mut config = self.clone();
        config.trusted_accounts.extend_from_slice(&settings.lists.trusted_accounts);
        config.trusted_identities.extend_from_slice(&settings.lists.trusted_identities);
        config.automation.extend_from_slice(&settings.lists.automation);
        config.expected_regions.extend_from_slice(&settings.lists.expected_regions);
        config.overrides.extend(settings.overrides.clone());
        config
    }

    /// Whether the rule is asked: what the owner has set, or else unless it waits to be switched on.
    pub fn asks(&self, rule: &About) -> bool {
        self.overrides.get(rule.id).and_then(|set| set.enabled).unwrap_or(!rule.opt_in)
    }
}
