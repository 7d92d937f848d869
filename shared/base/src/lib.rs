//! Small things that every other crate needs and that know nothing of security: text that is safe to show, points in time,
//! address ranges, ARNs, hashes, wildcards, the codes of AWS's errors.
//!
//! What lives here: pure functions and plain values, with no knowledge of events, policies, rules or findings. What may
//! never be here: anything of Keepwatch's own model, any I/O, any AWS SDK. This crate stands first in the line of crates
//! and depends on none of them.

pub mod arn;
pub mod hash;
pub mod network;
pub mod partition;
pub mod refusal;
pub mod runtimes;
pub mod text;
pub mod time;
pub mod wildcard;
