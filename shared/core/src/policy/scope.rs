//! Which resources a statement reaches, asked with a few made-up resources of every kind.
//!
//! "On every role" has many spellings: `*`, `arn:aws:iam::*:role/*`, a list with one pattern for each letter. So the
//! question is put to probes, resources with names that begin with sixteen different letters, and "broad" means most
//! of them. A statement that allows is read widely and one that denies is read narrowly: what the probes cannot tell
//! shows too much power rather than too little. Rights over fewer resources are left to [`super::named`].

use std::sync::LazyLock;

use super::document::Statement;
use super::pattern::{ABSENT, NO_VALUE, Pattern, SOME_USER, only_wild, pattern};
use super::wildcard;

/// One bit a probe: sixteen lower-case names, sixteen capitalised ones, and the holder of the grant itself.
pub(super) type Reach = u64;

/// Every probe but the holder itself.
const ALL: Reach = 0xffff_ffff;
/// The holder of the grant itself.
pub(super) const SELF: Reach = 1 << 32;
/// Any resource of the service, be it a single one.
pub(super) const SOME: Reach = 1 << 33;

/// Names such as people give, one for each of sixteen initials.
const NAMES: [&str; 16] = [
    "admin",
    "billing",
    "ci-runner",
    "deploy",
    "engineer",
    "frontend",
    "ingest",
    "lambda-exec",
    "metrics",
    "network",
    "ops",
    "platform",
    "reporting",
    "service",
    "team",
    "web",
];

/// Whether these are most resources of the kind: three quarters of the names in either spelling.
pub(super) fn is_broad(reach: Reach) -> bool {
    (reach & 0xffff).count_ones() >= 12 || (reach & 0xffff_0000).count_ones() >= 12
}

/// The kinds of resource that probes are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place<'a> {
    User,
    Group,
    Role,
    Policy,
    Saml,
    Oidc,
    /// Resources of this service, of any type.
    Service(&'a str),
    /// Resources of services that no list can name.
    Anywhere,
}

