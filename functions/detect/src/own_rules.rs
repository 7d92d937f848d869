//! The owner's own Sigma rules: the folder `sigma/` of the function's package, where the template asks for them. What
//! cannot be used costs nothing else: the built-in rules must not wait for a typo in somebody's YAML.

use keepwatch_aws::journal::JournalTable;
use keepwatch_aws::runtime::now;
use keepwatch_core::engine::Rule;
use keepwatch_core::settings::Invalid;
use keepwatch_core::settings::own_rules::note;
use keepwatch_rules::registry;
use tracing::{error, warn};

/// The rules that events are judged by, and what of the owner's own cannot be used.
struct OwnRules {
    all: &'static [&'static dyn Rule],
    unusable: Vec<Invalid>,
}

/// The built-in rules, and the owner's own if the template asks for them. What cannot be used is noted for a mail.
pub(crate) async fn with_built_in(journal: &JournalTable) -> &'static [&'static dyn Rule] {
    if !matches!(std::env::var("SIGMA_RULES").as_deref(), Ok("changes" | "all")) {
        return registry::RULES;
    }
    let own = load();
    for Invalid { setting_id, reason } in &own.unusable {
        error!(rule = setting_id, reason, "an own rule cannot be used");
    }
    if let Err(reason) = note(journal, own.unusable, now()).await {
        // Nothing depends on it but a mail, and the next start tries again.
        warn!(reason = %reason, "what is wrong with the own rules could not be noted");
    }
    own.all
}

impl OwnRules {
    /// The built-in rules alone, because of this.
    fn none(reason: impl Into<String>) -> OwnRules {
        let unusable = vec![Invalid { setting_id: "sigma".to_owned(), reason: reason.into() }];
        OwnRules { all: registry::RULES, unusable }
    }
}

#[cfg(not(feature = "sigma"))]
fn load() -> OwnRules {
    OwnRules::none(
        "these functions were built without Sigma: deploy with `make deploy SIGMA=folder`, or set the template's \
         SigmaRules to none",
    )
}

#[cfg(feature = "sigma")]
fn load() -> OwnRules {
    let root = std::env::var_os("LAMBDA_TASK_ROOT").unwrap_or_default();
    let folder = std::path::Path::new(&root).join("sigma");
    let loaded = match keepwatch_sigma::load(&folder) {
        Ok(loaded) => loaded,
        Err(error) => {
            return OwnRules::none(format!(
                "the package has no readable folder sigma/ ({error}): deploy with `make deploy SIGMA=folder`"
            ));
        }
    };
    let unusable = |file: &std::path::Path, line: usize, reason: &str| {
        let file = file.strip_prefix(&root).unwrap_or(file);
        Invalid { setting_id: format!("{}:{line}", file.display()), reason: reason.to_owned() }
    };
    let problems = loaded.problems.iter().map(|it| unusable(&it.file, it.line, &it.reason));
    let skipped = loaded.skipped.iter().map(|it| unusable(&it.file, it.line, &it.reason));
    tracing::info!(rules = loaded.rules.len(), "own rules loaded");
    OwnRules { unusable: problems.chain(skipped).collect(), all: loaded.after(registry::RULES) }
}
