//! What the conditions of an identity policy leave of a grant.
//!
//! A condition may confine a grant to harmless requests (attach only these policies, pass roles only to that service,
//! touch only tagged resources), and it may ask for what its holder can never bring along (another's name, a date that is
//! past). Those are read. A condition on the circumstances of a request (MFA, address, region, hour, organization) leaves
//! the power as it is: whoever holds the grant can meet it. It is mentioned, not deducted.
//!
//! A Deny is read the same way, the other way round: it takes away what the holder cannot get past.

use std::cell::OnceCell;

use keepwatch_base::partition::{PARTITIONS, Partition};
use keepwatch_base::wildcard;

use super::{Attainable, Constraint, Domain, World, groups, satisfiable};
use crate::condition::operator::Kind;
use crate::document::{Condition, Effect, Statement};
use crate::holder::{Holder, Place};
use crate::managed_table::POWERFUL;
use crate::named::MAX_WORK;
use crate::pattern::pattern;
use crate::table::SERVICES;

/// The policy that a boundary must not be.
const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// What the holder can do about the conditions that confine its own grants.
#[derive(Debug, Default)]
pub(crate) struct Delegation {
    /// The kinds of resource that it can tag, to meet a condition on their tags.
    pub(crate) tags: Vec<Place<'static>>,
    /// Patterns of the policies that it can make,
    pub(crate) made: Vec<String>,
    /// and of those that exist and that it can rewrite.
    pub(crate) rewritten: Vec<String>,
    /// Patterns of the users and roles whose permissions boundary it can take off or replace by any other.
    pub(crate) unbound: Vec<String>,
}

/// What the conditions leave of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permit {
    /// No power.
    None,
    /// Power over the holder itself.
    Own,
    /// All of it.
    All,
}

/// One request for power: an action, the kind of resource that it works on, and, for `iam:PassRole`, who receives the role.
#[derive(Clone, Copy)]
pub(crate) struct Request<'r> {
    pub(crate) action: &'r str,
    pub(crate) place: Place<'r>,
    pub(crate) service: Option<&'r str>,
    pub(crate) given: &'r Delegation,
    /// Whether the holder can take the boundary off the users or roles that the statement reaches.
    pub(crate) unbound: &'r dyn Fn() -> bool,
}

/// The keys that are read, by the requests that carry them (IAM's service authorization reference).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// `iam:PolicyARN`: Attach and Detach calls.
    PolicyArn,
    /// `iam:PermissionsBoundary`: calls that make or change users and roles.
    Boundary,
    /// `iam:PassedToService`: PassRole.
    PassedTo,
    /// `iam:AssociatedResourceArn`: PassRole.
    Associated,
    /// `iam:AWSServiceName`: service-linked roles only.
    ServiceLinked,
    /// `aws:ResourceTag/x`, `ec2:ResourceTag/x` …: the resource must carry a tag.
    ResourceTag,
    /// `ec2:InstanceProfile`, `cloudformation:RoleArn` …: what the request hands over, by its ARN.
    Handed,
    /// `aws:RequestTag/x`, `aws:TagKeys`: calls that write tags.
    RequestTag,
    /// A key of IAM's that no request for power carries.
    Elsewhere,
    /// Anything else.
    Circumstance,
}

/// Keys that say what a request hands over to the service.
const HANDED: [&str; 3] = ["ec2:instanceprofile", "cloudformation:rolearn", "ecs:task-definition"];

/// Calls that take a boundary off.
const LIFTS: [&str; 2] = ["iam:DeleteRolePermissionsBoundary", "iam:DeleteUserPermissionsBoundary"];

/// Calls of IAM that write tags, besides those that have it in their name.
const TAGGING: [&str; 7] = [
    "CreateInstanceProfile",
    "CreateOpenIDConnectProvider",
    "CreatePolicy",
    "CreateRole",
    "CreateSAMLProvider",
    "CreateUser",
    "CreateVirtualMFADevice",
];

