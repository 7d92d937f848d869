//! What is known of a check without running it.

use keepwatch_core::about::About;
use keepwatch_core::posture::Question;
use keepwatch_core::posture::plan::{Closes, Voice};

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
    /// What it closes besides its own findings.
    pub closes: &'static [Closes],
    /// Whether time alone makes it fail.
    pub ages: bool,
}

impl CheckMeta {
    /// Its place in a list: by practice, and at the end what speaks for none.
    pub fn order(&self) -> impl Ord + use<> {
        (self.practices.is_empty(), self.practices)
    }

    /// The check as a plan knows it.
    pub fn voice(&'static self) -> Voice {
        Voice { about: &self.about, closes: self.closes, ages: self.ages }
    }
}
