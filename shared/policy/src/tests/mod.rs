//! Tests of the whole reader on tables of documents, and of what must hold for any document.

mod oracle;
mod properties;
mod resources;
mod tables;
mod trusts;
