//! When and where the events of a log happened, and which of them are asked for.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use keepwatch_aws::runtime::now;
use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;

/// Which events are asked for; without a word all of them.
#[derive(Debug, Default)]
pub(super) struct Only {
    /// From this time on.
    pub(super) since: Option<Timestamp>,
    /// Before this time.
    pub(super) until: Option<Timestamp>,
    /// Of these accounts.
    pub(super) accounts: Vec<String>,
    /// Of these regions.
    pub(super) regions: Vec<String>,
}

impl Only {
    /// Whether an event of this time, account and region is. One whose time cannot be read is not left out for its time.
    pub(super) fn wants(&self, at: &str, account: &str, region: &str) -> bool {
        let named = |names: &[String], name: &str| names.is_empty() || names.iter().any(|one| one == name);
        if !named(&self.accounts, account) || !named(&self.regions, region) {
            return false;
        }
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let Some(at) = Timestamp::parse(at) else { return true };
        self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at < until)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Span {
    /// The times that can be true.
    times: Times,
    /// Those that cannot.
    wrong: Times,
    /// Accounts, with how many events each has.
    pub(super) accounts: BTreeMap<String, usize>,
    /// Regions, with how many events each has.
    pub(super) regions: BTreeMap<String, usize>,
    /// How many events have no time that can be read.
    pub(super) untimed: usize,
    /// The time of the event that was noted last, of those that have one.
    latest: String,
}

impl Span {
    /// Takes an event in.
    pub(super) fn note(&mut self, at: &str, account: &str, region: &str) {
        // Texts of this one form are in the order of time, and reading millions of them would take seconds.
        if is_plain(at) {
            let times = if AWS_BEGAN <= at && at < tomorrow() { &mut self.times } else { &mut self.wrong };
            times.note(at, 1);
        }
        if is_plain(at) || Timestamp::parse(at).is_some() {
            self.latest.clear();
            self.latest.push_str(at);
        } else {
            self.untimed += 1;
        }
        count(&mut self.accounts, account, 1);
        count(&mut self.regions, region, 1);
    }

    /// Takes in what another part of the log has.
    pub(super) fn merge(&mut self, other: Span) {
        self.times.merge(&other.times);
        self.wrong.merge(&other.wrong);
        self.untimed += other.untimed;
        other.accounts.iter().for_each(|(account, events)| count(&mut self.accounts, account, *events));
        other.regions.iter().for_each(|(region, events)| count(&mut self.regions, region, *events));
    }

    /// When the event happened that was noted last, of those that say so.
    pub(super) fn latest(&self) -> Option<Timestamp> {
        Timestamp::parse(&self.latest)
    }

    /// The times of the first event and of the last that can be true; where none can, which is this computer's clock perhaps, those
    /// that there are.
    pub(super) fn times(&self) -> Option<(Timestamp, Timestamp)> {
        self.times.ends().or_else(|| self.wrong.ends())
    }

    /// How many events have a time that cannot be true, beside others that can.
    pub(super) fn wrong_clocks(&self) -> Option<usize> {
        (self.wrong.events > 0 && self.times.events > 0).then_some(self.wrong.events)
    }

    /// When something happened: at the log's beginning or end where its own time cannot be true.
    pub(super) fn moved(&self, at: Timestamp) -> Timestamp {
        let Some((first, last)) = self.times.ends().filter(|_| self.wrong.events > 0) else { return at };
        let text = at.to_string();
        match (AWS_BEGAN <= text.as_str(), text.as_str() < tomorrow()) {
            (true, true) => at,
            (false, _) => first,
            (_, false) => last,
        }
    }
}

/// The first time of some events and the last, as they are written in the log.
#[derive(Debug, Default)]
struct Times {
    first: String,
    last: String,
    events: usize,
}

impl Times {
    fn note(&mut self, at: &str, events: usize) {
        if self.events == 0 || at < self.first.as_str() {
            at.clone_into(&mut self.first);
        }
        if self.events == 0 || at > self.last.as_str() {
            at.clone_into(&mut self.last);
        }
        self.events += events;
    }

