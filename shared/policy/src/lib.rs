//! The IAM policy engine: it reads policy documents and says what they grant and to whom.
//!
//! What lives here: IAM's own language and AWS's own facts (managed policies, ways to gain power). What may never be here:
//! events, rules, findings or anything else of Keepwatch's; AWS calls; I/O. It can be used without Keepwatch, and of the
//! other crates it uses `keepwatch-base` alone.
//!
//! Nothing here asks AWS anything. [`Document::parse`] reads every form in which CloudTrail and IAM deliver a policy,
//! [`analyse`] says how much power a set of documents gives its holder, [`trust`] says who may assume a role, and [`sharing`]
//! who from outside may use a resource. A document that cannot be read is an error, never an empty document: what cannot be
//! read is not harmless.
//!
//! Verdicts are facts. The sentences that tell them are made in one file, `say.rs`, and nothing reads one back. The README has
//! examples.

mod abilities;
mod condition;
mod document;
mod escalation;
mod expiry;
mod grant;
mod held;
mod holder;
mod level;
pub mod lockout;
pub mod managed;
mod managed_table;
mod named;
mod named_right;
mod parts;
mod path;
mod pattern;
mod policy_set;
mod read;
mod resource_types;
mod resource_types_table;
mod say;
mod scope;
mod shape;
pub mod sharing;
mod stranger;
mod table;
pub mod trust;
mod verdict;

#[cfg(test)]
mod tests;

/// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use condition::{Kind as OperatorKind, Operator, Order};
pub use document::{
    Condition, Document, DocumentError, Effect, MAX_BYTES, Principal, PrincipalKind, Statement,
};
pub use escalation::{PAGES, PATHS, PATHS_DATE};
pub use grant::{analyse, explain};
pub use held::{Held, Origin, PolicyName};
pub use holder::Grantee;
pub use level::Level;
pub use parts::{Means, RoleInReach, lends, roles_in_reach};
pub use path::{Path, PathKind, PathSource, Target};
pub use resource_types_table::AS_OF as RESOURCE_TYPES_AS_OF;
pub use say::Ability;
pub use table::deciding_actions;
pub use verdict::{Basis, Exception, Gives, Grant, Reason, Source, StatementId};
