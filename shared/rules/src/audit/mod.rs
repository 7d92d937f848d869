//! The audit trail and AWS's own detectors, switched off, narrowed or blinded.

mod common;

use crate::kit::declare::theme;

theme! {
    trail_stopped::TrailStopped,
    event_data_store::EventDataStore,
    trail_weakened::TrailWeakened,
    trail_selectors::TrailSelectors,
    trail_bucket::TrailBucket,
    guardduty_disabled::GuardDutyDisabled,
    guardduty_blinded::GuardDutyBlinded,
    config_stopped::ConfigStopped,
    security_hub::SecurityHub,
    findings_hidden::FindingsHidden,
    scanner_disabled::ScannerDisabled,
    flow_logs::FlowLogs,
    logs_deleted::LogsDeleted,
    alarm_silenced::AlarmSilenced,
    dns_logs::DnsLogs,
    waf_removed::WafRemoved,
    access_logging::AccessLogging,
    workload_logging::WorkloadLogging,
    access_analyzer::AccessAnalyzer,
}
