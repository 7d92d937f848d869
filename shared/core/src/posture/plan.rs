//! The plan of a scan: from what checks say and what the findings know to what the findings are told.
//!
//! A finding is told of a change and of nothing else, but for a word a week that it is still so. What could not be read says
//! nothing: it neither opens nor closes. A resource that is not listed any more is gone only where the whole list was read, and
//! a list that is empty all at once is believed when a later scan sees it empty too, or somebody was heard to empty it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use keepwatch_base::hash::short_hash;
use keepwatch_base::time::Timestamp;
use keepwatch_base::wildcard;
use serde::{Deserialize, Serialize};

use super::judgement::{Judged, Judgement, is_root};
use super::touched::Touched;
use crate::about::About;
use crate::catalogue::Catalogue;
use crate::finding::{Finding, Witness, finding_id};
use crate::observation::{Observation, Occurrence, REPORTED, Resolution, SCAN, Verdict};

/// How long after an event AWS's own answers may still tell the time before it. IAM's are the slowest (IAM user guide,
/// "Changes that I make are not always immediately visible").
pub const SETTLING: Duration = Duration::from_secs(60);

/// After how long a failure that did not change is told again: never before, and for all findings not on one day.
const REFRESHED: Duration = Duration::from_secs(5 * 86_400);

/// Over how many further days the findings of one scan are spread.
const SPREAD_DAYS: u64 = 5;

/// How long a list must have been empty before what was on it counts as gone: the next daily scan, not a second one at once.
const EMPTY_FOR: Duration = Duration::from_secs(12 * 3_600);

/// What a silent region is remembered under, before its name.
pub const ALL: &str = "all in ";

/// What of a check's good news is good news of another rule's finding too, and what it lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closes {
    /// A pass closes this rule's finding about the same subject as well.
    Same(&'static str),
    /// A pass closes all findings of this rule in the region, or of what has no region.
    All(&'static str),
    /// The check judges every resource like this, or with a space in the pattern every such part of a resource: the resource, a
    /// space and the aspect. One that it does not name any more is gone, even if only an event told of it. `*` and `?` stand
    /// for anything.
    Listed(&'static str),
}

/// A check, as far as a plan needs it.
#[derive(Clone, Copy, Debug)]
pub struct Voice {
    /// The check.
    pub about: &'static About,
    /// What it closes besides its own findings.
    pub closes: &'static [Closes],
    /// Whether time alone makes it fail: such a failure is told in the weekly report and has no mail of its own.
    pub ages: bool,
}

/// Everything that one check judges in one region, or of what has no region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// The check's id.
    pub check: String,
    /// The region, or `global`.
    pub region: String,
}

/// Since when the list of a part, or a whole region, is empty although findings stand there; the journal remembers it between
/// scans.
pub type Emptied = BTreeMap<String, Timestamp>;

/// What a scan brought.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The account.
    pub account: &'a str,
    /// The checks that were run.
    pub voices: &'a [Voice],
    /// What they said.
    pub judgements: &'a [Judgement],
    /// What was read whole, and the age of the oldest answer that this rests on.
    pub whole: &'a BTreeMap<Part, Timestamp>,
    /// Regions of which every list is empty.
    pub silent: &'a BTreeSet<String>,
    /// What was empty in earlier scans.
    pub emptied: &'a Emptied,
    /// The rules, by which the findings of other rules that a check closes are told.
    pub rules: Catalogue,
    /// When it began.
    pub at: Timestamp,
    /// Whether one report tells of everything that it found: the account's first scan.
    pub reported: bool,
    /// The calls that are known to have changed something: what led to a re-check. A scan has none.
    pub heard: &'a [Touched],
}

/// Why a finding is told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// There is no such finding.
    Opened,
    /// It was gone, and is back.
    Reopened,
    /// An event told of it; now the state does.
    Confirmed,
    /// It is so in another way, or worse.
    Changed,
    /// Nothing changed for a week.
    Refreshed,
    /// It is right now.
    Fixed,
    /// The resource, or the part of it, is not there any more.
    Gone,
}

impl Why {
    /// The word, as it is counted under.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Opened => "opened",
            Why::Reopened => "reopened",
            Why::Confirmed => "confirmed",
            Why::Changed => "changed",
            Why::Refreshed => "refreshed",
            Why::Fixed => "fixed",
            Why::Gone => "gone",
        }
    }
}

