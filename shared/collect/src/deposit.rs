//! An answer on its way into the state.

use keepwatch_base::time::Timestamp;
use keepwatch_core::posture::{Answer, Ask, Place, State};

use crate::fault::Fault;

/// An answer on its way into the state.
pub(crate) struct Deposit(Box<dyn FnOnce(&mut State)>);

impl Deposit {
    /// Of what came of the calls, as of this time.
    pub(crate) fn of<A: Ask + 'static>(
        ask: A,
        place: Place,
        found: Result<Option<A::Value>, Fault>,
        as_of: Timestamp,
    ) -> Deposit
    where
        A::Value: 'static,
    {
        let answer = match found {
            Ok(Some(value)) => Answer::Known(value, as_of),
            Ok(None) => Answer::Absent,
            Err(Fault::Refused(refusals)) => Answer::Refused(refusals),
            Err(Fault::Code { why, .. } | Fault::Failed(why)) => Answer::Failed(why),
        };
        Deposit(Box::new(move |state| state.put(ask, place, answer)))
    }

    /// Puts it in.
    pub(crate) fn into_state(self, state: &mut State) {
        (self.0)(state);
    }
}
