//! Who holds a grant, and the made-up resources that statements are asked about.

use std::sync::LazyLock;

use keepwatch_base::arn::Arn;
use keepwatch_base::time::Timestamp;
use keepwatch_base::wildcard;

/// Stands for a policy variable whose value is not known; fits no probe but through a wildcard.
pub(super) const NO_VALUE: &str = "\u{3}";
/// Stands for a policy variable that the holder's requests lack, such as a role's `aws:username`.
pub(super) const ABSENT: &str = "\u{4}";
/// The characters that stand for values which are not known.
pub(super) const UNKNOWN: [char; 2] = ['\u{2}', '\u{3}'];
/// Stands for the name of the user who makes the request, where it is not known.
pub(super) const SOME_USER: &str = "\u{2}";

/// One bit a probe: sixteen lower-case names, sixteen capitalised ones, and the holder of the grant itself.
pub(super) type Reach = u64;

/// Every probe but the holder itself.
pub(super) const ALL: Reach = 0xffff_ffff;
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

/// The kinds of resource that probes are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place<'a> {
    User,
    Group,
    Role,
    Policy,
    Saml,
    Oidc,
    /// A type of resource, by its number in [`super::resource_types`].
    Type(u16),
    /// The same, where an Allow on it may do and a Deny on it may not.
    Assumed(u16),
    /// No resource: AWS asks for `*`.
    Whole,
    /// Resources of this service, of any type.
    Service(&'a str),
    /// Resources of services that no list can name.
    Anywhere,
}

impl Place<'_> {
    /// A type as itself, be it assumed or not.
    pub(super) fn known(self) -> Self {
        if let Place::Assumed(number) = self { Place::Type(number) } else { self }
    }
}

/// How ARNs name this kind, if it is one of IAM's own.
pub(super) fn kind(place: Place<'_>) -> Option<&'static str> {
    IAM_TYPES.iter().find(|(iam, _)| *iam == place).map(|(_, kind)| *kind)
}

/// IAM's own kinds, and how their ARNs begin.
pub(super) const IAM_TYPES: [(Place<'static>, &str); 6] = [
    (Place::User, "user"),
    (Place::Group, "group"),
    (Place::Role, "role"),
    (Place::Policy, "policy"),
    (Place::Saml, "saml-provider"),
    (Place::Oidc, "oidc-provider"),
];

/// The names of the probes: as people give them, and, for what takes something away, an initial with a rest that no
/// policy can hold: `role/admin*` must not count as if it protected every name with that initial.
pub(super) static PROBE_NAMES: LazyLock<[Vec<String>; 2]> = LazyLock::new(|| {
    let spell = |keep: bool| {
        let both = NAMES.iter().map(|n| (*n).to_owned()).chain(NAMES.iter().map(|n| {
            let (first, rest) = n.split_at(1);
            first.to_ascii_uppercase() + rest
        }));
        both.map(|n| if keep { n } else { n[..1].to_owned() + "~~~~" }).collect()
    };
    [spell(true), spell(false)]
});

/// Who holds the grant, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Holder {
    /// The account, if an ARN was given.
    pub(super) account: Option<String>,
    /// `user/path/bob`, `role/x`, `group/y`.
    pub(super) resource: Option<String>,
    /// What `${aws:username}` stands for.
    user_name: Option<String>,
    /// When it makes its requests, or later.
    pub(super) at: Option<Timestamp>,
    /// Managed policies that it holds, by the names under which the documents were handed over.
    policies: Vec<String>,
    /// How the ARNs of IAM's resources in its account begin.
    prefix: String,
    probes: Vec<Probes>,
}

impl Holder {
    pub(super) fn new(arn: Option<&str>, policies: Vec<String>) -> Holder {
        let Some(arn) = arn.and_then(Arn::parse) else {
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

    pub(super) fn probes(&self, place: Place<'_>) -> Option<&Probes> {
        self.probes.get(IAM_TYPES.iter().position(|(iam, _)| *iam == place)?)
    }
}

/// The probes of one of IAM's own kinds, as ARNs.
#[derive(Debug)]
pub(super) struct Probes {
    pub(super) wide: Vec<String>,
    pub(super) narrow: Vec<String>,
    pub(super) own: Vec<String>,
}
