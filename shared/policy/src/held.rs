//! A policy as somebody holds it.

use serde::Serialize;

use super::document::Document;

/// The most characters of a policy's name (IAM user guide, "IAM and AWS STS quotas").
pub(super) const MAX_NAME: usize = 128;

/// What kind of policy it is. A managed policy can be rewritten by whoever may make versions of it, and so by its own
/// holder; an inline policy has no ARN and no versions. No name decides that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// It is part of a user, group, role, session or permission set.
    Inline,
    /// It stands by itself and is attached.
    Managed,
    /// AWS manages it, and no customer can rewrite it.
    Aws,
}

/// A policy and what it says.
#[derive(Clone, Copy, Debug)]
pub struct Held<'p> {
    /// What kind of policy it is.
    pub origin: Origin,
    /// Its name, or its ARN.
    pub name: &'p str,
    /// What it says.
    pub document: &'p Document,
}

impl<'p> Held<'p> {
    /// A managed policy of this name.
    pub fn managed(name: &'p str, document: &'p Document) -> Held<'p> {
        Held { origin: Origin::Managed, name, document }
    }

    /// An inline policy of this name.
    pub fn inline(name: &'p str, document: &'p Document) -> Held<'p> {
        Held { origin: Origin::Inline, name, document }
    }

    /// The name by which its holder may be able to rewrite it: without a path, and of managed policies alone.
    pub(super) fn rewritable(&self) -> Option<String> {
        let name = self.name.rsplit('/').next().unwrap_or_default().trim();
        (self.origin == Origin::Managed && !name.is_empty() && name.len() <= MAX_NAME)
            .then(|| name.to_owned())
    }
}

/// A policy by kind and name, as verdicts name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PolicyName {
    /// What kind of policy it is.
    pub origin: Origin,
    /// Its name as it was handed over: its author's to choose. [`PolicyName::to_string`] is safe to show.
    pub name: String,
}

impl PolicyName {
    /// The policy of this kind and name.
    pub fn new(origin: Origin, name: &str) -> PolicyName {
        PolicyName { origin, name: name.to_owned() }
    }
}
