//! First sight: since when a member of a set is known, and since when the set is.
//!
//! A set keeps the earliest and the latest time of each member. It answers from the earliest, so that an event delivered
//! again, late or twice gets the answer that it got before: only the first event of a member is its first sight.

use std::collections::BTreeMap;
use std::time::Duration;

use keepwatch_base::hash::short_hash;
use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::memory::journal::{self, Journal};

/// How many members a set remembers: those that came last.
pub const REMEMBERED: usize = 200;

/// How long a set must have been watched before a new member is news. The first members of a set are all new.
pub const LEARNING: Duration = Duration::from_secs(86_400);

/// A member that comes again is written down this long after the last time. A busy key would otherwise cost a write for
/// each of its calls, and all of them would wait for one another.
const NOTED_AGAIN: Duration = Duration::from_secs(3_600);

/// A set of members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SightSet {
    /// The earliest time of any member, in milliseconds since 1970; it outlives the members that are forgotten.
    since: Option<i64>,
    /// First and last time, by what tells the members apart.
    members: BTreeMap<String, (i64, i64)>,
}

/// When a member and its set were first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstSeen {
    /// When this member was.
    pub member: Timestamp,
    /// When any member was.
    pub any: Timestamp,
}

impl FirstSeen {
    /// The first of its set, which is news of nothing.
    pub fn of_one(time: Timestamp) -> FirstSeen {
        FirstSeen { member: time, any: time }
    }

    /// Whether this time was the first sight of a member new to a set that had been watched for [`LEARNING`].
    pub fn is_new_member(&self, time: Timestamp) -> bool {
        self.member == time && time.since(self.any) >= LEARNING
    }
}

impl SightSet {
    /// Adds a member and says since when it is known. `false` when there is nothing to remember that was not known.
    pub fn add(&mut self, member: &str, time: Timestamp) -> (FirstSeen, bool) {
        let (member, now) = (short_hash(&[member]), time.millis());
        let since = self.since.map_or(now, |since| since.min(now));
        let known = self.members.get(&member).copied();
        let (first, last) = known.map_or((now, now), |(first, last)| (first.min(now), last.max(now)));
        let later = |last: i64| time.since(Timestamp::from_millis(last)) >= NOTED_AGAIN;
        let worth_writing = self.since != Some(since)
            || known.is_none_or(|(known_first, known_last)| first < known_first || later(known_last));
        self.since = Some(since);
        self.members.insert(member, (first, last));
        while self.members.len() > REMEMBERED {
            let oldest =
                self.members.iter().min_by_key(|(_, (_, last))| *last).map(|(member, _)| member.clone());
            if let Some(oldest) = oldest {
                self.members.remove(&oldest);
            }
        }
        let seen = FirstSeen { member: Timestamp::from_millis(first), any: Timestamp::from_millis(since) };
        (seen, worth_writing)
    }
}

impl SightSet {
    /// Forgets what is from the future: a set that begins in years would learn until then.
    fn distrust_future(&mut self, now: Timestamp) {
        let ahead = |millis: i64| Timestamp::from_millis(millis).is_ahead_of(now);
        self.since = self.since.filter(|since| !ahead(*since));
        self.members.retain(|_, (_, last)| !ahead(*last));
    }
}