/// Something that a finding is told.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What it is told.
    pub observation: Observation,
    /// Why.
    pub why: Why,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What the findings are told, by finding.
    pub planned: Vec<Planned>,
    /// What is empty since when, for the next scan.
    pub emptied: Emptied,
    /// Findings whose state is right, by data that is too close to their last event to count: to be asked again.
    pub unsettled: BTreeSet<String>,
}

impl Plan {
    /// How many findings are told something for this reason.
    pub fn count(&self, why: Why) -> usize {
        self.planned.iter().filter(|planned| planned.why == why).count()
    }
}

/// Plans; see the module. `findings` are the account's by id: the open ones and those that were closed, as far as they are
/// kept.
pub fn plan(findings: &BTreeMap<String, Finding>, seen: &Seen<'_>) -> Plan {
    let folded: Vec<Judgement> = seen.judgements.iter().flat_map(each_folded).collect();
    let all: Vec<&Judgement> = seen.judgements.iter().chain(&folded).collect();
    let mut planner = Planner { findings, seen, all: &all, held: BTreeSet::new(), plan: Plan::default() };
    planner.hold();
    let mut by_finding: BTreeMap<String, Vec<&Judgement>> = BTreeMap::new();
    for judgement in &all {
        by_finding.entry(judgement.finding_id()).or_default().push(judgement);
    }
    for (id, said) in &by_finding {
        planner.told(id, said);
    }
    planner.closed_besides(&by_finding);
    planner.gone(&by_finding);
    planner.plan
}

/// What is folded into one line, each by itself.
fn each_folded(judgement: &Judgement) -> impl Iterator<Item = Judgement> {
    judgement.stands_for.iter().map(|subject| Judgement {
        subject: subject.clone(),
        verdict: Judged::NotApplicable,
        stands_for: Vec::new(),
        ..judgement.clone()
    })
}

struct Planner<'a> {
    findings: &'a BTreeMap<String, Finding>,
    seen: &'a Seen<'a>,
    /// What checks said, each folded line by itself as well.
    all: &'a [&'a Judgement],
    /// Regions that are silent all at once: whatever they say may be wrong.
    held: BTreeSet<&'a str>,
    plan: Plan,
}

impl<'a> Planner<'a> {
    /// Finds the regions that are silent although findings stand in them, and have not been so for long.
    fn hold(&mut self) {
        let open = self.findings.values().filter(|one| one.account == self.seen.account && one.is_open());
        let open: BTreeSet<&str> = open.map(|one| one.region.as_str()).collect();
        for region in self.seen.silent.iter().filter(|region| open.contains(region.as_str())) {
            if !self.is_empty_for_long(format!("{ALL}{region}")) {
                self.held.insert(region);
            }
        }
    }

    /// Whether something that is empty has been so for long. Notes since when.
    fn is_empty_for_long(&mut self, what: String) -> bool {
        let since = *self.seen.emptied.get(&what).unwrap_or(&self.seen.at);
        self.plan.emptied.insert(what, since);
        self.seen.at.since(since) >= EMPTY_FOR
    }

    /// When it was so: the data's time, and at the earliest reading the scan's where the data has none.
    fn time(&self, judgement: &Judgement) -> Timestamp {
        judgement.as_of.unwrap_or(self.seen.at)
    }

    /// What checks say of one finding. One that says it is there outweighs others; one that does not know leaves it open.
    fn told(&mut self, id: &str, said: &[&Judgement]) {
        let failing: Vec<&&Judgement> = said.iter().filter(|one| one.verdict == Judged::Failing).collect();
        if !failing.is_empty() {
            for judgement in failing {
                self.failing(id, judgement);
            }
            return;
        }
        let Some(finding) = self.findings.get(id) else { return };
        let passes = said.iter().all(|one| one.verdict == Judged::Passing);
        // What does not concern a check may well concern the rule that told of it.
        let concerns_nobody = said.iter().all(|one| one.verdict != Judged::Unknown)
            && said.iter().all(|one| one.check.id == finding.rule);
        if (passes || concerns_nobody)
            && let Some(judgement) = said.iter().min_by_key(|one| self.time(one))
        {
            let how = if passes { Resolution::Fixed } else { Resolution::NotApplicable };
            let time = self.time(judgement);
            self.passing(finding, judgement.check, &judgement.title, how, Why::Fixed, time);
        }
    }