    fn merge(&mut self, other: &Times) {
        if other.events > 0 {
            self.note(&other.first, other.events);
            self.note(&other.last, 0);
        }
    }

    fn ends(&self) -> Option<(Timestamp, Timestamp)> {
        Some((Timestamp::parse(&self.first)?, Timestamp::parse(&self.last)?))
    }
}

/// AWS sells since 2006; nothing that it tells of is older.
const AWS_BEGAN: &str = "2006";

/// A day from now, as CloudTrail writes times: what is later is the work of a wrong clock.
fn tomorrow() -> &'static str {
    static TOMORROW: OnceLock<String> = OnceLock::new();
    TOMORROW.get_or_init(|| now().plus(Duration::from_secs(86_400)).to_string())
}

/// Whether it is a time as CloudTrail writes it: `2026-03-01T12:00:00Z`, perhaps with a fraction of the second.
fn is_plain(at: &str) -> bool {
    let bytes = at.as_bytes();
    bytes.len() >= 20
        && bytes[0].is_ascii_digit()
        && bytes[4] == b'-'
        && bytes[10] == b'T'
        && bytes[bytes.len() - 1] == b'Z'
}

fn count(all: &mut BTreeMap<String, usize>, name: &str, more: usize) {
    if name.is_empty() {
        return;
    }
    match all.get_mut(name) {
        Some(events) => *events += more,
        None => {
            all.insert(clean(name, 60), more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_log_add_up() {
        let mut all = Span::default();
        for (at, account, region) in [
            ("2026-03-02T00:00:00Z", "111122223333", "us-east-1"),
            ("2026-03-01T00:00:00Z", "111122223333", "eu-west-1"),
            ("yesterday", "444455556666", ""),
        ] {
            let mut part = Span::default();
            part.note(at, account, region);
            all.merge(part);
        }
        let (first, last) = all.times().unwrap();
        assert_eq!(
            (first.to_string(), last.to_string()),
            ("2026-03-01T00:00:00Z".into(), "2026-03-02T00:00:00Z".into())
        );
        assert_eq!(all.accounts["111122223333"], 2);
        assert_eq!(all.untimed, 1);
        assert_eq!(all.regions.len(), 2);
    }

    #[test]
    fn a_wrong_clock_is_no_period() {
        let mut all = Span::default();
        all.note("1900-01-01T00:00:00Z", "", "");
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let (ancient, true_one) = (at("1900-01-01T00:00:00Z"), at("2020-03-01T00:00:00Z"));
        assert_eq!((all.times(), all.wrong_clocks()), (Some((ancient, ancient)), None), "no other is known");
        assert_eq!(all.moved(ancient), ancient);
        let mut part = Span::default();
        for time in ["2020-03-01T00:00:00Z", "2020-03-02T00:00:00Z", "2999-01-01T00:00:00Z"] {
            part.note(time, "", "");
        }
        all.merge(part);
        assert_eq!(all.times(), Some((true_one, at("2020-03-02T00:00:00Z"))));
        assert_eq!(all.wrong_clocks(), Some(2));
        assert_eq!(all.moved(ancient), true_one);
        assert_eq!(all.moved(at("2999-01-01T00:00:00Z")), at("2020-03-02T00:00:00Z"));
        assert_eq!(all.moved(at("2020-03-01T12:00:00Z")), at("2020-03-01T12:00:00Z"));
    }

    #[test]
    fn what_is_asked_for_is_wanted() {
        let at = |text| Timestamp::parse(text);
        let only = Only {
            since: at("2026-03-01T00:00:00Z"),
            until: at("2026-03-02T00:00:00Z"),
            accounts: vec!["111122223333".to_owned()],
            ..Only::default()
        };
        assert!(only.wants("2026-03-01T00:00:00Z", "111122223333", "us-east-1"));
        assert!(!only.wants("2026-03-02T00:00:00Z", "111122223333", "us-east-1"), "the end is not in it");
        assert!(!only.wants("2026-03-01T00:00:00Z", "444455556666", "us-east-1"));
        assert!(only.wants("", "111122223333", "us-east-1"), "nobody knows its time");
    }
}
