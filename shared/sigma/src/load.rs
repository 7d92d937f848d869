//! A folder of Sigma files, loaded as far as it can be.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use keepwatch_base::hash::short_hash;
use keepwatch_core::engine::{On, Rule};
use rsigma_eval::{CompiledRule, Engine};
use rsigma_parser::{ConditionExpr, CorrelationRule, FilterRule, FilterRuleTarget, SigmaRule};

use crate::document::{Document, documents};
use crate::evaluate::Sigma;
use crate::leak;
use crate::locate;
use crate::metadata;
use crate::scope::why_not;

/// The largest file that is read. SigmaHQ's rules have some 2 KB.
const MAX_FILE: u64 = 1 << 20;

/// A rule that is evaluated.
#[derive(Clone)]
pub struct OwnRule {
    /// Its file.
    pub file: PathBuf,
    /// The line that it begins at.
    pub line: usize,
    /// The rule.
    pub rule: &'static dyn Rule,
}

impl OwnRule {
    /// Why no EventBridge rule can be made that brings its events; `None` where one can.
    pub fn not_brought(&self) -> Option<&'static str> {
        self.rule.meta().on.iter().find_map(|on| match on {
            On::Matching([], []) => Some("it names neither eventSource nor eventName literally"),
            _ => None,
        })
    }

    /// The services of which an EventBridge rule brings every call, because this rule names no calls of theirs literally.
    pub fn whole_services(&self) -> &'static [&'static str] {
        let whole = |on: &On| match on {
            On::Matching(sources, []) => Some(*sources),
            _ => None,
        };
        self.rule.meta().on.iter().find_map(whole).unwrap_or_default()
    }
}

/// A valid document that is not evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its file.
    pub file: PathBuf,
    /// The line that it begins at.
    pub line: usize,
    /// Its title.
    pub title: String,
    /// Why not.
    pub reason: String,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, as near as it can be told.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

/// What a folder holds.
#[derive(Clone, Default)]
pub struct Loaded {
    /// The rules that are evaluated, by file.
    pub rules: Vec<OwnRule>,
    /// What is valid and not evaluated.
    pub skipped: Vec<Skipped>,
    /// What is invalid.
    pub problems: Vec<Problem>,
}

impl Loaded {
    /// These rules after the built-in ones, as the index of rules wants them.
    pub fn after(&self, built_in: &[&'static dyn Rule]) -> &'static [&'static dyn Rule] {
        let own = self.rules.iter().map(|own| own.rule);
        Box::leak(built_in.iter().copied().chain(own).collect::<Vec<_>>().into_boxed_slice())
    }

    fn skip(&mut self, place: &Place, title: &str, reason: impl Into<String>) {
        let (file, line, title) = (place.file.clone(), place.line, metadata::line(title, 200));
        self.skipped.push(Skipped { file, line, title, reason: reason.into() });
    }

    fn reject(&mut self, place: &Place, reason: impl AsRef<str>) {
        let (file, line) = (place.file.clone(), place.line);
        self.problems.push(Problem { file, line, reason: metadata::line(reason.as_ref(), 400) });
    }
}

/// Where a document stands.
#[derive(Clone, Debug)]
struct Place {
    file: PathBuf,
    line: usize,
}

/// A rule on its way to be compiled.
struct Candidate {
    place: Place,
    /// The line of its condition, where the compiler's complaints belong.
    condition: usize,
    rule: SigmaRule,
}

/// What has been read, before it is compiled.
#[derive(Default)]
struct Read {
    candidates: Vec<Candidate>,
    filters: Vec<(Place, FilterRule)>,
    correlations: Vec<(Place, CorrelationRule)>,
}

/// Loads all `*.yml` and `*.yaml` of the folder and of those in it. Names that begin with a dot are left out.
///
/// # Errors
/// The folder itself cannot be read. Everything else is a [`Problem`].
pub fn load(folder: &Path) -> io::Result<Loaded> {
    let mut loaded = Loaded::default();
    let mut files = Vec::new();
    walk(folder, &mut files, &mut loaded)?;
    files.sort();
    let mut read = Read::default();
    for file in files {
        match text(&file) {
            Ok(text) => take_in(&file, &text, &mut read, &mut loaded),
            Err(reason) => loaded.reject(&Place { file, line: 1 }, reason),
        }
    }
    correlations(&mut read, &mut loaded);
    let filters = std::mem::take(&mut read.filters);
    let compiled = compile(read, &filters, &mut loaded);
    name(compiled, &mut loaded);
    loaded.skipped.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    loaded.problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Ok(loaded)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>, loaded: &mut Loaded) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // Links to folders are not followed: they may lead back here.
        if entry.file_type()?.is_dir() {
            if let Err(error) = walk(&path, files, loaded) {
                loaded.reject(&Place { file: path, line: 1 }, error.to_string());
            }
        } else if path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("yml") || e.eq_ignore_ascii_case("yaml"))
        {
            files.push(path);
        }
    }
    Ok(())
}

