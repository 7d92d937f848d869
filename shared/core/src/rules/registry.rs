//! All rules, in the order of the catalogue. A new rule is one line here.

use super::{Meta, Rule};
use super::root;

/// The built-in rules.
pub static RULES: &[&dyn Rule] = &[
    &root::console_sign_in::ConsoleSignIn,
];

/// A rule's metadata by id.
pub fn meta(id: &str) -> Option<&'static Meta> {
    RULES.iter().map(|rule| rule.meta()).find(|meta| meta.id == id)
}
