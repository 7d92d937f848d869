//! Which parts of an account a scan read whole. Only there does a resource that is not named any more count as gone.

use std::collections::{BTreeMap, BTreeSet};

use keepwatch_base::time::Timestamp;
use keepwatch_core::finding::Finding;
use keepwatch_core::posture::plan::Part;
use keepwatch_core::posture::{Judged, Judgement, Place, Question, Scope, Standing, State, ask};

use crate::check::Check;
use crate::kit::cx::GLOBAL;
use crate::plan;

/// The parts of these checks that were read whole: every list that a check rests on is known, in the region and of the account,
/// and whatever of single resources is not known is said of them. Each with the age of its oldest list.
pub fn parts(checks: &[&dyn Check], state: &State, judgements: &[Judgement]) -> BTreeMap<Part, Timestamp> {
    let gaps: Vec<(Question, &Place)> =
        state.gaps().into_iter().map(|(question, place, _)| (question, place)).collect();
    let mut parts = BTreeMap::new();
    for check in checks {
        let id = check.meta().about.id;
        let questions = plan::questions(&[*check]);
        let unknown: BTreeSet<&str> = judgements
            .iter()
            .filter(|one| one.check.id == id && one.verdict == Judged::Unknown)
            .map(|one| one.subject.resource.as_str())
            .collect();
        // What has no region is judged from all of them.
        for region in state.regions.iter().map(String::as_str).chain([GLOBAL]) {
            let here = |place: &Place| region == GLOBAL || place.region == GLOBAL || place.region == region;
            let told = |place: &Place| {
                !place.of.is_empty() && unknown.iter().any(|resource| resource.contains(&place.of))
            };
            let untold = gaps
                .iter()
                .any(|(question, place)| questions.contains(question) && here(place) && !told(place));
            if untold {
                continue;
            }
            if let Some(as_of) = oldest_list(&questions, state, &here) {
                parts.insert(Part { check: id.to_owned(), region: region.to_owned() }, as_of);
            }
        }
    }
    parts
}

/// Leaves out what a look without this question says of findings that a look with it has told of already: it would only say the
/// same with fewer details.
pub fn leave_out_told(
    judgements: &mut Vec<Judgement>,
    checks: &[&dyn Check],
    unasked: Question,
    findings: &BTreeMap<String, Finding>,
) {
    let rests: BTreeSet<&str> = checks
        .iter()
        .map(|check| check.meta())
        .filter(|meta| meta.asks.contains(&unasked))
        .map(|meta| meta.about.id)
        .collect();
    judgements.retain(|one| {
        let told = |finding: &Finding| {
            finding.is_open() && finding.current_witnesses().any(|witness| witness.rule == one.check.id)
        };
        one.verdict != Judged::Failing
            || !rests.contains(one.check.id)
            || !findings.get(&one.finding_id()).is_some_and(told)
    });
}

macro_rules! silent {
    ($($list:ident)+) => {
        /// The lists that tell whether a region says anything. Hardly any region is silent: AWS makes networks and keys
        /// everywhere.
        pub const LISTS: &[Question] = &[$(Question::$list),+];

        /// The regions of which each of [`LISTS`] is known and empty.
        pub fn silent(state: &State) -> BTreeSet<String> {
            let is_silent = |region: &&String| {
                let place = Place::region(region);
                $(state.answer(ask::$list, &place).value().is_some_and(|all| all.is_empty()))&&+
            };
            state.regions.iter().filter(is_silent).cloned().collect()
        }
    };
}

silent!(Vpcs SecurityGroups NetworkInterfaces Volumes Instances Functions DbInstances KmsKeys AwsManagedKeys Trails EventRules);

