//! EventBridge.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A rule on the default bus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRule {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// It is switched on.
    pub enabled: bool,
    /// It hears read-only calls too.
    #[serde(default)]
    pub reads: bool,
    /// What it listens to; a schedule has none.
    pub pattern: Option<String>,
    /// How many targets it has; nothing where nobody counted, as for rules that are no check's business.
    pub targets: Option<u32>,
    /// Its targets, where they were counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sends: Vec<Target>,
}

/// A target of a rule: where it sends, what, and what becomes of it where that fails (EventBridge API reference, `Target`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Where.
    pub arn: String,
    /// The role with which it sends, where it needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What is sent in place of the event, by the fields of `Target` that say so: `Input`, `InputPath`,
    /// `InputTransformer/InputTemplate`. Empty where it is the event itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub instead: BTreeMap<String, String>,
    /// The queue that gets what could not be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<String>,
    /// For how many seconds it is tried again.
    pub max_age: u32,
    /// How often it is tried again.
    pub retries: u32,
}

impl Target {
    /// How long and how often EventBridge tries where nobody has said (EventBridge API reference, `RetryPolicy`): a day, and 185
    /// times.
    pub const RETRIES: (u32, u32) = (86_400, 185);

    /// One that gets the events themselves.
    pub fn plain(arn: impl Into<String>) -> Target {
        let (max_age, retries) = Target::RETRIES;
        Target { arn: arn.into(), role: None, instead: BTreeMap::new(), dead_letters: None, max_age, retries }
    }
}
