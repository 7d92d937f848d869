//! What a scan says of the forwarders, by the event rules of each region.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use keepwatch_base::time::Timestamp;

use super::about::{CHANGED, MISSING, OUTDATED, SILENT};
use super::home::{Home, deploy};
use super::rules::{EXPECTED, Expected, is_pattern};
use super::sweep::{SILENT_AFTER, was_taken_away};
use crate::finding::Finding;
use crate::observation::Subject;
use crate::posture::facts::events::EventRule;
use crate::posture::judgement::{Judged, Judgement};
use crate::posture::question::{Place, State, ask};
use crate::regions::Forwarders;
use crate::severity::Severity;

/// After so long a region whose forwarder is silent and has no rule left is one without a forwarder.
const GONE_AFTER: Duration = Duration::from_secs(30 * 86_400);

/// Up to so many regions without a forwarder are told one by one, where others have one: a region was added, or left out by
/// mistake. More of them are one finding: somebody means to watch a few regions and no others.
const FEW: usize = 3;

/// What a scan says of the forwarders.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    /// The judgements.
    pub judgements: Vec<Judgement>,
    /// Regions that are not expected to be heard any more; see [`super::forget`].
    pub forgotten: Vec<String>,
}

/// Judges the forwarders by the event rules of each region; `known` are those that were ever heard, and `findings` tell which of
/// them were taken away.
pub fn scanned(
    state: &State,
    known: &Forwarders,
    findings: &BTreeMap<String, Finding>,
    home: &Home<'_>,
) -> Scanned {
    let mut scanned = Scanned::default();
    let Ok(expected) = &*EXPECTED else { return scanned };
    let rules_of = |region: &str| state.answer(ask::EventRules, &Place::region(region)).value().copied();
    let own_rules = rules_of(home.region)
        .is_some_and(|rules| rules.iter().any(|rule| rule.name == format!("{}-own-rules", home.stack)));
    let (mut without, mut unread, mut used) = (Vec::new(), false, false);
    for region in state.regions.iter().filter(|region| *region != home.region) {
        let heard = known.0.get(region);
        let Some(rules) = rules_of(region) else {
            // The check of event rules says that they could not be read.
            unread = true;
            continue;
        };
        let ours: BTreeMap<&str, &EventRule> = rules
            .iter()
            .filter_map(|rule| Some((rule.name.strip_prefix(home.stack)?.strip_prefix('-')?, rule)))
            .filter(|(name, _)| name.starts_with(HEARTBEAT) || expected.rules.contains_key(*name))
            .collect();
        used |= !ours.is_empty();
        match (ours.is_empty(), heard) {
            (true, None) => without.push(region.as_str()),
            (true, Some(forwarder)) if was_taken_away(forwarder, findings.get(&home.removal(region))) => {
                without.push(region.as_str());
                scanned.forget(region, home, state.at, "has no forwarder any more, as was told");
            }
            (true, Some(forwarder)) if state.at.since(forwarder.at) >= GONE_AFTER => {
                without.push(region.as_str());
                scanned.forget(region, home, state.at, "has had no forwarder for thirty days");
            }
            // The sweep has told of its silence, which has no rules to show.
            (true, Some(forwarder)) if state.at.since(forwarder.at) >= SILENT_AFTER => {}
            _ => {
                let versions = ours.keys().filter_map(|name| name.strip_prefix(HEARTBEAT)).collect();
                let found = Found { region, rules: ours, versions, at: state.at, home };
                scanned.judgements.extend(found.judge_rules(expected, own_rules));
                scanned.judgements.extend(found.judge_version(expected));
            }
        }
    }
    // What cannot happen there any more need not be heard.
    for region in known.0.keys().filter(|region| !state.regions.contains(region)) {
        scanned.forget(region, home, state.at, "is not enabled any more");
    }
    let used = used || known.0.keys().any(|region| !scanned.forgotten.contains(region));
    scanned.missing(&without, used, unread, state, home);
    scanned
}

