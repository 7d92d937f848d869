//! When and where the events of a log happened, and which of them are asked for.

use std::collections::BTreeMap;

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
    /// The first time, as it is written in the log.
    first: Option<String>,
    /// The last.
    last: Option<String>,
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
            if self.first.as_deref().is_none_or(|first| at < first) {
                self.first = Some(at.to_owned());
            }
            if self.last.as_deref().is_none_or(|last| at > last) {
                self.last = Some(at.to_owned());
            }
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
        let earlier = |a: &String, b: &String| a < b;
        if let Some(first) = other.first
            && self.first.as_ref().is_none_or(|own| earlier(&first, own))
        {
            self.first = Some(first);
        }
        if let Some(last) = other.last
            && self.last.as_ref().is_none_or(|own| earlier(own, &last))
        {
            self.last = Some(last);
        }
        self.untimed += other.untimed;
        other.accounts.iter().for_each(|(account, events)| count(&mut self.accounts, account, *events));
        other.regions.iter().for_each(|(region, events)| count(&mut self.regions, region, *events));
    }

    /// When the event happened that was noted last, of those that say so.
    pub(super) fn latest(&self) -> Option<Timestamp> {
        Timestamp::parse(&self.latest)
    }

    /// The times of the first event and of the last.
    pub(super) fn times(&self) -> Option<(Timestamp, Timestamp)> {
        Some((Timestamp::parse(self.first.as_deref()?)?, Timestamp::parse(self.last.as_deref()?)?))
    }
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
