//! What holds for every check.

mod permissions;

use std::collections::{BTreeMap, BTreeSet};

use keepwatch_core::posture::{Judged, Question, State};

use crate::parameters::{Parameters, Profile};
use crate::plan;
use crate::registry::{CHECKS, DOCUMENTED};
use crate::run::run;
use crate::testing::{account, judgements};

/// The headings of a check's documentation, in order.
const HEADINGS: [&str; 5] =
    ["What it checks", "Why it matters", "What to do", "What it costs", "What may break"];

#[test]
fn ids_are_unique_and_written_alike() {
    let mut ids = BTreeSet::new();
    for check in CHECKS {
        let about = &check.meta().about;
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let (theme, rest) = about.id.split_once('.').unwrap();
        assert!(theme.chars().all(word) && rest.chars().all(word), "{}", about.id);
        assert!(ids.insert(about.id), "{} is there twice", about.id);
        assert!(!about.title.ends_with('.'), "{}", about.id);
    }
}

#[test]
fn every_check_is_explained() {
    for check in CHECKS {
        let id = check.meta().about.id;
        let docs = DOCUMENTED.docs(id).unwrap();
        let found: Vec<&str> = docs.text.lines().filter_map(|line| line.trim().strip_prefix("## ")).collect();
        assert_eq!(found, HEADINGS, "{id}");
        for heading in ["What it checks", "Why it matters", "What to do"] {
            assert!(docs.section(heading).is_some_and(|text| text.len() >= 40), "{id}: {heading}");
        }
        assert!(!docs.references.is_empty(), "{id} refers to nothing");
    }
}

#[test]
fn every_practice_is_one_of_the_seventy_and_numbers_are_given_once() {
    let mut numbers: BTreeMap<u8, &str> = BTreeMap::new();
    for check in CHECKS {
        let meta = check.meta();
        // AWS's lists of practices do not ask for Security Hub; CIS does.
        assert_eq!(meta.practices.is_empty(), meta.about.id == "security-hub.enabled", "{}", meta.about.id);
        for practice in meta.practices {
            let number: u32 = practice.strip_prefix('P').unwrap().parse().unwrap();
            assert!(practice.len() == 3 && (1..=70).contains(&number), "{}: {practice}", meta.about.id);
        }
        if let Some(number) = meta.number {
            assert!((1..=26).contains(&number), "{}", meta.about.id);
            numbers.insert(number, meta.about.id);
        }
    }
    let practices: BTreeSet<&str> = CHECKS.iter().flat_map(|check| check.meta().practices).copied().collect();
    assert_eq!(practices.len(), 70, "{practices:?}");
    assert_eq!(numbers.len(), 26, "{numbers:?}");
}

/// What no API tells is advice: three practices, and no other hides behind it.
#[test]
fn only_three_practices_are_advice_and_they_never_pass() {
    let parameters = Parameters::of(Profile::Default);
    let whole = State::from_json(include_str!("testing/state.json")).unwrap();
    for state in [whole, account()] {
        for one in run(CHECKS, &state, &parameters, state.at) {
            let advice = one.practices.iter().any(|practice| ["P09", "P10", "P23"].contains(practice));
            assert!(advice || one.verdict != Judged::Manual, "{} is judged by hand", one.check.id);
            assert!(!advice || one.verdict != Judged::Passing, "{} passes", one.check.id);
        }
    }
}

/// The worst that a check can do: to call fine what nobody has looked at.
#[test]
fn nothing_passes_where_nothing_is_known() {
    for check in CHECKS {
        for judgement in judgements(*check, &account()) {
            assert!(
                matches!(judgement.verdict, Judged::Unknown | Judged::Manual),
                "{}: {:?}: {}",
                judgement.check.id,
                judgement.verdict,
                judgement.title
            );
        }
    }
}

#[test]
fn questions_come_after_what_they_need_and_nothing_else_is_asked() {
    for check in CHECKS {
        let asked = plan::questions(&[*check]);
        for (at, question) in asked.iter().enumerate() {
            for need in plan::needs(*question) {
                assert!(asked[..at].contains(&need), "{question:?} needs {need:?}");
            }
        }
        let listed: BTreeSet<Question> = check.meta().asks.iter().copied().collect();
        let needed: BTreeSet<Question> = listed.iter().flat_map(|one| closure(*one)).collect();
        assert_eq!(asked.into_iter().collect::<BTreeSet<_>>(), needed, "{}", check.meta().about.id);
    }
}

fn closure(question: Question) -> BTreeSet<Question> {
    let mut all: BTreeSet<Question> = plan::needs(question).into_iter().flat_map(closure).collect();
    all.insert(question);
    all
}

/// A question of each resource that nobody is ever asked would make every verdict unknown.
#[test]
fn the_places_of_account_and_region_are_known_at_once() {
    let parameters = Parameters::of(Profile::Default);
    for question in Question::ALL {
        let places = plan::places(*question, &account(), &parameters);
        let first = plan::needs(*question).is_empty();
        assert_eq!(places.is_empty(), !first, "{question:?}");
    }
}
