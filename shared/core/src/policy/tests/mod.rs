//! Tests of the whole reader on tables of documents, and of what must hold for any document.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod properties;
mod tables;
mod trusts;
