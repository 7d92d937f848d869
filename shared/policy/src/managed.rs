//! AWS-managed policies, which events mention by ARN only.
//!
//! Those that give power are known without reading them, and a few that people attach most: `managed_table.rs`. Levels are what
//! [`super::analyse`] says of the documents that AWS published.

use keepwatch_base::arn::Arn;

use super::held::{Origin, PolicyName};
use super::level::Level::{Ordinary, ServiceAdmin};
use super::managed_table;
use super::verdict::{Basis, Grant};

/// The name of an AWS-managed policy: the last segment of `arn:aws:iam::aws:policy/job-function/Billing`, in any
/// partition. `None` for customer-managed policies and for what is no policy's ARN.
pub fn name_of(arn: &str) -> Option<&str> {
    let arn = Arn::parse(arn.trim())?;
    let aws = arn.partition == "aws" || arn.partition.starts_with("aws-");
    if !aws || arn.service != "iam" || arn.account != "aws" {
        return None;
    }
    arn.resource.strip_prefix("policy/")?.rsplit('/').next().filter(|name| !name.is_empty())
}

/// What an AWS-managed policy grants, where it is known without reading it. `None` for customer-managed policies and for
/// AWS-managed ones whose document must be read.
pub fn known(arn: &str) -> Option<Grant> {
    let name = name_of(arn)?;
    let policy = PolicyName::new(Origin::Aws, name);
    if let Some(row) = managed_table::row(name) {
        return Some(Grant::by_name(Basis::Known, policy, row.level, &row.paths, &row.services));
    }
    is_quarantine(arn).then(|| Grant::by_name(Basis::Quarantine, policy, Ordinary, &[], &[]))
}

/// What an AWS-managed policy probably grants, by its name: for when its document could not be read. `None` for
/// customer-managed policies and for names that say nothing.
pub fn guess(arn: &str) -> Option<Grant> {
    if let Some(grant) = known(arn) {
        return Some(grant);
    }
    let name = name_of(arn)?;
    let reads = name.ends_with("ReadOnlyAccess") || name.ends_with("ReadOnly");
    let level = match () {
        () if reads => Ordinary,
        () if name.ends_with("FullAccess") => ServiceAdmin,
        () => return None,
    };
    Some(Grant::by_name(Basis::Guess, PolicyName::new(Origin::Aws, name), level, &[], &[]))
}

/// Whether AWS attaches this policy to a user whose key it found exposed. A newer version has a new number at its end.
pub fn is_quarantine(arn: &str) -> bool {
    name_of(arn).is_some_and(|name| {
        name.starts_with("AWSCompromisedKeyQuarantine") || name == "AWSExposedCredentialPolicy_DO_NOT_REMOVE"
    })
}
