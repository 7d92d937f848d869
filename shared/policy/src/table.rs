//! The actions that are asked for, and the kind of resource that each works on.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use super::escalation::PATHS;
use super::holder::Place;
use super::path::Path;
use super::resource_types::{self, Needs};

/// Changes to IAM of which an administrator may make most.
pub(super) const IAM: [&str; 12] = [
    "iam:AddUserToGroup",
    "iam:AttachGroupPolicy",
    "iam:AttachRolePolicy",
    "iam:AttachUserPolicy",
    "iam:CreateAccessKey",
    "iam:CreateLoginProfile",
    "iam:CreatePolicyVersion",
    "iam:CreateRole",
    "iam:CreateUser",
    "iam:PutRolePolicy",
    "iam:PutUserPolicy",
    "iam:UpdateAssumeRolePolicy",
];

/// For the services that matter most, what "every action" comes to: whoever may do all of these has the service,
/// however the pattern is written.
pub(super) const SERVICES: [(&str, &[&str]); 24] = [
    ("account", &["CloseAccount", "PutAlternateContact", "EnableRegion"]),
    (
        "backup",
        &["DeleteBackupVault", "DeleteRecoveryPoint", "PutBackupVaultAccessPolicy", "StartRestoreJob"],
    ),
    ("cloudformation", &["CreateStack", "DeleteStack", "UpdateStack", "SetStackPolicy"]),
    ("cloudtrail", &["StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"]),
    ("config", &["DeleteConfigurationRecorder", "StopConfigurationRecorder", "PutDeliveryChannel"]),
    ("dynamodb", &["GetItem", "PutItem", "DeleteTable", "PutResourcePolicy", "ExportTableToPointInTime"]),
    (
        "ec2",
        &[
            "RunInstances",
            "TerminateInstances",
            "AuthorizeSecurityGroupIngress",
            "ModifySnapshotAttribute",
            "DeleteVpc",
        ],
    ),
    ("ecr", &["PutImage", "DeleteRepository", "SetRepositoryPolicy", "BatchDeleteImage"]),
    ("ecs", &["RunTask", "RegisterTaskDefinition", "DeleteCluster", "ExecuteCommand"]),
    ("eks", &["CreateAccessEntry", "AssociateAccessPolicy", "DeleteCluster", "UpdateClusterConfig"]),
    ("guardduty", &["DeleteDetector", "UpdateDetector", "CreateFilter", "DisassociateMembers"]),
    ("kms", &["Decrypt", "PutKeyPolicy", "ScheduleKeyDeletion", "CreateGrant"]),
    (
        "lambda",
        &["CreateFunction", "UpdateFunctionCode", "AddPermission", "DeleteFunction", "InvokeFunction"],
    ),
    ("logs", &["DeleteLogGroup", "PutResourcePolicy", "PutSubscriptionFilter", "DeleteLogStream"]),
    ("organizations", &["AttachPolicy", "DetachPolicy", "InviteAccountToOrganization", "LeaveOrganization"]),
    ("rds", &["DeleteDBInstance", "ModifyDBInstance", "ModifyDBSnapshotAttribute", "CreateDBSnapshot"]),
    ("route53", &["ChangeResourceRecordSets", "DeleteHostedZone", "CreateHostedZone"]),
    ("s3", &["GetObject", "PutObject", "DeleteObject", "PutBucketPolicy", "DeleteBucket"]),
    ("secretsmanager", &["GetSecretValue", "PutSecretValue", "DeleteSecret", "PutResourcePolicy"]),
    ("securityhub", &["DisableSecurityHub", "UpdateStandardsControl", "BatchUpdateFindings"]),
    ("sns", &["Publish", "DeleteTopic", "SetTopicAttributes", "AddPermission"]),
    ("sqs", &["ReceiveMessage", "SendMessage", "DeleteQueue", "SetQueueAttributes"]),
    ("ssm", &["SendCommand", "StartSession", "PutParameter", "GetParameter", "StartAutomationExecution"]),
    ("sso", &["CreatePermissionSet", "CreateAccountAssignment", "PutInlinePolicyToPermissionSet"]),
];

/// Services with nothing to administer: channels of agents, prices, the caller's own health and identity. IAM and STS
/// are judged by the ways to gain power instead.
pub(super) const TRIFLES: [&str; 10] = [
    "ec2messages",
    "execute-api",
    "health",
    "iam",
    "mobileanalytics",
    "pricing",
    "ssmmessages",
    "sts",
    "support",
    "xray",
];