/// The age of the oldest list, where all are known. One that does not exist is as young as the scan.
fn oldest_list(questions: &[Question], state: &State, here: &impl Fn(&Place) -> bool) -> Option<Timestamp> {
    let mut oldest = state.at;
    for question in questions {
        let places: Vec<Place> = match question.scope() {
            Scope::Account | Scope::Home => vec![Place::global()],
            Scope::Region => state.regions.iter().map(|region| Place::region(region)).collect(),
            Scope::Each(_) => continue,
        };
        for place in places.iter().filter(|place| here(place)) {
            match state.standing(*question, place) {
                Standing::Known(as_of) => oldest = oldest.min(as_of),
                Standing::Absent => {}
                Standing::Missing | Standing::NotAsked => return None,
            }
        }
    }
    Some(oldest)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keepwatch_core::catalogue::Catalogue;
    use keepwatch_core::posture::coverage::Coverage;
    use keepwatch_core::posture::plan::{Emptied, Plan, Seen, Voice, Why};
    use serde_json::{Value, json};

    use super::*;
    use crate::parameters::{Parameters, Profile};
    use crate::registry::CHECKS;
    use crate::run::run;

    const DAY: Duration = Duration::from_secs(86_400);

    fn recorded() -> Value {
        serde_json::from_str(include_str!("testing/state.json")).unwrap()
    }

    /// The recorded account as it is read this much later.
    fn later(mut state: Value, by: Duration) -> Value {
        let shift = |value: &mut Value| {
            let time = Timestamp::parse(value.as_str().unwrap()).unwrap();
            *value = json!(time.plus(by));
        };
        shift(&mut state["at"]);
        for answers in state["answers"].as_object_mut().unwrap().values_mut() {
            for answer in answers.as_array_mut().unwrap() {
                if let Some(known) = answer[1].get_mut("known") {
                    shift(&mut known[1]);
                }
            }
        }
        state
    }

    /// The findings of an account whom scans tell.
    #[derive(Clone, Default)]
    struct Account {
        findings: BTreeMap<String, Finding>,
        emptied: Emptied,
    }

    impl Account {
        fn scan(&mut self, state: &Value) -> (Plan, Coverage) {
            let state = State::from_json(&state.to_string()).unwrap();
            let judgements = run(CHECKS, &state, &Parameters::of(Profile::Default), state.at);
            self.tell(&state, &judgements)
        }

        fn tell(&mut self, state: &State, judgements: &[Judgement]) -> (Plan, Coverage) {
            let voices: Vec<Voice> = CHECKS.iter().map(|check| check.meta().voice()).collect();
            let seen = Seen {
                account: &state.account,
                voices: &voices,
                judgements,
                whole: &parts(CHECKS, state, judgements),
                silent: &silent(state),
                emptied: &self.emptied,
                heard: &[],
                rules: Catalogue::default(),
                at: state.at,
                reported: false,
            };
            let plan = keepwatch_core::posture::plan::plan(&self.findings, &seen);
            for planned in &plan.planned {
                let id = planned.observation.finding_id();
                match self.findings.get_mut(&id) {
                    Some(finding) => assert!(finding.apply(&planned.observation)),
                    None => {
                        self.findings.insert(id, Finding::open(&planned.observation, None, None).unwrap());
                    }
                }
            }
            self.emptied = plan.emptied.clone();
            (plan, Coverage::of(judgements))
        }

        fn open(&self) -> usize {
            self.findings.values().filter(|finding| finding.is_open()).count()
        }
    }

    fn told(plan: &Plan) -> Vec<String> {
        let told = |one: &keepwatch_core::posture::plan::Planned| {
            format!("{:?} {}: {}", one.why, one.observation.rule.id, one.observation.title)
        };
        plan.planned.iter().map(told).collect()
    }

    #[test]
    fn a_scan_of_an_account_that_did_not_change_tells_nothing() {
        let mut account = Account::default();
        let (first, _) = account.scan(&recorded());
        assert!(first.planned.iter().all(|one| one.why == Why::Opened), "{:?}", told(&first));
        assert!(account.open() > 50, "{}", account.open());
        let (second, _) = account.scan(&later(recorded(), Duration::from_secs(600)));
        assert_eq!(told(&second), Vec::<String>::new());
        // A day later keys are a day older, and a few have reached an age.
        let (third, _) = account.scan(&later(recorded(), DAY));
        assert!(third.planned.len() * 100 <= account.open() * 5, "{:?}", told(&third));
    }

    #[test]
    fn a_region_that_answers_nothing_right_closes_nothing() {
        let mut account = Account::default();
        account.scan(&recorded());
        let of_region = |answer: &Value, region: &str| answer[0]["region"] == region || region == "global";
        for region in ["us-east-1", "eu-west-1", "global"] {
            for wrong in [json!({"known": [[], recorded()["at"]]}), json!({"failed": "the service is down"})]
            {
                let mut state = recorded();
                for (question, answers) in state["answers"].as_object_mut().unwrap() {
                    let all = answers.as_array_mut().unwrap();
                    // No account has nothing at all; but that all buckets are gone at once is not believed.
                    if region == "global" && wrong.get("known").is_some() && !question.starts_with("Bucket") {
                        continue;
                    }
                    // What is asked of single resources is not asked of resources that are not listed.
                    all.retain(|answer| !(of_region(answer, region) && answer[0].get("of").is_some()));
                    for answer in all.iter_mut().filter(|answer| of_region(answer, region)) {
                        if wrong.get("failed").is_some() || answer[1]["known"][0].is_array() {
                            answer[1] = wrong.clone();
                        }
                    }
                }
                let mut account = account.clone();
                let (plan, _) = account.scan(&later(state, Duration::from_secs(3_600)));
                let closed: Vec<String> = told(&plan)
                    .into_iter()
                    .filter(|one| one.starts_with("Fixed") || one.starts_with("Gone"))
                    .collect();
                assert_eq!(closed, Vec::<String>::new(), "{region}: {wrong}");
            }
        }
    }

    #[test]
    fn without_a_permission_nothing_is_closed_and_the_permission_is_named() {
        let mut account = Account::default();
        account.scan(&recorded());
        let actions: BTreeSet<&str> =
            Question::ALL.iter().flat_map(|question| question.actions()).copied().collect();
        for action in actions {
            let state = later(recorded(), Duration::from_secs(3_600));
            let mut refused = State::from_json(&state.to_string()).unwrap();
            for question in Question::ALL.iter().filter(|question| question.actions().contains(&action)) {
                refused.refuse(*question, action);
            }
            let refused: Value = serde_json::from_str(&refused.to_json().unwrap()).unwrap();
            let (plan, coverage) = account.clone().scan(&refused);
            let closed =
                plan.planned.iter().filter(|one| one.why == Why::Gone || one.why == Why::Fixed).count();
            assert_eq!(closed, 0, "{action}: {:?}", told(&plan));
            if !["iam:ListAccessKeys", "kms:ListAliases"].contains(&action) {
                assert!(coverage.refused.contains_key(action) && coverage.percent() < 100, "{action}");
            }
        }
    }

    #[test]
    fn what_was_deleted_is_gone() {
        let mut account = Account::default();
        account.scan(&recorded());
        let before = account.open();
        let mut state = later(recorded(), Duration::from_secs(3_600));
        let volumes = &mut state["answers"]["Volumes"].as_array_mut().unwrap()[0][1]["known"][0];
        let volumes = volumes.as_array_mut().unwrap();
        let deleted = volumes.remove(0)["id"].as_str().unwrap().to_owned();
        let (plan, _) = account.scan(&state);
        assert!(account.open() < before);
        assert!(plan.planned.iter().all(|one| one.why == Why::Gone), "{:?}", told(&plan));
        assert!(plan.planned.iter().all(|one| one.observation.subject.resource.ends_with(&deleted)));
    }

    /// A re-check does not ask for the credential report, which is hours old.
    #[test]
    fn a_look_without_the_credential_report_tells_no_finding_less_than_a_scan_did() {
        let mut account = Account::default();
        let mut state = recorded();
        let summary = &mut state["answers"]["AccountSummary"][0][1]["known"][0];
        summary["root_access_keys"] = json!(1);
        account.scan(&state);
        let mut again = later(state, Duration::from_secs(3_600));
        again["answers"].as_object_mut().unwrap().remove("CredentialReport");
        let again = State::from_json(&again.to_string()).unwrap();
        let mut judgements = run(CHECKS, &again, &Parameters::of(Profile::Default), again.at);
        let all = judgements.len();
        let open = account.open();
        let mut bare = account.clone();
        assert!(bare.tell(&again, &judgements).0.count(Why::Changed) > 0, "the case is none");
        leave_out_told(&mut judgements, CHECKS, Question::CredentialReport, &account.findings);
        assert!(judgements.len() < all);
        let (plan, _) = account.tell(&again, &judgements);
        assert_eq!((plan.count(Why::Changed), plan.count(Why::Gone), account.open()), (0, 0, open));
    }
}
