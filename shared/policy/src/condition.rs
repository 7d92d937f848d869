//! What the conditions of an Allow leave of it.
//!
//! A condition may confine a grant to harmless requests (attach only these policies, pass roles only to that service,
//! touch only tagged resources). Those are read. A condition on the circumstances of a request (MFA, address, region,
//! hour, organization) leaves the power as it is: whoever holds the grant can meet it. It is mentioned, not deducted.

use std::cell::OnceCell;

use keepwatch_base::partition::{PARTITIONS, Partition};
use keepwatch_base::wildcard;

use super::document::Condition;
use super::holder::{Holder, Place};
use super::managed_table::POWERFUL;
use super::named::MAX_WORK;
use super::pattern::pattern;

/// The policy that a boundary must not be.
const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// What the holder can do about the conditions that confine its own grants.
#[derive(Debug, Default)]
pub(super) struct Delegation {
    /// The kinds of resource that it can tag, to meet a condition on their tags.
    pub(super) tags: Vec<Place<'static>>,
    /// Patterns of the policies that it can make,
    pub(super) made: Vec<String>,
    /// and of those that exist and that it can rewrite.
    pub(super) rewritten: Vec<String>,
}

/// What the conditions leave of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permit {
    /// No power.
    None,
    /// Power over the holder itself.
    Own,
    /// All of it.
    All,
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
    /// `iam:AWSServiceName`: service-linked roles only.
    ServiceLinked,
    /// `aws:ResourceTag/x`, `ec2:ResourceTag/x` …: the resource must carry a tag.
    ResourceTag,
    /// Anything else.
    Circumstance,
}

impl Key {
    fn of(key: &str) -> Key {
        let key = key.to_ascii_lowercase();
        match key.as_str() {
            "iam:policyarn" => Key::PolicyArn,
            "iam:permissionsboundary" => Key::Boundary,
            "iam:passedtoservice" => Key::PassedTo,
            "iam:awsservicename" => Key::ServiceLinked,
            _ if key.contains(":resourcetag/") => Key::ResourceTag,
            _ => Key::Circumstance,
        }
    }

    /// Whether a request for this action carries the key. Where it does not, a condition that asks for a value fails.
    fn is_in(self, action: &str) -> bool {
        let Some(name) = action.strip_prefix("iam:") else { return self == Key::ResourceTag };
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
            Key::PassedTo => name == "PassRole",
            Key::ServiceLinked => name == "CreateServiceLinkedRole",
            Key::ResourceTag | Key::Circumstance => true,
        }
    }
}

/// An operator, taken apart.
#[derive(Clone, Copy, Debug)]
struct Operator {
    /// `…Not…`: fits what is not listed, and requests without the key.
    negated: bool,
    /// `…IfExists` and `ForAllValues:` fit requests without the key.
    optional: bool,
    /// Whether `*` and `?` in values are wildcards: all but `StringEquals` and its kin.
    wild: bool,
    /// `Null`: asks whether the key is there at all.
    null: bool,
}

impl Operator {
    fn of(text: &str) -> Operator {
        let text = text.to_ascii_lowercase();
        let all = text.starts_with("forallvalues:");
        let name = text.rsplit(':').next().unwrap_or_default();
        let base = name.strip_suffix("ifexists").unwrap_or(name);
        Operator {
            negated: base.contains("not"),
            optional: all || base.len() != name.len(),
            wild: !base.starts_with("stringequals") && !base.starts_with("stringnotequals"),
            null: base == "null",
        }
    }

    /// Whether a request fits whose key has this value.
    fn fits(self, values: &[String], value: &str) -> bool {
        let listed = values.iter().any(|pattern| {
            if self.wild {
                wildcard::matches_ignore_ascii_case(pattern, value)
            } else {
                pattern.eq_ignore_ascii_case(value)
            }
        });
        listed != self.negated
    }
}

/// One condition that is read.
#[derive(Debug)]
struct Read<'a> {
    key: Key,
    operator: Operator,
    condition: &'a Condition,
    /// The values as patterns of the holder's own policies, where they are policies.
    policies: Vec<String>,
    /// Whether a powerful policy of AWS's fits.
    powerful: OnceCell<bool>,
}

/// The conditions of one Allow, taken apart.
#[derive(Debug, Default)]
pub(super) struct Limits<'a> {
    read: Vec<Read<'a>>,
    /// The keys of conditions on circumstances, as written.
    pub(super) circumstances: Vec<&'a str>,
}

