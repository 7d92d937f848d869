//! From an event to the rules that listen to it, and from the rules to observations.

use std::collections::HashMap;

use keepwatch_base::time::Timestamp;

use super::config::Config;
use super::context::Cx;
use super::rule::{On, Rule};
use crate::about::About;
use crate::event::RecordHeader;
use crate::event::{Body, Event};
use crate::memory::window::WindowQuery;
use crate::observation::{Observation, Verdict};
use crate::severity::MAILED_FROM;
use crate::state::{AccountState, Answer, Facts, Interrupt, Query};

/// The most questions about one event that the account's own IAM is asked. Its throttles are shared with the owner's work, so
/// that a flood of events must not become a larger flood of reads. A user in ten groups with a few policies each needs fewer.
pub const MAX_READS: usize = 60;

/// Rules by what they listen to. Over-inclusion is safe, over-exclusion loses alerts: the oracle test compares every
/// lookup with asking all rules in turn.
pub struct Index {
    rules: &'static [&'static dyn Rule],
    /// The ids of all of them.
    ids: Vec<&'static str>,
    /// By event name, each with its event source. Most names of an account's log are nobody's, and are looked up once.
    calls: HashMap<&'static str, Vec<(&'static str, usize)>>,
    /// By event name in lower case, for rules that do not mind the case. These are asked one by one.
    names: HashMap<String, Vec<usize>>,
    /// On whatever root does.
    root: Vec<usize>,
    /// On whatever a long-term access key signs.
    long_term_keys: Vec<usize>,
    /// The same, where the key is known to be exposed.
    exposed_keys: Vec<usize>,
    /// On changes in the console.
    console: Vec<usize>,
    /// On policies in the parameters of changes; asked one by one.
    policies: Vec<usize>,
    /// By error code.
    failures: HashMap<&'static str, Vec<usize>>,
    /// On records of any name; users' own rules, asked one by one.
    any: Vec<usize>,
    /// On what AWS tells besides calls; few, asked one by one.
    others: Vec<usize>,
}

/// Who listens to a record.
#[derive(Debug, PartialEq, Eq)]
pub enum Interest {
    /// No rule.
    Nobody,
    /// Only rules on keys that are known to be exposed.
    ExposedKeysOnly,
    /// These rules, by their places in the registry.
    Somebody(Vec<usize>),
}

/// A rule that could not work with an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule} failed: {reason}")]
pub struct RuleError {
    /// Id of the rule.
    pub rule: &'static str,
    /// What went wrong.
    pub reason: String,
}

/// What came of evaluating one event.
#[derive(Debug, Default)]
pub struct Evaluation {
    /// What the rules saw, in the registry's order.
    pub observations: Vec<Observation>,
    /// Rules that failed. The others were heard all the same; `detect` has the event delivered again for these.
    pub errors: Vec<RuleError>,
    /// Whether a rule waits for events that may still be on their way. `detect` has the event delivered again.
    pub later: bool,
}

/// An evaluation as far as it has come. A rule that has finished is not asked again when another's question is answered.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The rules that have not finished.
    waiting: Vec<Waiting>,
    /// What the others saw.
    seen: Vec<(usize, Vec<Observation>)>,
    errors: Vec<RuleError>,
    later: bool,
}

/// A rule that has not finished.
#[derive(Debug)]
struct Waiting {
    /// Its place in the registry.
    rule: usize,
    /// What it wants to know, once it has been asked.
    asks: Option<Query>,
    /// It sees nothing if a window holds fewer.
    needed: usize,
}

/// An evaluation under way.
struct Round<'e> {
    event: &'e Event<'e>,
    config: &'e Config,
    received: Timestamp,
    facts: Facts<'e>,
    progress: Progress,
}

