//! Who is subscribed to a topic, who was and is no more, and who is back: what is remembered from one look to the next.
//!
//! Everything is bounded, and what is dated ahead is forgotten: the entry lies in a table that others may write.

use std::collections::BTreeMap;
use std::time::Duration;

use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::outbox::Subscribers;

/// How exact it is known until when somebody was there: the journal need not be written each minute.
pub(super) const STEP: Duration = Duration::from_secs(3_600);

/// How long somebody must be gone before it is told. One answer of SNS that is wrong is no news.
pub(super) const SETTLED: Duration = Duration::from_secs(90);

/// How long whoever deploys has time to confirm, before the other topic tells that nobody has.
const FIRST_HOUR: Duration = Duration::from_secs(3_600);

/// How long who is gone is remembered, and may come back to a list of what was mailed meanwhile.
const REMEMBERED: Duration = Duration::from_secs(40 * 86_400);

/// The most that are remembered of each kind. A topic with more subscribers than that is not in danger of having none.
const MOST: usize = 100;

/// After so long without an answer mails go out unless it is known that nobody would get them: a right that is missing must
/// not silence Keepwatch.
const PATIENCE: Duration = Duration::from_secs(600);

const DAY: Duration = Duration::from_secs(86_400);

/// Who is subscribed to one topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Circle {
    /// Who was there at the last look, and when he was last noted. Where it is full, newcomers are left out: whoever
    /// subscribes a hundred addresses must not have the others forgotten.
    #[serde(default)]
    pub(super) here: BTreeMap<String, Timestamp>,
    /// The subscriptions of those who are there. An older version's entry has none.
    #[serde(default)]
    pub(super) subscriptions: BTreeMap<String, Subscription>,
    /// Who is not there any more.
    #[serde(default)]
    pub(super) gone: BTreeMap<String, Gone>,
    /// Who is here again, or came while somebody was missing, and has not been told what was missed.
    #[serde(default)]
    pub(super) back: BTreeMap<String, Gone>,
    /// When that was last told to anybody.
    #[serde(default)]
    pub(super) listed: Option<Timestamp>,
    /// Since when nobody is there.
    #[serde(default)]
    pub(super) empty: Option<Timestamp>,
    /// Since when SNS does not say who is there.
    #[serde(default)]
    pub(super) unanswered: Option<Timestamp>,
    /// Since when mails have gone out of which it is not known whether anybody got them.
    #[serde(default)]
    pub(super) unsure: Option<Timestamp>,
}

/// Somebody who was subscribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gone {
    /// When he was last noted as there.
    pub(super) last: Timestamp,
    /// When he was missed first.
    pub(super) missed: Timestamp,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subscription {
    /// What tells it from an earlier one of the same endpoint.
    pub(super) mark: String,
    /// When a look found it first.
    pub(super) since: Timestamp,
}

