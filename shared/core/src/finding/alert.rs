//! The life of a finding's alert: one state machine, run by the table in DynamoDB and by the simulation alike.
//!
//! ```text
//!            raise              claim               mark_sent
//!   NONE ───────────► PENDING ─────────► CLAIMED ─────────────► SENT
//!    ▲                   ▲  ▲             │   ▲
//!    │ end               │  │ raise       │   │ claim, or the lease has ended
//!    └── any state       │  └── any state │   │
//!                        │          defer ▼   │
//!                        └──────────── DEFERRED
//! ```
//!
//! `raise` and `end` come with what is folded into a finding and with what its owner says, and are written with it. The
//! others are a notifier's: a store reads the alert's part of the item, lets [`AlertLife::step`] decide, and writes that part
//! back on condition that nobody wrote meanwhile. No store decides anything itself.

use std::time::Duration;

use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Witness;
use super::actors::KnownActor;
use crate::severity::Severity;

/// The longest that an alert waits: for a claim's lease to end, or for the mail that it shares with others. A turn that is
/// further ahead was not written by Keepwatch, and has come.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// Where the alert for a finding stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AlertState {
    /// Nobody is to be told.
    #[default]
    None,
    /// To be told; nobody has taken it.
    Pending,
    /// Taken by a notifier until its lease ends.
    Claimed,
    /// To be told by a later sweep: with others in one mail, or once the mail budget or the topic allows it.
    Deferred,
    /// Told.
    Sent,
}

impl AlertState {
    /// The word in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertState::None => "NONE",
            AlertState::Pending => "PENDING",
            AlertState::Claimed => "CLAIMED",
            AlertState::Deferred => "DEFERRED",
            AlertState::Sent => "SENT",
        }
    }

    /// Whether somebody is still to be told.
    pub fn waits(self) -> bool {
        matches!(self, AlertState::Pending | AlertState::Claimed | AlertState::Deferred)
    }
}

/// Why an alert is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertReason {
    /// Nobody has been told of the finding.
    New,
    /// It is worse than what was told.
    Worse,
    /// It was gone, and is back.
    Reopened,
    /// It goes on, long after it was told.
    Again,
    /// Another rule or source, whose word is worth a mail of its own, speaks of it for the first time.
    #[serde(rename = "new witness")]
    NewWitness,
    /// Somebody else did it, or somebody did it from another network.
    #[serde(rename = "somebody else")]
    SomebodyElse,
    /// Its suppression has ended, and it is still there.
    #[serde(rename = "suppression ended")]
    SuppressionEnded,
    /// A reason that a later version of Keepwatch knows.
    #[serde(other)]
    Other,
}

impl AlertReason {
    /// The words in the table and in machines' copies of a mail.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertReason::New => "new",
            AlertReason::Worse => "worse",
            AlertReason::Reopened => "reopened",
            AlertReason::Again => "again",
            AlertReason::NewWitness => "new witness",
            AlertReason::SomebodyElse => "somebody else",
            AlertReason::SuppressionEnded => "suppression ended",
            AlertReason::Other => "other",
        }
    }
}

/// What a sweep has to do with a finding: the key of the sparse index that sweeps read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Due {
    /// Send the alert.
    Alert,
    /// Look whether the suppression has ended.
    Wake,
}

impl Due {
    /// The word in the index.
    pub fn as_str(self) -> &'static str {
        match self {
            Due::Alert => "alert",
            Due::Wake => "wake",
        }
    }
}

/// The part of a finding's item that its alert lives in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertLife {
    /// Where it stands.
    #[serde(rename = "alert_state")]
    pub state: AlertState,
    /// Why it is due, or was last.
    #[serde(rename = "alert_reason", default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<AlertReason>,
    /// The finding's severity when the last alert became due.
    #[serde(rename = "alerted_severity", default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Time of the occurrence that the last alert became due for.
    #[serde(rename = "alerted_for", default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Timestamp>,
    /// What somebody else did, where that is what the alert is for: others may have acted since, and the finding keeps the
    /// latest.
    #[serde(rename = "alerted_about", default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Box<Witness>>,
    /// The time until which it waits for others of its principal, in milliseconds since 1970. A new alert of the same finding
    /// waits no longer.
    #[serde(rename = "alert_waits_until", default, skip_serializing_if = "Option::is_none")]
    pub waits_until: Option<i64>,
    /// Who acted, as far as it is news when somebody else does.
    #[serde(rename = "alerted_actors", default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<KnownActor>,
    /// Who has claimed it.
    #[serde(rename = "alert_claim", default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// When it was last claimed: a mail was published then, or not before. An older version noted none.
    #[serde(rename = "alert_claimed_at", default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// Alerts that became due so far.
    #[serde(rename = "alerts_due", default)]
    pub became_due: u64,
    /// Alerts sent so far.
    #[serde(rename = "alerts_sent", default)]
    pub sent: u64,
    /// What a sweep has to do with the finding, and nothing most of the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Due>,
    /// From when on, in milliseconds since 1970. For a claimed alert that is the end of the claim's lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<i64>,
}

