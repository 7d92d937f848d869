//! What a check is.

use crate::kit::cx::{Cx, Outcome};
use crate::meta::CheckMeta;

/// What `declare_check!` makes.
pub trait Described {
    /// What is known of it without running it.
    fn meta(&self) -> &'static CheckMeta;
}

/// A check: a pure function of the state.
pub trait Check: Described + Sync {
    /// Judges, and reports what it found.
    ///
    /// # Errors
    /// What could not be read and the whole check depends on.
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome;
}