impl Key {
    fn of(key: &str) -> Key {
        match key {
            "iam:policyarn" => Key::PolicyArn,
            "iam:permissionsboundary" => Key::Boundary,
            "iam:passedtoservice" => Key::PassedTo,
            "iam:associatedresourcearn" => Key::Associated,
            "iam:awsservicename" => Key::ServiceLinked,
            "aws:tagkeys" => Key::RequestTag,
            _ if HANDED.contains(&key) => Key::Handed,
            _ if key.contains(":resourcetag/") => Key::ResourceTag,
            _ if key.starts_with("aws:requesttag/") => Key::RequestTag,
            _ if key.starts_with("iam:") => Key::Elsewhere,
            _ => Key::Circumstance,
        }
    }

    /// Whether a request for this action carries the key. Where it does not, a condition that asks for a value fails.
    fn is_in(self, action: &str, key: &str) -> bool {
        let Some(name) = action.strip_prefix("iam:") else {
            return !matches!(
                self,
                Key::PolicyArn | Key::Boundary | Key::PassedTo | Key::Associated | Key::ServiceLinked
            );
        };
        let group = name.contains("Group");
        match self {
            Key::PolicyArn => name.starts_with("Attach") || name.starts_with("Detach"),
            Key::Boundary => {
                let user_or_role = (name.contains("User") || name.contains("Role")) && !group;
                let verb =
                    ["Attach", "Detach", "Put", "Create", "Delete"].iter().any(|v| name.starts_with(v));
                user_or_role
                    && verb
                    && (name.contains("Polic") || name.contains("Boundary") || name.starts_with("Create"))
            }
            Key::PassedTo | Key::Associated => name == "PassRole",
            Key::ServiceLinked => name == "CreateServiceLinkedRole",
            Key::RequestTag => TAGGING.contains(&name) || name.starts_with("Tag"),
            Key::ResourceTag => !group,
            Key::Handed | Key::Elsewhere => false,
            // Keys of other services are not in IAM's requests.
            Key::Circumstance => {
                let of = key.split(':').next().unwrap_or_default();
                !SERVICES.iter().any(|(service, _)| *service == of)
            }
        }
    }
}

/// The conditions on one key.
#[derive(Debug)]
struct Group<'a> {
    key: Key,
    /// As written, in lower case.
    name: String,
    constraints: Vec<Constraint<'a>>,
    /// For each constraint its values as patterns of the holder's own policies, where they are policies.
    policies: Vec<Vec<String>>,
    /// Whether a powerful policy of AWS's fits.
    powerful: OnceCell<bool>,
    /// Whether some request of the holder's meets them.
    possible: bool,
}

/// The conditions of one statement, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Limits<'a> {
    /// All of a list must be met; one list is enough. An Allow has one; a Deny has one for each of its conditions, which must
    /// fail for a request to get past it, and none where nothing gets past it.
    ways: Vec<Vec<Group<'a>>>,
    /// The keys of an Allow's conditions on circumstances, as written.
    pub(crate) circumstances: Vec<&'a str>,
}

impl<'a> Limits<'a> {
    pub(crate) fn of(statement: &'a Statement, variables: bool, holder: &Holder) -> Limits<'a> {
        let all = |wanted| move |one: &'a Condition| Constraint::new(one, wanted, variables, holder);
        let ways: Vec<Vec<Constraint<'a>>> = match statement.effect {
            Effect::Allow => vec![statement.conditions.iter().map(all(true)).collect()],
            Effect::Deny => statement.conditions.iter().map(all(false)).map(|one| vec![one]).collect(),
        };
        let ways = ways.into_iter().map(|way| {
            groups(way).into_iter().map(|(name, constraints)| Group::new(name, constraints, holder)).collect()
        });
        let circumstance = |one: &&Condition| {
            matches!(Key::of(&one.key.to_ascii_lowercase()), Key::Circumstance | Key::RequestTag)
        };
        let circumstances = statement.conditions.iter().filter(circumstance).map(|one| one.key.as_str());
        Limits { ways: ways.collect(), circumstances: circumstances.collect() }
    }

