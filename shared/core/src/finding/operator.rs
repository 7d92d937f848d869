//! What people do to a finding: acknowledge, resolve, suppress, and what happens when a suppression ends.

use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;

use crate::finding::{Acknowledged, AlertReason, Due, Finding, Passed};
use crate::observation::Resolution;
use crate::settings::Silence;
use crate::severity::MAILED_FROM;

/// The most characters of a person's name or note that are kept.
const MAX_NOTE: usize = 300;

impl Finding {
    /// Somebody takes it on: it stays open, and repetitions are counted without a mail until it is gone or gets worse.
    pub fn acknowledge(&mut self, by: &str, note: &str, now: Timestamp) {
        let (by, note) = (clean(by, MAX_NOTE), clean(note, MAX_NOTE));
        self.acknowledged = Some(Acknowledged { at: now, by, note });
        self.settle();
        self.stamp(now);
    }

    /// Somebody says that it is gone. What happens after `now` opens it again.
    pub fn resolve(&mut self, resolution: Resolution, by: &str, note: &str, now: Timestamp) {
        let title = format!("{} says: {}", clean(by, MAX_NOTE), clean(note, MAX_NOTE));
        let event_id = format!("resolved by hand at {now}");
        self.pass(Passed { at: now, event_id, resolution, title, borne_out: true });
        self.stamp(now);
    }

    /// Somebody says that its mail has not arrived: it is due once more, if there is still something to tell. Returns whether that
    /// changed anything.
    pub fn tell_again(&mut self, now: Timestamp) -> bool {
        let wanted = self.is_open() && self.silence.is_none() && self.acknowledged.is_none();
        let again = wanted && self.alert.again();
        if again {
            self.stamp(now);
        }
        again
    }

    /// Obeys what silences it now, or nothing. Returns whether that changed anything. An alert that is due is not sent
    /// once the finding is silenced; one whose suppression has ended is told anew if the problem is still there.
    pub fn obey(&mut self, silence: Option<Silence>) -> bool {
        if self.silence == silence {
            return false;
        }
        let ended = self.silence.is_some() && silence.is_none();
        self.silence = silence;
        self.settle();
        if self.silence.is_some() {
            // Also when the problem is gone: nobody would ever send it, and every sweep would claim it in vain.
            self.alert.end();
        } else if ended && self.is_open() && self.severity >= MAILED_FROM {
            self.alert.raise(AlertReason::SuppressionEnded, self.severity, self.last_seen);
        }
        true
    }

    /// Somebody acts whom its suppression does not name: it silences nothing any more, and people are told.
    pub(super) fn silence_no_more(&mut self) {
        self.silence = None;
        self.settle();
        if self.is_open() && self.severity >= MAILED_FROM {
            self.alert.raise(AlertReason::SomebodyElse, self.severity, self.last_seen);
        }
    }

    /// A sweep has found that what silences it still stands: it need not look again before that ends. Returns whether that
    /// changed anything.
    pub fn confirm_silence(&mut self) -> bool {
        let Some(until) = self.silence.as_ref().filter(|_| self.is_open()).map(|silence| silence.until)
        else {
            return false;
        };
        let sooner = self.alert.due == Some(Due::Wake) && self.alert.due_at < Some(until.millis());
        if sooner {
            self.alert.due_at = Some(until.millis());
        }
        sooner
    }
}