impl<'a> Limits<'a> {
    pub(super) fn of(conditions: &'a [Condition], holder: &Holder) -> Limits<'a> {
        let mut limits = Limits::default();
        for condition in conditions {
            let key = Key::of(&condition.key);
            if key == Key::Circumstance {
                limits.circumstances.push(&condition.key);
                continue;
            }
            let (operator, powerful) = (Operator::of(&condition.operator), OnceCell::new());
            let of_policies = matches!(key, Key::PolicyArn | Key::Boundary);
            let values = condition.values.iter().filter(|_| of_policies);
            let policies = values.map(|v| pattern(v, !operator.negated, holder).in_account(holder)).collect();
            limits.read.push(Read { key, operator, condition, policies, powerful });
        }
        limits
    }

    /// What the grant still gives through this action, which works on resources of the kind `place`. For
    /// `iam:PassRole`, `service` is who receives the role; without one, any service will do.
    pub(super) fn permit(
        &self,
        action: &str,
        place: Place<'_>,
        service: Option<&str>,
        given: &Delegation,
    ) -> Permit {
        let mut permit = Permit::All;
        for read in &self.read {
            match read.permit(action, place, service, given) {
                Permit::None => return Permit::None,
                Permit::Own => permit = Permit::Own,
                Permit::All => {}
            }
        }
        permit
    }
}

impl Read<'_> {
    fn permit(&self, action: &str, place: Place<'_>, service: Option<&str>, given: &Delegation) -> Permit {
        let (operator, values) = (self.operator, &self.condition.values);
        let is_null = || values.iter().any(|v| v.eq_ignore_ascii_case("true"));
        let permits = if !self.key.is_in(action) {
            if operator.null { is_null() } else { operator.negated || operator.optional }
        } else {
            match self.key {
                Key::ResourceTag => return self.of_tag(place, given),
                // Most users have no boundary.
                Key::Boundary if operator.null => is_null(),
                _ if operator.null => !is_null(),
                Key::PolicyArn => {
                    *self.powerful.get_or_init(|| POWERFUL.iter().any(|arn| fits_arn(operator, values, arn)))
                        || self.fits_any(&given.made)
                        || self.fits_any(&given.rewritten)
                }
                // A boundary of AdministratorAccess bounds nothing, and so does one that its holder can rewrite; and
                // most users and roles have none at all. A policy that is named in full exists, so that to make one
                // helps only where names are open.
                Key::Boundary => {
                    let open = operator.negated || values.iter().any(|v| wildcard::is_wild(v));
                    operator.optional
                        || fits_arn(operator, values, ADMINISTRATOR)
                        || self.fits_any(&given.rewritten)
                        || (open && self.fits_any(&given.made))
                }
                Key::PassedTo => match service {
                    Some(service) => fits_service(operator, values, service),
                    None => operator.negated || !values.is_empty(),
                },
                Key::ServiceLinked | Key::Circumstance => true,
            }
        };
        if permits { Permit::All } else { Permit::None }
    }

    /// A tag confines only who cannot put it on what it lacks.
    fn of_tag(&self, place: Place<'_>, given: &Delegation) -> Permit {
        let (operator, values) = (self.operator, &self.condition.values);
        let open = if operator.null {
            // Most resources carry no given tag.
            values.iter().any(|v| v.eq_ignore_ascii_case("true"))
        } else {
            operator.negated
                || operator.optional
                || (operator.wild && values.iter().any(|v| wildcard::is_all_wild(v)))
        };
        let tag = self.condition.key.split_once('/').map_or("", |(_, tag)| tag);
        let of_principal = |value: &String| {
            let inner = value.strip_prefix("${").and_then(|v| v.strip_suffix('}')).unwrap_or_default();
            let (key, name) = inner.split_once('/').unwrap_or_default();
            key.eq_ignore_ascii_case("aws:PrincipalTag") && name.eq_ignore_ascii_case(tag)
        };
        let tagged = matches!(place, Place::User | Place::Role);
        match () {
            () if open || given.tags.contains(&place) => Permit::All,
            // The holder has the same tags as itself.
            () if tagged && !operator.null && values.iter().any(of_principal) => Permit::Own,
            () => Permit::None,
        }
    }

    /// Whether the condition lets through a policy that fits one of these patterns.
    fn fits_any(&self, policies: &[String]) -> bool {
        let bytes = |list: &[String]| list.iter().map(String::len).sum::<usize>();
        if policies.is_empty() {
            return false;
        }
        if bytes(policies).saturating_mul(bytes(&self.policies)) > MAX_WORK {
            return true;
        }
        let listed = |policy: &String| {
            self.policies.iter().zip(&self.condition.values).any(|(value, written)| {
                let literal = !self.operator.wild && wildcard::is_wild(written);
                match (self.operator.negated, literal) {
                    (_, true) => false,
                    (true, false) => wildcard::covers(value, policy),
                    (false, false) => wildcard::meets(value, policy),
                }
            })
        };
        policies.iter().any(|policy| listed(policy) != self.operator.negated)
    }
}

/// Policies of AWS's own have the same names in every partition.
fn fits_arn(operator: Operator, values: &[String], arn: &str) -> bool {
    let fits = |partition: &Partition| {
        operator.fits(values, &arn.replacen("arn:aws:", &format!("arn:{}:", partition.name), 1))
    };
    // A list that keeps out AdministratorAccess of one partition keeps it out: only one partition is the account's.
    if operator.negated { PARTITIONS.iter().all(fits) } else { PARTITIONS.iter().any(fits) }
}

fn fits_service(operator: Operator, values: &[String], service: &str) -> bool {
    let china = format!("{service}.cn");
    let fits = |name: &str| operator.fits(values, name);
    if operator.negated { fits(service) && fits(&china) } else { fits(service) || fits(&china) }
}