impl Index {
    /// An index of these rules.
    pub fn new(rules: &'static [&'static dyn Rule]) -> Index {
        Index::of(rules, |_| true)
    }

    /// An index of those of these rules that are switched on, for settings that do not change. What only the others
    /// listen to, nobody hears.
    pub fn switched_on(rules: &'static [&'static dyn Rule], config: &Config) -> Index {
        Index::of(rules, |rule| config.asks(rule))
    }

    fn of(rules: &'static [&'static dyn Rule], enters: impl Fn(&About) -> bool) -> Index {
        let mut index = Index {
            rules,
            ids: rules.iter().map(|rule| rule.about().id).collect(),
            calls: HashMap::new(),
            names: HashMap::new(),
            root: Vec::new(),
            long_term_keys: Vec::new(),
            exposed_keys: Vec::new(),
            console: Vec::new(),
            policies: Vec::new(),
            failures: HashMap::new(),
            any: Vec::new(),
            others: Vec::new(),
        };
        for (i, rule) in rules.iter().enumerate().filter(|(_, rule)| enters(rule.about())) {
            rule.meta().on.iter().for_each(|on| index.enter(i, on));
        }
        index
    }

    fn enter(&mut self, rule: usize, on: &'static On) {
        match on {
            On::Call(source, names)
            | On::Read(source, names)
            | On::ReadByStack(source, names)
            | On::ReadUnless { source, names, .. }
            | On::Own(source, names) => {
                names.iter().for_each(|name| enter(self.calls.entry(name).or_default(), (*source, rule)));
            }
            On::Matching(_, names) if !names.is_empty() => {
                let lower = names.iter().map(|name| name.to_ascii_lowercase());
                lower.for_each(|name| enter(self.names.entry(name).or_default(), rule));
            }
            On::Matching(..) => enter(&mut self.any, rule),
            On::Root => enter(&mut self.root, rule),
            On::LongTermKey => enter(&mut self.long_term_keys, rule),
            On::ExposedKey => enter(&mut self.exposed_keys, rule),
            On::ConsoleChange => enter(&mut self.console, rule),
            On::Policy { .. } => enter(&mut self.policies, rule),
            On::Failed(codes) => {
                codes.iter().for_each(|code| enter(self.failures.entry(code).or_default(), rule));
            }
            On::Health(_) | On::TrustedAdvisor(_) | On::Detector(_) => enter(&mut self.others, rule),
        }
    }

    /// The rules that listen to this event, each once, in the registry's order.
    pub fn listeners(&self, event: &Event<'_>) -> impl Iterator<Item = &'static dyn Rule> {
        self.listening(event).into_iter().map(|i| self.rules[i])
    }

    /// Whether any rule listens to a record with this header.
    pub fn interest(&self, header: &RecordHeader<'_>) -> Interest {
        let found = self.on_record(header);
        if found.is_empty() {
            return Interest::Nobody;
        }
        let others = found.iter().any(|rule| !self.exposed_keys.contains(rule));
        match others || self.on_name(header).next().is_some() {
            true => Interest::Somebody(found),
            false => Interest::ExposedKeysOnly,
        }
    }

    /// The same, by their places in the registry.
    pub(super) fn listening(&self, event: &Event<'_>) -> Vec<usize> {
        match &event.body {
            Body::CloudTrail(record) => self.on_record(&record.header()),
            _ => self.others.iter().copied().filter(|&i| listens(self.rules[i], event)).collect(),
        }
    }

    fn on_record(&self, header: &RecordHeader<'_>) -> Vec<usize> {
        // Own rules may look for the copies that endpoints make of calls; built-in ones hear the calls.
        let mut found = if header.is_network_activity() { Vec::new() } else { self.on_call(header) };
        let mut also = |&i: &usize| {
            if self.rules[i].meta().on.iter().any(|on| on.matches(header)) {
                found.push(i);
            }
        };
        if !self.names.is_empty() {
            self.names.get(&header.name.to_ascii_lowercase()).into_iter().flatten().for_each(&mut also);
        }
        self.any.iter().for_each(also);
        found.retain(|&i| wants(self.rules[i], header));
        found.sort_unstable();
        found.dedup();
        found
    }

    fn on_call(&self, header: &RecordHeader<'_>) -> Vec<usize> {
        let mut found: Vec<usize> = self.on_name(header).collect();
        if header.by_root() {
            found.extend(&self.root);
        }
        if header.by_long_term_key() {
            found.extend(self.long_term_keys.iter().chain(&self.exposed_keys));
        }
        if header.changes_in_console() {
            found.extend(&self.console);
        }
        if !self.policies.is_empty() && header.gives_policy() {
            let judged = |on: &On| matches!(on, On::Policy { but, .. } if !but.contains(&header.source));
            found.extend(self.policies.iter().filter(|&&i| self.rules[i].meta().on.iter().any(judged)));
        }
        if header.failed() {
            found.extend(self.failures.get(header.error_code).into_iter().flatten());
        }
        found
    }

    fn on_name<'i>(&'i self, header: &RecordHeader<'i>) -> impl Iterator<Item = usize> {
        let source = header.source;
        let named = self.calls.get(header.name).into_iter().flatten();
        named.filter(move |(of, _)| *of == source).map(|(_, rule)| *rule)
    }

    /// Evaluates the event as far as answers are at hand, by these of the rules that listen to it. `received` stands in for an
    /// event time that cannot be read.
    pub(super) fn begin_knowing(
        &self,
        (event, listening): (&Event<'_>, Vec<usize>),
        config: &Config,
        received: Timestamp,
        answer: impl Fn(&Query) -> Option<Answer>,
    ) -> Progress {
        let progress = Progress::begin(self, listening, config);
        self.go_on_knowing((event, progress), config, received, answer)
    }

    /// Goes on with an evaluation of the same event.
    pub(super) fn go_on_knowing(
        &self,
        (event, progress): (&Event<'_>, Progress),
        config: &Config,
        received: Timestamp,
        answer: impl Fn(&Query) -> Option<Answer>,
    ) -> Progress {
        let mut round = Round { event, config, received, facts: Facts::of(&answer), progress };
        round.go_on(self);
        round.progress
    }

    /// Evaluates the event where all answers are at hand.
    pub fn evaluate_answering(
        &self,
        event: &Event<'_>,
        config: &Config,
        received: Timestamp,
        answer: impl Fn(&Query) -> Answer,
    ) -> Evaluation {
        let heard = (event, self.listening(event));
        self.begin_knowing(heard, config, received, |query| Some(answer(query))).end()
    }

    /// Evaluates the event, asking `state` until every question has an answer.
    pub async fn evaluate_with(
        &self,
        event: &Event<'_>,
        state: &impl AccountState,
        config: &Config,
        received: Timestamp,
    ) -> Evaluation {
        let progress = Progress::begin(self, self.listening(event), config);
        let mut round = Round { event, config, received, facts: Facts::default(), progress };
        let mut reads = 0;
        loop {
            round.go_on(self);
            let questions = round.progress.questions();
            if questions.is_empty() {
                return round.progress.end();
            }
            // Every round answers at least one new question, and a rule asks a bounded number of them.
            for query in questions {
                if query.is_of_the_account() {
                    reads += 1;
                    if reads > MAX_READS {
                        let why = format!("more than {MAX_READS} reads for one event");
                        round.facts.insert(query, Answer::Unavailable(why));
                        continue;
                    }
                }
                match state.answer(&query).await {
                    Ok(answer) => round.facts.insert(query, answer),
                    Err(why) => round.facts.postpone(query, why),
                }
            }
        }
    }
}

impl Progress {
    /// Nothing yet, of those of these rules that are switched on.
    fn begin(index: &Index, mut listening: Vec<usize>, config: &Config) -> Progress {
        listening.retain(|&i| config.asks(index.rules[i].about()));
        let waiting = listening.into_iter().map(|rule| Waiting { rule, asks: None, needed: 0 }).collect();
        Progress { waiting, ..Progress::default() }
    }

    /// Whether a rule has not finished.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What the rules that have not finished want to know, each once.
    fn questions(&self) -> Vec<Query> {
        let mut questions = Vec::new();
        for question in self.waiting.iter().filter_map(|waiting| waiting.asks.as_ref()) {
            if !questions.contains(question) {
                questions.push(question.clone());
            }
        }
        questions
    }

    /// Ends the rules that see nothing because their window holds too few.
    pub(super) fn count(&mut self, has_many: impl Fn(&WindowQuery, usize) -> bool) {
        self.waiting.retain(|waiting| match &waiting.asks {
            Some(Query::Window(asked)) if waiting.needed > 0 => has_many(asked, waiting.needed),
            _ => true,
        });
    }

    /// Whether nothing was seen, and no rule failed.
    pub(super) fn is_quiet(&self) -> bool {
        self.seen.is_empty() && self.errors.is_empty()
    }

    /// What was seen so far.
    pub(super) fn observations(&self) -> impl Iterator<Item = &Observation> {
        self.seen.iter().flat_map(|(_, seen)| seen)
    }

    /// The same, to be changed.
    pub(super) fn observations_mut(&mut self) -> impl Iterator<Item = &mut Observation> {
        self.seen.iter_mut().flat_map(|(_, seen)| seen)
    }

    /// What came of it. Rules that have not finished have seen nothing.
    pub(super) fn end(mut self) -> Evaluation {
        self.seen.sort_by_key(|(place, _)| *place);
        let mut observations: Vec<Observation> = self.seen.into_iter().flat_map(|(_, seen)| seen).collect();
        cover(&mut observations);
        Evaluation { observations, errors: self.errors, later: self.later }
    }
}

impl Round<'_> {
    /// Asks the rules that have not finished.
    fn go_on(&mut self, index: &Index) {
        for Waiting { rule, .. } in std::mem::take(&mut self.progress.waiting) {
            let waiting = |asks, needed| Waiting { rule, asks: Some(asks), needed };
            match self.ask(index, index.rules[rule]) {
                Ok(observations) if observations.is_empty() => {}
                Ok(observations) => self.progress.seen.push((rule, observations)),
                Err(Interrupt::Ask(query)) => self.progress.waiting.push(waiting(query, 0)),
                Err(Interrupt::AskForMany(window, needed)) => {
                    self.progress.waiting.push(waiting(Query::Window(window), needed));
                }
                Err(Interrupt::Failed(reason)) => {
                    self.progress.errors.push(RuleError { rule: index.rules[rule].about().id, reason });
                }
                Err(Interrupt::Later) => self.progress.later = true,
            }
        }
    }

    fn ask(&self, index: &Index, rule: &'static dyn Rule) -> Result<Vec<Observation>, Interrupt> {
        let mut observations = Vec::new();
        let world = (self.event, &self.facts, self.config);
        let mut cx = Cx::new(world, &index.ids, rule.about(), self.received, &mut observations);
        match &self.event.body {
            Body::CloudTrail(record) => rule.record(record, &mut cx),
            Body::Health(health) => rule.health(health, &mut cx),
            Body::TrustedAdvisor(item) => rule.trusted_advisor(item, &mut cx),
            Body::Aside(_) | Body::Other => Ok(()),
            body => rule.detector(body, &mut cx),
        }?;
        tune(&mut observations, rule.about().id, self.config);
        Ok(observations)
    }
}

