//! Why a text is not an event.

/// The text is not an event: not JSON, or not a JSON object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is no JSON, or not of the types that such events have: why, with line and column.
    #[error("this is not an event: {0}")]
    Json(String),
    /// It is JSON, but no object.
    #[error("this is not an event: a JSON object is expected")]
    NoObject,
    /// It is an object of no kind that AWS sends.
    #[error("this is not an event: neither a CloudTrail record nor an EventBridge envelope")]
    NoKind,
    /// It is an envelope of a kind that Keepwatch knows, and what it holds is no object.
    #[error("this is not an event: its detail is not a JSON object")]
    NoDetail,
    /// Something stands behind the event: its beginning.
    #[error("this is not an event: something stands behind the event: {0}")]
    Behind(String),
    /// A list of events has no end.
    #[error("this is not an event: the list of events breaks off")]
    BreaksOff,
    /// There is nothing.
    #[error("this is not an event: there is no event")]
    Nothing,
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        Unreadable::Json(error.to_string())
    }
}
