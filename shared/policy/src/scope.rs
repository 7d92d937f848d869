//! Which resources a statement reaches, asked with a few made-up resources of every kind.
//!
//! "On every role" has many spellings: `*`, `arn:aws:iam::*:role/*`, a list with one pattern for each letter. So the
//! question is put to probes, resources with names that begin with sixteen different letters, and "broad" means most
//! of them. A statement that allows is read widely and one that denies is read narrowly: what the probes cannot tell
//! shows too much power rather than too little. Rights over fewer resources are left to [`super::named`].

use keepwatch_base::wildcard;

use super::document::Statement;
use super::holder::{
    ABSENT, ALL, Holder, NO_VALUE, PROBE_NAMES, Place, Probes, Reach, SELF, SOME, SOME_USER,
};
use super::pattern::{Pattern, is_star, only_wild, pattern};
use super::resource_types::{self, Owner, ResourceType};

/// Whether these are most resources of the kind: three quarters of the names in either spelling.
pub(super) fn is_broad(reach: Reach) -> bool {
    (reach & 0xffff).count_ones() >= 12 || (reach & 0xffff_0000).count_ones() >= 12
}

/// Services whose ARNs begin with the resource's name, not with its type.
const UNTYPED: [&str; 7] = ["s3", "sns", "sqs", "execute-api", "codecommit", "s3express", "s3-object-lambda"];

/// A service name that no policy can hold.
const NO_SERVICE: &str = "~~~~~~~";
/// The resources of one statement.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) patterns: Vec<Pattern>,
    /// `NotResource`.
    pub(super) inverted: bool,
}

impl Scope {
    /// The resources of a statement. An Allow is read `wide`, a Deny is not.
    pub(super) fn of(statement: &Statement, wide: bool, holder: &Holder) -> Scope {
        let inverted = statement.not_resources.is_some();
        let list = statement.not_resources.as_ref().unwrap_or(&statement.resources);
        // What NotResource leaves out is read the other way round.
        let generous = wide != inverted;
        let mut patterns: Vec<Pattern> = list.iter().map(|text| pattern(text, generous, holder)).collect();
        // No identity policy lacks a resource. Should one, nothing confines it; with a principal it is none.
        let identity = statement.principals.is_empty() && statement.not_principals.is_none();
        if !inverted && wide && list.is_empty() && identity {
            patterns.push(pattern("*", wide, holder));
        }
        let all = patterns.iter().position(|p| is_star(&p.whole));
        if let Some(all) = all.or_else(|| patterns.iter().position(|p| p.everything)) {
            patterns.swap(0, all);
            patterns.truncate(1);
        }
        Scope { patterns, inverted }
    }

    /// The probes of this kind that the statement applies to.
    pub(super) fn reach(&self, place: Place<'_>, holder: &Holder) -> Reach {
        self.reach_less(place, holder, &[])
    }

    /// The same without the patterns that these denials cover as they are written.
    pub(super) fn reach_less(&self, place: Place<'_>, holder: &Holder, denials: &[&Scope]) -> Reach {
        let probes = holder.probes(place);
        let full = match probes {
            None => ALL | SOME,
            Some(probes) if probes.own.is_empty() => ALL,
            Some(_) => ALL | SELF,
        };
        let left = |pattern: &&Pattern| !denials.iter().any(|denial| denial.covers(pattern));
        // What asks for `*` is not denied by naming every ARN.
        let unnamed = matches!(place, Place::Whole | Place::Assumed(_));
        let speaks = |pattern: &&Pattern| !unnamed || pattern.generous || is_star(&pattern.whole);
        let mut reach = 0;
        for pattern in self.patterns.iter().filter(speaks).filter(left) {
            reach |= match (pattern.everything, probes) {
                (true, _) => full,
                (false, Some(probes)) => pattern.among(probes),
                (false, None) => match pattern.within(place, holder.account()) {
                    Some(ALL) => ALL | SOME,
                    // To deny one resource leaves others.
                    Some(reach) if pattern.generous => reach | SOME,
                    Some(reach) => reach,
                    None => 0,
                },
            };
            if reach == full {
                break;
            }
        }
        if self.inverted { full & !reach } else { reach }
    }

    fn covers(&self, allowed: &Pattern) -> bool {
        !self.inverted && self.patterns.iter().any(|pattern| pattern.covers(allowed))
    }

    /// The bytes of its patterns, if a denial of some of them leaves less.
    pub(super) fn size(&self) -> usize {
        if self.inverted { 0 } else { self.patterns.iter().map(|pattern| pattern.written.len()).sum() }
    }
}

impl Pattern {
    fn among(&self, probes: &Probes) -> Reach {
        let arns = if self.generous { &probes.wide } else { &probes.narrow };
        let reach = bits(arns, |arn| wildcard::matches(&self.whole, arn));
        if probes.own.iter().any(|arn| self.is_own(arn)) { reach | SELF } else { reach }
    }

