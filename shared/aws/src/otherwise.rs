//! How a question about live state ends when it brings no value.

use keepwatch_core::state::{Answer, Fact, Value};

/// What came instead of a value.
pub(crate) enum Otherwise {
    /// An answer all the same: it does not exist, or nobody may say.
    Answer(Answer),
    /// No answer just now, and why.
    TryAgain(String),
}

impl From<Answer> for Otherwise {
    fn from(answer: Answer) -> Self {
        Otherwise::Answer(answer)
    }
}

/// The answer to give.
///
/// # Errors
/// With the reason, where asking again may bring one.
pub(crate) fn settled(outcome: Result<Value, Otherwise>) -> Result<Answer, String> {
    match outcome {
        Ok(value) => Ok(Fact::Known(value)),
        Err(Otherwise::Answer(answer)) => Ok(answer),
        Err(Otherwise::TryAgain(why)) => Err(why),
    }
}
