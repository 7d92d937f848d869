//! What a check is.

use keepwatch_core::about::About;
use keepwatch_core::posture::Question;

use crate::kit::cx::{Cx, Outcome};

/// What is known of a check without running it.
#[derive(Debug)]
pub struct CheckMeta {
    /// What describes it.
    pub about: About,
    /// The practices that it speaks for, `P17`.
    pub practices: &'static [&'static str],
    /// Its number among the 26 practices of AWS's numbered list.
    pub number: Option<u8>,
    /// What it asks.
    pub asks: &'static [Question],
}

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
