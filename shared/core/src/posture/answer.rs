//! An answer: known, absent, refused or failed.

use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer<T> {
    /// This is so, and was so at this time: when the call was made, or when AWS made the data that it handed out.
    Known(T, Timestamp),
    /// What was asked about does not exist, or not any more: a bucket that was deleted after it was listed, a password policy
    /// that nobody has set.
    Absent,
    /// AWS refused at least one call. All refusals that are known are here, each action once: whoever mends the scan's role
    /// wants to know them at once. A call that could not be tried, because its input comes from a refused one, is not here.
    #[serde(deserialize_with = "one_or_more")]
    Refused(Vec<Refusal>),
    /// The call came to nothing: throttled to the end, timed out, answered with what cannot be read, or never made.
    Failed(String),
}

impl<T> Answer<T> {
    /// The same answer about a borrowed value.
    pub fn as_ref(&self) -> Answer<&T> {
        match self {
            Answer::Known(value, as_of) => Answer::Known(value, *as_of),
            Answer::Absent => Answer::Absent,
            Answer::Refused(refusals) => Answer::Refused(refusals.clone()),
            Answer::Failed(why) => Answer::Failed(why.clone()),
        }
    }

    /// The value, where it is known.
    pub fn value(&self) -> Option<&T> {
        match self {
            Answer::Known(value, _) => Some(value),
            Answer::Absent | Answer::Refused(_) | Answer::Failed(_) => None,
        }
    }

    /// The same answer with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Answer::Known(value, as_of) => Answer::Known(f(value), as_of),
            Answer::Absent => Answer::Absent,
            Answer::Refused(refusals) => Answer::Refused(refusals),
            Answer::Failed(why) => Answer::Failed(why),
        }
    }

    /// Why nobody can say; nothing where it is known or absent.
    pub fn missing(&self) -> Vec<Missing> {
        match self {
            Answer::Known(..) | Answer::Absent => Vec::new(),
            Answer::Refused(refusals) => refusals
                .iter()
                .map(|one| Missing { action: Some(one.action.clone()), why: one.why.clone() })
                .collect(),
            Answer::Failed(why) => vec![Missing { action: None, why: why.clone() }],
        }
    }
}

/// A call that AWS refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The IAM action that is missing, such as `s3:GetEncryptionConfiguration`.
    pub action: String,
    /// AWS's own words.
    pub why: String,
}

/// Saved states of the first version held one refusal, and no list.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Refusal>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        One(Refusal),
        More(Vec<Refusal>),
    }
    Ok(match Form::deserialize(deserializer)? {
        Form::One(refusal) => vec![refusal],
        Form::More(refusals) => refusals,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_an_older_state_is_read() {
        let refusal = |action: &str| Refusal { action: action.to_owned(), why: "no".to_owned() };
        let older: Answer<u8> =
            serde_json::from_str(r#"{"refused": {"action": "iam:GetUser", "why": "no"}}"#).unwrap();
        assert_eq!(older, Answer::Refused(vec![refusal("iam:GetUser")]));
        let both: Answer<u8> = Answer::Refused(vec![refusal("a:B"), refusal("a:C")]);
        let text = serde_json::to_string(&both).unwrap();
        assert_eq!(serde_json::from_str::<Answer<u8>>(&text).unwrap(), both);
        let named: Vec<_> = both.missing().into_iter().filter_map(|missing| missing.action).collect();
        assert_eq!(named, ["a:B", "a:C"]);
    }
}
