//! Writes docs/rules.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use keepwatch_rules::{page, registry};

/// # Errors
/// A page that cannot be written.
pub(crate) fn run(folder: &Path) -> anyhow::Result<ExitCode> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let pages = pages();
    for (name, text) in &pages {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    // The page of a rule that is no more would go on documenting it.
    for name in written(folder)? {
        if !pages.contains_key(&name) {
            fs::remove_file(folder.join(&name)).with_context(|| format!("cannot remove {name}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The pages by file name: one for each rule, and the index.
fn pages() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let mut index = String::from(
        "# Rules\n\nGenerated from the rule files by `make docs`; edit those.\n\n| rule | severity | what | catalogue |\n|---|---|---|---|\n",
    );
    for rule in registry::RULES {
        let about = rule.about();
        let (severity, what, codes) =
            (about.severity.as_str(), page::title(about), about.catalogue.join(", "));
        let _ = writeln!(index, "| [{0}]({0}.md) | {severity} | {what} | {codes} |", about.id);
        pages.insert(format!("{}.md", about.id), page::markdown(rule.meta()));
    }
    pages.insert("README.md".to_owned(), index);
    pages
}

/// The names of the pages that are there.
fn written(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> = names.collect::<std::io::Result<_>>()?;
    Ok(names.into_iter().filter(|name| name.ends_with(".md")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_the_repository_are_up_to_date() {
        let folder = crate::root().join("docs/rules");
        let pages = pages();
        let mut names = written(&folder).unwrap();
        names.sort();
        assert!(names.iter().eq(pages.keys()), "run: make docs");
        for (name, text) in &pages {
            assert_eq!(&fs::read_to_string(folder.join(name)).unwrap(), text, "{name}: run make docs");
        }
    }
}