    fn failing(&mut self, id: &str, judgement: &Judgement) {
        let time = self.time(judgement);
        let why = match self.findings.get(id) {
            None => Why::Opened,
            Some(finding) if !finding.is_open() => {
                let gone = finding.passed.as_ref().map_or(Timestamp::default(), |passed| passed.at);
                if time <= gone.plus(SETTLING) {
                    return;
                }
                Why::Reopened
            }
            Some(finding) => {
                let current = finding.current_witnesses().find(|one| one.rule == judgement.check.id);
                match current {
                    // The data is older than the event: it tells nothing of what the event did.
                    None if time < finding.last_seen => return,
                    None => Why::Confirmed,
                    Some(known) if time <= known.event.time => return,
                    Some(known) if !is_same(known, judgement) => Why::Changed,
                    Some(known) if time.since(known.event.time) >= refreshed_after(id) => Why::Refreshed,
                    Some(_) => return,
                }
            }
        };
        let Some(mut observation) = judgement.observation(&occurrence(time)) else { return };
        let ages = self.seen.voices.iter().any(|voice| voice.about.id == judgement.check.id && voice.ages);
        if ages || self.seen.reported {
            observation.covered_by = Some(REPORTED);
        }
        self.plan.planned.push(Planned { observation, why });
    }

    /// Tells a finding that it is gone, if it does not know and the data is young enough.
    fn passing(
        &mut self,
        finding: &Finding,
        check: &'static About,
        title: &str,
        resolution: Resolution,
        why: Why,
        time: Timestamp,
    ) {
        let is_held = match finding.region.as_str() {
            // What has no region may rest on what a silent one does not name.
            "global" => !self.held.is_empty() && (why == Why::Gone || resolution != Resolution::Fixed),
            region => self.held.contains(region),
        };
        if is_held
            || !finding.is_open()
            || self.plan.planned.iter().any(|one| one.observation.finding_id() == finding.finding_id)
        {
            return;
        }
        // A scan has no delay against a scan.
        let margin = if finding.latest().event.is_scan() { Duration::ZERO } else { SETTLING };
        if time <= finding.last_seen.plus(margin) {
            if time > finding.last_seen {
                self.plan.unsettled.insert(finding.finding_id.clone());
            }
            return;
        }
        // Of another rule's finding the rule itself is told, or the finding would be another.
        let rule =
            if check.finding == finding.rule { Some(check) } else { self.seen.rules.find(&finding.rule) };
        let Some(rule) = rule else { return };
        let observation = Observation {
            rule,
            subject: finding.subject(),
            verdict: Verdict::Passing,
            resolution,
            severity: rule.severity,
            event: occurrence(time),
            title: title.to_owned(),
            reason: String::new(),
            actor: None,
            details: Vec::new(),
            steps: Vec::new(),
            burst: None,
            witness: check.id.to_owned(),
            covered_by: None,
            confirm: None,
        };
        self.plan.planned.push(Planned { observation, why });
    }
}

