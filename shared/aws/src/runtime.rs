//! What every function's `main` needs: logs, settings, the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use keepwatch_base::time::Timestamp;

/// A setting that the template gives every function is missing.
#[derive(thiserror::Error)]
#[error("environment variable {0} is not set; template.yaml and Lambda set it, so deploy with the template")]
pub struct MissingVariable(&'static str);

/// What `main` returns is printed by its Debug form; people should read the sentence.
impl std::fmt::Debug for MissingVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// Writes logs as JSON lines to standard output, where Lambda collects them.
pub fn log_json() {
    tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::INFO)
        .without_time()
        .with_target(false)
        .init();
}

/// A setting.
///
/// # Errors
/// [`MissingVariable`].
pub fn variable(name: &'static str) -> Result<String, MissingVariable> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or(MissingVariable(name))
}

/// A setting that is a list separated by commas; empty when it is not set.
pub fn list(name: &str) -> Vec<String> {
    let value = std::env::var(name).unwrap_or_default();
    value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Now.
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks the clock")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
