//! The IAM policy engine: it reads policy documents and says what they grant and to whom.
//!
//! What lives here: IAM's own language and AWS's own facts (managed policies, ways to gain power). What may never be here:
//! events, rules, findings or anything else of Keepwatch's; AWS calls; I/O. It can be used without Keepwatch, and of the
//! other crates it uses `keepwatch-base` alone.
//!
//! Nothing here asks AWS anything. [`Document::parse`] reads every form in which CloudTrail and IAM deliver a policy,
//! [`analyse`] says how much power a set of documents gives its holder, and [`trust`] says who may assume a role. A
//! document that cannot be read is an error, never an empty document: what cannot be read is not harmless.

mod abilities;
mod condition;
mod document;
mod escalation;
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
mod scope;
mod sentence;
mod shape;
pub mod sharing;
mod stranger;
mod table;
pub mod trust;
mod words;

#[cfg(test)]
mod tests;

pub use document::{
    Condition, Document, DocumentError, Effect, MAX_BYTES, Principal, PrincipalKind, Statement,
};
pub use escalation::PATHS;
pub use grant::{Grant, analyse};
pub use held::{Held, PolicyName};
pub use level::Level;
pub use parts::{Means, RoleInReach, lends, roles_in_reach};
pub use path::Path;
