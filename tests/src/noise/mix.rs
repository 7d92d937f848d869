//! The four weeks, day by day.

use fastrand::Rng;

use super::cast::Log;
use super::{DAY, START, WEEKS, machines, people};

/// All events, in order. The same each time.
pub(super) fn events() -> Vec<(i64, String)> {
    play(20_260_302, 0, 0..7 * WEEKS as i64)
}

/// The two weeks before, as CloudTrail's event history has them.
pub(super) fn history() -> Vec<(i64, String)> {
    play(20_260_216, 42, 28..42)
}

/// The days of this range, so many days earlier than they are counted.
fn play(seed: u64, earlier: i64, days: std::ops::Range<i64>) -> Vec<(i64, String)> {
    let mut log = Log { events: Vec::new(), rng: Rng::with_seed(seed) };
    for day in days {
        let midnight = START + (day - earlier) * DAY;
        machines::day(&mut log, midnight, day);
        // Monday to Friday.
        if day % 7 < 5 {
            people::day(&mut log, midnight, day);
        }
    }
    log.events.sort_by_key(|(at, _)| *at);
    log.events
}
