//! Circles of imports among the files of a crate. Crates cannot import each other in a circle, cargo forbids it; files can, and
//! then none of them can be understood, tested or compiled without the others.
//!
//! An import is a path, in a `use` or in code, that leads to another file of the crate. What a `mod.rs` hands on from its own
//! children (`pub use`) is none, and neither is anything in tests or in a macro's arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use syn::visit::{self, Visit};

/// The folders that hold crates.
const CRATES: [&str; 4] = ["shared", "functions", "cli", "xtask"];

/// A module's path from its crate's root: `["finding", "record"]`.
type Module = Vec<String>;

/// The modules that each module imports.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

/// # Errors
/// A file that cannot be read or is no Rust.
pub(crate) fn run(root: &Path) -> anyhow::Result<ExitCode> {
    let mut sources = Vec::new();
    for folder in CRATES {
        source_folders(&root.join(folder), &mut sources)?;
    }
    let mut circles = 0;
    for source in &sources {
        for circle in found(&imports(source)?) {
            circles += 1;
            let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
            let place = source.strip_prefix(root).unwrap_or(source);
            anstream::eprintln!("{}: {} import each other", place.display(), names.join(", "));
        }
    }
    anstream::println!("{circles} circles of imports in {} crates", sources.len());
    Ok(ExitCode::from(u8::from(circles > 0)))
}

/// The `src` folders of crates under this folder.
fn source_folders(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if folder.join("Cargo.toml").is_file() {
        found.push(folder.join("src"));
        return Ok(());
    }
    for path in entries(folder)? {
        if path.is_dir() {
            source_folders(&path, found)?;
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}

fn imports(source: &Path) -> anyhow::Result<Imports> {
    let mut files = BTreeMap::new();
    read(source, &mut Vec::new(), &mut files)?;
    let modules: BTreeSet<Module> = files.keys().cloned().collect();
    let mut handed_on = BTreeMap::new();
    for (module, file) in &files {
        for item in &file.items {
            if let syn::Item::Use(item) = item
                && !matches!(item.vis, syn::Visibility::Inherited)
            {
                hand_on(module, &modules, item, &mut handed_on);
            }
        }
    }
    let mut imports = Imports::new();
    for (module, file) in &files {
        let mut reader = Reader {
            here: module.clone(),
            file: module,
            modules: &modules,
            handed_on: &handed_on,
            found: BTreeSet::new(),
        };
        reader.visit_file(file);
        // The crate's root only names its modules and hands on from them.
        reader.found.retain(|other| other != module && !other.is_empty());
        imports.insert(module.clone(), reader.found);
    }
    Ok(imports)
}

/// Reads every file of a module's folder but those of tests.
fn read(folder: &Path, module: &mut Module, files: &mut BTreeMap<Module, syn::File>) -> anyhow::Result<()> {
    for path in entries(folder)? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if matches!(name.as_str(), "tests" | "testing" | "testdata") {
            continue;
        }
        if path.is_dir() {
            module.push(name);
            read(&path, module, files)?;
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let file = syn::parse_file(&text).with_context(|| format!("{} is no Rust", path.display()))?;
            let root = matches!(name.as_str(), "mod" | "lib" | "main");
            let own: Module = module.iter().cloned().chain((!root).then_some(name)).collect();
            files.insert(own, file);
        }
    }
    Ok(())
}

/// Notes which of a module's names come from a module below it.
fn hand_on(
    module: &Module,
    modules: &BTreeSet<Module>,
    item: &syn::ItemUse,
    handed_on: &mut BTreeMap<(Module, String), Module>,
) {
    for mut path in paths(&item.tree) {
        let Some(name) = path.pop() else { continue };
        let from = absolute(module, &path, modules).map(|full| longest(&full, modules));
        if let Some(from) = from.filter(|from| from.starts_with(module) && from != module) {
            handed_on.insert((module.clone(), name), from);
        }
    }
}

/// Looks for paths that lead to other files.
struct Reader<'a> {
    /// The module that is being read, which may be one inside the file.
    here: Module,
    /// The module that the file is.
    file: &'a Module,
    modules: &'a BTreeSet<Module>,
    handed_on: &'a BTreeMap<(Module, String), Module>,
    found: BTreeSet<Module>,
}

impl Reader<'_> {
    fn path(&mut self, path: &[String]) {
        let Some(full) = absolute(&self.here, path, self.modules) else { return };
        let mut to = longest(&full, self.modules);
        if let Some(from) =
            full.get(to.len()).and_then(|name| self.handed_on.get(&(to.clone(), name.clone())))
        {
            to.clone_from(from);
        }
        self.found.insert(to);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !only_in_tests(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() {
            self.here.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.here.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let hands_on = !matches!(item.vis, syn::Visibility::Inherited) && self.here == *self.file;
        for path in paths(&item.tree) {
            let below =
                absolute(&self.here, &path, self.modules).is_some_and(|full| full.starts_with(self.file));
            if !(hands_on && below) {
                self.path(&path);
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.len() > 1 {
            self.path(&names);
        }
        visit::visit_path(self, path);
    }
}

/// Whether the item stands under `#[cfg(test)]`, or under `#[cfg(any(test, …))]`.
fn only_in_tests(item: &syn::Item) -> bool {
    let attributes = match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition == "test" || condition.starts_with("any (test") || condition.starts_with("any(test")
        }
        _ => false,
    })
}

