//! Conditions, read as IAM reads them: one evaluation for identity, trust and resource policies.
//!
//! A condition is asked of requests, and no request is at hand here. So the question is put the other way round: *can* there
//! be a request that meets these conditions? [`Constraint`]s are conditions that a request must meet, or must fail. A
//! [`World`] says which values its requests can carry. [`satisfiable`] looks for one: it makes candidates of the values that
//! the conditions themselves write, for no others can make a difference, and tries them.
//!
//! Facts: IAM user guide, "IAM JSON policy elements: Condition operators", "Conditions with multiple context keys or values",
//! "Set operators for multivalued context keys", "Variables and tags"; "AWS global condition context keys".

mod candidates;
mod holder;
pub(crate) mod limits;
mod operator;
mod world;

pub(crate) use candidates::{FILL, FRESH};
pub use operator::{Kind, Operator, Order};
pub(crate) use world::{Attainable, Constraint, Domain, World, groups, satisfiable};
