//! Sigma rules for comparison: one for each built-in rule on CloudTrail calls, in the shape of SigmaHQ's own, and the
//! hand-written ones of `shared/sigma`. They name the same calls as the built-in rules and understand nothing of them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use keepwatch_core::engine::Rule;
use keepwatch_rules::registry::RULES;

/// The text of each rule.
pub(crate) fn rules() -> anyhow::Result<Vec<String>> {
    let mut rules: Vec<String> = RULES.iter().filter_map(|rule| like(*rule)).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/sigma/tests/rules");
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in [folder.join("identity"), folder] {
        for entry in fs::read_dir(folder)? {
            files.push(entry?.path());
        }
    }
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "yml")) {
        let text = fs::read_to_string(file)?;
        rules.extend(text.split("\n---\n").map(str::to_owned));
    }
    Ok(rules)
}

/// A rule on the same calls.
fn like(rule: &dyn Rule) -> Option<String> {
    let meta = rule.meta();
    let mut selections = String::new();
    for (i, on) in meta.on.iter().enumerate() {
        if let Some((source, names)) = on.calls() {
            let names: String = names.iter().map(|name| format!("            - {name}\n")).collect();
            selections.push_str(&format!(
                "    selection_{i}:\n        eventSource: {source}\n        eventName:\n{names}"
            ));
        }
    }
    (!selections.is_empty()).then(|| {
        format!(
            "title: Calls Of {id}\nlogsource:\n    product: aws\n    service: cloudtrail\ndetection:\n{selections}    \
             filter_service:\n        userIdentity.invokedBy|endswith: .amazonaws.com\n    filter_failed:\n        \
             errorCode|contains: Denied\n    condition: 1 of selection_* and not 1 of filter_*\nlevel: medium\n",
            id = meta.about.id
        )
    })
}

/// The same as Keepwatch loads them.
pub(crate) fn loaded(yaml: &[String]) -> anyhow::Result<Vec<&'static dyn Rule>> {
    let folder = std::env::temp_dir().join(format!("keepwatch-bench-rules-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    for (i, rule) in yaml.iter().enumerate() {
        fs::write(folder.join(format!("{i}.yml")), rule)?;
    }
    let loaded = keepwatch_sigma::load(&folder);
    fs::remove_dir_all(&folder)?;
    let loaded = loaded?;
    ensure!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    ensure!(loaded.rules.len() == yaml.len(), "{} of {} rules", loaded.rules.len(), yaml.len());
    Ok(loaded.rules.iter().map(|own| own.rule).collect())
}
