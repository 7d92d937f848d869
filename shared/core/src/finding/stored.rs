//! How a finding lies in the table: nothing long is there twice.
//!
//! What a rule saw last is often the strongest that was seen. Who did it, the details and the steps are written at the
//! strongest alone. A version that does not know this form reads a witness without them, and finds them at the
//! strongest, which it tells first.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::finding::witness::Witness;
use crate::finding::{Finding, Status};

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut stored = self.clone();
        for witness in stored.witnesses.values_mut().filter(|witness| self.strongest.contains(witness)) {
            *witness = bare(witness);
        }
        Finding::serialize(&stored, serializer)
    }
}

impl<'de> Deserialize<'de> for Finding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Finding, D::Error> {
        let mut finding = Finding::deserialize(deserializer)?;
        // Older versions let good news of the same moment close it; what they have closed and told stays closed.
        let last_seen = finding.last_seen;
        let closed = finding.passed.as_mut().filter(|passed| passed.at == last_seen);
        if let Some(passed) = closed.filter(|_| finding.status == Status::Resolved) {
            passed.at = last_seen.plus(Duration::from_millis(1));
        }
        for witness in finding.witnesses.values_mut() {
            let is_same = |whole: &&Witness| bare(whole) == *witness;
            if let Some(whole) = finding.strongest.iter().find(is_same) {
                *witness = whole.clone();
            }
        }
        Ok(finding)
    }
}

/// What of it is written beside the strongest.
fn bare(whole: &Witness) -> Witness {
    Witness { actor: None, details: Vec::new(), steps: Vec::new(), ..whole.clone() }
}