/// How the names of heartbeat rules begin, after the stack's.
const HEARTBEAT: &str = "heartbeat-";

/// A forwarder that is there, or was lately.
struct Found<'s> {
    region: &'s str,
    /// Its rules, by what follows the stack's name.
    rules: BTreeMap<&'s str, &'s EventRule>,
    /// The versions of its heartbeat rules.
    versions: BTreeSet<&'s str>,
    at: Timestamp,
    home: &'s Home<'s>,
}

impl Found<'_> {
    fn is_current(&self, expected: &Expected) -> bool {
        self.versions.contains(expected.version.as_str())
    }

    /// Whether it has the rules of another version. Without a heartbeat rule nobody knows which one it was.
    fn is_outdated(&self, expected: &Expected) -> bool {
        !self.is_current(expected) && !self.versions.is_empty()
    }

    /// The rules that do not bring what they should, each with what is wrong. Of those of another version nobody knows here
    /// whether they are as they were deployed.
    fn wrong_rules(&self, expected: &Expected, own_rules: bool) -> Vec<String> {
        let stack = self.home.stack;
        let outdated = self.is_outdated(expected);
        let mut wrong: Vec<String> = Vec::new();
        for (name, wanted) in &expected.rules {
            let full = format!("{stack}-{name}");
            let Some(rule) = self.rules.get(name.as_str()) else {
                if !outdated && (!wanted.optional || own_rules) {
                    wrong.push(format!("{full} is not there"));
                }
                continue;
            };
            let deaf = wanted.reads == Some(true) && !rule.reads;
            let pattern = rule.pattern.as_deref().unwrap_or_default();
            if !rule.enabled {
                wrong.push(format!("{full} is disabled"));
            } else if !outdated && !is_pattern(pattern, &wanted.pattern, stack) {
                wrong.push(format!("{full} has another pattern"));
            } else if !outdated && deaf {
                wrong.push(format!("{full} does not hear read-only calls"));
            } else if let Some(why) = rule.targets.and_then(|_| self.home.misled(rule, self.region)) {
                wrong.push(format!("{full} {why}"));
            }
        }
        let beats = self.rules.iter().filter(|(name, _)| name.starts_with(HEARTBEAT));
        let beats: Vec<&&EventRule> = beats.map(|(_, rule)| rule).collect();
        if beats.is_empty() {
            wrong.push(format!("{stack}-{HEARTBEAT}{} is not there", expected.version));
        } else if beats.iter().all(|rule| !rule.enabled) {
            wrong.push(format!("{} is disabled", beats[0].name));
        }
        wrong
    }

    /// Whether it hears what it should; nothing where nobody knows.
    fn judge_rules(&self, expected: &Expected, own_rules: bool) -> Option<Judgement> {
        let (region, subject) = (self.region, self.home.subject(self.region));
        let wrong = self.wrong_rules(expected, own_rules);
        let title = match &wrong[..] {
            [] if self.is_outdated(expected) => return None,
            [] => {
                let title = format!("The event rules of the forwarder in {region} are as they were deployed");
                return Some(Judgement::new(&CHANGED, subject, Judged::Passing, Some(self.at), title));
            }
            [one] => format!("The forwarder in {region} does not hear everything: {one}"),
            all => {
                format!("The forwarder in {region} does not hear everything: {} rules are wrong", all.len())
            }
        };
        let mut judgement = Judgement::new(&CHANGED, subject, Judged::Failing, Some(self.at), title)
            .because("what these rules do not bring is not heard")
            .detail("Rules", wrong.join("; "));
        judgement.steps = vec![self.home.rules_step(region), deploy(region)];
        Some(judgement)
    }

    /// Whether it has the rules of this version; nothing where nobody knows.
    fn judge_version(&self, expected: &Expected) -> Option<Judgement> {
        let (region, subject) = (self.region, self.home.subject(self.region));
        if self.is_current(expected) {
            let title = format!("The forwarder in {region} has the rules of this version");
            return Some(Judgement::new(&OUTDATED, subject, Judged::Passing, Some(self.at), title));
        }
        if !self.is_outdated(expected) {
            return None;
        }
        let title = format!("The forwarder in {region} has the rules of another version");
        let versions: Vec<&str> = self.versions.iter().copied().collect();
        let mut judgement = Judgement::new(&OUTDATED, subject, Judged::Failing, Some(self.at), title)
            .because("what only the rules of this version listen to is not heard there")
            .detail("Version there", versions.join(", "))
            .detail("Version of the home stack", &expected.version);
        judgement.steps = vec![deploy(region)];
        Some(judgement)
    }
}