/// The paths of a `use`, each in full; `self` at the end stands for what comes before it.
fn paths(tree: &syn::UseTree) -> Vec<Vec<String>> {
    let after = |name: &syn::Ident, rest: Vec<Vec<String>>| {
        rest.into_iter().map(|path| [vec![name.to_string()], path].concat()).collect()
    };
    match tree {
        syn::UseTree::Path(path) => after(&path.ident, paths(&path.tree)),
        syn::UseTree::Name(name) if name.ident == "self" => vec![Vec::new()],
        syn::UseTree::Name(name) => vec![vec![name.ident.to_string()]],
        syn::UseTree::Rename(rename) => vec![vec![rename.ident.to_string()]],
        syn::UseTree::Glob(_) => vec![Vec::new()],
        syn::UseTree::Group(group) => group.items.iter().flat_map(paths).collect(),
    }
}

/// The path from the crate's root, where it leads into the crate at all.
fn absolute(here: &Module, path: &[String], modules: &BTreeSet<Module>) -> Option<Module> {
    let mut from = here.clone();
    let rest = match path.first()?.as_str() {
        "crate" => {
            from.clear();
            &path[1..]
        }
        "self" => &path[1..],
        "super" => {
            let up = path.iter().take_while(|name| *name == "super").count();
            from.truncate(from.len().saturating_sub(up));
            &path[up..]
        }
        first => {
            let child: Module = here.iter().cloned().chain([first.to_owned()]).collect();
            modules.contains(&child).then_some(path)?
        }
    };
    from.extend_from_slice(rest);
    Some(from)
}

/// The longest beginning of a path that is a module with a file of its own.
fn longest(path: &[String], modules: &BTreeSet<Module>) -> Module {
    let is_module = |end: &usize| modules.contains(&path[..*end]);
    let end = (0..=path.len()).rev().find(is_module).unwrap_or(0);
    path[..end].to_vec()
}

/// The sets of modules that import each other: each can be reached from each.
fn found(imports: &Imports) -> Vec<Vec<Module>> {
    let reach = |from: &Module| {
        let mut seen = BTreeSet::new();
        let mut next = vec![from];
        while let Some(module) = next.pop() {
            for other in imports.get(module).into_iter().flatten() {
                if seen.insert(other) {
                    next.push(other);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&Module, BTreeSet<&Module>> =
        imports.keys().map(|from| (from, reach(from))).collect();
    let mut circles = BTreeSet::new();
    for (module, others) in &reached {
        let both = |other: &&&Module| reached.get(**other).is_some_and(|back| back.contains(module));
        let circle: BTreeSet<Module> = others.iter().filter(both).map(|other| (*other).clone()).collect();
        if circle.len() > 1 {
            circles.insert(circle.into_iter().collect::<Vec<_>>());
        }
    }
    circles.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes files, and says which circles are among them.
    fn circles(name: &str, files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let folder = std::env::temp_dir().join(format!("keepwatch-circles-{name}-{}", std::process::id()));
        for (file, text) in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let imports = imports(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let names = |circle: Vec<Module>| circle.iter().map(|module| module.join("::")).collect();
        found(&imports).into_iter().map(names).collect()
    }

    #[test]
    fn a_circle_is_found_however_the_paths_are_written() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c; mod d;"),
            ("a.rs", "use crate::b::{self, B}; pub struct A;"),
            ("b.rs", "use super::c; pub struct B(c::C);"),
            ("c/mod.rs", "pub mod inner; pub struct C;"),
            ("c/inner.rs", "fn f(_: crate::a::A) {} use super::C;"),
            ("d.rs", "use crate::a::A;"),
        ];
        assert_eq!(circles("none", &files), [[""; 0]; 0]);
        let mut files = files;
        files[3].1 = "pub mod inner; pub struct C; fn g() { inner::f() }";
        assert_eq!(circles("some", &files), [["a", "b", "c", "c::inner"]]);
    }

    #[test]
    fn what_is_handed_on_and_what_is_for_tests_makes_no_circle() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use a::A;"),
            ("a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; }"),
            ("b.rs", "use crate::A; pub struct B(A);"),
            ("c/mod.rs", "mod d; pub use d::D;"),
            ("c/d.rs", "pub struct D(crate::c::e::E);"),
            ("c/e.rs", "pub struct E;"),
        ];
        assert_eq!(circles("handed", &files), [[""; 0]; 0]);
        let mut files = files;
        files[1].1 = "pub struct A(crate::b::B);";
        assert_eq!(circles("direct", &files), [["a", "b"]]);
    }
}
