//! What a finding keeps of an observation, within bounds.

use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::observation::{Actor, Observation, Occurrence, RemediationStep, Verdict};
use crate::severity::Severity;

/// The most bytes of details, and of steps, that one witness keeps. DynamoDB takes items of up to 400 KB (developer
/// guide, "Constraints"), and a finding keeps up to seventeen witnesses.
const MAX_BYTES: usize = 6_000;

/// What one rule saw of the problem on one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Witness {
    /// The rule.
    pub rule: String,
    /// What happened.
    pub title: String,
    /// Why the rule says so.
    pub reason: String,
    /// How bad.
    pub severity: Severity,
    /// Failing or unknown.
    pub verdict: Verdict,
    /// The event.
    pub event: Occurrence,
    /// Where it happened.
    pub region: String,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// What was granted or exposed: label and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(String, String)>,
    /// What to do now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<RemediationStep>,
}

/// When, and of one moment which: it puts all observations of a finding in one order, whatever order they came in.
pub type Age<'a> = (Timestamp, &'a str, &'a str);

impl Witness {
    /// What is kept of this observation: as many details and steps as fit.
    pub fn of(observation: &Observation) -> Witness {
        let mut details = fitting(&observation.details, |(label, value)| label.len() + value.len());
        let left_out = observation.details.len() - details.len();
        if left_out > 0 {
            details.push(("And more".to_owned(), format!("{left_out} more lines, too long to keep")));
        }
        Witness {
            rule: observation.rule.id.to_owned(),
            title: observation.title.clone(),
            reason: observation.reason.clone(),
            severity: observation.severity,
            verdict: observation.verdict,
            event: observation.event.clone(),
            region: observation.subject.region.clone(),
            actor: observation.actor.clone(),
            details,
            steps: fitting(&observation.steps, |step| step.purpose.len() + step.command.len()),
        }
    }

    /// Its place in time.
    pub fn age(&self) -> Age<'_> {
        (self.event.time, &self.event.id, &self.rule)
    }

    /// By severity, then by age.
    pub fn rank(&self) -> (Severity, Age<'_>) {
        (self.severity, self.age())
    }

    /// Whether it is at least as bad as the other and at least as late: the other says nothing more.
    fn outdoes(&self, other: &Witness) -> bool {
        self.severity >= other.severity && self.age() >= other.age()
    }
}

/// The longest run of first elements that fits into [`MAX_BYTES`].
fn fitting<T: Clone>(all: &[T], bytes: impl Fn(&T) -> usize) -> Vec<T> {
    let mut sum = 0;
    let fits = |element: &&T| {
        sum += bytes(element);
        sum <= MAX_BYTES
    };
    all.iter().take_while(fits).cloned().collect()
}

/// Adds a witness to those of which none outdoes another: for each severity the latest, unless something worse came
/// later still. Such a set has at most one element a severity, does not depend on the order of additions, and still
/// tells what was worst since any moment.
pub(super) fn keep_if_not_outdone(frontier: &mut Vec<Witness>, new: &Witness) {
    if frontier.iter().any(|kept| kept.outdoes(new)) {
        return;
    }
    frontier.retain(|kept| !new.outdoes(kept));
    frontier.push(new.clone());
    frontier.sort_by(|a, b| b.rank().cmp(&a.rank()));
}

/// An event that a finding remembers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeenEvent {
    /// When.
    pub time: Timestamp,
    /// The source's own id.
    pub id: String,
    /// The rule that reported it.
    pub rule: String,
}
