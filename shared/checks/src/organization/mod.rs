//! The account as a whole: its bill, its limits, its organization.

use crate::kit::declare::theme;

theme! {
    billing_alarm::BillingAlarm,
    health_automation::HealthAutomation,
    service_limits::ServiceLimits,
    member::Member,
    hygiene::Hygiene,
}
