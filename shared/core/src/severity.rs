//! How bad something is, and how sure that is. OCSF's words.

use serde::{Deserialize, Serialize};

/// Findings below this are kept in the table and named at most in the weekly mail. They have no mail of their own.
pub const MAILED_FROM: Severity = Severity::Medium;

/// How bad it is. OCSF's words and order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// Worth knowing.
    Informational,
    /// Review some day.
    Low,
    /// Review this week.
    Medium,
    /// Act today.
    High,
    /// Act now.
    Critical,
}

impl Severity {
    /// The word in capitals, as in a mail's subject.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Informational => "INFORMATIONAL",
            Severity::Low => "LOW",
            Severity::Medium => "MEDIUM",
            Severity::High => "HIGH",
            Severity::Critical => "CRITICAL",
        }
    }
}

/// How sure the rule is that what it reports is what it says. OCSF's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Confidence {
    /// Often something harmless.
    Low,
    /// Usually right.
    Medium,
    /// Right unless AWS's own event is wrong.
    High,
}

impl Confidence {
    /// The word in capitals.
    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::Low => "LOW",
            Confidence::Medium => "MEDIUM",
            Confidence::High => "HIGH",
        }
    }
}
