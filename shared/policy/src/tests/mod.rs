//! Tests of the whole reader on tables of documents, and of what must hold for any document.

mod mutations;
mod oracle;
mod oracle_identity;
mod properties;
mod tables;
mod trusts;
