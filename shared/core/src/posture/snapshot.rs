//! A state as text: what `keepwatch scan --save-state` writes and `--state` reads.

use serde::{Deserialize, Serialize};

use super::question::State;

/// The form that is written. A change that older text cannot be read as raises it.
const FORM: u32 = 1;

/// The text is no state.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It is no JSON, or no state.
    #[error("this is no saved state: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Another version of Keepwatch wrote it.
    #[error("the saved state has form {0}, and this version of Keepwatch reads form {FORM}: scan again")]
    OtherForm(u32),
}

#[derive(Serialize)]
struct Written<'s> {
    keepwatch_state: u32,
    #[serde(flatten)]
    state: &'s State,
}

#[derive(Deserialize)]
struct Form {
    keepwatch_state: u32,
}

impl State {
    /// The state as JSON. It holds no secret: what collects it keeps none.
    ///
    /// # Errors
    /// None in practice: everything in it has a JSON form.
    pub fn to_json(&self) -> Result<String, SnapshotError> {
        Ok(serde_json::to_string(&Written { keepwatch_state: FORM, state: self })?)
    }

    /// Reads what [`State::to_json`] wrote.
    ///
    /// # Errors
    /// Text that is no state, or one of another form.
    pub fn from_json(text: &str) -> Result<State, SnapshotError> {
        let Form { keepwatch_state } = serde_json::from_str(text)?;
        if keepwatch_state != FORM {
            return Err(SnapshotError::OtherForm(keepwatch_state));
        }
        Ok(serde_json::from_str(text)?)
    }
}
