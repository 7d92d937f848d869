//! What went wrong with a call, and what that makes of the answer.

use keepwatch_base::text::clean;
use keepwatch_core::posture::Refusal;

/// The most characters of AWS's own words that are kept.
const MAX_WORDS: usize = 400;

/// The codes with which services refuse a call for want of permission. Errors of the credentials themselves are not among
/// them: they are the same for every call, and no action is missing.
const REFUSALS: [&str; 9] = [
    "AccessDenied",
    "AccessDeniedException",
    "AccessDeniedFault",
    "AuthorizationError",
    "AuthorizationErrorException",
    "NotAuthorized",
    "UnauthorizedAccess",
    "UnauthorizedOperation",
    "UnauthorizedException",
];

/// A call that brought no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// AWS refused it, or more than one of the calls that belong together.
    Refused(Vec<Refusal>),
    /// The service answered with an error of its own.
    Code {
        /// Its code, `NoSuchBucketPolicy`.
        code: String,
        /// Its words.
        why: String,
    },
    /// There was no answer, or none that can be read.
    Failed(String),
}

impl Fault {
    /// Of an error's code and message.
    pub(crate) fn of(action: &'static str, code: &str, message: &str) -> Fault {
        let why = clean(&format!("{code}: {message}"), MAX_WORDS);
        match code {
            _ if REFUSALS.contains(&code) => Fault::Refused(vec![Refusal { action: action.to_owned(), why }]),
            "" => Fault::Failed(why),
            _ => Fault::Code { code: code.to_owned(), why },
        }
    }

    /// An answer that has not the form it must have.
    pub(crate) fn unreadable(what: impl std::fmt::Display) -> Fault {
        Fault::Failed(clean(&format!("the answer cannot be read: {what}"), MAX_WORDS))
    }

    /// Whether it is one of these codes.
    pub(crate) fn is(&self, codes: &[&str]) -> bool {
        matches!(self, Fault::Code { code, .. } if codes.contains(&code.as_str()))
    }

    /// Whether it is this code, and AWS's words for it have these among them.
    pub(crate) fn says(&self, wanted: &str, words: &str) -> bool {
        matches!(self, Fault::Code { code, why } if code == wanted && why.contains(words))
    }
}

/// Turns errors that say "there is none" into what that means.
pub(crate) trait Otherwise<T> {
    /// This value where the service answered with one of these codes.
    fn or_if(self, codes: &[&str], value: T) -> Result<T, Fault>;
}

impl<T> Otherwise<T> for Result<T, Fault> {
    fn or_if(self, codes: &[&str], value: T) -> Result<T, Fault> {
        match self {
            Err(fault) if fault.is(codes) => Ok(value),
            other => other,
        }
    }
}

/// An answer that is absent where the service says that there is no such thing.
pub(crate) fn absent_if<T>(found: Result<T, Fault>, codes: &[&str]) -> Result<Option<T>, Fault> {
    match found {
        Ok(value) => Ok(Some(value)),
        Err(fault) if fault.is(codes) => Ok(None),
        Err(fault) => Err(fault),
    }
}
