//! Runs checks over a state.

use std::panic::{AssertUnwindSafe, catch_unwind};

use keepwatch_base::time::Timestamp;
use keepwatch_core::posture::{Judgement, Missing, State};

use crate::check::Check;
use crate::kit::cx::{Cx, Stop};
use crate::parameters::Parameters;

/// What the checks say of the state, check by check. A check that breaks is unknown and stops no other; one that found nothing
/// to judge is not applicable.
pub fn run(checks: &[&dyn Check], state: &State, parameters: &Parameters, now: Timestamp) -> Vec<Judgement> {
    checks.iter().flat_map(|check| judged(*check, state, parameters, now)).collect()
}

fn judged(check: &dyn Check, state: &State, parameters: &Parameters, now: Timestamp) -> Vec<Judgement> {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut cx = Cx::new(check.meta(), state, parameters, now);
        let outcome = check.judge(&mut cx);
        cx.end(outcome);
        cx.finish()
    }));
    let mut cx = Cx::new(check.meta(), state, parameters, now);
    match outcome {
        Ok(judgements) if judgements.is_empty() => {
            cx.report(cx.not_applicable("There is nothing here that this practice concerns"));
            cx.finish()
        }
        Ok(judgements) => judgements,
        Err(_) => {
            let why = format!("the check {} broke: this is a mistake in Keepwatch", check.meta().about.id);
            cx.end(Err(Stop::Unknown(vec![Missing { action: None, why }])));
            cx.finish()
        }
    }
}
