//! AWS-managed policies, which events mention by ARN only.
//!
//! Those that give power are known without reading them, and a few that people attach most: `managed_table.rs`. Levels are what
//! [`super::analyse`] says of the documents that AWS published.

use keepwatch_base::arn::Arn;
use keepwatch_base::text::clean;

use super::escalation::PATHS;
use super::grant::Grant;
use super::level::Level::{self, FullAdmin, Ordinary, PrivilegeEscalation, ServiceAdmin};
use super::managed_table;
use super::words;

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
    if let Some(row) = managed_table::row(name) {
        let path = row.paths.first().and_then(|id| PATHS.iter().find(|path| path.id == *id));
        let services: Vec<String> = row.services.iter().map(|s| (*s).to_owned()).collect();
        let what = match (row.level, path) {
            (FullAdmin, _) => "allows every action on every resource".to_owned(),
            (PrivilegeEscalation, Some(path)) => path.says(),
            (ServiceAdmin, Some(path)) if services.is_empty() => path.says(),
            (Ordinary, _) => "gives no power over IAM or over a whole service".to_owned(),
            _ => format!("allows every action of {}", words::list(&services)),
        };
        let ability = words::ability(row.level, &services, path.map(|path| path.clause));
        return Some(Grant { services, ability, ..grant(name, row.level, &row.paths, &what) });
    }
    if is_quarantine(arn) {
        return Some(grant(name, Ordinary, &[], "takes away what an exposed key could be used for"));
    }
    None
}

/// What an AWS-managed policy probably grants, by its name: for when its document could not be read. `None` for
/// customer-managed policies and for names that say nothing.
pub fn guess(arn: &str) -> Option<Grant> {
    if let Some(grant) = known(arn) {
        return Some(grant);
    }
    let name = name_of(arn)?;
    if name.ends_with("ReadOnlyAccess") || name.ends_with("ReadOnly") {
        return Some(grant(name, Ordinary, &[], "should allow reading only, by its name"));
    }
    let full = name.ends_with("FullAccess");
    full.then(|| grant(name, ServiceAdmin, &[], "should allow every action of a service, by its name"))
}

/// Whether AWS attaches this policy to a user whose key it found exposed. A newer version has a new number at its end.
pub fn is_quarantine(arn: &str) -> bool {
    name_of(arn).is_some_and(|name| {
        name.starts_with("AWSCompromisedKeyQuarantine") || name == "AWSExposedCredentialPolicy_DO_NOT_REMOVE"
    })
}

fn grant(name: &str, level: Level, paths: &[&'static str], what: &str) -> Grant {
    let name = clean(name, 128);
    Grant {
        level,
        why: format!("the AWS policy \"{name}\" {what}"),
        paths: paths.to_vec(),
        services: Vec::new(),
        conditional: false,
        ability: words::ability(level, &[], None),
    }
}