    /// What a Deny leaves of the requests that an Allow lets through, where both ask something of one key: "if MFA" allows
    /// nothing beside a Deny "if MFA". Nothing where they do not meddle with each other.
    pub(crate) fn beside(&self, allow: &Limits<'a>, holder: &Holder) -> Option<Limits<'a>> {
        let asked = allow.ways.first()?;
        let same = |group: &Group<'a>| asked.iter().find(|other| other.name == group.name);
        self.ways.iter().flatten().find_map(same)?;
        let joined = |group: &Group<'a>| {
            let more = same(group).into_iter().flat_map(|other| &other.constraints);
            let both = group.constraints.iter().chain(more).cloned().collect();
            Group::new(group.name.clone(), both, holder)
        };
        let ways = self.ways.iter().map(|way| way.iter().map(joined).collect()).collect();
        Some(Limits { ways, circumstances: Vec::new() })
    }

    /// What the grant still gives, or, of a Deny, what it leaves.
    pub(crate) fn permit(&self, request: &Request<'_>) -> Permit {
        let mut most = Permit::None;
        for way in &self.ways {
            match way.iter().map(|group| group.permit(request)).fold(Permit::All, Permit::both) {
                Permit::All => return Permit::All,
                Permit::Own => most = Permit::Own,
                Permit::None => {}
            }
        }
        most
    }
}

impl Permit {
    fn both(self, other: Permit) -> Permit {
        match (self, other) {
            (Permit::None, _) | (_, Permit::None) => Permit::None,
            (Permit::Own, _) | (_, Permit::Own) => Permit::Own,
            (Permit::All, Permit::All) => Permit::All,
        }
    }
}

impl<'a> Group<'a> {
    fn new(name: String, constraints: Vec<Constraint<'a>>, holder: &Holder) -> Group<'a> {
        let key = Key::of(&name);
        let of_policies = matches!(key, Key::PolicyArn | Key::Boundary);
        let patterns = |constraint: &Constraint<'_>| {
            let values = constraint.condition.values.iter().filter(|_| of_policies);
            let wide = !constraint.keeps_out();
            values.map(|value| pattern(value, wide, holder).in_account(holder)).collect()
        };
        let policies = constraints.iter().map(patterns).collect();
        let possible = satisfiable(&constraints, &holder.domain(&name)).is_some();
        Group { key, name, constraints, policies, powerful: OnceCell::new(), possible }
    }

