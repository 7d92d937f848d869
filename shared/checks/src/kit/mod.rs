//! What checks are written with. A check imports [`prelude`] and its own theme's helpers, and nothing of another theme.

pub mod cx;
pub(crate) mod declare;
mod each;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod power;
pub(crate) mod references;
pub(crate) mod sharing;
pub(crate) mod time;

/// Everything that a check needs.
pub(crate) mod prelude {
    pub(crate) use keepwatch_base::time::Timestamp;
    pub(crate) use keepwatch_core::posture::ask::*;
    pub(crate) use keepwatch_core::posture::plan::Closes;
    pub(crate) use keepwatch_core::posture::{Judged, Judgement, facts};
    pub(crate) use keepwatch_core::severity::Severity;

    pub(crate) use super::cx::{Cx, GLOBAL, Outcome, Stop, all, any};
    pub(crate) use super::declare::declare_check;
    pub(crate) use super::references::{cis, config, doc, security_hub, trusted_advisor};
    pub(crate) use super::time::days_since;
    pub(crate) use crate::check::Check;
}