impl Circle {
    /// Takes note of a look.
    pub(super) fn look(&mut self, confirmed: &Subscribers, now: Timestamp) {
        let stale = |noted: Timestamp| noted.is_ahead_of(now) || now.since(noted) >= STEP;
        let forgotten = |gone: &Gone| gone.missed.is_ahead_of(now) || now.since(gone.missed) >= REMEMBERED;
        self.gone.retain(|_, gone| !forgotten(gone));
        let left: Vec<String> =
            self.here.keys().filter(|who| !confirmed.contains_key(*who)).cloned().collect();
        for who in left {
            let last = self.here.remove(&who).unwrap_or(now).min(now);
            let last = self.back.remove(&who).map_or(last, |before| before.last);
            self.gone.insert(who, Gone { last, missed: now });
        }
        // An older version let it grow.
        while self.here.len() > MOST {
            self.here.pop_last();
        }
        self.subscriptions.retain(|who, _| self.here.contains_key(who));
        // Since when somebody is missing, who may be back at another address.
        let missing = self.gone.values().map(|gone| gone.last.min(now)).min();
        for (who, mark) in confirmed {
            let noted = self.here.get(who).copied();
            if noted.is_none() && self.here.len() >= MOST {
                continue;
            }
            let before = self.subscriptions.get(who);
            let same = before.filter(|before| before.mark == *mark && !before.since.is_ahead_of(now));
            let missed = match (self.gone.remove(who), noted) {
                (Some(gone), _) => Some(gone),
                (None, None) => missing.map(|last| Gone { last, missed: now }),
                // He has left and come back between two looks.
                (None, Some(noted)) => before
                    .filter(|before| before.mark != *mark)
                    .map(|_| Gone { last: noted.min(now), missed: now }),
            };
            if let Some(missed) = missed {
                self.back.entry(who.clone()).or_insert(missed);
            }
            if same.is_none() {
                let since = if before.is_none() { noted.unwrap_or(now).min(now) } else { now };
                let subscription = Subscription { mark: mark.clone(), since };
                self.subscriptions.insert(who.clone(), subscription);
            }
            if noted.is_none_or(stale) {
                self.here.insert(who.clone(), now);
            }
        }
        let known = |since: &Timestamp| !since.is_ahead_of(now);
        let empty = self.empty.filter(known).unwrap_or(now);
        self.empty = confirmed.is_empty().then_some(empty);
        self.unanswered = None;
        if !confirmed.is_empty()
            && let Some(last) = self.unsure.take().filter(known)
        {
            for who in self.here.keys() {
                self.back.entry(who.clone()).or_insert(Gone { last, missed: now });
            }
        }
        bound(&mut self.gone);
        bound(&mut self.back);
    }

    /// Those who are there, the newest first: an address that nobody knows is likely to be among them.
    pub(super) fn newest(&self) -> Vec<(&String, Option<Timestamp>)> {
        let since = |who: &String| self.subscriptions.get(who).map(|subscription| subscription.since);
        let mut here: Vec<_> = self.here.keys().map(|who| (who, since(who))).collect();
        here.sort_by_key(|(_, since)| std::cmp::Reverse(*since));
        here
    }

    /// Takes note that SNS did not answer.
    pub(super) fn not_answered(&mut self, now: Timestamp) {
        let since = *self.unanswered.get_or_insert(now);
        if since.is_ahead_of(now) {
            self.unanswered = Some(now);
        }
        if self.here.is_empty() && self.is_open(now) {
            self.unsure.get_or_insert(since.min(now));
        }
    }

    /// Whether mails go out though SNS does not say to whom: where it has never said, or said last that somebody is there.
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        let long = |since: Timestamp| !since.is_ahead_of(now) && now.since(since) >= PATIENCE;
        !self.here.is_empty() || self.empty.is_none() && self.unanswered.is_some_and(long)
    }

    /// Those whose absence is to be told by now.
    pub(super) fn missed(&self, now: Timestamp) -> impl Iterator<Item = (&String, &Gone)> {
        self.gone.iter().filter(move |(_, gone)| now.since(gone.missed) >= SETTLED)
    }

    /// Which day of nobody's being there is to be told by now: each of the first week, then one a week.
    pub(super) fn day_of_silence(&self, now: Timestamp) -> Option<(Timestamp, u64)> {
        let since = self.empty?;
        let grace = if self.gone.is_empty() { FIRST_HOUR } else { SETTLED };
        let silent = now.since(since);
        let days = silent.as_secs() / DAY.as_secs();
        (silent >= grace).then(|| (since, if days < 7 { days } else { days - days % 7 }))
    }
}

