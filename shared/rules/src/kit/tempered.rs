//! How far the severity of what automation does is lowered.

use keepwatch_core::engine::Cx;
use keepwatch_core::engine::automation::Automation;
use keepwatch_core::observation::Observation;
use keepwatch_core::severity::Severity;

/// Lowers what automation does, though not below `floor` where the automation is only as good as its credentials: a
/// stolen pipeline switches logs off like anybody else. A service acting for itself cannot be stolen.
pub(crate) fn tempered_to(cx: &Cx<'_>, floor: Severity, seen: Observation) -> Observation {
    let own = seen.severity;
    let lowered = cx.tempered(seen);
    match cx.automation() {
        None | Some(Automation::Service) => lowered,
        Some(_) => {
            let severity = lowered.severity.max(floor.min(own));
            lowered.severity(severity)
        }
    }
}
