//! Users' own rules: Sigma, the field's format for detections (<https://sigmahq.io>), evaluated by `rsigma-eval`.
//!
//! A Sigma rule becomes a rule like any other: it has [`RuleMeta`](keepwatch_core::engine::RuleMeta), says what it listens to, and
//! reports observations. So dispatch, EventBridge patterns, tuning, findings and mails need not know that it is one.
//! Nothing of a rule is known before the program runs, hence what the built-in rules have as constants is leaked once at
//! load.
//!
//! Only rules on CloudTrail can be evaluated. What cannot be is said, with file, line and reason, and never stops the
//! others.
//!
//! What may never be here: anything that the built-in rules or the tables need to know.

mod document;
mod evaluate;
mod in_text;
mod leak;
mod load;
mod locate;
mod metadata;
mod outline;
mod scope;
mod select;
mod subject;

pub use load::{Loaded, OwnRule, Problem, Skipped, load};
