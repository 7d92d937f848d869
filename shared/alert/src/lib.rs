//! What a person and another program receive: mails, digests, reports, OCSF and ASFF; and how an alert gets out exactly when
//! it is due.
//!
//! What lives here: everything that is made from a finding and from nothing else, and the outbox that delivers it through
//! ports. What may never be here: rules, decisions about severity, AWS calls. Rules are known through the catalogue
//! that is handed in; a program that hands in one with documentation gets mails that explain themselves.

mod alert;
mod announce;
mod audience;
pub mod budget;
#[cfg(any(test, feature = "testing"))]
pub mod check;
mod console;
pub mod dead_letters;
mod digest;
mod first_scan;
pub mod format;
mod group;
pub mod in_memory;
mod layout;
mod line;
mod mail;
mod once;
pub mod outbox;
mod proposal;
mod related;
pub mod report;
mod runbook;
mod sender;
pub mod sweep;
#[cfg(test)]
mod tests;
mod welcome;

pub use alert::Alert;
pub use proposal::list_as_automation;
pub use related::RelatedActs;
pub use sender::{Sender, Stack};