/// What a notifier does to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Takes it until the lease ends, to tell it.
    Claim {
        /// Whose claim; no other notifier has the same.
        token: &'a str,
        /// The present.
        now: Timestamp,
        /// When the claim ends by itself.
        lease: Timestamp,
    },
    /// It was told.
    MarkSent {
        /// Whose claim.
        token: &'a str,
    },
    /// It was not told; a sweep is to do so, from this time on.
    Defer {
        /// Whose claim.
        token: &'a str,
        /// From when on.
        until: Timestamp,
    },
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// The alert has changed, and is to be written.
    Changed,
    /// It had changed so already: the answer to our own first attempt was lost on the way.
    Already,
    /// Somebody else holds it.
    Busy,
    /// There is nothing to tell, or the claim is not ours any more: a new alert is due, or somebody else took it over.
    Nothing,
}

impl AlertLife {
    /// The attributes of the item that are this part.
    pub const ATTRIBUTES: [&str; 13] = [
        "alert_state",
        "alert_reason",
        "alerted_severity",
        "alerted_for",
        "alerted_about",
        "alerted_actors",
        "alert_waits_until",
        "alert_claim",
        "alert_claimed_at",
        "alerts_due",
        "alerts_sent",
        "due",
        "due_at",
    ];

    /// That of an item whose part cannot be read: somebody has to be told of it.
    pub fn unreadable() -> AlertLife {
        AlertLife { state: AlertState::Pending, ..AlertLife::default() }
    }

    /// An alert is due for something that occurred at this time. One that was on its way is replaced: its teller finds
    /// his claim gone, and whoever takes the new one tells both.
    pub(super) fn raise(&mut self, reason: AlertReason, severity: Severity, occurred_at: Timestamp) {
        self.state = AlertState::Pending;
        self.reason = Some(reason);
        self.about = None;
        self.claim = None;
        self.severity = Some(severity);
        self.occurred_at = self.occurred_at.max(Some(occurred_at));
        self.became_due += 1;
        self.due = None;
    }

    /// The mail that told of it has not arrived: it is due once more, for the same reason. Returns whether there was such a mail.
    pub(super) fn again(&mut self) -> bool {
        if self.state != AlertState::Sent {
            return false;
        }
        self.state = AlertState::Pending;
        self.became_due += 1;
        self.due = None;
        true
    }

    /// A report tells of it at this severity: only what is worse, or comes back, is due an alert of its own.
    pub(super) fn reported(&mut self, severity: Severity, occurred_at: Timestamp) {
        self.severity = self.severity.max(Some(severity));
        self.occurred_at = self.occurred_at.max(Some(occurred_at));
    }

    /// Nobody is to be told any more, if somebody was.
    pub(super) fn end(&mut self) {
        if self.state.waits() {
            self.state = AlertState::None;
            self.claim = None;
        }
    }

    /// Whether a sweep has to look after it now; see [`LONGEST_WAIT`].
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due_at.is_none_or(|at| at <= now.millis() || at > now.plus(LONGEST_WAIT).millis())
    }

    /// Does what a notifier wants, if it may be done.
    pub fn step(&mut self, step: Step<'_>) -> Stepped {
        match step {
            Step::Claim { token, now, lease } => self.claim(token, now, lease),
            Step::MarkSent { token } => self.release(token, |alert| {
                alert.state = AlertState::Sent;
                alert.sent += 1;
                alert.waits_until = None;
                (alert.due, alert.due_at) = (None, None);
            }),
            Step::Defer { token, until } => self.release(token, |alert| {
                alert.state = AlertState::Deferred;
                let until = alert.waits_until.map_or(until.millis(), |earlier| earlier.min(until.millis()));
                alert.waits_until = Some(until);
                (alert.due, alert.due_at) = (Some(Due::Alert), Some(until));
            }),
        }
    }

    fn claim(&mut self, token: &str, now: Timestamp, lease: Timestamp) -> Stepped {
        match self.state {
            AlertState::None | AlertState::Sent => return Stepped::Nothing,
            AlertState::Claimed if self.claim.as_deref() == Some(token) => return Stepped::Already,
            AlertState::Claimed if !self.is_due(now) => return Stepped::Busy,
            AlertState::Claimed | AlertState::Pending | AlertState::Deferred => {}
        }
        self.state = AlertState::Claimed;
        self.claim = Some(token.to_owned());
        self.claimed_at = Some(now);
        (self.due, self.due_at) = (Some(Due::Alert), Some(lease.millis()));
        Stepped::Changed
    }

    fn release(&mut self, token: &str, change: impl FnOnce(&mut AlertLife)) -> Stepped {
        if self.state != AlertState::Claimed || self.claim.as_deref() != Some(token) {
            return Stepped::Nothing;
        }
        self.claim = None;
        change(self);
        Stepped::Changed
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json, to_value};

    use super::*;

    /// The reason was once a text that four places compared with words of their own; one that none of them knew was told as
    /// nothing new. The words are those in the table and in machines' copies, and stay.
    #[test]
    fn the_reasons_are_the_words_that_were_always_stored() {
        use AlertReason::*;
        for (reason, word) in [
            (New, "new"),
            (Worse, "worse"),
            (Reopened, "reopened"),
            (Again, "again"),
            (NewWitness, "new witness"),
            (SomebodyElse, "somebody else"),
            (SuppressionEnded, "suppression ended"),
        ] {
            assert_eq!((reason.as_str(), to_value(reason).unwrap()), (word, Value::from(word)));
            assert_eq!(from_value::<AlertReason>(json!(word)).unwrap(), reason);
        }
        assert_eq!(from_value::<AlertReason>(json!("a reason of a later version")).unwrap(), Other);
    }
}
