//! What remembers and what notices: trails, Config, GuardDuty, Access Analyzer, Security Hub.

use crate::kit::declare::theme;

mod common;

pub use self::common::{Kept, records_writes};

theme! {
    multi_region::MultiRegion,
    logging::Logging,
    kms::Kms,
    validation::Validation,
    alerts::Alerts,
    insights::Insights,
    config::ConfigEnabled,
    guardduty::GuardDuty,
    analyzer::Analyzer,
    security_hub::SecurityHubEnabled,
}
