//! Recording observations: read, fold, write on condition that nobody else wrote meanwhile.

use std::future::Future;

use super::Finding;
use crate::observation::Observation;

/// Attempts before a contended finding is given back to the queue, which delivers the event again.
const ATTEMPTS: usize = 10;

/// Where findings are kept.
pub trait FindingStore {
    /// What can go wrong with the table.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Reads a finding, consistently.
    fn get(&self, finding_id: &str) -> impl Future<Output = Result<Option<Finding>, Self::Error>> + Send;

    /// Writes the finding if its stored version is still `expected` (`None`: if there is none yet). `false` when it is
    /// not.
    fn put(
        &self,
        finding: &Finding,
        expected: Option<u64>,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;
}

/// What came of recording an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// A finding began.
    Opened,
    /// A finding changed.
    Updated,
    /// The table knew it already: a duplicate, or good news about nothing.
    Unchanged,
}

/// An observation could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError<E> {
    /// The table refused or failed.
    #[error("the findings table could not be used: {0}")]
    Store(#[source] E),
    /// Others kept writing the same finding.
    #[error("finding {0} was written by others {ATTEMPTS} times in a row")]
    Contended(String),
}

/// Folds an observation into the table.
///
/// # Errors
/// [`RecordError`]; the caller lets the queue deliver the event again.
pub async fn record<S: FindingStore>(
    store: &S,
    observation: &Observation,
) -> Result<Recorded, RecordError<S::Error>> {
    let id = observation.finding_id();
    for _ in 0..ATTEMPTS {
        let stored = store.get(&id).await.map_err(RecordError::Store)?;
        let expected = stored.as_ref().map(|finding| finding.version);
        let (mut finding, outcome) = match stored {
            None => match Finding::open(observation) {
                Some(finding) => (finding, Recorded::Opened),
                None => return Ok(Recorded::Unchanged),
            },
            Some(mut finding) => {
                if !finding.apply(observation) {
                    return Ok(Recorded::Unchanged);
                }
                (finding, Recorded::Updated)
            }
        };
        finding.version += 1;
        if store.put(&finding, expected).await.map_err(RecordError::Store)? {
            return Ok(outcome);
        }
    }
    Err(RecordError::Contended(id))
}
