//! What the tests of checks are written with.

use keepwatch_base::time::Timestamp;
use keepwatch_core::posture::{Answer, Ask, Judged, Judgement, Place, Refusal, State};

use crate::check::Check;
use crate::parameters::{Parameters, Profile};
use crate::run::run;

/// The account of all tests.
pub(crate) const ACCOUNT: &str = "111122223333";

/// The region of all tests.
pub(crate) const REGION: &str = "eu-west-1";

/// The time of all tests.
pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T12:00:00Z").unwrap()
}

/// So many days ago.
pub(crate) fn days_ago(days: u64) -> Timestamp {
    now().minus(std::time::Duration::from_secs(days * 86_400))
}

/// An account of which nothing is known, with one region.
pub(crate) fn account() -> State {
    State::new(ACCOUNT, "aws", &[REGION.to_owned()], now())
}

/// The place of what has no region.
pub(crate) fn global() -> Place {
    Place::global()
}

/// The region.
pub(crate) fn region() -> Place {
    Place::region(REGION)
}

/// A resource of the region.
pub(crate) fn of(resource: &str) -> Place {
    Place::of(REGION, resource)
}

/// The state in which this question was refused, for want of its first action.
pub(crate) fn refused<A: Ask>(mut state: State, ask: A, place: Place) -> State {
    let action = A::QUESTION.actions()[0].to_owned();
    let why = "no policy allows it".to_owned();
    state.put(ask, place, Answer::Refused(vec![Refusal { action, why }]));
    state
}

/// The state in which there is no such thing.
pub(crate) fn absent<A: Ask>(mut state: State, ask: A, place: Place) -> State {
    state.put(ask, place, Answer::Absent);
    state
}

/// All judgements, in the profile `default`.
pub(crate) fn judgements(check: &dyn Check, state: &State) -> Vec<Judgement> {
    judgements_with(check, state, &Parameters::of(Profile::Default))
}

/// All judgements, with these thresholds.
pub(crate) fn judgements_with(check: &dyn Check, state: &State, parameters: &Parameters) -> Vec<Judgement> {
    run(&[check], state, parameters, now())
}

/// The only judgement, where the owner trusts this account.
pub(crate) fn judge_trusting(check: &dyn Check, state: &State, account: &str) -> Judgement {
    let trusted_accounts = vec![account.to_owned()];
    let parameters = Parameters { trusted_accounts, ..Parameters::of(Profile::Default) };
    let mut all = judgements_with(check, state, &parameters);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

/// The resource's name, its aspect if any (`name#aspect`), and the verdict.
pub(crate) fn judged(check: &dyn Check, state: &State) -> Vec<(String, Judged)> {
    let named = |judgement: Judgement| {
        let subject = judgement.subject;
        let name = subject.resource.rsplit([':', '/']).next().unwrap_or_default().to_owned();
        let name = subject.aspect.map_or(name.clone(), |aspect| format!("{name}#{aspect}"));
        (name, judgement.verdict)
    };
    judgements(check, state).into_iter().map(named).collect()
}

/// The only judgement.
pub(crate) fn judge_one(check: &dyn Check, state: &State) -> Judgement {
    let mut all = judgements(check, state);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

/// The actions that a judgement names as missing.
pub(crate) fn missing(judgement: &Judgement) -> Vec<&str> {
    judgement.unknown_because.iter().filter_map(|missing| missing.action.as_deref()).collect()
}
