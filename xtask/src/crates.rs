//! What the crates may depend on, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

/// The crates that must stay testable without a cloud, and small.
const PURE: [&str; 6] = [
    "keepwatch-base",
    "keepwatch-policy",
    "keepwatch-core",
    "keepwatch-rules",
    "keepwatch-checks",
    "keepwatch-alert",
];

/// What the names of crates begin with that talk to the outside.
const IMPURE: [&str; 4] = ["aws-", "tokio", "hyper", "reqwest"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

/// Empty for what the crate itself is compiled with; `dev` and `build` are no concern of its users.
#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// Crates, by name, and what they are compiled with.
struct Graph {
    /// The crates of the repository, as Cargo.toml lists them.
    members: Vec<String>,
    names: BTreeMap<String, String>,
    uses: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read(root: &Path) -> anyhow::Result<Graph> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--locked"])
            .current_dir(root)
            .output()
            .context("cargo metadata cannot be started")?;
        ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
        let names: BTreeMap<String, String> =
            metadata.packages.into_iter().map(|package| (package.id, package.name)).collect();
        let uses = metadata.resolve.nodes.into_iter().map(|node| {
            let compiled = |dep: &Dependency| dep.dep_kinds.iter().any(|kind| kind.kind.is_none());
            (node.id, node.deps.into_iter().filter(compiled).map(|dep| dep.pkg).collect())
        });
        Ok(Graph { members: metadata.workspace_members, uses: uses.collect(), names })
    }

    fn name<'g>(&'g self, id: &'g str) -> &'g str {
        self.names.get(id).map_or(id, String::as_str)
    }

    fn uses(&self, id: &str) -> impl Iterator<Item = &String> {
        self.uses.get(id).into_iter().flatten()
    }
}

/// # Errors
/// A pure crate that depends on an impure one; the way is named.
pub(crate) fn pure(root: &Path) -> anyhow::Result<ExitCode> {
    let graph = Graph::read(root)?;
    for member in graph.members.iter().filter(|id| PURE.contains(&graph.name(id))) {
        let mut ways = vec![vec![member]];
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop() {
            let Some(last) = way.last() else { continue };
            let name = graph.name(last);
            let shown: Vec<&str> = way.iter().map(|id| graph.name(id)).collect();
            ensure!(
                !IMPURE.iter().any(|impure| name.starts_with(impure)),
                "{} must stay pure: {}",
                graph.name(member),
                shown.join(" -> ")
            );
            if seen.insert(*last) {
                ways.extend(graph.uses(last).map(|next| [way.as_slice(), &[next]].concat()));
            }
        }
    }
    anstream::println!("{} depend on no AWS SDK, async runtime or HTTP client", PURE.join(", "));
    Ok(ExitCode::SUCCESS)
}

/// # Errors
/// A crate that depends on one after it.
pub(crate) fn order(root: &Path) -> anyhow::Result<ExitCode> {
    let graph = Graph::read(root)?;
    let place = |id: &String| graph.members.iter().position(|member| member == id);
    for member in &graph.members {
        for used in graph.uses(member) {
            ensure!(
                place(used) < place(member),
                "{} stands before {} in the members of Cargo.toml and may not depend on it",
                graph.name(member),
                graph.name(used)
            );
        }
    }
    let names: Vec<&str> = graph.members.iter().map(|id| graph.name(id)).collect();
    anstream::println!("each depends only on those before it: {}", names.join(", "));
    Ok(ExitCode::SUCCESS)
}
