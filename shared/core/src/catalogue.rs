//! What rules and checks there are: ids, what describes them, their documentation.
//!
//! Core, settings and alerts know no rule by name. Whoever starts a program hands them this: functions that write neither
//! mails nor pages without the documentation, so that their binaries stay small.

use crate::about::{About, Docs};

/// What the ids of users' own rules begin with. Only the place that loads them knows which there are: the table of
/// settings may name one that another place has not got.
pub const OWN_RULES: &str = "sigma-";

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Catalogue {
    about: &'static [&'static About],
    docs: fn(&str) -> Option<&'static Docs>,
    more: Option<&'static Catalogue>,
}

/// A catalogue of nothing, for what is about no rule.
impl Default for Catalogue {
    fn default() -> Catalogue {
        Catalogue::new(&[])
    }
}

impl Catalogue {
    /// Without documentation.
    pub const fn new(about: &'static [&'static About]) -> Catalogue {
        Catalogue { about, docs: |_| None, more: None }
    }

    /// With the documentation that `docs` finds by id.
    pub const fn documented(
        about: &'static [&'static About],
        docs: fn(&str) -> Option<&'static Docs>,
    ) -> Catalogue {
        Catalogue { about, docs, more: None }
    }

    /// These and those of another: the rules and the checks.
    pub const fn and(self, other: &'static Catalogue) -> Catalogue {
        Catalogue { more: Some(other), ..self }
    }

    /// All of them, in the catalogue's order.
    pub fn all(&self) -> impl Iterator<Item = &'static About> + use<> {
        let more = self.more.map_or(&[][..], |more| more.about);
        self.about.iter().chain(more).copied()
    }

    /// The one with this id.
    pub fn find(&self, id: &str) -> Option<&'static About> {
        self.all().find(|about| about.id == id)
    }

    /// Whether this may be the id of a rule: one that is known, or one of a user's own.
    pub fn may_have(&self, id: &str) -> bool {
        self.find(id).is_some() || id.starts_with(OWN_RULES)
    }

    /// What explains a rule, where that is at hand.
    pub fn docs(&self, id: &str) -> Option<&'static Docs> {
        (self.docs)(id).or_else(|| self.more?.docs(id))
    }
}

/// How many there are in all themes' lists.
pub const fn count<T>(lists: &[&[T]]) -> usize {
    let (mut list, mut count) = (0, 0);
    while list < lists.len() {
        count += lists[list].len();
        list += 1;
    }
    count
}

/// The themes' lists in a row; `N` is their [`count`].
pub const fn joined<T: Copy, const N: usize>(lists: &[&[T]]) -> [T; N] {
    let mut all = [lists[0][0]; N];
    let (mut list, mut count) = (0, 0);
    while list < lists.len() {
        let mut item = 0;
        while item < lists[list].len() {
            all[count] = lists[list][item];
            item += 1;
            count += 1;
        }
        list += 1;
    }
    all
}
