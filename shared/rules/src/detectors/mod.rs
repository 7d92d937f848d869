//! What AWS's own detectors and evaluators find. Each finding of theirs is one finding here, with their severity as far
//! as it is worth a mail, and it closes when they say so.

use crate::kit::declare::theme;

theme! {
    guardduty::GuardDutyFinding,
    access_analyzer::AccessAnalyzerFinding,
    trusted_advisor::TrustedAdvisorCheck,
    security_hub::SecurityHubFinding,
    config_rule::ConfigRuleBroken,
    cost_anomaly::CostAnomalyDetected,
    inspector::InspectorFinding,
    insight::UnusualRate,
}
