//! Windows for correlation: how many different events lie close together.
//!
//! A window is a set of event ids with their times, so that an event delivered again never counts twice, and it gives the
//! same answer whatever order the events came in: the one that makes them too many, in order or late, sees them all.

use std::collections::BTreeMap;
use std::time::Duration;

use keepwatch_base::hash::short_hash;
use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::memory::journal::{self, Journal, RECEIPTS_KEPT};

/// How many events a window remembers: the latest. No rule's threshold may be higher.
pub const REMEMBERED: usize = 200;

/// A member that is seen again within so long is taken for seen already: what one caller does to one thing a hundred times a
/// minute is written once.
const SAME: Duration = Duration::from_secs(60);

/// What lies this close to others, in milliseconds, is left out once there are enough of them. A caller who is refused a hundred
/// times a second would otherwise have each of its events wait for all others to write the one window.
const CROWD: u64 = 10_000;

/// How many are enough where the owner has set no threshold: more than any rule's own.
pub const ENOUGH: usize = 50;

/// A question to a window. Asking twice is asking once: a member is counted once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WindowQuery {
    /// Names the window: rule and what its members have in common.
    pub key: String,
    /// What tells the members apart.
    pub member: String,
    /// When it happened.
    pub time: Timestamp,
    /// How close together they must lie.
    pub span: std::time::Duration,
    /// How many at about the same time are as good as more.
    pub enough: usize,
}

/// A set of events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Times in milliseconds since 1970, by what tells the members apart.
    members: BTreeMap<String, i64>,
}

/// How many events lie close together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowCount {
    /// The most that lie within one span that holds the event asked about.
    pub count: usize,
    /// The first of them.
    pub since: Timestamp,
}

impl WindowCount {
    /// The event alone.
    pub fn of_one(time: Timestamp) -> WindowCount {
        WindowCount { count: 1, since: time }
    }
}

impl Window {
    /// Adds a member and says in what company it is. `false` when there is nothing to write: the window knew it already. The
    /// latest time of a member counts. One that lies among `enough` others is not kept, and is told that it does.
    pub fn add(
        &mut self,
        member: &str,
        time: Timestamp,
        span: Duration,
        enough: usize,
    ) -> (WindowCount, bool) {
        let (member, written) = self.take(member, time, enough);
        (self.count(&member, time, span), written)
    }

    /// Adds a member and says whether it is among at least so many. That costs less where there are few.
    pub fn has_many(&mut self, asked: &WindowQuery, needed: usize) -> bool {
        let (member, _) = self.take(&asked.member, asked.time, asked.enough);
        // One that is not kept counts beside those that are.
        self.members.len() + 1 >= needed && self.count(&member, asked.time, asked.span).count >= needed
    }

    /// Adds a member; what it is called here, and whether there is something to write.
    fn take(&mut self, member: &str, time: Timestamp, enough: usize) -> (String, bool) {
        let member = short_hash(&[member]);
        let at = time.millis();
        let before = self.members.get(&member).copied();
        let same = u64::try_from(SAME.as_millis()).unwrap_or(u64::MAX);
        let known = before.is_some_and(|before| before >= at || before.abs_diff(at) < same);
        let close = || self.members.values().filter(|time| time.abs_diff(at) < CROWD).count();
        let known = known || (self.members.len() >= enough && close() >= enough);
        if !known {
            self.members.insert(member.clone(), at);
        }
        while self.members.len() > REMEMBERED {
            let oldest = self.members.iter().min_by_key(|(_, time)| **time).map(|(member, _)| member.clone());
            if let Some(oldest) = oldest {
                self.members.remove(&oldest);
            }
        }
        (member, !known)
    }

    /// The latest member of those that lie before this time, or at it, and not longer before than `span`.
    pub fn last_before(&self, time: Timestamp, span: Duration) -> Option<Timestamp> {
        let times = self.members.values().map(|at| Timestamp::from_millis(*at));
        times.filter(|at| *at <= time && time.since(*at) <= span).max()
    }

