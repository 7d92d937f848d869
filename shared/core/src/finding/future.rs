//! Times from the future decide nothing.
//!
//! Every time in a finding was the present when it was written, or lay before it, but for what clocks may differ by: events from
//! further ahead are dated to the present when they come in. A later one was planted, or written under a wrong clock. Left alone it would hold for years:
//! a problem that is gone until 2099, an alert that was sent tomorrow.

use keepwatch_base::time::Timestamp;

use super::{Finding, Passed, Witness};
use crate::settings::LONGEST;

/// Good news, unless it comes from the future.
pub(super) fn believed(passed: Option<Passed>, now: Timestamp) -> Option<Passed> {
    passed.filter(|passed| !passed.at.is_ahead_of(now))
}

impl Finding {
    /// Forgets what the future says: that it is gone, that somebody was told, took it on or silenced it. Of other times the
    /// present is left.
    pub fn distrust_future(&mut self, now: Timestamp) {
        let ahead = |time: Timestamp| time.is_ahead_of(now);
        self.passed = believed(self.passed.take(), now);
        self.acknowledged = self.acknowledged.take().filter(|taken| !ahead(taken.at));
        self.silence = self.silence.take().filter(|silence| !silence.until.is_ahead_of(now.plus(LONGEST)));
        if self.alert.occurred_at.is_some_and(ahead) {
            (self.alert.occurred_at, self.alert.severity) = (None, None);
        }
        self.alert.told.retain(|told| !ahead(told.at));
        self.bursts.retain(|reached| !ahead(reached.at));
        self.events.retain(|seen| !ahead(seen.time));
        // As what comes in is dated ([`super::record`]): a row that made the present run ahead would outweigh good news for a while.
        let present = |time: &mut Timestamp| *time = if ahead(*time) { now } else { *time };
        present(&mut self.first_seen);
        present(&mut self.last_seen);
        let witnesses = self.strongest.iter_mut().chain(self.witnesses.values_mut());
        witnesses.for_each(|witness: &mut Witness| present(&mut witness.event.time));
    }
}
