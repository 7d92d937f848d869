//! Tests of the whole reader on tables of documents, and of what must hold for any document.

mod mutations;
mod oracle;
mod properties;
mod tables;
mod trusts;
