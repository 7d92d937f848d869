//! EventBridge.

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
    /// The ARNs of its targets, where they were counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
}
