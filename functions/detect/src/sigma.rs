//! The user's own Sigma rules: the folder `sigma/` of the function's package.

use std::env;
use std::path::Path;

use keepwatch_core::rules::{Rule, registry};
use tracing::{error, info, warn};

/// The built-in rules, and the user's where the template says so. What cannot be used is logged as an error and costs
/// nothing else: the built-in rules must not wait for a typo in somebody's YAML.
pub(crate) fn rules() -> &'static [&'static dyn Rule] {
    if env::var("SIGMA_RULES").as_deref() != Ok("package") {
        return registry::RULES;
    }
    let root = env::var_os("LAMBDA_TASK_ROOT").unwrap_or_default();
    let folder = Path::new(&root).join("sigma");
    let loaded = match keepwatch_sigma::load(&folder) {
        Ok(loaded) => loaded,
        Err(reason) => {
            error!(folder = %folder.display(), reason = %reason, "there are no Sigma rules in the package");
            return registry::RULES;
        }
    };
    for problem in &loaded.problems {
        error!(file = %problem.file.display(), line = problem.line, reason = problem.reason, "an invalid Sigma rule");
    }
    for skipped in &loaded.skipped {
        warn!(file = %skipped.file.display(), reason = skipped.reason, "a Sigma rule is not evaluated");
    }
    info!(rules = loaded.rules.len(), "Sigma rules loaded");
    loaded.after(registry::RULES)
}
