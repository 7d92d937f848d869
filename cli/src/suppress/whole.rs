//! Whether a suppression is kept as it was asked for.

use keepwatch_core::settings::Suppression;
use serde_json::Value;

/// Texts are cut and cleaned; a pattern that was would silence something else than what was asked for.
///
/// # Errors
/// Which pattern it is, named between `before` and `after`.
pub(crate) fn whole(row: &Value, read: &Suppression, before: &str, after: &str) -> Result<(), String> {
    let kept =
        [("rule", Some(&read.rule)), ("resource", Some(&read.resource)), ("actor", read.actor.as_ref())];
    for (name, kept) in kept {
        if row[name].as_str().map(str::trim) != kept.map(String::as_str) {
            return Err(format!(
                "{before}{name}{after} is too long or has characters that no id has; use * for a part of it"
            ));
        }
    }
    Ok(())
}
