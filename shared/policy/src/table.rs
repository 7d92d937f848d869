//! The actions that are asked for, and the kind of resource that each works on.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::escalation::PATHS;
use super::holder::Place;

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
pub(super) struct Table {
    pub(super) actions: Vec<(String, Place<'static>)>,
    pub(super) index: HashMap<&'static str, usize>,
    pub(super) letters: Vec<usize>,
    pub(super) services: Vec<(&'static str, Vec<usize>)>,
}

pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table =
        Table { actions: Vec::new(), index: HashMap::new(), letters: Vec::new(), services: Vec::new() };
    let named = PATHS.iter().flat_map(|p| p.all.iter().chain(p.any)).chain(&IAM).chain(&HELPERS);
    for &action in named {
        if !table.index.contains_key(action) {
            table.index.insert(action, table.actions.len());
            table.actions.push((action.to_owned(), place(action)));
        }
    }
    for (service, names) in SERVICES {
        let first = table.actions.len();
        table.actions.extend(names.iter().map(|name| (format!("{service}:{name}"), Place::Service(service))));
        table.services.push((service, (first..table.actions.len()).collect()));
    }
    // Actions that no list can name, one for each letter that the name of a service can begin with.
    for (letter, verb) in ('a'..='z').zip(('A'..='Z').rev()) {
        table.letters.push(table.actions.len());
        table.actions.push((format!("{letter}~~~~~~~~~:{verb}~~~~~~~~~~"), Place::Anywhere));
    }
    table
});

/// On what kind of resource an action works.
fn place(action: &'static str) -> Place<'static> {
    let (service, name) = action.split_once(':').unwrap_or((action, ""));
    match service {
        "sts" => Place::Role,
        "iam" if name.contains("Group") => Place::Group,
        "iam" if name.contains("Role") => Place::Role,
        "iam" if name.contains("SAML") => Place::Saml,
        "iam" if name.contains("OpenID") => Place::Oidc,
        "iam" if name.ends_with("PolicyVersion") || ["CreatePolicy", "TagPolicy"].contains(&name) => {
            Place::Policy
        }
        "iam" => Place::User,
        _ => Place::Service(service),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_bit() {
        assert!(TABLE.actions.len() <= Bits::default().len() * 64, "{}", TABLE.actions.len());
    }
}