    /// Whether it fits the holder. A name without a path may have one that the event did not tell, so that its last
    /// segment decides in an Allow.
    fn is_own(&self, own: &str) -> bool {
        if wildcard::matches(&self.whole, own) {
            return true;
        }
        // Part by part: a `*` for the account must not stretch over the kind.
        let (whole, own) = match (&self.parts, own.splitn(6, ':').collect::<Vec<_>>().as_slice()) {
            (Some([service, owner, resource]), [_, _, iam, _, account, own]) => {
                if !wildcard::matches(service, iam) || !wildcard::matches(owner, account) {
                    return false;
                }
                (resource.as_str(), *own)
            }
            _ => (self.whole.as_str(), own),
        };
        let (Some((head, last)), Some((kind, name))) = (whole.rsplit_once('/'), own.rsplit_once('/')) else {
            return false;
        };
        let named = if name == SOME_USER { last == name } else { wildcard::matches(last, name) };
        let pathless = !kind.contains('/');
        self.generous
            && named
            && pathless
            && (wildcard::matches(head, kind) || wildcard::meets(head, &format!("{kind}/*")))
    }

    /// What it reaches of a service's resources; `None` where it names none of them.
    fn within(&self, place: Place<'_>, account: &str) -> Option<Reach> {
        let service = match place {
            Place::Type(number) | Place::Assumed(number) => {
                return self.of_type(resource_types::of(number)?, account);
            }
            Place::Whole => return None,
            Place::Service(service) => service,
            _ => NO_SERVICE,
        };
        let Some([of, owner, resource]) = &self.parts else {
            // `arn:aws:lambda:*` and the like, with fewer parts than an ARN has.
            let probe = format!("arn:aws:{service}:{NO_VALUE}:{account}:{NO_VALUE}/{NO_VALUE}");
            return wildcard::matches(&self.whole, &probe).then_some(ALL);
        };
        if !wildcard::matches(of, service) || !(owner.is_empty() || wildcard::matches(owner, account)) {
            return None;
        }
        let untyped = UNTYPED.contains(&service);
        Some(*self.reach[usize::from(untyped)].get_or_init(|| self.of_resource(resource, untyped)))
    }

    /// What it reaches of a type's resources; `None` where it fits none of them.
    fn of_type(&self, kind: &ResourceType, account: &str) -> Option<Reach> {
        // A variable that the holder's requests lack makes a statement fit nothing.
        if self.whole.contains(ABSENT) {
            return None;
        }
        let Some([of, owner, resource]) = &self.parts else {
            return wildcard::matches(&self.whole, &kind.unnamed(account)).then_some(ALL);
        };
        let owned = match kind.owner {
            Owner::None => wildcard::matches(owner, ""),
            Owner::Own => wildcard::matches(owner, account),
            // To deny those of the account leaves AWS's.
            Owner::OwnOrNone => {
                let (own, none) = (wildcard::matches(owner, account), wildcard::matches(owner, ""));
                if self.generous { own || none } else { own && none }
            }
            Owner::Any => self.generous || wildcard::matches(owner, NO_VALUE),
        };
        let of_service = kind.service == "*" || wildcard::matches(of, kind.service);
        if !owned || !of_service || !self.fits_region(kind.regional) {
            return None;
        }
        if only_wild(resource, false) {
            return Some(ALL);
        }
        if kind.is_single() {
            return wildcard::matches(resource, kind.resource).then_some(ALL);
        }
        let literal = &resource[..resource.find(['*', '?']).unwrap_or(resource.len())];
        if !kind.stem.starts_with(literal) && !literal.starts_with(kind.stem) {
            return None;
        }
        match resource.strip_prefix(kind.stem).filter(|_| !kind.stem.is_empty()) {
            Some(rest) if only_wild(rest, self.generous) => return Some(ALL),
            Some(_) => {}
            // It may fit anything: it is read but once.
            None if literal.is_empty() && !kind.stem.is_empty() => {
                return Some(*self.reach[0].get_or_init(|| self.of_resource(resource, false)));
            }
            None if !wildcard::meets(resource, &format!("{}*", kind.stem)) => return None,
            None => {}
        }
        let list = &PROBE_NAMES[usize::from(!self.generous)];
        Some(bits(list, |name| wildcard::matches(resource, &kind.called(name, resource))))
    }

    fn of_resource(&self, resource: &str, untyped: bool) -> Reach {
        let list = &PROBE_NAMES[usize::from(!self.generous)];
        if only_wild(resource, self.generous) {
            return ALL;
        }
        if untyped {
            return bits(list, |name| wildcard::matches(resource, name));
        }
        if !self.generous {
            return bits(list, |name| wildcard::matches(resource, &format!("{NO_VALUE}/{name}")));
        }
        // All resources of one type are as good as all: `table/*`, `function:*`, `secret:*`.
        let rest = match resource.find(['/', ':']) {
            Some(at) if !wildcard::is_wild(&resource[..at]) => &resource[at + 1..],
            _ => resource,
        };
        if only_wild(rest, true) { ALL } else { bits(list, |name| wildcard::matches(rest, name)) }
    }
}

fn bits(names: &[String], passes: impl Fn(&str) -> bool) -> Reach {
    names.iter().enumerate().filter(|(_, name)| passes(name)).fold(0, |reach, (i, _)| reach | 1 << i)
}
