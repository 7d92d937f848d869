//! What is known of a check without running it.

use keepwatch_core::about::About;
use keepwatch_core::posture::Question;

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