/// How ARNs name this kind, if it is one of IAM's own.
pub(super) fn kind(place: Place<'_>) -> Option<&'static str> {
    IAM_TYPES.iter().find(|(iam, _)| *iam == place).map(|(_, kind)| *kind)
}

/// IAM's own kinds, and how their ARNs begin.
const IAM_TYPES: [(Place<'static>, &str); 6] = [
    (Place::User, "user"),
    (Place::Group, "group"),
    (Place::Role, "role"),
    (Place::Policy, "policy"),
    (Place::Saml, "saml-provider"),
    (Place::Oidc, "oidc-provider"),
];

/// The names of the probes: as people give them, and, for what takes something away, an initial with a rest that no
/// policy can hold: `role/admin*` must not count as if it protected every name with that initial.
static PROBE_NAMES: LazyLock<[Vec<String>; 2]> = LazyLock::new(|| {
    let spell = |keep: bool| {
        let both = NAMES.iter().map(|n| (*n).to_owned()).chain(NAMES.iter().map(|n| {
            let (first, rest) = n.split_at(1);
            first.to_ascii_uppercase() + rest
        }));
        both.map(|n| if keep { n } else { n[..1].to_owned() + "~~~~" }).collect()
    };
    [spell(true), spell(false)]
});

/// Services whose ARNs begin with the resource's name, not with its type.
const UNTYPED: [&str; 7] = ["s3", "sns", "sqs", "execute-api", "codecommit", "s3express", "s3-object-lambda"];

/// A service name that no policy can hold.
const NO_SERVICE: &str = "~~~~~~~";
/// Who holds the grant, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Holder {
    /// The account, if an ARN was given.
    account: Option<String>,
    /// `user/path/bob`, `role/x`, `group/y`.
    resource: Option<String>,
    /// What `${aws:username}` stands for.
    user_name: Option<String>,
    /// Managed policies that it holds, by the names under which the documents were handed over.
    policies: Vec<String>,
    /// How the ARNs of IAM's resources in its account begin.
    prefix: String,
    probes: Vec<Probes>,
}

impl Holder {
    pub(super) fn new(arn: Option<&str>, policies: Vec<String>) -> Holder {
        let Some(arn) = arn.and_then(super::Arn::parse) else {
            return Holder { user_name: Some(SOME_USER.to_owned()), policies, ..Holder::default() }
                .with_probes();
        };
        let last = arn.resource.rsplit('/').next().unwrap_or_default();
        let user_name = match arn.resource.split('/').next() {
            Some("user") => Some(last.to_owned()),
            Some("group") => Some(SOME_USER.to_owned()),
            _ => None,
        };
        let (account, resource) = (Some(arn.account.to_owned()), Some(arn.resource.to_owned()));
        Holder { account, resource, user_name, policies, ..Holder::default() }.with_probes()
    }

    /// What `${aws:username}` stands for, if its requests carry it.
    pub(super) fn user_name(&self) -> Option<&str> {
        self.user_name.as_deref()
    }

    pub(super) fn has_account(&self) -> bool {
        self.account.is_some()
    }

    pub(super) fn account(&self) -> &str {
        self.account.as_deref().unwrap_or("000000000000")
    }

    /// The holder as a resource of this kind.
    fn as_resources(&self, place: Place<'_>, kind: &str) -> Vec<String> {
        if place == Place::Policy {
            return self.policies.iter().map(|name| format!("policy/{name}")).collect();
        }
        match &self.resource {
            Some(resource) if resource.split('/').next() == Some(kind) => vec![resource.clone()],
            Some(resource) if place == Place::User && resource.starts_with("group/") => {
                vec![format!("user/{SOME_USER}")]
            }
            None if place == Place::User => vec![format!("user/{SOME_USER}")],
            _ => Vec::new(),
        }
    }

    /// `arn:aws:iam::111122223333:`.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether a pattern of accounts fits its own.
    pub(super) fn owns(&self, account: &str) -> bool {
        wildcard::matches(account, self.account())
    }

    /// Whether the pattern, its variables replaced, asks for one that the holder's requests lack.
    pub(super) fn lacks(&self, whole: &str) -> bool {
        self.user_name.is_none() && whole.contains(ABSENT)
    }

    /// Whether the pattern fits nobody but the holder, under whichever path.
    pub(super) fn is_only_itself(&self, place: Place<'_>, kind: &str, arn: &str) -> bool {
        let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
        let name = last(arn);
        !wildcard::is_wild(&name) && self.as_resources(place, kind).iter().any(|own| last(own) == name)
    }

    /// Writes the probes of IAM's own kinds as ARNs in the holder's account.
    fn with_probes(mut self) -> Holder {
        let prefix = format!("arn:aws:iam::{}:", self.account());
        self.prefix.clone_from(&prefix);
        self.probes = IAM_TYPES
            .iter()
            .map(|(place, kind)| {
                let arns =
                    |names: &Vec<String>| names.iter().map(|n| format!("{prefix}{kind}/{n}")).collect();
                let own =
                    self.as_resources(*place, kind).iter().map(|own| format!("{prefix}{own}")).collect();
                Probes { wide: arns(&PROBE_NAMES[0]), narrow: arns(&PROBE_NAMES[1]), own }
            })
            .collect();
        self
    }

    fn probes(&self, place: Place<'_>) -> Option<&Probes> {
        self.probes.get(IAM_TYPES.iter().position(|(iam, _)| *iam == place)?)
    }
}

/// The probes of one of IAM's own kinds, as ARNs.
#[derive(Debug)]
struct Probes {
    wide: Vec<String>,
    narrow: Vec<String>,
    own: Vec<String>,
}

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
        if let Some(all) = patterns.iter().position(|p| p.everything) {
            patterns.swap(0, all);
            patterns.truncate(1);
        }
        Scope { patterns, inverted }
    }

    /// The probes of this kind that the statement applies to.
    pub(super) fn reach(&self, place: Place<'_>, holder: &Holder) -> Reach {
        let probes = holder.probes(place);
        let full = match probes {
            None => ALL | SOME,
            Some(probes) if probes.own.is_empty() => ALL,
            Some(_) => ALL | SELF,
        };
        let mut reach = 0;
        for pattern in &self.patterns {
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
        let (Some((head, last)), Some((kind, name))) = (self.whole.rsplit_once('/'), own.rsplit_once('/'))
        else {
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
