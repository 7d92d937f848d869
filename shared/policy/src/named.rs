//! Which users, groups, roles and policies statements name, where they do not reach most of them.
//!
//! The probes of [`super::scope`] say whether a right holds for most resources. For a right over a few of them the
//! patterns themselves must be kept: to make the role `app-x` and to write its policy are harmless apart and an
//! administrator together.

use keepwatch_base::wildcard::{covers, matches, meets};

use super::holder::{Holder, Place, kind};
use super::pattern::Pattern;
use super::scope::Scope;

/// The most patterns of one statement that are kept. AWS's limits leave room for fewer.
const MAX_PATTERNS: usize = 400;

/// The most work, in bytes times bytes, for the comparison of two lists of patterns, and for the denials of one action.
pub(super) const MAX_WORK: usize = 1 << 20;

/// Roles that AWS itself makes and that nobody else can change.
const SERVICE_LINKED: &str = "role/aws-service-role/";

impl Scope {
    /// The resources of this kind that an Allow names, as patterns of ARNs in the holder's account. The holder itself
    /// is left out: a right over oneself is another matter.
    pub(super) fn names(&self, place: Place<'_>, holder: &Holder) -> Vec<String> {
        let Some(kind) = kind(place) else { return Vec::new() };
        let all = format!("{}{kind}/*", holder.prefix());
        if self.inverted {
            let left_out = self.patterns.iter().any(|p| p.everything || covers(&p.whole, &all));
            return if left_out { Vec::new() } else { vec![all] };
        }
        let mut names: Vec<String> =
            self.patterns.iter().filter_map(|p| p.name(place, kind, &all, holder)).collect();
        names.sort_unstable();
        names.dedup();
        // To keep too many is not worth it; to forget some would show too little power.
        if names.len() > MAX_PATTERNS { vec![all] } else { names }
    }

    /// Takes from the named resources what a Deny covers, as far as `work` goes.
    pub(super) fn take_from(
        &self,
        names: &mut Vec<String>,
        place: Place<'_>,
        holder: &Holder,
        work: &mut usize,
    ) {
        let cost = self.patterns.iter().map(|p| p.whole.len()).sum::<usize>().saturating_mul(bytes(names));
        let everything = self.patterns.iter().any(|p| p.everything);
        if !everything && cost > *work {
            return;
        }
        *work = work.saturating_sub(cost);
        if !self.inverted || everything {
            names.retain(|name| match (self.inverted, everything) {
                (inverted, true) => inverted,
                (_, false) => !self.patterns.iter().any(|p| covers(&p.whole, name)),
            });
            return;
        }
        let Some(kind) = kind(place) else { return };
        let all = format!("{}{kind}/*", holder.prefix());
        let own: Vec<String> =
            self.patterns.iter().filter_map(|p| p.name(place, kind, &all, holder)).collect();
        // What is left is what both name; told as the narrower of the two, where one is within the other.
        let left = |name: &String| {
            if own.iter().any(|p| covers(p, name)) {
                return vec![name.clone()];
            }
            let within: Vec<String> = own.iter().filter(|p| covers(name, p)).cloned().collect();
            let beyond = own.iter().any(|p| meets(p, name) && !covers(name, p));
            if beyond { vec![name.clone()] } else { within }
        };
        *names = names.iter().flat_map(left).collect();
        names.sort_unstable();
        names.dedup();
    }
}

impl Pattern {
    /// The pattern with the holder's account in place of a wildcard: `*` crosses colons, so that two patterns which
    /// begin with any account have far-fetched texts in common.
    pub(super) fn in_account(&self, holder: &Holder) -> String {
        match &self.parts {
            Some([service, owner, resource]) if matches(service, "iam") && holder.owns(owner) => {
                format!("{}{resource}", holder.prefix())
            }
            _ => self.whole.clone(),
        }
    }

    /// The pattern as one of ARNs in the holder's account, if it fits any of the kind but the holder.
    fn name(&self, place: Place<'_>, kind: &str, all: &str, holder: &Holder) -> Option<String> {
        if self.everything || covers(&self.whole, all) {
            return Some(all.to_owned());
        }
        let fits = match &self.parts {
            // No name of IAM's holds a colon for the `*` of an earlier part to reach.
            Some([service, owner, resource]) => {
                matches(service, "iam") && holder.owns(owner) && meets(resource, &format!("{kind}/*"))
            }
            None => meets(&self.whole, all),
        };
        // Variables that the holder lacks make a statement fit nothing.
        if !fits || holder.lacks(&self.whole) {
            return None;
        }
        let name = self.in_account(holder);
        let linked = name.strip_prefix(holder.prefix()).is_some_and(|rest| rest.starts_with(SERVICE_LINKED));
        (!linked && !holder.is_only_itself(place, kind, &name)).then_some(name)
    }
}

/// Whether a pattern of the first list has a resource in common with one of every other list. Lists that are too long
/// to compare count as if they had.
pub(super) fn overlap(first: &[String], others: &[&[String]]) -> bool {
    if others.iter().any(|other| other.is_empty()) {
        return false;
    }
    let too_much = |other: &&[String]| bytes(first).saturating_mul(bytes(other)) > MAX_WORK;
    let shared = |name: &String| others.iter().all(|other| other.binary_search(name).is_ok());
    let meet = |name: &String| {
        others.iter().all(|other| other.binary_search(name).is_ok() || other.iter().any(|o| meets(name, o)))
    };
    // Most statements repeat their patterns word for word.
    first.iter().any(shared) || (!first.is_empty() && others.iter().any(too_much)) || first.iter().any(meet)
}

fn bytes(names: &[String]) -> usize {
    names.iter().map(String::len).sum()
}