/// Further actions that decide what others come to: who may be given a role, which policies its holder can make, and
/// which tags it can put on what.
const HELPERS: [&str; 7] = [
    "iam:CreatePolicy",
    "iam:PassRole",
    "iam:TagOpenIDConnectProvider",
    "iam:TagPolicy",
    "iam:TagRole",
    "iam:TagSAMLProvider",
    "iam:TagUser",
];

/// Which probe actions a statement names, one bit each.
pub(super) type Bits = [u64; 8];

/// The actions that are asked for.
#[derive(Default)]
pub(super) struct Table {
    pub(super) actions: Vec<(String, Needs)>,
    pub(super) index: HashMap<&'static str, usize>,
    pub(super) letters: Vec<usize>,
    pub(super) services: Vec<(&'static str, Vec<usize>)>,
    /// The actions that are of use with a resource that the holder made itself: they only run code as a role that it passes.
    pub(super) with_own: Vec<usize>,
}

/// The actions with which one tags what one makes.
const TAGS: [&str; 3] = ["TagResource", "CreateTags", "AddTags"];

impl Table {
    /// The actions that make something, with those that tag it.
    pub(super) fn makers(&self) -> impl Iterator<Item = (usize, [String; 3])> {
        let make = |(i, (action, _)): (usize, &(String, Needs))| {
            let (service, name) = action.split_once(':')?;
            let makes = ["Create", "Register"].iter().any(|verb| name.starts_with(verb));
            makes.then(|| (i, TAGS.map(|tag| format!("{service}:{tag}"))))
        };
        self.actions.iter().enumerate().filter_map(make)
    }

    /// What an action is about: of IAM's own kinds there is but one.
    pub(super) fn place(&self, action: usize) -> Place<'static> {
        self.actions[action].1.target.first().copied().unwrap_or(Place::Whole)
    }
}

pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::default();
    for action in named() {
        if !table.index.contains_key(action) {
            table.index.insert(action, table.actions.len());
            let (service, name) = action.split_once(':').unwrap_or((action, ""));
            // What the reference has not is asked of whatever belongs to the service of its name.
            let needs = resource_types::needs(service, name).cloned();
            let needs = needs.unwrap_or_else(|| Needs::of(Place::Service(service)));
            table.actions.push((action.to_owned(), needs));
        }
    }
    let uses = |path: &&Path, action: &str| path.all.iter().chain(path.any).any(|used| *used == action);
    for (&action, &i) in &table.index {
        let mut paths = PATHS.iter().filter(|path| uses(path, action)).peekable();
        if paths.peek().is_some() && paths.all(|path| !path.passes.is_empty()) {
            table.with_own.push(i);
        }
    }
    for (service, names) in SERVICES {
        let first = table.actions.len();
        for name in names {
            let typed = |needs: &&Needs| needs.target.iter().all(|place| matches!(place, Place::Type(_)));
            let needs = resource_types::needs(service, name).filter(typed).cloned();
            // Whoever has all the resources of a service has the service, without what works on none.
            let needs = needs.unwrap_or_else(|| Needs::of(Place::Service(service)));
            table.actions.push((format!("{service}:{name}"), needs));
        }
        table.services.push((service, (first..table.actions.len()).collect()));
    }
    // Actions that no list can name, one for each letter that the name of a service can begin with.
    for (letter, verb) in ('a'..='z').zip(('A'..='Z').rev()) {
        table.letters.push(table.actions.len());
        table.actions.push((format!("{letter}~~~~~~~~~:{verb}~~~~~~~~~~"), Needs::of(Place::Anywhere)));
    }
    table
});

/// The actions that decide anything, but for those of whole services.
fn named() -> impl Iterator<Item = &'static str> {
    PATHS.iter().flat_map(|p| p.all.iter().chain(p.any)).chain(&IAM).chain(&HELPERS).copied()
}

/// Every action of AWS's that the engine asks documents about: `lambda:UpdateFunctionCode`.
pub fn deciding_actions() -> BTreeSet<String> {
    let of_services = SERVICES
        .iter()
        .flat_map(|(service, names)| names.iter().map(move |name| format!("{service}:{name}")));
    named().map(str::to_owned).chain(of_services).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_bit() {
        assert!(TABLE.actions.len() <= Bits::default().len() * 64, "{}", TABLE.actions.len());
    }
}
