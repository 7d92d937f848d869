//! Writes docs/rules and docs/checks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use keepwatch_checks::check::Check;
use keepwatch_checks::{page as check_page, registry as check_registry};
use keepwatch_rules::{page, registry};

/// # Errors
/// A page that cannot be written.
pub(crate) fn run(docs: &Path) -> anyhow::Result<ExitCode> {
    write(&docs.join("rules"), &rules())?;
    write(&docs.join("checks"), &checks())?;
    Ok(ExitCode::SUCCESS)
}

fn write(folder: &Path, pages: &BTreeMap<String, String>) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, text) in pages {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    // The page of what is no more would go on documenting it.
    for name in written(folder)? {
        if !pages.contains_key(&name) {
            fs::remove_file(folder.join(&name)).with_context(|| format!("cannot remove {name}"))?;
        }
    }
    Ok(())
}

/// The pages of the checks by file name: one for each check, and the index, by practice, and at the end what speaks for none.
fn checks() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let mut index = String::from(
        "# Checks\n\nGenerated from the check files by `make docs`; edit those.\n\n| practice | check | severity | what |\n|---|---|---|---|\n",
    );
    let mut sorted: Vec<&dyn Check> = check_registry::CHECKS.to_vec();
    sorted.sort_by_key(|check| check.meta().order());
    for check in sorted {
        let meta = check.meta();
        let (about, practices) = (&meta.about, meta.practices.join(", "));
        let severity = about.severity.as_str();
        let _ = writeln!(index, "| {practices} | [{0}]({0}.md) | {severity} | {1} |", about.id, about.title);
        pages.insert(format!("{}.md", about.id), check_page::markdown(meta));
    }
    pages.insert("README.md".to_owned(), index);
    pages
}

/// The pages of the rules by file name: one for each rule, and the index.
fn rules() -> BTreeMap<String, String> {
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
        for (folder, pages) in [("docs/rules", rules()), ("docs/checks", checks())] {
            let folder = crate::root().join(folder);
            let mut names = written(&folder).unwrap();
            names.sort();
            assert!(names.iter().eq(pages.keys()), "run: make docs");
            for (name, text) in &pages {
                assert_eq!(&fs::read_to_string(folder.join(name)).unwrap(), text, "{name}: run make docs");
            }
        }
    }
}
