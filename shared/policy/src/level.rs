//! How much power a grant gives.

use serde::Serialize;

/// How much power a grant gives, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// No power over IAM and over no service as a whole.
    Ordinary,
    /// All of one service or more, another's workloads, or some users, roles or policies by name, but not all of IAM.
    ServiceAdmin,
    /// Its holder can make itself more powerful than the documents say.
    PrivilegeEscalation,
    /// Everything, on every resource.
    FullAdmin,
}

impl Level {
    /// The kebab-case name, as it is serialized.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Ordinary => "ordinary",
            Level::ServiceAdmin => "service-admin",
            Level::PrivilegeEscalation => "privilege-escalation",
            Level::FullAdmin => "full-admin",
        }
    }
}
