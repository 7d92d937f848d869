//! What people do to a finding: acknowledge, resolve, suppress, and what happens when a suppression ends.

use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;

use crate::finding::{Acknowledged, AlertReason, Due, Finding, Passed};
use crate::observation::{Actor, Observation, Resolution, Verdict};
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
        if self.silenced_by(silence) && self.is_open() && self.severity >= MAILED_FROM {
            self.alert.raise(AlertReason::SuppressionEnded, self.severity, self.last_seen);
        }
        true
    }

    /// Takes what silences it from now on, or nothing. Returns whether that ends a suppression; nobody is told of it yet.
    fn silenced_by(&mut self, silence: Option<Silence>) -> bool {
        let ended = self.silence.is_some() && silence.is_none();
        self.silence = silence;
        self.settle();
        if self.silence.is_some() {
            // Also when the problem is gone: nobody would ever send it, and every sweep would claim it in vain.
            self.alert.end();
        }
        ended
    }

    /// Ends a suppression that does not silence what is about to be folded in: one that has run out, in whose place `next` comes,
    /// and one that does not name who acts. Returns why nothing silences the finding any more, if nothing does since now. The fold
    /// is told that and raises one alert: what comes may be worth one itself, and is judged by what was told before.
    pub(super) fn end_silence(
        &mut self,
        observation: &Observation,
        next: Option<Silence>,
        now: Timestamp,
    ) -> Option<AlertReason> {
        let mut why = None;
        // Whether a suppression still stands is the sweep's to say, which reads the settings anew; `next` may be a minute old.
        // But one that has run out silences nothing any more.
        if self.silence.as_ref().is_some_and(|silence| silence.until <= now) && self.silenced_by(next) {
            why = Some(AlertReason::SuppressionEnded);
        }
        // One that names actors silences nobody else.
        let actor = observation.actor.as_ref().map(Actor::identity);
        let is_of_others = |silence: &Silence| !silence.names(actor.as_deref());
        if observation.verdict != Verdict::Passing
            && self.silence.as_ref().is_some_and(is_of_others)
            && self.silenced_by(None)
        {
            why = Some(AlertReason::SomebodyElse);
        }
        why
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