/// Adds a member to the set of this key in the journal, which is kept for so long from now.
///
/// # Errors
/// The journal's, or that others kept writing the set.
pub async fn note<J: Journal>(
    journal: &J,
    key: &str,
    member: &str,
    time: Timestamp,
    kept: Duration,
    now: Timestamp,
) -> Result<FirstSeen, String> {
    let time = if time.is_ahead_of(now) { now } else { time };
    let add = |seen: &mut SightSet| {
        seen.distrust_future(now);
        seen.add(member, time)
    };
    journal::change(journal, &format!("seen#{key}"), now, kept, add).await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_new_member_is_new_member_once_the_set_is_known() {
        let mut seen = SightSet::default();
        let mut news =
            |member: &str, seconds: i64| seen.add(member, at(seconds)).0.is_new_member(at(seconds));
        assert!(!news("a", 0), "the first");
        assert!(!news("b", DAY - 1), "still learning");
        assert!(news("c", DAY));
        assert!(news("c", DAY), "delivered again");
        assert!(!news("c", DAY + 1), "no longer new");
        assert!(!news("a", 9 * DAY));
        assert!(news("d", 9 * DAY));
    }

    #[test]
    fn what_comes_again_soon_is_not_written() {
        let mut seen = SightSet::default();
        assert!(seen.add("a", at(1_000)).1);
        assert!(!seen.clone().add("a", at(1_000)).1);
        assert!(!seen.clone().add("a", at(4_599)).1);
        assert!(seen.clone().add("a", at(4_600)).1);
        assert!(seen.clone().add("a", at(999)).1, "an earlier time is the first");
    }

    #[test]
    fn it_is_bounded_and_knows_since_when_it_is() {
        let mut seen = SightSet::default();
        for i in 0..1_000 {
            seen.add(&i.to_string(), at(i));
        }
        assert_eq!(seen.members.len(), REMEMBERED);
        // What it has forgotten is answered as new, and again so when it is delivered again.
        for _ in 0..2 {
            assert_eq!(seen.add("500", at(500)).0, FirstSeen { member: at(500), any: at(0) });
            assert_eq!(seen.add("999", at(2_000)).0, FirstSeen { member: at(999), any: at(0) });
        }
        assert_eq!(seen.members.len(), REMEMBERED);
    }

    /// Members and seconds, in any order, some of them twice.
    fn events() -> impl Strategy<Value = Vec<(u8, i64)>> {
        proptest::collection::vec((0..6_u8, 0..4 * DAY), 1..40)
            .prop_map(|events| events.iter().chain(events.iter().step_by(3)).copied().collect::<Vec<_>>())
            .prop_shuffle()
    }

    proptest! {
        /// Order and duplicates change nothing: the set holds first and last times, and answers by them.
        #[test]
        fn any_order_gives_the_same_set(events in events()) {
            let mut seen = SightSet::default();
            for (member, second) in &events {
                seen.add(&member.to_string(), at(*second));
            }
            let mut sorted = events.clone();
            sorted.sort_unstable_by_key(|(_, second)| *second);
            let mut in_order = SightSet::default();
            for (member, second) in &sorted {
                in_order.add(&member.to_string(), at(*second));
            }
            prop_assert_eq!(&seen, &in_order);
            let before = seen.clone();
            for (member, second) in &events {
                let (answer, new) = seen.add(&member.to_string(), at(*second));
                let first = |whose: Option<u8>| {
                    let theirs = events.iter().filter(|(member, _)| whose.is_none_or(|whose| whose == *member));
                    theirs.map(|(_, second)| at(*second)).min()
                };
                prop_assert_eq!((Some(answer.member), Some(answer.any)), (first(Some(*member)), first(None)));
                prop_assert!(!new);
            }
            prop_assert_eq!(seen, before);
        }

        /// Once its first event has been answered, a redelivery of it is answered the same, whatever came between.
        #[test]
        fn a_redelivery_gets_the_same_answer(events in events()) {
            let mut sorted = events;
            sorted.sort_unstable_by_key(|(_, second)| *second);
            let mut seen = SightSet::default();
            let mut answer = |(member, second): &(u8, i64)| seen.add(&member.to_string(), at(*second)).0;
            let first: Vec<FirstSeen> = sorted.iter().map(&mut answer).collect();
            let again: Vec<FirstSeen> = sorted.iter().rev().map(&mut answer).collect();
            prop_assert!(first.iter().eq(again.iter().rev()));
        }

        /// However many come in whatever order, those that came last are kept.
        #[test]
        fn the_latest_are_kept(order in Just((0..250_i64).collect::<Vec<_>>()).prop_shuffle()) {
            let mut seen = SightSet::default();
            for i in order {
                seen.add(&i.to_string(), at(i));
            }
            prop_assert_eq!(seen.members.len(), REMEMBERED);
            prop_assert_eq!(seen.members.values().map(|(first, _)| *first).min(), Some(50_000));
        }
    }
}
