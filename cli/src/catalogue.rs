//! All rules and checks in one catalogue: findings come of both.

use keepwatch_core::catalogue::Catalogue;

/// See the module.
pub(crate) const CATALOGUE: Catalogue =
    keepwatch_rules::registry::DOCUMENTED.and(&keepwatch_checks::registry::DOCUMENTED);
