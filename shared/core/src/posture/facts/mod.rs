//! What answers hold: only the fields that checks read, in the types they mean.
//!
//! Names and ids are AWS's own. What AWS leaves out where it is the default is filled in by whoever collects it, so that a
//! check never guesses.

pub mod analyzers;
pub mod audit;
pub mod billing;
pub mod cloudfront;
pub mod compute;
pub mod data;
pub mod ebs;
pub mod events;
pub mod iam;
pub mod keys;
pub mod network;
pub mod organization;
pub mod s3;
