//! `cargo xtask`: what the repository generates from its rules, and what it checks of itself. Owners of accounts need none of
//! it; their commands are in `cli`.

mod circles;
mod corpus;
mod coverage;
mod crates;
mod docs;
mod managed;
mod paths;
mod patterns;
mod policy_fields;
mod resource_types;
mod seeds;
mod sources;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

/// What the repository generates from its rules, and what it checks of itself.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Task {
    /// Writes the event rules of template.yaml from what the rules listen to.
    Patterns {
        /// Change nothing; fail if the template differs.
        #[arg(long)]
        check: bool,
    },
    /// Writes docs/rules and docs/checks: a page for each rule and check, and an index of each.
    Docs,
    /// Writes which parameters of AWS's calls carry a policy on a resource.
    PolicyFields {
        /// The folder of the Python package botocore, whose models are read.
        botocore: PathBuf,
        /// The day that the table is to say: 2026-01-31.
        today: String,
        /// Change nothing; fail if the table differs.
        #[arg(long)]
        check: bool,
    },
    /// Writes the table of the resources that deciding actions work on. Needs npm.
    ResourceTypes {
        /// Change nothing; fail if the table differs.
        #[arg(long)]
        check: bool,
    },
    /// Compares the list of operations that decide over permissions, sharing, keys, logging or identity with AWS's reference,
    /// and prints what is new there and what is gone. Needs npm.
    Coverage {
        /// Write what is new into the list, as undecided, and take out what is gone.
        #[arg(long)]
        write: bool,
    },
    /// Writes what the fuzzers begin with: the project's own fixtures, one input a file.
    Seeds {
        /// The folder to write to.
        folder: PathBuf,
    },
    /// Reads every event of a folder of recorded events and says what each was understood as.
    Corpus(corpus::Corpus),
    /// Writes the table of AWS's managed policies from their documents.
    Managed {
        /// Change nothing; fail if the table differs.
        #[arg(long)]
        check: bool,
    },
    /// Compares the catalogue of escalation paths with what others publish, and prints what is new there.
    Paths,
    /// Checks that the pure crates depend on no AWS SDK, async runtime or HTTP client.
    PureCrates,
    /// Checks that each crate depends only on those before it in Cargo.toml.
    CrateOrder,
    /// Checks that no files of a crate import each other in a circle.
    ImportCircles,
}

fn main() -> anyhow::Result<ExitCode> {
    match Task::parse() {
        Task::Patterns { check } => patterns::run(root(), check),
        Task::PolicyFields { botocore, today, check } => policy_fields::run(root(), &botocore, &today, check),
        Task::ResourceTypes { check } => resource_types::run(root(), check),
        Task::Coverage { write } => coverage::run(root(), write),
        Task::Docs => docs::run(&root().join("docs")),
        Task::Seeds { folder } => seeds::run(root(), &folder),
        Task::Corpus(corpus) => corpus::run(&corpus),
        Task::Managed { check } => managed::run(root(), check),
        Task::Paths => paths::run(root()),
        Task::PureCrates => crates::pure(root()),
        Task::CrateOrder => crates::order(root()),
        Task::ImportCircles => circles::run(root()),
    }
}

/// The repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
