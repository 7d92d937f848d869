//! Which operations of AWS decide over permissions, sharing, keys, logging or identity, and who hears them.
//!
//! AWS's service authorization reference says which actions it classes as permissions management; of the others that write,
//! names tell. `shared/rules/src/tests/coverage.json` lists them all: heard, or with the reason why not. Its test fails for
//! one that is neither. This compares the list with the pinned reference and prints what is new there and what is gone; with
//! `--write` what is new becomes `undecided`, which a person then decides.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::{resource_types, sources};

/// The list, from the root of the repository.
const LIST: &str = "shared/rules/src/tests/coverage.json";

/// Parts of names of operations that change who has access, which keys there are, what is logged, or who somebody is.
const DECIDING: [&str; 64] = [
    // Sharing.
    "Acl",
    "ACL",
    "AWSServiceAccess",
    "AccessConfig",
    "AccessControl",
    "AccessEntr",
    "AccessForOrg",
    "AccessPolic",
    "AccountAccess",
    "Authoriz",
    "BlockPublicAccess",
    "CrossAccount",
    "DataAccess",
    "Delegat",
    "DirectoryAccess",
    "Grant",
    "Invit",
    "OrganizationAccess",
    "OrganizationAdmin",
    "Permission",
    "Policies",
    "Policy",
    "Public",
    "ResourceAccess",
    "Share",
    "Sharing",
    // Keys and credentials.
    "APIKey",
    "AccessKey",
    "ApiKey",
    "ClientSecret",
    "Credential",
    "EncryptionConf",
    "EncryptionKey",
    "KMS",
    "KeyPair",
    "KeyStore",
    "Kms",
    "Password",
    "SSHKey",
    "SshKey",
    // Logging.
    "AuditLog",
    "AuditStream",
    "EventBus",
    "EventDataStore",
    "FlowLog",
    "LogConfig",
    "LogDeliver",
    "LogDestination",
    "LogSubscription",
    "Logging",
    "QueryLog",
    "Recorder",
    "SubscriptionFilter",
    "Trail",
    // Identity.
    "GroupMember",
    "IdentityCenter",
    "IdentityPool",
    "IdentityProvider",
    "IdentitySource",
    "IdentityStore",
    "Mfa",
    "MFA",
    "Oidc",
    "OIDC",
];

/// The same, for parts that stand at the end of names.
const DECIDING_AT_THE_END: [&str; 8] =
    ["InstanceProfile", "Role", "Roles", "SAMLProvider", "TrustStore", "User", "UserToGroup", "Users"];

/// Parts of names in which one of those words means something else: how long things are kept, how they scale and are cached.
const OTHERS: [&str; 25] = [
    "ArchivePolic",
    "BackupPolicy",
    "CachePolicy",
    "CorsPolicy",
    "DataProtectionPolicy",
    "FirewallPolicy",
    "HealthPolic",
    "IpRestriction",
    "Lifecycle",
    "MetricPolicy",
    "OriginRequestPolicy",
    "PublicDns",
    "PublicIp",
    "Publish",
    "QuotaShare",
    "ResiliencyPolicy",
    "ResponseHeadersPolicy",
    "RetentionPolic",
    "ScalingPolic",
    "SchedulingPolicy",
    "SecurityPolic",
    "StickinessPolicy",
    "Trailer",
    "TransferPolicy",
    "TrafficPolicy",
];

/// The same, for whole names.
const OTHER_NAMES: [&str; 2] = ["ModifyReplicationInstanceProfile", "TagInstanceProfile"];

/// The list as it is kept.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
struct List {
    reference: String,
    #[serde(default)]
    reasons: BTreeMap<String, String>,
    #[serde(default)]
    services: BTreeMap<String, Service>,
}

/// The operations of a service, in texts of names, so that a reason is a line.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Service {
    /// What CloudTrail calls the service, where that is not its prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    heard: String,
    /// What CloudTrail calls an action that is no operation of that name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    called: BTreeMap<String, String>,
    /// By the key of the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    not_heard: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    undecided: String,
}

impl Service {
    fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        [&mut self.heard, &mut self.undecided].into_iter().chain(self.not_heard.values_mut())
    }

    fn names(&mut self) -> BTreeSet<String> {
        self.texts()
            .flat_map(|text| text.split(' '))
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// # Errors
/// As [`resource_types::reference`] has them, and a list that cannot be read or written.
pub(crate) fn run(root: &Path, write: bool) -> anyhow::Result<ExitCode> {
    let (reference, actions) = resource_types::reference(root)?;
    let path = root.join(LIST);
    let mut list: List = sources::json(&path)?;
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (action, level) in actions {
        let (service, name) = action.split_once(':').with_context(|| format!("{action} is no action"))?;
        if decides(name, &level) {
            wanted.entry(service.to_owned()).or_default().insert(name.to_owned());
        }
    }
    anstream::println!("{LIST} is of {}; the reference that is pinned is {reference}", list.reference);
    let services: BTreeSet<String> = wanted.keys().chain(list.services.keys()).cloned().collect();
    let (mut new, mut gone) = (0, 0);
    for service in services {
        let there = wanted.remove(&service).unwrap_or_default();
        let entry = list.services.entry(service.clone()).or_default();
        let listed = entry.names();
        let (added, removed) = (difference(&there, &listed), difference(&listed, &there));
        if !added.is_empty() {
            anstream::println!("new   {service}: {}", added.join(" "));
        }
        if !removed.is_empty() {
            anstream::println!("gone  {service}: {}", removed.join(" "));
        }
        (new, gone) = (new + added.len(), gone + removed.len());
        for text in entry.texts() {
            let kept: Vec<&str> = text.split(' ').filter(|name| there.contains(*name)).collect();
            *text = kept.join(" ");
        }
        let undecided = entry.undecided.split(' ').filter(|name| !name.is_empty()).map(str::to_owned);
        entry.undecided = undecided.chain(added).collect::<Vec<_>>().join(" ");
        entry.not_heard.retain(|_, names| !names.is_empty());
        entry.called.retain(|name, _| there.contains(name));
    }
    anstream::println!("{new} new, {gone} gone");
    if write {
        list.services.retain(|_, service| !service.names().is_empty());
        list.reference = reference;
        let text = serde_json::to_string_pretty(&list)? + "\n";
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether an action of this access level decides over permissions, sharing, keys, logging or identity.
fn decides(name: &str, level: &str) -> bool {
    if level.contains("Permissions management") {
        return true;
    }
    level.contains("Write")
        && (DECIDING.iter().any(|word| name.contains(word))
            || DECIDING_AT_THE_END.iter().any(|word| name.ends_with(word)))
        && !OTHERS.iter().any(|word| name.contains(word))
        && !OTHER_NAMES.contains(&name)
}

fn difference(one: &BTreeSet<String>, other: &BTreeSet<String>) -> Vec<String> {
    one.difference(other).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_is_told_by_the_level_or_by_the_name() {
        for (name, level, expected) in [
            ("JoinGroup", "Permissions management", true),
            ("CreateGrant", "Permissions management, Write", true),
            ("PutResourcePolicy", "Write", true),
            ("CreateTrail", "Write", true),
            ("ImportKeyPair", "Write", true),
            ("AdminCreateUser", "Write", true),
            ("GetResourcePolicy", "Read", false),
            ("PutLifecyclePolicy", "Write", false),
            ("RunInstances", "Write", false),
        ] {
            assert_eq!(decides(name, level), expected, "{name}");
        }
    }
}
