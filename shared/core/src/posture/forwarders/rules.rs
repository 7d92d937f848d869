//! The event rules that a forwarder of this version has.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use keepwatch_base::hash::short_hash;
use serde::Deserialize;
use serde_json::Value;

/// What the name of the home stack stands under in `rules.json`.
const STACK: &str = "${HomeStack}";

/// What a forwarder of this version has.
#[derive(Debug, Deserialize)]
pub(super) struct Expected {
    /// Stands for all of it, and is part of the heartbeat rule's name.
    pub(super) version: String,
    /// The rules by what follows the stack's name.
    pub(super) rules: BTreeMap<String, ExpectedRule>,
}

/// A rule of `rules.json`.
#[derive(Debug, Deserialize)]
pub(super) struct ExpectedRule {
    /// Whether it hears read-only calls too; nothing where a parameter decides.
    pub(super) reads: Option<bool>,
    /// Stands for its pattern; see [`fingerprint`].
    pub(super) pattern: String,
    /// Whether it is there only with a parameter of the stack.
    #[serde(default)]
    pub(super) optional: bool,
}

pub(super) static EXPECTED: LazyLock<Result<Expected, String>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../regions/rules.json")).map_err(|error| error.to_string())
});

/// Stands for an event pattern, however its JSON is written.
pub fn fingerprint(pattern: &Value) -> String {
    // The fields of a `Value` are sorted by their names.
    short_hash(&[&pattern.to_string()])
}

/// Whether a pattern, as EventBridge has it, is the one of this fingerprint in a stack of this name.
pub(super) fn is_pattern(pattern: &str, expected: &str, stack: &str) -> bool {
    let is =
        |text: &str| serde_json::from_str(text).is_ok_and(|pattern: Value| fingerprint(&pattern) == expected);
    // Only where it stands for the stack: another word of a pattern may begin with the same letters.
    let places = ["\"@-\"", "\"@-forwarder\"", "/@-forwarder/", "/@-OperatorRole-"];
    let renamed = places.iter().fold(pattern.to_owned(), |text, place| {
        text.replace(&place.replace('@', stack), &place.replace('@', STACK))
    });
    is(pattern) || is(&renamed)
}
