//! Which calls change the answer to a question: what a re-check listens to, and whom the event history is asked for.

use std::collections::BTreeSet;

use super::question::Question;

/// Calls of one service: the event source without `.amazonaws.com`, and the names that CloudTrail writes. Some services put
/// the date of their interface into them (Lambda, CloudFront).
pub type Calls = (&'static str, &'static [&'static str]);

const USERS: Calls = ("iam", &["CreateUser", "DeleteUser", "UpdateUser"]);
const PASSWORDS: Calls =
    ("iam", &["CreateLoginProfile", "UpdateLoginProfile", "DeleteLoginProfile", "ChangePassword"]);
const KEYS: Calls = ("iam", &["CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"]);
const MFA: Calls =
    ("iam", &["EnableMFADevice", "DeactivateMFADevice", "CreateVirtualMFADevice", "DeleteVirtualMFADevice"]);
const POLICIES: Calls = (
    "iam",
    &[
        "AddUserToGroup",
        "AttachGroupPolicy",
        "AttachRolePolicy",
        "AttachUserPolicy",
        "CreateGroup",
        "CreatePolicy",
        "CreatePolicyVersion",
        "CreateRole",
        "DeleteGroup",
        "DeleteGroupPolicy",
        "DeletePolicy",
        "DeletePolicyVersion",
        "DeleteRole",
        "DeleteRolePermissionsBoundary",
        "DeleteRolePolicy",
        "DeleteUserPermissionsBoundary",
        "DeleteUserPolicy",
        "DetachGroupPolicy",
        "DetachRolePolicy",
        "DetachUserPolicy",
        "PutGroupPolicy",
        "PutRolePermissionsBoundary",
        "PutRolePolicy",
        "PutUserPermissionsBoundary",
        "PutUserPolicy",
        "RemoveUserFromGroup",
        "SetDefaultPolicyVersion",
        "UpdateAssumeRolePolicy",
    ],
);
const INSTANCES: Calls = ("ec2", &["RunInstances", "TerminateInstances"]);
const VPCS: Calls = ("ec2", &["CreateVpc", "CreateDefaultVpc", "DeleteVpc"]);
const DATABASES: Calls = ("rds", &["CreateDBInstance", "ModifyDBInstance", "DeleteDBInstance"]);
const CLUSTERS: Calls = ("rds", &["CreateDBCluster", "ModifyDBCluster", "DeleteDBCluster"]);
const TRAILS: Calls = ("cloudtrail", &["CreateTrail", "UpdateTrail", "DeleteTrail"]);
const FUNCTIONS: Calls = (
    "lambda",
    &[
        "CreateFunction20150331",
        "DeleteFunction20150331",
        "UpdateFunctionCode20150331v2",
        "UpdateFunctionConfiguration20150331v2",
    ],
);
const RECORDERS: Calls = (
    "config",
    &[
        "DeleteConfigurationRecorder",
        "DeleteDeliveryChannel",
        "PutConfigurationRecorder",
        "PutDeliveryChannel",
        "StartConfigurationRecorder",
        "StopConfigurationRecorder",
    ],
);

impl Question {
    /// The calls that change what answers it. Nothing where time alone does, or where no call is worth a look at once: which
    /// answer that is stands beside it.
    pub fn changed_by(self) -> &'static [Calls] {
        match self {
            Question::AccountSummary => &[KEYS, MFA, PASSWORDS],
            // Up to four hours old: what it says of the time after an event is nothing (IAM user guide, "Getting credential reports").
            Question::CredentialReport => &[],
            Question::Authorization => &[USERS, POLICIES],
            Question::PasswordPolicy => {
                &[("iam", &["UpdateAccountPasswordPolicy", "DeleteAccountPasswordPolicy"])]
            }
            Question::VirtualMfaDevices | Question::MfaDevices => &[MFA],
            Question::AccessKeys => &[KEYS],
            Question::SamlProviders => {
                &[("iam", &["CreateSAMLProvider", "UpdateSAMLProvider", "DeleteSAMLProvider"])]
            }
            Question::OidcProviders => {
                &[("iam", &["CreateOpenIDConnectProvider", "DeleteOpenIDConnectProvider"])]
            }
            Question::RootFeatures => &[(
                "iam",
                &[
                    "DisableOrganizationsRootCredentialsManagement",
                    "EnableOrganizationsRootCredentialsManagement",
                ],
            )],
            Question::IdentityCenter => &[("sso", &["CreateInstance", "DeleteInstance"])],
            Question::Organization | Question::OrganizationAccounts => &[(
                "organizations",
                &[
                    "CloseAccount",
                    "CreateOrganization",
                    "DeleteOrganization",
                    "LeaveOrganization",
                    "RemoveAccountFromOrganization",
                ],
            )],
            Question::SecurityContact => &[("account", &["PutAlternateContact", "DeleteAlternateContact"])],
            Question::Budgets => &[(
                "budgets",
                &[
                    "CreateBudget",
                    "CreateNotification",
                    "CreateSubscriber",
                    "DeleteBudget",
                    "DeleteNotification",
                    "DeleteSubscriber",
                    "UpdateBudget",
                    "UpdateNotification",
                    "UpdateSubscriber",
                ],
            )],
            Question::BillingAlarms => &[(
                "monitoring",
                &["PutMetricAlarm", "DeleteAlarms", "DisableAlarmActions", "EnableAlarmActions"],
            )],
            Question::EventRules => &[(
                "events",
                &["DeleteRule", "DisableRule", "EnableRule", "PutRule", "PutTargets", "RemoveTargets"],
            )],
            // How much is used changes with whatever is made.
            Question::Quotas => &[],
            Question::AccountPublicAccess => {
                &[("s3", &["PutAccountPublicAccessBlock", "DeleteAccountPublicAccessBlock"])]
            }
            Question::Buckets => &[("s3", &["CreateBucket", "DeleteBucket"])],
            Question::BucketPublicAccess => {
                &[("s3", &["PutBucketPublicAccessBlock", "DeleteBucketPublicAccessBlock"])]
            }
            Question::BucketPolicy => &[("s3", &["PutBucketPolicy", "DeleteBucketPolicy"])],
            Question::BucketAcl => &[("s3", &["PutBucketAcl"])],
            Question::BucketOwnership => {
                &[("s3", &["PutBucketOwnershipControls", "DeleteBucketOwnershipControls"])]
            }
            Question::BucketEncryption => &[("s3", &["PutBucketEncryption", "DeleteBucketEncryption"])],
            Question::BucketVersioning => &[("s3", &["PutBucketVersioning"])],
            Question::BucketLogging => &[("s3", &["PutBucketLogging"])],
            Question::Instances => &[
                INSTANCES,
                (
                    "ec2",
                    &[
                        "AssociateIamInstanceProfile",
                        "DisassociateIamInstanceProfile",
                        "ReplaceIamInstanceProfileAssociation",
                    ],
                ),
            ],
            // An agent says by itself that it is there.
            Question::ManagedInstances => &[],
            Question::Volumes => {
                &[INSTANCES, ("ec2", &["CreateVolume", "AttachVolume", "DetachVolume", "DeleteVolume"])]
            }
            Question::Snapshots => &[("ec2", &["CreateSnapshot", "CreateSnapshots", "DeleteSnapshot"])],
            Question::PublicSnapshots => {
                &[("ec2", &["ModifySnapshotAttribute", "ResetSnapshotAttribute", "DeleteSnapshot"])]
            }
            Question::SnapshotBlock => {
                &[("ec2", &["EnableSnapshotBlockPublicAccess", "DisableSnapshotBlockPublicAccess"])]
            }
            Question::EbsDefaultEncryption => {
                &[("ec2", &["EnableEbsEncryptionByDefault", "DisableEbsEncryptionByDefault"])]
            }
            Question::Vpcs => &[VPCS],
            Question::FlowLogs => &[("ec2", &["CreateFlowLogs", "DeleteFlowLogs"])],
            Question::SecurityGroups | Question::SecurityGroupRules => &[(
                "ec2",
                &[
                    "AuthorizeSecurityGroupEgress",
                    "AuthorizeSecurityGroupIngress",
                    "CreateSecurityGroup",
                    "DeleteSecurityGroup",
                    "ModifySecurityGroupRules",
                    "RevokeSecurityGroupEgress",
                    "RevokeSecurityGroupIngress",
                ],
            )],
            Question::PrefixList => {
                &[("ec2", &["ModifyManagedPrefixList", "RestoreManagedPrefixListVersion"])]
            }
            // They come and go with everything that runs.
            Question::NetworkInterfaces => &[],
            Question::Functions => &[FUNCTIONS],
            Question::Notebooks | Question::Notebook => &[(
                "sagemaker",
                &["CreateNotebookInstance", "UpdateNotebookInstance", "DeleteNotebookInstance"],
            )],
            Question::DbInstances => &[DATABASES],
            Question::DbClusters => &[CLUSTERS],
            Question::DbSnapshots => &[("rds", &["CreateDBSnapshot", "CopyDBSnapshot", "DeleteDBSnapshot"])],
            Question::DbSnapshotShares => &[("rds", &["ModifyDBSnapshotAttribute"])],
            Question::DbClusterSnapshots => {
                &[("rds", &["CreateDBClusterSnapshot", "CopyDBClusterSnapshot", "DeleteDBClusterSnapshot"])]
            }
            Question::DbClusterSnapshotShares => &[("rds", &["ModifyDBClusterSnapshotAttribute"])],
            Question::ReplicationInstances => &[(
                "dms",
                &["CreateReplicationInstance", "ModifyReplicationInstance", "DeleteReplicationInstance"],
            )],
            Question::Domains => &[(
                "es",
                &[
                    "CreateDomain",
                    "CreateElasticsearchDomain",
                    "DeleteDomain",
                    "DeleteElasticsearchDomain",
                    "UpdateDomainConfig",
                    "UpdateElasticsearchDomainConfig",
                ],
            )],
            Question::BackupPlans | Question::BackupSelections => &[(
                "backup",
                &["CreateBackupPlan", "CreateBackupSelection", "DeleteBackupPlan", "DeleteBackupSelection"],
            )],
            Question::KmsKeys => &[("kms", &["CreateKey"])],
            Question::AwsManagedKeys => &[],
            Question::KmsKey => &[(
                "kms",
                &[
                    "CancelKeyDeletion",
                    "DeleteImportedKeyMaterial",
                    "DisableKey",
                    "EnableKey",
                    "ScheduleKeyDeletion",
                ],
            )],
            Question::Trails => &[TRAILS],
            Question::TrailStatus => &[("cloudtrail", &["StartLogging", "StopLogging"])],
            Question::TrailSelectors => &[("cloudtrail", &["PutEventSelectors"])],
            Question::TrailInsights => &[("cloudtrail", &["PutInsightSelectors"])],
            Question::ConfigRecorders | Question::ConfigStatus | Question::ConfigChannels => &[RECORDERS],
            Question::Detectors | Question::Detector => {
                &[("guardduty", &["CreateDetector", "UpdateDetector", "DeleteDetector"])]
            }
            Question::Analyzers => &[("access-analyzer", &["CreateAnalyzer", "DeleteAnalyzer"])],
            Question::SecurityHub => &[("securityhub", &["EnableSecurityHub", "DisableSecurityHub"])],
            Question::Distributions | Question::DistributionLogging => &[(
                "cloudfront",
                &[
                    "CreateDistribution2020_05_31",
                    "DeleteDistribution2020_05_31",
                    "UpdateDistribution2020_05_31",
                ],
            )],
            Question::LogDeliveries => &[("logs", &["PutDeliverySource", "DeleteDeliverySource"])],
        }
    }

    /// Whether this call changes what answers it. `source` is the event source, `s3.amazonaws.com`.
    pub fn is_changed_by(self, source: &str, name: &str) -> bool {
        let source = source.strip_suffix(".amazonaws.com").unwrap_or(source);
        self.changed_by().iter().any(|(service, names)| *service == source && names.contains(&name))
    }
}

/// All calls that change what answers one of these questions, each with its event source: what a re-check listens to.
pub fn calls(questions: impl IntoIterator<Item = Question>) -> BTreeSet<(String, &'static str)> {
    let all = questions.into_iter().flat_map(Question::changed_by);
    let each = |(service, names): &Calls| {
        let source = format!("{service}.amazonaws.com");
        names.iter().map(move |name| (source.clone(), *name)).collect::<Vec<_>>()
    };
    all.flat_map(each).collect()
}