impl Scanned {
    /// Closes what was told of a forwarder that is not expected any more.
    fn forget(&mut self, region: &str, home: &Home<'_>, at: Timestamp, why: &str) {
        for check in [&CHANGED, &OUTDATED, &SILENT] {
            let title = format!("{region} {why}");
            let subject = home.subject(region);
            self.judgements.push(Judgement::new(check, subject, Judged::NotApplicable, Some(at), title));
        }
        self.forgotten.push(region.to_owned());
    }

    /// Tells of the regions without a forwarder: a few by themselves, many of them at once. `used` says whether any region has
    /// one, `unread` whether some could not be read.
    fn missing(&mut self, without: &[&str], used: bool, unread: bool, state: &State, home: &Home<'_>) {
        let few = used && without.len() <= FEW;
        self.missing_by_themselves(without, few, state, home);
        let at_once = if few || without.is_empty() { &[][..] } else { without };
        let (verdict, title) = match (at_once, without) {
            // What could not be read may be the others.
            ([], _) if unread => return,
            ([], []) => (Judged::Passing, "Every enabled region has a forwarder".to_owned()),
            ([], _) => {
                (Judged::NotApplicable, "The regions without a forwarder are told one by one".to_owned())
            }
            ([one], _) => (Judged::Failing, format!("Region {one} is enabled and has no forwarder")),
            (all, _) => (Judged::Failing, format!("{} enabled regions have no forwarder", all.len())),
        };
        let subject = Subject {
            account: home.account.to_owned(),
            region: "global".to_owned(),
            resource: state.root_arn(),
            aspect: None,
        };
        let mut judgement = Judgement::new(&MISSING, subject, verdict, Some(state.at), title);
        if verdict == Judged::Failing {
            judgement = judgement
                .because("what is done there is heard by nobody; scans look once a day at what is there")
                .detail("Regions", without.join(", "));
            judgement.steps = vec![deploy(&without.join(","))];
        }
        self.judgements.push(judgement);
    }

    /// Tells of each region by itself whether it has a forwarder: with `few`, that it has none.
    fn missing_by_themselves(&mut self, without: &[&str], few: bool, state: &State, home: &Home<'_>) {
        for region in state.regions.iter().filter(|region| *region != home.region) {
            let (verdict, title) = match without.contains(&region.as_str()) {
                true if few => {
                    (Judged::Failing, format!("Region {region} is enabled, and nothing listens there"))
                }
                true => (Judged::NotApplicable, format!("{region} is told with other regions")),
                false if state.answer(ask::EventRules, &Place::region(region)).value().is_none() => continue,
                false => (Judged::Passing, format!("Region {region} has a forwarder")),
            };
            let subject = home.subject(region);
            let mut judgement = Judgement::new(&MISSING, subject, verdict, Some(state.at), title);
            if verdict == Judged::Failing {
                judgement = judgement
                    .severity(Severity::Medium)
                    .because("other regions have a forwarder; what is done in this one is heard by nobody");
                judgement.steps = vec![deploy(region)];
            }
            self.judgements.push(judgement);
        }
    }
}
