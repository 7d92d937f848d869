//! How a deployment of Keepwatch stands, for `keepwatch doctor` and `keepwatch test-alert`: its stack, event rules, queues,
//! functions, alarms, subscriptions, and what of the account it lives by. One file a service; no judgement here.
//!
//! No scan asks any of this, and the scan's role may not.

mod alarms;
mod canary;
mod events;
mod functions;
mod history;
mod mail;
mod plan;
mod queues;
mod regions;
mod stack;

pub use self::alarms::{Alarm, alarms};
pub use self::canary::daily_calls;
pub use self::events::{FoundRule, event_rules};
pub use self::functions::{Mapping, mappings, reserved_concurrency};
pub use self::history::{heard_calls, start_nothing};
pub use self::mail::{Subscription, subscriptions};
pub use self::plan::{health_answers, support_answers};
pub use self::queues::{Depth, depth};
pub use self::regions::{Heard, heard_regions};
pub use self::stack::{Resource, Stack, stack};

pub use crate::ask::audit::{
    analyzers, config_recorders, config_status, detector, detectors, security_hub, trail_selectors,
    trail_status, trails,
};
