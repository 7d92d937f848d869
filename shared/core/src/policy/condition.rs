//! What the conditions of an Allow leave of it.
//!
//! A condition may confine a grant to harmless requests (attach only these policies, pass roles only to that service,
//! touch only tagged resources). Those are read. A condition on the circumstances of a request (MFA, address, region,
//! hour, organization) leaves the power as it is: whoever holds the grant can meet it. It is mentioned, not deducted.

use super::document::Condition;
use super::wildcard;

/// The AWS-managed policies whose attachment makes the holder powerful. A condition on `iam:PolicyARN` or
/// `iam:PermissionsBoundary` narrows only if it keeps out all of them.
const POWERFUL: [&str; 4] = [
    "arn:aws:iam::aws:policy/AdministratorAccess",
    "arn:aws:iam::aws:policy/IAMFullAccess",
    "arn:aws:iam::aws:policy/PowerUserAccess",
    "arn:aws:iam::aws:policy/job-function/SystemAdministrator",
];

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

/// The conditions of one Allow, taken apart.
#[derive(Debug, Default)]
pub(super) struct Limits<'a> {
    read: Vec<(Key, Operator, &'a [String])>,
    /// The keys of conditions on circumstances, as written.
    pub(super) circumstances: Vec<&'a str>,
}

impl<'a> Limits<'a> {
    pub(super) fn of(conditions: &'a [Condition]) -> Limits<'a> {
        let mut limits = Limits::default();
        for condition in conditions {
            match Key::of(&condition.key) {
                Key::Circumstance => limits.circumstances.push(&condition.key),
                key => limits.read.push((key, Operator::of(&condition.operator), &condition.values)),
            }
        }
        limits
    }

    /// Whether the grant still gives power through this action. For `iam:PassRole`, `service` is who receives the
    /// role; without one, any service will do.
    pub(super) fn permit(&self, action: &str, service: Option<&str>) -> bool {
        self.read.iter().all(|&(key, operator, values)| {
            let is_null = || values.iter().any(|v| v.eq_ignore_ascii_case("true"));
            if !key.is_in(action) {
                return if operator.null { is_null() } else { operator.negated || operator.optional };
            }
            match key {
                _ if operator.null => match key {
                    // Most resources carry no given tag, and most users no boundary.
                    Key::ResourceTag | Key::Boundary => is_null(),
                    _ => !is_null(),
                },
                Key::PolicyArn => POWERFUL.iter().any(|arn| fits_arn(operator, values, arn)),
                // A boundary of AdministratorAccess bounds nothing; and most users and roles have none at all.
                Key::Boundary => operator.optional || fits_arn(operator, values, POWERFUL[0]),
                Key::PassedTo => match service {
                    Some(service) => fits_service(operator, values, service),
                    None => operator.negated || !values.is_empty(),
                },
                Key::ServiceLinked | Key::Circumstance => true,
                Key::ResourceTag => {
                    operator.negated
                        || operator.optional
                        || (operator.wild && values.iter().any(|v| v == "*"))
                }
            }
        })
    }
}

/// Policies of AWS's own have the same names in every partition.
fn fits_arn(operator: Operator, values: &[String], arn: &str) -> bool {
    let partitions = ["arn:aws:", "arn:aws-cn:", "arn:aws-us-gov:"];
    let fits = |prefix: &str| operator.fits(values, &arn.replacen("arn:aws:", prefix, 1));
    // A list that keeps out AdministratorAccess of one partition keeps it out: only one partition is the account's.
    if operator.negated { partitions.into_iter().all(fits) } else { partitions.into_iter().any(fits) }
}

fn fits_service(operator: Operator, values: &[String], service: &str) -> bool {
    let china = format!("{service}.cn");
    let fits = |name: &str| operator.fits(values, name);
    if operator.negated { fits(service) && fits(&china) } else { fits(service) || fits(&china) }
}