    fn permit(&self, request: &Request<'_>) -> Permit {
        let permits = match self.key {
            _ if !self.key.is_in(request.action, &self.name) => self.passes(None),
            Key::ResourceTag => return self.of_tag(request.place, request.given),
            Key::PolicyArn => {
                self.is_powerful()
                    || self.fits_any(&request.given.made)
                    || self.fits_any(&request.given.rewritten)
            }
            // To take off a boundary of any name is to take it off.
            Key::Boundary if LIFTS.contains(&request.action) => {
                let boundary = Domain { absent: false, ..Domain::free() };
                let policies = Attainable::Free(|text| text.starts_with("arn:"));
                satisfiable(&self.constraints, &boundary.reaching(policies)).is_some()
            }
            // A boundary of AdministratorAccess bounds nothing, and so does one that its holder can rewrite or take off;
            // and most users and roles have none at all. A policy that is named in full exists, so that to make one helps
            // only where names are open.
            Key::Boundary => {
                let wild = |constraint: &Constraint<'_>| {
                    constraint.values.iter().any(|v| wildcard::is_wild(&v.pattern))
                };
                self.passes(None)
                    || self.fits_arn(ADMINISTRATOR)
                    || self.fits_any(&request.given.rewritten)
                    || (self.constraints.iter().any(wild) && self.fits_any(&request.given.made))
                    || (request.unbound)()
            }
            Key::PassedTo => match request.service {
                // In China some services go by a longer name.
                Some(service) => self.passes_one_of(&[service, &format!("{service}.cn")]),
                None => satisfiable(&self.constraints, &Domain { absent: false, ..Domain::free() }).is_some(),
            },
            Key::Associated => {
                let service =
                    request.service.map_or("~", |service| service.split('.').next().unwrap_or(service));
                let service = if service == "ecs-tasks" { "ecs" } else { service };
                let sample = format!("arn:aws:{service}:us-east-1:000000000000:~/~");
                let open = Domain::only(&[&sample]).or_absent().reaching(Attainable::Open);
                satisfiable(&self.constraints, &open).is_some()
            }
            Key::Handed => {
                let sample = "arn:aws:iam::000000000000:role/~";
                satisfiable(
                    &self.constraints,
                    &Domain::only(&[sample]).or_absent().reaching(Attainable::Open),
                )
                .is_some()
            }
            Key::ServiceLinked | Key::RequestTag | Key::Elsewhere | Key::Circumstance => self.possible,
        };
        if permits { Permit::All } else { Permit::None }
    }

    /// Whether a request that carries this value, or lacks the key, meets all of them.
    fn passes(&self, carried: Option<&str>) -> bool {
        self.constraints.iter().all(|constraint| constraint.passes(carried))
    }

    /// A tag confines only who cannot put it on what it lacks.
    fn of_tag(&self, place: Place<'_>, given: &Delegation) -> Permit {
        let any = |constraint: &Constraint<'_>| {
            let all_wild = constraint.values.iter().any(|v| !v.unknown && wildcard::is_all_wild(&v.pattern));
            constraint.passes(None) || (constraint.operator.kind == Kind::Like && all_wild)
        };
        let tag = self.name.split_once('/').map_or("", |(_, tag)| tag);
        let of_principal = |value: &String| {
            let inner = value.strip_prefix("${").and_then(|v| v.strip_suffix('}')).unwrap_or_default();
            let (key, name) = inner.split_once('/').unwrap_or_default();
            key.eq_ignore_ascii_case("aws:PrincipalTag") && name.eq_ignore_ascii_case(tag)
        };
        let own = |constraint: &Constraint<'_>| {
            constraint.operator.kind != Kind::Null && constraint.condition.values.iter().any(of_principal)
        };
        let tagged = matches!(place, Place::User | Place::Role);
        match () {
            () if given.tags.contains(&place) => {
                if satisfiable(&self.constraints, &Domain::free()).is_some() {
                    Permit::All
                } else {
                    Permit::None
                }
            }
            // Most resources carry no given tag.
            () if self.constraints.iter().all(any) => Permit::All,
            // The holder has the same tags as itself.
            () if tagged && self.constraints.iter().all(own) => Permit::Own,
            () => Permit::None,
        }
    }

    fn is_powerful(&self) -> bool {
        *self.powerful.get_or_init(|| POWERFUL.iter().any(|arn| self.fits_arn(arn)))
    }

    /// Whether this policy of AWS's fits. Those have the same names in every partition.
    fn fits_arn(&self, arn: &str) -> bool {
        let of = |partition: &Partition| arn.replacen("arn:aws:", &format!("arn:{}:", partition.name), 1);
        let spellings: Vec<String> = PARTITIONS.iter().map(of).collect();
        self.passes_one_of(&spellings.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Whether something that goes by one of these names, which of them depending on the partition, passes. A list that
    /// keeps out one of the names keeps it out: its author knows the partition.
    fn passes_one_of(&self, names: &[&str]) -> bool {
        self.constraints.iter().all(|constraint| {
            let mut passed = names.iter().map(|name| constraint.passes(Some(name)));
            if constraint.keeps_out() { passed.all(|one| one) } else { passed.any(|one| one) }
        })
    }

    /// Whether a policy that fits one of these patterns fits.
    fn fits_any(&self, policies: &[String]) -> bool {
        let bytes = |list: &[String]| list.iter().map(String::len).sum::<usize>();
        if policies.is_empty() || self.constraints.iter().any(|one| one.operator.kind == Kind::Null) {
            return !policies.is_empty() && self.passes(Some(ADMINISTRATOR));
        }
        let work: usize = self.policies.iter().map(|list| bytes(list)).sum();
        if bytes(policies).saturating_mul(work) > MAX_WORK {
            return true;
        }
        let fits = |policy: &String, constraint: &Constraint<'_>, values: &Vec<String>| {
            // What lets through requests without the key keeps out what it lists.
            let keeps_out = constraint.keeps_out();
            let listed = values.iter().zip(&constraint.condition.values).any(|(value, written)| {
                let literal = !constraint.operator.is_wild() && wildcard::is_wild(written);
                match (keeps_out, literal) {
                    (_, true) => false,
                    (true, false) => wildcard::covers(value, policy),
                    (false, false) => wildcard::meets(value, policy),
                }
            });
            listed != keeps_out
        };
        policies.iter().any(|policy| {
            self.constraints.iter().zip(&self.policies).all(|(one, values)| fits(policy, one, values))
        })
    }
}
