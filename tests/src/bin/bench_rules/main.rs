//! What a CloudTrail event costs: to read, to understand, to judge by all rules, and to judge by Sigma rules with other
//! engines, in one run on one core. Ends with an error when a bound is missed.
//!
//! Without arguments the events are those of an account at work, made up, and the project's own fixtures. For others:
//! `make bench-rules EVENTS=dir`, a folder of `*.jsonl`. Build it with a release profile; `make bench-rules` does.

mod contenders;
mod corpus;
mod measure;
mod sigma;
mod table;
mod traffic;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use contenders::{Builtin, Rsigma, SigmaRust, parse, read, read_files, values};
use corpus::Corpus;
use keepwatch_rules::registry::RULES;
use measure::{Contender, Measured, fastest, on_all_cores};
use table::{Row, Table};

/// At most this many times gunzip and `IgnoredAny`, on the log of an account at work.
const BOUND: f64 = 1.5;

/// The same on a collection of attacks, where every fifth record is a finding.
const BOUND_OF_ATTACKS: f64 = 2.5;

/// The command line's, for which this stands.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    let folder = std::env::args_os().nth(1).filter(|argument| !argument.is_empty()).map(PathBuf::from);
    let corpus = Corpus::new(folder.as_deref())?;
    let yaml = sigma::rules()?;

    let own = Builtin::new(1, &[]);
    let (twice, four_times) = (Builtin::new(2, &[]), Builtin::new(4, &[]));
    let with_sigma = Builtin::new(1, &sigma::loaded(&yaml)?);
    let rsigma = Rsigma::new(&yaml)?;
    let sigma_rust = SigmaRust::new(&yaml)?;
    ensure!(own.count(&corpus) > 0, "no rule fires on these events: they tell nothing");

    let mut contenders: Vec<Contender<'_>> = vec![
        ("read", Box::new(|| read(&corpus))),
        ("parse", Box::new(|| parse(&corpus))),
        ("own", Box::new(|| own.count(&corpus))),
        ("twice", Box::new(|| twice.count(&corpus))),
        ("four", Box::new(|| four_times.count(&corpus))),
        ("values", Box::new(|| values(&corpus))),
        ("with sigma", Box::new(|| with_sigma.count(&corpus))),
        ("rsigma", Box::new(|| rsigma.count(&corpus))),
        ("sigma-rust", Box::new(|| sigma_rust.count(&corpus))),
        ("gunzip read", Box::new(|| read_files(&corpus))),
        ("gunzip own", Box::new(|| own.count_files(&corpus))),
    ];
    let measured = fastest(&mut contenders, corpus.len());
    drop(contenders);
    let (one, all, cores) = on_all_cores(&corpus, &own);

    let of = |name: &str| measured.get(name).copied().unwrap_or_default();
    let rules = RULES.len();
    let sigma_rules = yaml.len();
    let mut table = Table::default();
    table.add(Row::new("serde_json::IgnoredAny", of("read")));
    table.add(Row::new("events read whole", of("parse")).against(of("read"), "IgnoredAny"));
    table.add(Row::new(&format!("parse, {rules} rules"), of("own")).against(of("read"), "IgnoredAny"));
    table.add(Row::new(&format!("parse, {} rules", 2 * rules), of("twice")).against(of("own"), "once"));
    table.add(Row::new(&format!("parse, {} rules", 4 * rules), of("four")).against(of("own"), "once"));
    let both = format!("parse, {rules} rules, {sigma_rules} of Sigma");
    table.add(Row::new(&both, of("with sigma")).against(of("own"), "built-in"));
    table.add(Row::new("serde_json::Value", of("values")).against(of("read"), "IgnoredAny"));
    let name = format!("rsigma-eval, {sigma_rules} of Sigma");
    table.add(Row::new(&name, of("rsigma")).against(of("own"), "built-in"));
    let name = format!("sigma-rust, {} of Sigma", sigma_rust.len());
    table.add(Row::new(&name, of("sigma-rust")).against(of("own"), "built-in"));
    table.add(Row::new(".json.gz, IgnoredAny", of("gunzip read")));
    let bound = if folder.is_some() { BOUND_OF_ATTACKS } else { BOUND };
    let bounded = Row::new(&format!(".json.gz, {rules} rules"), of("gunzip own"));
    table.add(bounded.against(of("gunzip read"), "IgnoredAny").bound(bound));
    let name = format!(".json.gz, {rules} rules, {cores} threads");
    table.add(Row::new(&name, all).against(one, "one thread"));

    let mut out = io::stdout().lock();
    writeln!(out, "{} events of {} bytes on average, {}.", corpus.len(), corpus.average(), corpus.from)?;
    writeln!(
        out,
        "{} findings by the built-in rules, {} by the Sigma rules with rsigma-eval, {} with sigma-rust.",
        own.count(&corpus),
        rsigma.count(&corpus),
        sigma_rust.count(&corpus)
    )?;
    writeln!(out, "The fastest of {} rounds, one core.\n\n{table}", measure::ROUNDS)?;
    Ok(if table.met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Default for Measured {
    fn default() -> Self {
        Measured { micros: f64::NAN }
    }
}