fn text(file: &Path) -> Result<String, String> {
    let size = fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > MAX_FILE {
        return Err(format!("it has {size} bytes; rules of up to {MAX_FILE} are read"));
    }
    let bytes = fs::read(file).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

fn take_in(file: &Path, text: &str, read: &mut Read, loaded: &mut Loaded) {
    let documents = documents(text);
    if documents.is_empty() {
        loaded.reject(&Place { file: file.to_owned(), line: 1 }, "there is no rule in it");
    }
    for Document { line, text, holds, counting, problems } in documents {
        let place = Place { file: file.to_owned(), line };
        for title in counting {
            loaded.skip(
                &place,
                &title,
                "it counts over time (an aggregation in its condition): not supported",
            );
        }
        for (line, reason) in problems {
            loaded.reject(&Place { line, ..place.clone() }, reason);
        }
        let condition = line + locate::condition(text) - locate::first(text);
        for rule in holds.rules {
            match why_not(&rule) {
                Some(reason) => loaded.skip(&place, &rule.title, reason),
                None => read.candidates.push(Candidate { place: place.clone(), condition, rule }),
            }
        }
        read.filters.extend(holds.filters.into_iter().map(|filter| (place.clone(), filter)));
        read.correlations.extend(holds.correlations.into_iter().map(|rule| (place.clone(), rule)));
    }
}

/// Correlations count over time, which is not done here. The rules that they count are not meant to alert alone, unless
/// they say so (`generate`).
fn correlations(read: &mut Read, loaded: &mut Loaded) {
    let counted = |candidate: &Candidate, by: &CorrelationRule| {
        let rule = &candidate.rule;
        let names = [rule.id.as_deref(), rule.name.as_deref(), Some(rule.title.as_str())];
        !by.generate && by.rules.iter().any(|counted| names.contains(&Some(counted.as_str())))
    };
    for (place, correlation) in &read.correlations {
        loaded.skip(place, &correlation.title, "it is a correlation: counting over time is not supported");
        for candidate in read.candidates.iter().filter(|candidate| counted(candidate, correlation)) {
            let by = metadata::line(&correlation.title, 100);
            loaded.skip(
                &candidate.place,
                &candidate.rule.title,
                format!("only the correlation {by:?} uses it, which is not supported"),
            );
        }
    }
    let correlations = &read.correlations;
    read.candidates.retain(|candidate| !correlations.iter().any(|(_, by)| counted(candidate, by)));
}

fn compile(
    read: Read,
    filters: &[(Place, FilterRule)],
    loaded: &mut Loaded,
) -> Vec<(Candidate, CompiledRule)> {
    let mut engine = Engine::new();
    let failed: BTreeMap<usize, String> = engine
        .add_rules(read.candidates.iter().map(|candidate| &candidate.rule))
        .into_iter()
        .map(|(at, error)| (at, error.to_string()))
        .collect();
    for (place, filter) in filters {
        if let Err(reason) = applicable(filter, engine.rules()) {
            loaded.reject(place, reason);
        } else if let Err(error) = engine.apply_filter(filter) {
            loaded.reject(place, error.to_string());
        }
    }
    let mut valid = Vec::new();
    for (at, candidate) in read.candidates.into_iter().enumerate() {
        match failed.get(&at) {
            Some(reason) => loaded.reject(&Place { line: candidate.condition, ..candidate.place }, reason),
            None => valid.push(candidate),
        }
    }
    valid.into_iter().zip(engine.rules().iter().cloned()).collect()
}

/// A filter that filters nothing is a mistake that nobody would notice.
fn applicable(filter: &FilterRule, rules: &[CompiledRule]) -> Result<(), String> {
    if filter.detection.conditions.iter().any(has_selector) {
        return Err(
            "a filter's condition must name its selections; `1 of` and `all of` are not supported".to_owned()
        );
    }
    let FilterRuleTarget::Specific(names) = &filter.rules else { return Ok(()) };
    let known =
        |name: &&String| rules.iter().any(|rule| rule.id.as_deref() == Some(name) || rule.title == **name);
    match names.iter().find(|name| !known(name)) {
        Some(name) => Err(format!("it filters {name:?}, and no rule that is evaluated has this id or title")),
        None => Ok(()),
    }
}

fn has_selector(condition: &ConditionExpr) -> bool {
    match condition {
        ConditionExpr::And(parts) | ConditionExpr::Or(parts) => parts.iter().any(has_selector),
        ConditionExpr::Not(part) => has_selector(part),
        ConditionExpr::Identifier(_) => false,
        ConditionExpr::Selector { .. } => true,
    }
}

/// Gives each rule its id. Rules that would share one are told apart by their UUID, all of them, so that the id of one
/// does not change when another comes or goes earlier in the folder.
fn name(compiled: Vec<(Candidate, CompiledRule)>, loaded: &mut Loaded) {
    let compiled = without_copies(compiled, loaded);
    let mut shared: BTreeMap<String, usize> = BTreeMap::new();
    for (candidate, _) in &compiled {
        *shared.entry(metadata::id(&candidate.rule)).or_default() += 1;
    }
    let mut taken: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (candidate, compiled) in compiled {
        let Candidate { place, rule, .. } = candidate;
        let mut id = metadata::id(&rule);
        // A title without a letter of the alphabet makes no id.
        if shared.get(&id).is_some_and(|count| *count > 1) || id.ends_with('-') {
            let hash = short_hash(&[rule.id.as_deref().unwrap_or_default(), &rule.title]);
            let hash = hash.get(..8).unwrap_or(&hash);
            id = format!("{}-{hash}", id.trim_end_matches('-'));
        }
        if let Some(other) = taken.insert(id.clone(), place.file.clone()) {
            let same = format!("{} has the same rule: no id of its own tells them apart", other.display());
            taken.insert(id, other);
            loaded.reject(&place, same);
            continue;
        }
        let meta = metadata::meta(&rule, id);
        let rule: &'static dyn Rule = leak::value(Sigma::new(&rule, compiled, meta));
        loaded.rules.push(OwnRule { file: place.file, line: place.line, rule });
    }
}

/// Leaves the first of the rules that neither name, UUID nor title tell apart, and names the others. A copy of a file must
/// not change the id of the rule, which suppressions and tuning know.
fn without_copies(
    compiled: Vec<(Candidate, CompiledRule)>,
    loaded: &mut Loaded,
) -> Vec<(Candidate, CompiledRule)> {
    let mut first: BTreeMap<(String, Option<String>, String), PathBuf> = BTreeMap::new();
    let mut kept = Vec::new();
    for (candidate, compiled) in compiled {
        let rule = &candidate.rule;
        let known = (metadata::id(rule), rule.id.clone(), rule.title.clone());
        match first.get(&known) {
            Some(other) => {
                let same =
                    format!("{} has the same rule: no id of its own tells them apart", other.display());
                loaded.reject(&candidate.place, same);
            }
            None => {
                first.insert(known, candidate.place.file.clone());
                kept.push((candidate, compiled));
            }
        }
    }
    kept
}