    /// The latest member.
    pub fn last(&self) -> Option<Timestamp> {
        self.members.values().copied().max().map(Timestamp::from_millis)
    }

    /// In what company a member is at this time, whenever else it was seen.
    fn count(&self, member: &str, time: Timestamp, span: Duration) -> WindowCount {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let now = time.millis();
        let is_near = |at: &i64| at.abs_diff(now) <= span.unsigned_abs();
        let mut near: Vec<i64> = self.members.values().copied().filter(is_near).collect();
        // It counts once, and now.
        match self.members.get(member).and_then(|kept| near.iter().position(|at| at == kept)) {
            Some(own) => near[own] = now,
            None => near.push(now),
        }
        near.sort_unstable();
        // What lies within a span from each of them, up to the event itself: both ends only ever move on.
        let (mut count, mut since, mut end) = (1, now, 0);
        for (first, start) in near.iter().enumerate().take_while(|(_, start)| **start <= now) {
            end += near[end..].iter().take_while(|at| **at - start <= span).count();
            if end - first > count {
                (count, since) = (end - first, *start);
            }
            if end == near.len() {
                break;
            }
        }
        WindowCount { count, since: Timestamp::from_millis(since) }
    }
}

/// Adds a member to its window in the journal.
///
/// # Errors
/// The journal's, or that others kept writing the window.
pub async fn note<J: Journal>(
    journal: &J,
    asked: &WindowQuery,
    now: Timestamp,
) -> Result<WindowCount, String> {
    let WindowQuery { key, member, time, span, enough } = asked;
    let add = |window: &mut Window| {
        // What a forged event would keep in the window for years would push out what is true.
        window.members.retain(|_, at| !Timestamp::from_millis(*at).is_ahead_of(now));
        window.add(member, if time.is_ahead_of(now) { now } else { *time }, *span, *enough)
    };
    journal::change(journal, &format!("window#{key}"), now, RECEIPTS_KEPT, add).await
}

