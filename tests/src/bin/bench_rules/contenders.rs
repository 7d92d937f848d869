//! What is measured: each reads all events and returns how much it found, so that nothing is left out by the compiler.

use anyhow::Context as _;
use keepwatch_core::engine::replay::{Heard, Memory, Player};
use keepwatch_core::engine::{Config, Rule};
use keepwatch_core::event::Event;
use keepwatch_core::event::log::entries;
use keepwatch_rules::registry::RULES;
use rsigma_eval::{Engine, JsonEvent};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::corpus::Corpus;

/// The least that reading JSON costs.
pub(crate) fn read(corpus: &Corpus) -> usize {
    corpus.events().filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok()).count()
}

/// The least that reading CloudTrail's files costs.
pub(crate) fn read_files(corpus: &Corpus) -> usize {
    corpus.files().filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok()).count()
}

/// What every Sigma engine begins with.
pub(crate) fn values(corpus: &Corpus) -> usize {
    corpus.events().filter(|text| serde_json::from_str::<Value>(text).is_ok()).count()
}

/// Understood, and judged by nobody.
pub(crate) fn parse(corpus: &Corpus) -> usize {
    corpus.events().filter(|text| Event::parse(text).is_ok()).count()
}

/// Keepwatch's rules, as `keepwatch replay` plays events through them.
pub(crate) struct Builtin(Player);

impl Builtin {
    /// All rules so many times over, and these.
    pub(crate) fn new(times: usize, more: &[&'static dyn Rule]) -> Builtin {
        let rules: Vec<&'static dyn Rule> =
            (0..times).flat_map(|_| RULES.iter().copied()).chain(more.iter().copied()).collect();
        Builtin(Player::new(Box::leak(rules.into_boxed_slice()), Config::default()))
    }

    /// Parses and evaluates.
    pub(crate) fn count(&self, corpus: &Corpus) -> usize {
        self.settled(corpus.events())
    }

    /// Unpacks, parses and evaluates.
    pub(crate) fn count_files(&self, corpus: &Corpus) -> usize {
        self.settled(corpus.files())
    }

    fn settled(&self, texts: impl Iterator<Item = impl AsRef<str>>) -> usize {
        let (mut memory, mut found) = (Memory::default(), 0);
        for text in texts {
            entries(text.as_ref(), &mut |entry| {
                let Ok(entry) = entry else { return };
                if let Ok(Heard::Played(played)) = self.0.hear(&entry) {
                    found += memory.settle(&self.0, *played).observations.len();
                }
            });
        }
        found
    }
}

/// `rsigma-eval` by itself, with its own index of rules.
pub(crate) struct Rsigma(Engine);

impl Rsigma {
    pub(crate) fn new(yaml: &[String]) -> anyhow::Result<Rsigma> {
        let mut engine = Engine::new();
        for rule in yaml {
            engine.add_collection(&rsigma_parser::parse_sigma_yaml(rule)?)?;
        }
        Ok(Rsigma(engine))
    }

    /// Parses and evaluates.
    pub(crate) fn count(&self, corpus: &Corpus) -> usize {
        let value = |text| serde_json::from_str::<Value>(text).ok();
        let matched = |value: Value| self.0.evaluate(&JsonEvent::borrow(&value)).len();
        corpus.events().filter_map(value).map(matched).sum()
    }
}

/// `sigma-rust`, which has no index.
pub(crate) struct SigmaRust(Vec<sigma_rust::Rule>);

impl SigmaRust {
    pub(crate) fn new(yaml: &[String]) -> anyhow::Result<SigmaRust> {
        let rules = yaml.iter().map(|text| sigma_rust::rule_from_yaml(text));
        Ok(SigmaRust(rules.collect::<Result<_, _>>().context("sigma-rust refuses a rule")?))
    }

    /// How many rules it has.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Parses and evaluates.
    pub(crate) fn count(&self, corpus: &Corpus) -> usize {
        let events = corpus.events().filter_map(|text| sigma_rust::event_from_json(text).ok());
        events.map(|event| self.0.iter().filter(|rule| rule.is_match(&event)).count()).sum()
    }
}