/// Forgets the oldest beyond [`MOST`]. What was mailed since they were last there is still listed for whoever comes next.
fn bound(gone: &mut BTreeMap<String, Gone>) {
    let oldest = |gone: &BTreeMap<String, Gone>| {
        gone.iter().min_by_key(|(_, one)| one.missed).map(|(who, one)| (who.clone(), one.last))
    };
    while gone.len() > MOST {
        let Some((who, last)) = oldest(gone) else { return };
        gone.remove(&who);
        if let Some(next) = oldest(gone).and_then(|(who, _)| gone.get_mut(&who)) {
            next.last = next.last.min(last);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in crate::audience) fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(1_772_452_800_000 + minutes * 60_000)
    }

    pub(in crate::audience) fn named(names: &[&str]) -> Subscribers {
        names.iter().map(|name| ((*name).to_owned(), format!("first of {name}"))).collect()
    }

    fn many(prefix: &str, count: usize) -> Subscribers {
        (0..count).map(|i| (format!("{prefix}{i:03}"), "mark".to_owned())).collect()
    }

    #[test]
    fn who_leaves_is_missed_and_who_comes_back_is_not_any_more() {
        let mut circle = Circle::default();
        circle.look(&named(&["a", "b"]), at(0));
        circle.look(&named(&["a"]), at(100));
        assert_eq!(circle.gone["b"], Gone { last: at(0), missed: at(100) });
        assert_eq!(circle.missed(at(101)).count(), 0, "one wrong answer is no news");
        assert_eq!(circle.missed(at(102)).count(), 1);
        assert_eq!(circle.day_of_silence(at(5_000)), None, "somebody is there");
        circle.look(&named(&["a", "b"]), at(200));
        assert_eq!((circle.gone.len(), circle.back["b"].last), (0, at(0)));
        // Who goes again before he was told has missed all of it.
        circle.look(&named(&["a"]), at(201));
        assert_eq!(circle.gone["b"], Gone { last: at(0), missed: at(201) });
    }

    #[test]
    fn whoever_is_new_while_somebody_is_missing_gets_the_list() {
        let mut circle = Circle::default();
        circle.look(&named(&["owner"]), at(0));
        assert!(circle.back.is_empty(), "the first has missed nothing");
        // In the same minute another address takes the owner's place.
        circle.look(&named(&["intruder"]), at(10));
        assert_eq!(circle.back["intruder"], Gone { last: at(0), missed: at(10) });
        circle.back.clear();
        // The owner is back at another address, hours later.
        circle.look(&named(&["intruder", "owner2"]), at(500));
        assert_eq!(circle.back["owner2"], Gone { last: at(0), missed: at(500) });
        assert!(!circle.back.contains_key("intruder"), "it was there all the time");
        circle.back.clear();
        // Once nobody is missing any more, a newcomer has missed nothing.
        circle.look(&named(&["intruder", "owner", "owner2"]), at(600));
        circle.back.clear();
        circle.look(&named(&["intruder", "owner", "owner2", "colleague"]), at(700));
        assert!(circle.back.is_empty());
    }

    #[test]
    fn who_leaves_and_is_back_before_a_look_is_told_apart_by_his_subscription() {
        let mut circle = Circle::default();
        circle.look(&named(&["a", "b"]), at(0));
        let mut anew = named(&["a", "b"]);
        anew.insert("a".to_owned(), "second of a".to_owned());
        circle.look(&anew, at(10));
        assert_eq!((circle.back.len(), circle.back["a"]), (1, Gone { last: at(0), missed: at(10) }));
        circle.back.clear();
        circle.look(&anew, at(20));
        assert!(circle.back.is_empty(), "once");
        // An older version has noted no subscriptions: that is no news.
        let older = json!({"here": {"a": at(0)}, "gone": {}, "back": {}});
        let mut older: Circle = serde_json::from_value(older).unwrap();
        older.look(&anew, at(30));
        assert!(older.back.is_empty(), "{:?}", older.back);
        assert_eq!(older.subscriptions["a"].since, at(0));
    }

    #[test]
    fn the_entry_is_bounded_and_a_flood_makes_nobody_forgotten() {
        let mut circle = Circle::default();
        circle.look(&named(&["owner"]), at(0));
        // Those who came first stay, however many come whose names sort before.
        let mut flood = many("a", 300);
        flood.extend(named(&["owner"]));
        circle.look(&flood, at(1));
        circle.look(&flood, at(2));
        assert_eq!((circle.here.len(), circle.here.contains_key("owner")), (MOST, true));
        assert!(circle.subscriptions.keys().eq(circle.here.keys()));
        // All of them leave, and others come and leave: the oldest are forgotten, and not from when on a list has to tell.
        circle.look(&many("b", 100), at(100));
        assert_eq!(circle.gone["owner"], Gone { last: at(0), missed: at(100) });
        circle.look(&many("c", 100), at(200));
        assert_eq!((circle.gone.len(), circle.gone.contains_key("owner")), (MOST, false));
        assert!(circle.gone.keys().all(|who| who.starts_with('b')), "{:?}", circle.gone.keys());
        circle.look(&named(&["owner"]), at(300));
        assert_eq!(circle.back["owner"].last, at(0));
        assert!(circle.back.len() <= MOST);
        // What an older version let grow is cut.
        let here: BTreeMap<String, Timestamp> = many("d", 150).into_keys().map(|who| (who, at(0))).collect();
        let mut older = Circle { here, ..Circle::default() };
        older.look(&many("d", 150), at(1));
        assert_eq!(older.here.len(), MOST);
    }

    #[test]
    fn that_nobody_is_there_is_told_each_day_of_a_week_and_then_each_week() {
        let mut circle = Circle::default();
        circle.look(&named(&["a"]), at(-10));
        circle.look(&named(&[]), at(0));
        let day = |minutes| circle.day_of_silence(at(minutes)).map(|(_, day)| day);
        assert_eq!((day(1), day(2), day(1_440), day(6 * 1_440)), (None, Some(0), Some(1), Some(6)));
        assert_eq!((day(8 * 1_440), day(15 * 1_440)), (Some(7), Some(14)));
        // Whoever deploys has an hour.
        let mut fresh = Circle::default();
        fresh.look(&named(&[]), at(0));
        assert_eq!(fresh.day_of_silence(at(59)), None);
        assert_eq!(fresh.day_of_silence(at(60)), Some((at(0), 0)));
    }

    #[test]
    fn the_journal_is_not_written_each_minute() {
        let mut circle = Circle::default();
        circle.look(&named(&["a"]), at(0));
        let noted = circle.clone();
        circle.look(&named(&["a"]), at(59));
        assert_eq!(circle, noted);
        circle.look(&named(&["a"]), at(60));
        assert_eq!(circle.here["a"], at(60));
    }

    #[test]
    fn a_right_that_is_missing_does_not_silence_the_alerts() {
        let mut circle = Circle::default();
        circle.not_answered(at(0));
        assert!(!circle.is_open(at(9)) && circle.unsure.is_none());
        circle.not_answered(at(10));
        assert_eq!((circle.is_open(at(10)), circle.unsure), (true, Some(at(0))));
        // Nobody may have got what went out meanwhile: who turns up is told.
        circle.look(&named(&[]), at(20));
        assert_eq!((circle.is_open(at(20)), circle.unsure), (false, Some(at(0))));
        circle.look(&named(&["a"]), at(30));
        assert_eq!((circle.back["a"].last, circle.unsure), (at(0), None));
    }

    #[test]
    fn what_was_planted_from_the_future_is_forgotten() {
        let far = at(1_000_000);
        let mut circle = Circle { empty: Some(far), ..Circle::default() };
        circle.here.insert("a".to_owned(), far);
        circle.gone.insert("b".to_owned(), Gone { last: far, missed: far });
        circle.look(&named(&["a"]), at(0));
        assert_eq!((circle.here["a"], circle.gone.len(), circle.empty), (at(0), 0, None));
        circle.empty = Some(far);
        circle.look(&named(&[]), at(1));
        assert_eq!((circle.empty, circle.gone["a"].last), (Some(at(1)), at(0)));
    }
}
