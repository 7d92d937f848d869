//! A policy as somebody holds it.

use std::fmt;

use keepwatch_base::text::clean;

use super::document::Document;

/// The most characters of a policy's name (IAM user guide, "IAM and AWS STS quotas").
const MAX_NAME: usize = 128;

/// What kind of policy it is, and its name. A managed policy can be rewritten by whoever may make versions of it, and so by
/// its own holder; an inline policy has no ARN and no versions. No name decides that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyName<'n> {
    /// It is part of a user, group, role, session or permission set.
    Inline(&'n str),
    /// It stands by itself and is attached.
    Managed(&'n str),
}

impl PolicyName<'_> {
    /// The name by which it can be rewritten: without a path, nothing for an inline policy.
    pub(super) fn managed(&self) -> Option<String> {
        let PolicyName::Managed(name) = self else { return None };
        let name = name.rsplit('/').next().unwrap_or_default().trim();
        (!name.is_empty() && name.len() <= MAX_NAME).then(|| name.to_owned())
    }
}

/// As sentences name it: `inline policy "deploy"`. Safe to show.
impl fmt::Display for PolicyName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self {
            PolicyName::Inline(name) => ("inline policy", name),
            PolicyName::Managed(name) => ("policy", name),
        };
        match clean(name.trim(), MAX_NAME).replace('"', "'") {
            name if name.is_empty() => f.write_str(kind),
            name => write!(f, "{kind} \"{name}\""),
        }
    }
}

/// A policy and what it says.
#[derive(Clone, Copy, Debug)]
pub struct Held<'p> {
    /// What it is called.
    pub name: PolicyName<'p>,
    /// What it says.
    pub document: &'p Document,
}

impl<'p> Held<'p> {
    /// A managed policy of this name.
    pub fn managed(name: &'p str, document: &'p Document) -> Held<'p> {
        Held { name: PolicyName::Managed(name), document }
    }

    /// An inline policy of this name.
    pub fn inline(name: &'p str, document: &'p Document) -> Held<'p> {
        Held { name: PolicyName::Inline(name), document }
    }
}
