//! Writes what the fuzzers begin with.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use keepwatch_base::hash::short_hash;
use serde_json::Value;

/// Recorded events, one a line.
const EVENTS: [&str; 2] = ["cli/tests/fixtures/events.jsonl", "tests/stories/demo.jsonl"];

/// A folder of tables of policy documents.
const POLICIES: &str = "shared/policy/src/testdata";

/// # Errors
/// A fixture that cannot be read, or a seed that cannot be written.
pub(crate) fn run(root: &Path, folder: &Path) -> anyhow::Result<ExitCode> {
    let mut events = Vec::new();
    for file in EVENTS {
        events.extend(read(&root.join(file))?.lines().map(str::to_owned));
    }
    write(&folder.join("event"), &events)?;
    let mut policies = Vec::new();
    for entry in fs::read_dir(root.join(POLICIES)).with_context(|| format!("cannot read {POLICIES}"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let table: Value = serde_json::from_str(&read(&path)?)?;
            documents(&table, &mut policies);
        }
    }
    for target in ["policy", "explain"] {
        write(&folder.join(target), &policies)?;
    }
    anstream::println!("{} events and {} policies in {}", events.len(), policies.len(), folder.display());
    Ok(ExitCode::SUCCESS)
}

/// Every policy document in a table, however deep.
fn documents(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| documents(item, found)),
        Value::Object(members) if members.contains_key("Statement") => found.push(value.to_string()),
        Value::Object(members) => members.values().for_each(|member| documents(member, found)),
        _ => {}
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(folder: &Path, texts: &[String]) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for text in texts {
        let path = folder.join(short_hash(&[text]));
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
