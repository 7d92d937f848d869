//! What AWS's own detectors and evaluators find. Each finding of theirs is one finding here, with their severity as far
//! as it is worth a mail, and it closes when they say so.

pub(crate) mod access_analyzer;
pub(crate) mod config_rule;
pub(crate) mod cost_anomaly;
pub(crate) mod guardduty;
pub(crate) mod security_hub;
pub(crate) mod trusted_advisor;