/// Enters a rule once. Rules are entered one after another, so that only the last can be the same.
fn enter<R: PartialEq>(bucket: &mut Vec<R>, rule: R) {
    if bucket.last() != Some(&rule) {
        bucket.push(rule);
    }
}

/// Applies what the owner has set for the rule to what it has just reported.
fn tune(observations: &mut [Observation], rule: &str, config: &Config) {
    let Some(set) = config.overrides.get(rule) else { return };
    for observation in observations.iter_mut().filter(|seen| seen.verdict != Verdict::Passing) {
        observation.severity = set.severity.unwrap_or(observation.severity);
        // What happens often is no worse either, once a person has said how bad it is.
        observation.burst = observation.burst.filter(|_| set.severity.is_none());
    }
}

/// A general rule's observation is recorded but not mailed when a specific rule reported the same event.
fn cover(observations: &mut [Observation]) {
    let specific = observations
        .iter()
        .find(|o| !o.rule.general && o.verdict != Verdict::Passing && o.severity >= MAILED_FROM)
        .map(|o| o.rule.id);
    for observation in observations.iter_mut().filter(|o| o.rule.general) {
        observation.covered_by = specific;
    }
}

fn listens(rule: &dyn Rule, event: &Event<'_>) -> bool {
    rule.meta().on.iter().any(|on| on.listens_to(event))
}

/// Whether the rule may and would see such a record. A failed call is shown only to rules that ask for failed calls, so that
/// none is ever alerted as a success.
fn wants(rule: &dyn Rule, header: &RecordHeader<'_>) -> bool {
    (rule.meta().failed_calls || !header.failed()) && rule.prefilter(header)
}

/// The rules that listen to this event, found by asking every rule. The index must agree with it.
pub fn linear(rules: &[&'static dyn Rule], event: &Event<'_>) -> Vec<&'static str> {
    rules
        .iter()
        .filter(|rule| listens(**rule, event))
        .filter(|rule| match &event.body {
            Body::CloudTrail(record) => wants(**rule, &record.header()),
            _ => true,
        })
        .map(|rule| rule.about().id)
        .collect()
}
