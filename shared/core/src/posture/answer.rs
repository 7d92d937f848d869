//! An answer: known, absent, refused or failed.

use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer<T> {
    /// This is so, and was so at this time: when the call was made, or when AWS made the data that it handed out.
    Known(T, Timestamp),
    /// What was asked about does not exist, or not any more: a bucket that was deleted after it was listed, a password policy
    /// that nobody has set.
    Absent,
    /// AWS refused the call, for want of this action.
    Refused {
        /// The IAM action that is missing, such as `s3:GetEncryptionConfiguration`.
        action: String,
        /// AWS's own words.
        why: String,
    },
    /// The call came to nothing: throttled to the end, timed out, answered with what cannot be read, or never made.
    Failed(String),
}

impl<T> Answer<T> {
    /// The same answer about a borrowed value.
    pub fn as_ref(&self) -> Answer<&T> {
        match self {
            Answer::Known(value, as_of) => Answer::Known(value, *as_of),
            Answer::Absent => Answer::Absent,
            Answer::Refused { action, why } => Answer::Refused { action: action.clone(), why: why.clone() },
            Answer::Failed(why) => Answer::Failed(why.clone()),
        }
    }

    /// The value, where it is known.
    pub fn value(&self) -> Option<&T> {
        match self {
            Answer::Known(value, _) => Some(value),
            Answer::Absent | Answer::Refused { .. } | Answer::Failed(_) => None,
        }
    }

    /// The same answer with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Answer::Known(value, as_of) => Answer::Known(f(value), as_of),
            Answer::Absent => Answer::Absent,
            Answer::Refused { action, why } => Answer::Refused { action, why },
            Answer::Failed(why) => Answer::Failed(why),
        }
    }

    /// Why nobody can say; nothing where it is known or absent.
    pub fn missing(&self) -> Option<Missing> {
        match self {
            Answer::Known(..) | Answer::Absent => None,
            Answer::Refused { action, why } => {
                Some(Missing { action: Some(action.clone()), why: why.clone() })
            }
            Answer::Failed(why) => Some(Missing { action: None, why: why.clone() }),
        }
    }
}

/// Why something is not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Missing {
    /// The IAM action that would have to be allowed, where AWS refused one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// AWS's own words, or what went wrong.
    pub why: String,
}

/// `iam:GetCredentialReport is refused: …`.
impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.action {
            Some(action) => write!(f, "{action} is refused: {}", self.why),
            None => f.write_str(&self.why),
        }
    }
}
