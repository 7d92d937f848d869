//! Which values requests can carry, and whether some request meets a set of conditions.

use keepwatch_base::arn::Arn;
use keepwatch_base::time::Timestamp;

use super::candidates::{Candidate, FILL, FRESH, candidates};
use super::operator::{Kind, Operator, Value, Variables, date};
use crate::document::Condition;

/// Which requests there can be.
pub(crate) trait World {
    /// What requests carry for this key, in lower case.
    fn domain(&self, key: &str) -> Domain;

    /// What a policy variable stands for, where that is known: `aws:username`.
    fn variable(&self, name: &str) -> Option<String>;
}

/// What requests carry for one key.
#[derive(Clone, Debug)]
pub(crate) struct Domain {
    /// A request can lack the key.
    pub(crate) absent: bool,
    /// Values that a request can have, whatever the conditions write.
    pub(crate) samples: Vec<String>,
    /// Which of the values that conditions write it can have.
    pub(crate) attainable: Attainable,
}

/// Which of the values that conditions write a request can have.
#[derive(Clone, Debug)]
pub(crate) enum Attainable {
    /// All that are values of this key at all.
    Free(fn(&str) -> bool),
    /// AWS gives the value, and so those of its kind that a wildcard leaves open: with at most so many fixed characters
    /// before it.
    Given(usize, fn(&str) -> bool),
    /// ARNs of this account with any name, and of buckets with any name.
    Account(String),
    /// ARNs whose name a wildcard leaves open.
    Open,
    /// ARNs of this account of this kind (`user`, `role`) that end with this name, whatever the path before it.
    Named(String, String, String),
    /// Times from this one on.
    From(Timestamp),
    /// None.
    Nothing,
}

impl Domain {
    /// Whatever the caller likes, or nothing.
    pub(crate) fn free() -> Domain {
        Domain { absent: true, samples: vec![FILL.to_owned()], attainable: Attainable::Free(|_| true) }
    }

    /// No request carries it.
    pub(crate) fn never() -> Domain {
        Domain { absent: true, samples: Vec::new(), attainable: Attainable::Nothing }
    }

    /// Every request carries one of these.
    pub(crate) fn only(samples: &[&str]) -> Domain {
        let samples = samples.iter().map(|text| (*text).to_owned()).collect();
        Domain { absent: false, samples, attainable: Attainable::Nothing }
    }

    /// Requests can lack it as well.
    pub(crate) fn or_absent(mut self) -> Domain {
        self.absent = true;
        self
    }

    /// The same, with further values.
    pub(crate) fn reaching(mut self, attainable: Attainable) -> Domain {
        self.attainable = attainable;
        self
    }

    /// What wildcards stand for in its values: an account, and a name.
    fn fill(&self) -> (&str, &str) {
        match &self.attainable {
            Attainable::Account(account) => (account, FILL),
            Attainable::Named(account, _, name) => (account, name),
            _ => (FRESH, FILL),
        }
    }

    fn has(&self, candidate: &Candidate) -> bool {
        match &self.attainable {
            Attainable::Free(is_value) => is_value(&candidate.text),
            Attainable::Given(most, is_value) => {
                candidate.fixed.is_some_and(|fixed| fixed <= *most) && is_value(&candidate.text)
            }
            Attainable::Account(account) => Arn::parse(&candidate.text).is_some_and(|arn| {
                let bucket = arn.resource.split('/').next().unwrap_or_default();
                // A bucket's ARN names no account, and no two buckets have one name.
                if arn.service == "s3" { bucket.contains(FILL) } else { arn.account == *account }
            }),
            Attainable::Open => {
                candidate.fixed.is_some() && candidate.text.rsplit(['/', ':']).next() == Some(FILL)
            }
            Attainable::Named(account, kind, name) => Arn::parse(&candidate.text).is_some_and(|arn| {
                let (first, last) = (arn.resource.split('/').next(), arn.resource.rsplit('/').next());
                arn.account == *account && first == Some(kind) && last == Some(name)
            }),
            Attainable::From(earliest) => date(&candidate.text).is_some_and(|time| time >= *earliest),
            Attainable::Nothing => false,
        }
    }
}

/// A condition that a request must meet, or must fail.
#[derive(Clone, Debug)]
pub(crate) struct Constraint<'c> {
    /// As the policy has it.
    pub(crate) condition: &'c Condition,
    pub(crate) operator: Operator,
    pub(crate) values: Vec<Value>,
    wanted: bool,
}

impl<'c> Constraint<'c> {
    /// `variables`: whether the document's version has any.
    pub(crate) fn new(condition: &'c Condition, wanted: bool, variables: bool, world: &impl World) -> Self {
        let operator = Operator::parse(&condition.operator);
        let known = |name: &str| world.variable(name);
        let known: Option<Variables<'_>> = if variables { Some(&known) } else { None };
        let values = condition.values.iter().map(|text| Value::read(text, operator, known)).collect();
        Constraint { condition, operator, values, wanted }
    }

    /// Whether its values are those that requests must not carry.
    pub(crate) fn keeps_out(&self) -> bool {
        self.operator.negated == self.wanted
    }

    /// Whether a request that carries this value can meet it.
    pub(crate) fn passes(&self, carried: Option<&str>) -> bool {
        self.operator.holds(&self.values, carried).can_be(self.wanted)
    }
}

/// The constraints of each key; keys do not mind case.
pub(crate) fn groups(constraints: Vec<Constraint<'_>>) -> Vec<(String, Vec<Constraint<'_>>)> {
    let mut all: Vec<(String, Vec<Constraint<'_>>)> = Vec::new();
    for constraint in constraints {
        let key = constraint.condition.key.to_ascii_lowercase();
        match all.iter_mut().find(|(other, _)| *other == key) {
            Some((_, group)) => group.push(constraint),
            None => all.push((key, vec![constraint])),
        }
    }
    all
}

/// A value with which a request meets all these constraints, which are on one key; `Some(None)` where it must lack the key.
pub(crate) fn satisfiable(group: &[Constraint<'_>], domain: &Domain) -> Option<Option<String>> {
    let meets = |carried: Option<&str>| group.iter().all(|constraint| constraint.passes(carried));
    if domain.absent && meets(None) {
        return Some(None);
    }
    if let Some(sample) = domain.samples.iter().find(|sample| meets(Some(sample))) {
        return Some(Some(sample.clone()));
    }
    // Whether it is there at all is not a question of its value.
    let asks = group.iter().filter(|constraint| constraint.operator.kind != Kind::Null);
    let tried =
        asks.flat_map(|constraint| candidates(constraint.operator, &constraint.values, domain.fill()));
    tried.filter(|one| domain.has(one)).find(|one| meets(Some(&one.text))).map(|one| Some(one.text))
}
