//! The owner's own Sigma rules: the folder `sigma/` of the function's package, where the template asks for them. What
//! cannot be used costs nothing else: the built-in rules must not wait for a typo in somebody's YAML.

use keepwatch_aws::journal::JournalTable;
use keepwatch_aws::runtime::now;
use keepwatch_core::rules::{Rule, registry};
use keepwatch_core::settings::Invalid;
use keepwatch_core::settings::own_rules::note;
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

#[cfg(not(feature = "sigma"))]
fn load() -> OwnRules {
    let reason =
        "these functions were built without Sigma: deploy with `make deploy SIGMA=folder`, or set the \
                  template's SigmaRules to none"
            .to_owned();
    OwnRules { all: registry::RULES, unusable: vec![Invalid { setting_id: "sigma".to_owned(), reason }] }
}

#[cfg(feature = "sigma")]
fn load() -> OwnRules {
    let root = std::env::var_os("LAMBDA_TASK_ROOT").unwrap_or_default();
    let folder = std::path::Path::new(&root).join("sigma");
    let loaded = match keepwatch_sigma::load(&folder) {
        Ok(loaded) => loaded,
        Err(error) => {
            let reason = format!(
                "the package has no readable folder sigma/ ({error}): deploy with `make deploy SIGMA=folder`"
            );
            let unusable = vec![Invalid { setting_id: "sigma".to_owned(), reason }];
            return OwnRules { all: registry::RULES, unusable };
        }
    };
    let named = |file: &std::path::Path, line: usize| {
        let file = file.strip_prefix(&root).unwrap_or(file);
        format!("{}:{line}", file.display())
    };
    let problems =
        loaded.problems.iter().map(|problem| (named(&problem.file, problem.line), &problem.reason));
    let skipped = loaded.skipped.iter().map(|skipped| (named(&skipped.file, skipped.line), &skipped.reason));
    let unusable = problems.chain(skipped);
    let unusable =
        unusable.map(|(setting_id, reason)| Invalid { setting_id, reason: reason.clone() }).collect();
    tracing::info!(rules = loaded.rules.len(), "own rules loaded");
    OwnRules { all: loaded.after(registry::RULES), unusable }
}
