//! IAM policy documents: read them, match their wildcards, and say what they grant and to whom.
//!
//! Nothing here asks AWS anything. [`Document::parse`] reads every form in which CloudTrail and IAM deliver a policy,
//! [`analyse`] says how much power a set of documents gives its holder, and [`trust`] says who may assume a role. A
//! document that cannot be read is an error, never an empty document: what cannot be read is not harmless.

mod arn;
mod condition;
mod document;
mod escalation;
mod grant;
pub mod managed;
mod named;
mod path;
mod pattern;
mod power;
mod read;
mod scope;
mod shape;
pub mod sharing;
mod table;
pub mod trust;
pub mod wildcard;
mod words;

#[cfg(test)]
mod tests;

pub use arn::Arn;
pub use document::{
    Condition, Document, DocumentError, Effect, MAX_BYTES, Principal, PrincipalKind, Statement,
};
pub use escalation::PATHS;
pub use grant::{Grant, Level, analyse};
pub use path::Path;
