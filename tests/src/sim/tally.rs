//! What the seeds have covered. A proof by simulation is worth what it has seen.

use std::collections::BTreeMap;
use std::fmt;

/// Counters by name, in groups.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<(&'static str, &'static str), u64>);

impl Tally {
    /// Counts one.
    pub fn count(&mut self, group: &'static str, name: &'static str) {
        self.add(group, name, 1);
    }

    /// Counts several.
    pub fn add(&mut self, group: &'static str, name: &'static str, count: usize) {
        *self.0.entry((group, name)).or_default() += u64::try_from(count).unwrap_or(u64::MAX);
    }

    /// Takes in what other seeds have covered.
    pub fn merge(&mut self, other: &Tally) {
        for (key, count) in &other.0 {
            *self.0.entry(*key).or_default() += count;
        }
    }

    /// How often something was seen.
    pub fn get(&self, group: &str, name: &str) -> u64 {
        self.0.iter().filter(|((g, n), _)| *g == group && *n == name).map(|(_, count)| count).sum()
    }

    /// How often anything of a group was seen.
    pub fn total(&self, group: &str) -> u64 {
        self.0.iter().filter(|((g, _), _)| *g == group).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut group = "";
        for ((of, name), count) in &self.0 {
            if *of != group {
                group = of;
                writeln!(f, "{group}")?;
            }
            writeln!(f, "  {name:<34} {count:>12}")?;
        }
        Ok(())
    }
}
