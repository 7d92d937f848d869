//! Which resources an action works on, by AWS's service authorization reference.
//!
//! A resource belongs to its own service, which need not be the action's: `ssm:StartSession` is asked of
//! `arn:aws:ec2:…:instance/…`. The reference is compiled in for the actions that decide anything
//! ([`super::resource_types_table`], written by `cargo xtask resource-types`). Its text has three kinds of line:
//!
//! - `@ssm` begins a service.
//! - `document=ssm:R:A:document/*` names a type of resource by its ARN without the partition. `R` stands for a region, `A` for
//!   the own account, `a` for the own account or none, and `*` for any account and for names; `!` is a name of which an account
//!   has one only. An empty region or account is empty in the ARN as well. The name may begin as AWS makes it: `instance/i-0*`.
//! - `[instance|managed-instance document] SendCommand` says what the actions after it need: one type of each group, the
//!   first of which is what the action is about. `[]` is an action that works on no resource at all, so that AWS asks for `*`.
//!   With `?` that is so by the reference, but some services are known to check the ARN of what such an action makes.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::holder::{IAM_TYPES, NO_VALUE, Place};
use super::resource_types_table::TABLE;

/// The account in a type's ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// It names none.
    None,
    /// The holder's own.
    Own,
    /// The holder's own, or none for what AWS offers everybody.
    OwnOrNone,
    /// Whichever.
    Any,
}

/// A type of resource.
#[derive(Debug)]
pub(super) struct ResourceType {
    /// `*` for any.
    pub(super) service: &'static str,
    /// Its ARN names a region.
    pub(super) regional: bool,
    pub(super) owner: Owner,
    /// `instance/i-0*`.
    pub(super) resource: &'static str,
    /// What comes before the first name, up to a separator: `instance/`.
    pub(super) stem: &'static str,
}

impl ResourceType {
    fn parse(arn: &'static str) -> Option<ResourceType> {
        let mut parts = arn.splitn(4, ':');
        let (service, region, account, resource) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let owner = match account {
            "" => Owner::None,
            "A" => Owner::Own,
            "a" => Owner::OwnOrNone,
            _ => Owner::Any,
        };
        let named = resource.find(['*', '!']).unwrap_or(resource.len());
        let stem = &resource[..resource[..named].rfind(['/', ':']).map_or(0, |at| at + 1)];
        Some(ResourceType { service, regional: region == "R", owner, resource, stem })
    }

    /// Whether there is but one of them in an account, such as `hub/default`.
    pub(super) fn is_single(&self) -> bool {
        !self.resource.contains(['*', '!'])
    }

    /// The resource part of one that is called so, where AWS lets people choose names. What an account has but one of is
    /// called as the pattern has it.
    pub(super) fn called(&self, name: &str, pattern: &str) -> String {
        if !self.resource.contains('!') {
            return self.resource.replace('*', name);
        }
        let mut written = pattern.split('/');
        let segment = |part: &str| match (part, written.next()) {
            ("!", Some(only)) if only.len() > 1 => only.to_owned(),
            _ => part.replace(['*', '!'], name),
        };
        self.resource.split('/').map(segment).collect::<Vec<_>>().join("/")
    }

    /// The ARN of one with a name and a region that no pattern has.
    pub(super) fn unnamed(&self, account: &str) -> String {
        let region = if self.regional { NO_VALUE } else { "" };
        let account = if self.owner == Owner::None { "" } else { account };
        let service = if self.service == "*" { NO_VALUE } else { self.service };
        format!("arn:aws:{service}:{region}:{account}:{}", self.resource.replace(['*', '!'], NO_VALUE))
    }
}

/// What must be allowed for an action: one kind of the target, and one of each further group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// What the action is about, any of these.
    pub(super) target: Vec<Place<'static>>,
    /// What it needs besides, one of each.
    pub(super) beside: Vec<Vec<Place<'static>>>,
}

impl Needs {
    pub(super) fn of(place: Place<'static>) -> Needs {
        Needs { target: vec![place], ..Needs::default() }
    }
}

/// The reference, as far as it is compiled in.
struct Reference {
    types: Vec<ResourceType>,
    /// By service and action.
    needs: HashMap<(&'static str, &'static str), Needs>,
}

static REFERENCE: LazyLock<Reference> = LazyLock::new(|| {
    let (mut types, mut needs): (Vec<ResourceType>, HashMap<_, _>) = Default::default();
    let mut numbers: HashMap<&'static str, Place<'static>> = HashMap::new();
    let mut service = "";
    let mut named: HashMap<&'static str, Place<'static>> = HashMap::new();
    for line in TABLE.lines() {
        if let Some(name) = line.strip_prefix('@') {
            service = name;
            named.clear();
        } else if let Some((groups, actions)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let found = read_needs(groups, &named);
            needs.extend(actions.split_whitespace().map(|action| ((service, action), found.clone())));
        } else if let Some((name, arn)) = line.split_once('=')
            && let Some(kind) = ResourceType::parse(arn)
        {
            let next = types.len();
            let place = *numbers.entry(arn).or_insert_with(|| place(&kind, next));
            if place == Place::Type(number(next)) {
                types.push(kind);
            }
            named.insert(name, place);
        }
    }
    Reference { types, needs }
});

fn number(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

/// IAM's own kinds have probes of their own.
fn place(kind: &ResourceType, next: usize) -> Place<'static> {
    let of_iam = IAM_TYPES.iter().filter(|_| kind.service == "iam");
    let same = of_iam.filter(|(_, name)| kind.stem.strip_suffix('/') == Some(*name)).map(|(place, _)| *place);
    same.last().unwrap_or(Place::Type(number(next)))
}

fn read_needs(groups: &'static str, named: &HashMap<&'static str, Place<'static>>) -> Needs {
    let (groups, assumed) = groups.strip_prefix('?').map_or((groups, false), |rest| (rest, true));
    let of_type = |name: &str| match named.get(name) {
        Some(Place::Type(number)) if assumed => Place::Assumed(*number),
        Some(place) => *place,
        None => Place::Whole,
    };
    let mut groups = groups.split(' ').map(|group| group.split('|').map(of_type).collect());
    Needs { target: groups.next().unwrap_or_default(), beside: groups.collect() }
}

/// The type of this number.
pub(super) fn of(number: u16) -> Option<&'static ResourceType> {
    REFERENCE.types.get(usize::from(number))
}

/// What an action needs, if the reference is compiled in for it.
pub(super) fn needs(service: &'static str, action: &'static str) -> Option<&'static Needs> {
    REFERENCE.needs.get(&(service, action))
}