impl Planner<'_> {
    /// What a check's good news closes besides: findings of other rules.
    fn closed_besides(&mut self, said: &BTreeMap<String, Vec<&Judgement>>) {
        for judgement in said.values().flatten().filter(|one| one.verdict == Judged::Passing) {
            let Some(voice) = self.seen.voices.iter().find(|voice| voice.about.id == judgement.check.id)
            else {
                continue;
            };
            for closes in voice.closes {
                let closed: Vec<&Finding> = match closes {
                    Closes::Same(rule) => {
                        self.findings.get(&finding_id(rule, &judgement.subject)).into_iter().collect()
                    }
                    Closes::All(rule) => {
                        let region = &judgement.subject.region;
                        let all = self.findings.values();
                        all.filter(|one| one.rule == *rule && one.region == *region).collect()
                    }
                    Closes::Listed(_) => Vec::new(),
                };
                for finding in closed.into_iter().filter(|one| one.account == self.seen.account) {
                    // What a check says of a finding itself counts, and not what is said beside it.
                    if !said.contains_key(&finding.finding_id) {
                        let (check, time) = (judgement.check, self.time(judgement));
                        self.passing(finding, check, &judgement.title, Resolution::Fixed, Why::Fixed, time);
                    }
                }
            }
        }
    }

    /// What is not there any more: open findings of which nobody says anything, where everything was looked at.
    fn gone(&mut self, said: &BTreeMap<String, Vec<&Judgement>>) {
        let resources = self.all.iter().filter(|one| !one.is_of_account());
        let there: BTreeSet<&str> = resources.map(|one| one.subject.resource.as_str()).collect();
        for voice in self.seen.voices {
            let of_check = || {
                let all = self.all.iter();
                all.filter(|one| one.check.id == voice.about.id)
            };
            let unknown: BTreeSet<&str> = of_check()
                .filter(|one| one.verdict == Judged::Unknown)
                .map(|one| one.subject.resource.as_str())
                .collect();
            let listed: BTreeSet<&str> = of_check()
                .filter(|one| !one.is_of_account())
                .map(|one| one.subject.region.as_str())
                .collect();
            for finding in self.findings.values() {
                let part = Part { check: voice.about.id.to_owned(), region: finding.region.clone() };
                let Some(as_of) = self.seen.whole.get(&part) else { continue };
                if finding.account != self.seen.account
                    || finding.rule != voice.about.finding
                    || !finding.is_open()
                    || said.contains_key(&finding.finding_id)
                    || unknown.contains(finding.resource.as_str())
                    || !speaks_of(voice, finding, there.contains(finding.resource.as_str()))
                {
                    continue;
                }
                let of_account = is_root(&finding.resource);
                // That a list is empty all at once is no wrong answer where somebody was heard to take the last one away.
                let taken =
                    || self.seen.heard.iter().any(|call| call.removes && call.is_on(&finding.resource));
                if !of_account
                    && !taken()
                    && !listed.contains(finding.region.as_str())
                    && !self.is_empty_for_long(format!("{} in {}", part.check, part.region))
                {
                    continue;
                }
                let (title, how) = match (of_account, &finding.aspect) {
                    (true, _) => ("A scan does not find it any more".to_owned(), Resolution::Fixed),
                    (false, Some(aspect)) => (
                        format!("{aspect} of {} is not there any more", finding.resource),
                        Resolution::Deleted,
                    ),
                    (false, None) => {
                        (format!("{} is not there any more", finding.resource), Resolution::Deleted)
                    }
                };
                self.passing(finding, voice.about, &title, how, Why::Gone, *as_of);
            }
        }
    }
}

/// The occurrence of what was so at this time: the same for every scan that rests on the same data.
fn occurrence(time: Timestamp) -> Occurrence {
    Occurrence::new(&format!("{SCAN} {time}"), SCAN, time)
}

/// Whether a check may say that the subject of a finding is gone: it has named it before, or lists all such. A resource that any
/// check names is there; whether a part of it is, its own check tells.
fn speaks_of(voice: &Voice, finding: &Finding, is_there: bool) -> bool {
    let lists = |parts: bool, name: &str| {
        voice.closes.iter().any(|closes| {
            matches!(closes, Closes::Listed(like) if like.contains(' ') == parts && wildcard::matches(like, name))
        })
    };
    let witnessed = || finding.current_witnesses().any(|witness| witness.rule == voice.about.id);
    match &finding.aspect {
        None => !is_there && (witnessed() || lists(false, &finding.resource)),
        Some(aspect) => {
            witnessed()
                || lists(true, &format!("{} {aspect}", finding.resource))
                || (!is_there && lists(false, &finding.resource))
        }
    }
}

/// After how long a failure that stays the same is told again; another time for each finding, so that not all are written on
/// one day.
fn refreshed_after(id: &str) -> Duration {
    let spread =
        short_hash(&[id]).bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    REFRESHED + Duration::from_secs(spread % (SPREAD_DAYS * 24) * 3_600)
}

/// Whether a check says what it has said before. How many days something is old is no news.
fn is_same(known: &Witness, judgement: &Judgement) -> bool {
    let fresh = |text: &str| without_ages(text);
    let details = |all: &[(String, String)]| -> Vec<(String, String)> {
        all.iter().map(|(label, value)| (label.clone(), fresh(value))).collect()
    };
    let Some(new) = judgement.observation(&known.event).map(|observation| Witness::of(&observation)) else {
        return true;
    };
    known.severity == new.severity
        && fresh(&known.title) == fresh(&new.title)
        && fresh(&known.reason) == fresh(&new.reason)
        && details(&known.details) == details(&new.details)
}

/// The text without its numbers of days: `a key of 91 days` is a key of 92 days tomorrow.
fn without_ages(text: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    for word in text.split(' ') {
        if word.starts_with("day")
            && out
                .last()
                .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit() || byte == b','))
        {
            out.pop();
        }
        out.push(word);
    }
    out.join(" ")
}