/// The latest member of the window of this key in the journal, of those that lie before this time and not longer before
/// than `span`.
///
/// # Errors
/// The journal's.
pub async fn last<J: Journal>(
    journal: &J,
    key: &str,
    time: Timestamp,
    span: Duration,
) -> Result<Option<Timestamp>, J::Error> {
    let window = journal.read::<Window>(&format!("window#{key}")).await?;
    Ok(window.and_then(|window| window.value.last_before(time, span)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPAN: Duration = Duration::from_secs(300);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_duplicate_never_counts_twice() {
        let mut window = Window::default();
        assert_eq!(window.add("a", at(0), SPAN, ENOUGH).0.count, 1);
        assert_eq!(window.add("a", at(0), SPAN, ENOUGH), (WindowCount::of_one(at(0)), false));
        assert_eq!(window.add("b", at(10), SPAN, ENOUGH).0, WindowCount { count: 2, since: at(0) });
    }

    #[test]
    fn what_is_seen_again_within_a_minute_is_not_written_again() {
        let mut window = Window::default();
        window.add("other", at(0), SPAN, ENOUGH);
        let written = (0..400).filter(|i| window.add("secret", at(i / 2), SPAN, ENOUGH).1).count();
        assert_eq!(written, 4, "once a minute for 200 seconds");
        assert_eq!(window.add("secret", at(201), SPAN, ENOUGH).0.count, 2);
        // One that comes late changes nothing: the latest counts.
        assert_eq!(
            window.add("secret", at(10), SPAN, ENOUGH),
            (WindowCount { count: 2, since: at(0) }, false)
        );
    }

    #[test]
    fn of_a_flood_a_window_takes_enough_and_says_so_to_the_others() {
        let mut window = Window::default();
        // A hundred a second, as CloudTrail tells the time.
        let flood: Vec<_> =
            (0..2_000).map(|i| window.add(&i.to_string(), at(i / 100), SPAN, ENOUGH)).collect();
        let written = flood.iter().filter(|(_, written)| *written).count();
        assert!((ENOUGH..=3 * ENOUGH).contains(&written), "{written} in twenty seconds");
        assert!(flood.iter().skip(ENOUGH).all(|(seen, _)| seen.count > ENOUGH));
        // Whose threshold is higher gets as many.
        let mut patient = Window::default();
        let counts = (0..300).map(|i| patient.add(&i.to_string(), at(i / 100), SPAN, 200).0.count);
        assert!(counts.max() >= Some(200));
    }

    #[test]
    fn only_what_fits_into_one_span_counts() {
        let mut window = Window::default();
        for (member, second) in [("a", 0), ("b", 200), ("c", 400)] {
            window.add(member, at(second), SPAN, ENOUGH);
        }
        // a and b, or b and c, but never all three.
        assert_eq!(window.add("b", at(200), SPAN, ENOUGH).0.count, 2);
        assert_eq!(window.add("d", at(300), SPAN, ENOUGH).0, WindowCount { count: 3, since: at(0) });
    }

    #[test]
    fn the_last_before_a_moment_is_neither_too_old_nor_later() {
        let mut window = Window::default();
        for (member, second) in [("a", 0), ("b", 200), ("c", 900)] {
            window.add(member, at(second), SPAN, ENOUGH);
        }
        assert_eq!(window.last_before(at(400), SPAN), Some(at(200)));
        assert_eq!(window.last_before(at(200), SPAN), Some(at(200)));
        assert_eq!(window.last_before(at(100), SPAN), Some(at(0)));
        assert_eq!(window.last_before(at(501), SPAN), None);
    }

    #[test]
    fn it_is_bounded() {
        let mut window = Window::default();
        for i in 0..1_000 {
            window.add(&i.to_string(), at(i), Duration::from_secs(100_000), ENOUGH);
        }
        assert_eq!(window.members.len(), REMEMBERED);
    }

    proptest! {
        /// What is left out of a flood keeps no rule from seeing that there are too many, in whatever order it comes.
        #[test]
        fn a_threshold_is_reached_as_if_everything_were_kept(
            times in proptest::collection::vec(0..90_i64, 1..150),
            threshold in 1..=ENOUGH,
        ) {
            let span = Duration::from_secs(60);
            let reached = |enough: usize| {
                let mut window = Window::default();
                let events = times.iter().enumerate();
                let counts = events.map(|(i, time)| window.add(&i.to_string(), at(*time), span, enough).0.count);
                counts.max() >= Some(threshold)
            };
            prop_assert_eq!(reached(ENOUGH), reached(usize::MAX));
        }

        /// It is told the most that lie within one span that holds it, and the first of them.
        #[test]
        fn the_count_is_that_of_the_fullest_span(times in proptest::collection::vec(0..60_i64, 1..40), own in 0..60_i64) {
            let span = Duration::from_secs(10);
            let mut window = Window::default();
            for (i, time) in times.iter().enumerate() {
                window.add(&i.to_string(), at(*time), span, usize::MAX);
            }
            let told = window.add("own", at(own), span, usize::MAX).0;
            let all = times.iter().chain([&own]);
            let from = |start: i64| all.clone().filter(|time| (start..=start + 10).contains(time)).count();
            let starts = all.clone().copied().filter(|start| (own - 10..=own).contains(start));
            let fullest = starts.map(|start| (from(start), std::cmp::Reverse(start))).max().unwrap();
            prop_assert_eq!((told.count, told.since), (fullest.0, at(fullest.1.0)));
        }

        /// In any order, some event sees as many as there are.
        #[test]
        fn the_last_to_arrive_sees_all(
            times in Just((0..12_i64).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut window = Window::default();
            let counts: Vec<usize> = times
                .iter()
                .map(|i| window.add(&i.to_string(), at(i * 20), SPAN, ENOUGH).0.count)
                .collect();
            prop_assert_eq!(counts.into_iter().max(), Some(12));
        }
    }
}
