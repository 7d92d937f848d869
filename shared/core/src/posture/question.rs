//! Everything that is asked of an account, and the state that holds the answers.

use std::collections::BTreeMap;

use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Refusal};
use super::facts::{
    analyzers, audit, billing, cloudfront, compute, data, ebs, events, iam, keys, network, organization, s3,
};

/// Where a question is asked, and of what.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The region; `global` for what has none.
    pub region: String,
    /// The resource, by the name or id that AWS lists it under; empty where the question is about the account or region.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
}

impl Place {
    /// The account as a whole.
    pub fn global() -> Place {
        Place::region("global")
    }

    /// A region as a whole.
    pub fn region(region: &str) -> Place {
        Place { region: region.to_owned(), of: String::new() }
    }

    /// One resource in a region, or in `global`.
    pub fn of(region: &str, of: &str) -> Place {
        Place { region: region.to_owned(), of: of.to_owned() }
    }
}

/// Whom a question is put to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The account, once.
    Account,
    /// Each region.
    Region,
    /// The region of the partition in which AWS keeps what is global, such as us-east-1; its answers stand at `global`.
    Home,
    /// Each of what another question lists.
    Each(Question),
}

/// A question as a type: it knows what kind of value answers it.
pub trait Ask {
    /// What the answer holds.
    type Value;
    /// The same question as a value.
    const QUESTION: Question;
    /// Its answers.
    fn answers(state: &State) -> &BTreeMap<Place, Answer<Self::Value>>;
    /// Its answers, to add one.
    fn answers_mut(state: &mut State) -> &mut BTreeMap<Place, Answer<Self::Value>>;
}

macro_rules! scope {
    (Account) => {
        Scope::Account
    };
    (Region) => {
        Scope::Region
    };
    (Home) => {
        Scope::Home
    };
    (Each $parent:ident) => {
        Scope::Each(Question::$parent)
    };
}

/// Map keys are places, which JSON cannot have as keys: pairs in a list.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Answer, Place};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        map: &BTreeMap<Place, Answer<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Place, Answer<T>>, D::Error> {
        Ok(Vec::<(Place, Answer<T>)>::deserialize(deserializer)?.into_iter().collect())
    }
}

macro_rules! questions {
    ($( $(#[doc = $doc:literal])+ $name:ident: $($scope:ident)+ => $value:ty, [$($action:literal),+]; )+) => {
        /// Everything that is asked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Question {
            $( $(#[doc = $doc])+ $name, )+
        }

        impl Question {
            /// All of them. What another question lists comes after it.
            pub const ALL: &'static [Question] = &[$(Question::$name,)+];

            /// Its name, as in this file.
            pub fn name(self) -> &'static str {
                match self { $(Question::$name => stringify!($name),)+ }
            }

            /// Whom it is put to.
            pub fn scope(self) -> Scope {
                match self { $(Question::$name => scope!($($scope)+),)+ }
            }

            /// The IAM actions that asking it may need.
            pub fn actions(self) -> &'static [&'static str] {
                match self { $(Question::$name => &[$($action),+],)+ }
            }
        }

        /// The questions as types; see [`Ask`].
        pub mod ask {
            $( $(#[doc = $doc])+ #[derive(Clone, Copy, Debug)] pub struct $name; )+
        }

        /// The answers, one field a question.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[expect(non_snake_case, reason = "a field is called as its question")]
        struct Answers {
            $( #[serde(default, with = "pairs", skip_serializing_if = "BTreeMap::is_empty")] $name: BTreeMap<Place, Answer<$value>>, )+
        }

        impl State {
            /// Why the questions that went unanswered did, with their places. Absent is an answer.
            pub fn gaps(&self) -> Vec<(Question, &Place, super::Missing)> {
                let mut gaps = Vec::new();
                $( gaps.extend(self.answers.$name.iter().flat_map(|(place, answer)| {
                    answer.missing().into_iter().map(move |missing| (Question::$name, place, missing))
                })); )+
                gaps
            }

            /// How a question stands at a place.
            pub fn standing(&self, question: Question, place: &Place) -> Standing {
                match question {
                    $(Question::$name => match self.answers.$name.get(place) {
                        None => Standing::NotAsked,
                        Some(Answer::Known(_, as_of)) => Standing::Known(*as_of),
                        Some(Answer::Absent) => Standing::Absent,
                        Some(Answer::Refused(_) | Answer::Failed(_)) => Standing::Missing,
                    },)+
                }
            }

            /// Takes an answer away and puts a refusal of this action in its place, wherever the question was asked: what a
            /// scan without the permission would have brought.
            pub fn refuse(&mut self, question: Question, action: &str) {
                let why = || "refused for a test of the scan's permissions".to_owned();
                match question {
                    $(Question::$name => for answer in self.answers.$name.values_mut() {
                        *answer = Answer::Refused(vec![Refusal { action: action.to_owned(), why: why() }]);
                    },)+
                }
            }
        }

        $(
            impl Ask for ask::$name {
                type Value = $value;
                const QUESTION: Question = Question::$name;
                fn answers(state: &State) -> &BTreeMap<Place, Answer<$value>> {
                    &state.answers.$name
                }
                fn answers_mut(state: &mut State) -> &mut BTreeMap<Place, Answer<$value>> {
                    &mut state.answers.$name
                }
            }
        )+
    };
}

/// How a question stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is answered, as of this time.
    Known(Timestamp),
    /// There is no such thing.
    Absent,
    /// It was refused, or failed.
    Missing,
    /// It was not put.
    NotAsked,
}

/// What is known of an account at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The account's id.
    pub account: String,
    /// Its partition, `aws`.
    pub partition: String,
    /// The regions that were looked at.
    pub regions: Vec<String>,
    /// When the scan began.
    pub at: Timestamp,
    answers: Answers,
}

impl State {
    /// A state without answers.
    pub fn new(account: &str, partition: &str, regions: &[String], at: Timestamp) -> State {
        State {
            account: account.to_owned(),
            partition: partition.to_owned(),
            regions: regions.to_vec(),
            at,
            answers: Answers::default(),
        }
    }

    /// The answer to a question. One that was never asked has failed: nobody may take it for an empty answer.
    pub fn answer<A: Ask>(&self, _: A, place: &Place) -> Answer<&A::Value> {
        match A::answers(self).get(place) {
            Some(answer) => answer.as_ref(),
            None => Answer::Failed(format!("{} was not asked", A::QUESTION.name())),
        }
    }

    /// Whether a question has an answer of any kind.
    pub fn was_asked<A: Ask>(&self, _: A, place: &Place) -> bool {
        A::answers(self).contains_key(place)
    }

    /// Puts an answer in.
    pub fn put<A: Ask>(&mut self, _: A, place: Place, answer: Answer<A::Value>) {
        A::answers_mut(self).insert(place, answer);
    }

    /// The same for a test: known, as of the state's own time.
    pub fn with<A: Ask>(mut self, ask: A, place: Place, value: A::Value) -> State {
        let at = self.at;
        self.put(ask, place, Answer::Known(value, at));
        self
    }

    /// All known answers to a question, with their places.
    pub fn known<'s, A: Ask + 's>(&'s self, _: A) -> impl Iterator<Item = (&'s Place, &'s A::Value)> {
        A::answers(self).iter().filter_map(|(place, answer)| Some((place, answer.value()?)))
    }

    /// The ARN of the account's root, which stands for the account.
    pub fn root_arn(&self) -> String {
        format!("arn:{}:iam::{}:root", self.partition, self.account)
    }
}

questions! {
    // --- IAM ---
    /// The account's numbers: keys and MFA of root, password.
    AccountSummary: Account => iam::AccountSummary, ["iam:GetAccountSummary"];
    /// Every user's credentials and their ages, root's included.
    CredentialReport: Account => iam::CredentialReport, ["iam:GenerateCredentialReport", "iam:GetCredentialReport"];
    /// Users, groups, roles and customer managed policies, with what they hold.
    Authorization: Account => iam::Authorization, ["iam:GetAccountAuthorizationDetails"];
    /// The account's password policy; absent where none was set.
    PasswordPolicy: Account => iam::PasswordPolicy, ["iam:GetAccountPasswordPolicy"];
    /// Virtual MFA devices that belong to somebody.
    VirtualMfaDevices: Account => Vec<iam::VirtualMfaDevice>, ["iam:ListVirtualMFADevices"];
    /// The serial numbers of an administrator's MFA devices; the place is the user's name.
    MfaDevices: Each Authorization => Vec<String>, ["iam:ListMFADevices"];
    /// The ids of the access keys of users who have one worth a line; the place is the user's name.
    AccessKeys: Each CredentialReport => Vec<iam::AccessKey>, ["iam:ListAccessKeys"];
    /// ARNs of SAML providers.
    SamlProviders: Account => Vec<String>, ["iam:ListSAMLProviders"];
    /// ARNs of OpenID Connect providers.
    OidcProviders: Account => Vec<String>, ["iam:ListOpenIDConnectProviders"];
    /// What an organization manages of its members' roots; absent outside its management account.
    RootFeatures: Account => Vec<String>, ["iam:ListOrganizationsFeatures"];
    /// ARNs of Identity Center instances, in the home region.
    IdentityCenter: Home => Vec<String>, ["sso:ListInstances"];

    // --- organization and account ---
    /// The organization; absent for an account without one.
    Organization: Account => organization::Organization, ["organizations:DescribeOrganization"];
    /// The organization's accounts; refused outside the management account.
    OrganizationAccounts: Account => Vec<organization::Member>, ["organizations:ListAccounts"];
    /// The security contact; absent where none is set.
    SecurityContact: Account => organization::SecurityContact, ["account:GetAlternateContact"];
    /// Budgets and whom they tell.
    Budgets: Account => Vec<billing::Budget>, ["budgets:ViewBudget"];
    /// Alarms on estimated charges, in us-east-1.
    BillingAlarms: Home => Vec<billing::BillingAlarm>, ["cloudwatch:DescribeAlarms"];
    /// EventBridge rules and how many targets they have.
    EventRules: Region => Vec<events::EventRule>, ["events:ListRules", "events:ListTargetsByRule"];
    /// Quotas that are counted, and how much of them is used.
    Quotas: Region => Vec<organization::QuotaUse>, ["servicequotas:ListServiceQuotas", "cloudwatch:GetMetricData"];

    // --- S3 ---
    /// The account's block on public access; absent where none was set.
    AccountPublicAccess: Account => s3::PublicAccessBlock, ["s3:GetAccountPublicAccessBlock"];
    /// All buckets and their regions. The place of everything that is asked of a bucket is its region and name.
    Buckets: Account => Vec<s3::Bucket>, ["s3:ListAllMyBuckets", "s3:GetBucketLocation"];
    /// A bucket's own block on public access; all four are off where none was set.
    BucketPublicAccess: Each Buckets => s3::PublicAccessBlock, ["s3:GetBucketPublicAccessBlock"];
    /// A bucket's policy.
    BucketPolicy: Each Buckets => s3::BucketPolicy, ["s3:GetBucketPolicy"];
    /// A bucket's grants.
    BucketAcl: Each Buckets => s3::BucketAcl, ["s3:GetBucketAcl"];
    /// Who owns a bucket's objects, asked where its ACL opens it.
    BucketOwnership: Each Buckets => s3::BucketOwnership, ["s3:GetBucketOwnershipControls"];
    /// A bucket's default encryption.
    BucketEncryption: Each Buckets => s3::BucketEncryption, ["s3:GetEncryptionConfiguration"];
    /// A bucket's versioning.
    BucketVersioning: Each Buckets => s3::BucketVersioning, ["s3:GetBucketVersioning"];
    /// Where a bucket's access logs go.
    BucketLogging: Each Buckets => s3::BucketLogging, ["s3:GetBucketLogging"];

    // --- EC2, EBS, network ---
    /// Instances.
    Instances: Region => Vec<compute::Instance>, ["ec2:DescribeInstances"];
    /// Instances that Systems Manager manages.
    ManagedInstances: Region => Vec<String>, ["ssm:DescribeInstanceInformation"];
    /// Volumes.
    Volumes: Region => Vec<ebs::Volume>, ["ec2:DescribeVolumes"];
    /// The account's own snapshots.
    Snapshots: Region => Vec<ebs::Snapshot>, ["ec2:DescribeSnapshots"];
    /// Ids of the account's own snapshots that anybody may restore.
    PublicSnapshots: Region => Vec<String>, ["ec2:DescribeSnapshots"];
    /// What the region blocks of the public sharing of snapshots.
    SnapshotBlock: Region => ebs::SnapshotBlock, ["ec2:GetSnapshotBlockPublicAccessState"];
    /// Whether new volumes are encrypted by default.
    EbsDefaultEncryption: Region => bool, ["ec2:GetEbsEncryptionByDefault"];
    /// VPCs.
    Vpcs: Region => Vec<network::Vpc>, ["ec2:DescribeVpcs"];
    /// Flow logs.
    FlowLogs: Region => Vec<network::FlowLog>, ["ec2:DescribeFlowLogs"];
    /// Security groups with their rules.
    SecurityGroups: Region => Vec<network::SecurityGroup>, ["ec2:DescribeSecurityGroups"];
    /// The rules of security groups, each by its own id.
    SecurityGroupRules: Region => Vec<network::SecurityGroupRule>, ["ec2:DescribeSecurityGroupRules"];
    /// The ranges on a prefix list that a security group lets in; the place is its id.
    PrefixList: Each SecurityGroupRules => Vec<String>, ["ec2:GetManagedPrefixListEntries"];
    /// Network interfaces.
    NetworkInterfaces: Region => Vec<network::NetworkInterface>, ["ec2:DescribeNetworkInterfaces"];

    // --- compute and data ---
    /// Lambda functions.
    Functions: Region => Vec<compute::Function>, ["lambda:ListFunctions"];
    /// SageMaker notebook instances, by name.
    Notebooks: Region => Vec<compute::NotebookName>, ["sagemaker:ListNotebookInstances"];
    /// A notebook instance; the place is its name.
    Notebook: Each Notebooks => compute::Notebook, ["sagemaker:DescribeNotebookInstance"];
    /// Database instances.
    DbInstances: Region => Vec<data::DbInstance>, ["rds:DescribeDBInstances"];
    /// Database clusters.
    DbClusters: Region => Vec<data::DbCluster>, ["rds:DescribeDBClusters"];
    /// Manual snapshots of database instances.
    DbSnapshots: Region => Vec<data::DbSnapshot>, ["rds:DescribeDBSnapshots"];
    /// Whom an unencrypted snapshot is shared with; the place is its identifier.
    DbSnapshotShares: Each DbSnapshots => Vec<String>, ["rds:DescribeDBSnapshotAttributes"];
    /// Manual snapshots of database clusters.
    DbClusterSnapshots: Region => Vec<data::DbSnapshot>, ["rds:DescribeDBClusterSnapshots"];
    /// Whom an unencrypted cluster snapshot is shared with; the place is its identifier.
    DbClusterSnapshotShares: Each DbClusterSnapshots => Vec<String>, ["rds:DescribeDBClusterSnapshotAttributes"];
    /// Replication instances of the Database Migration Service.
    ReplicationInstances: Region => Vec<data::ReplicationInstance>, ["dms:DescribeReplicationInstances"];
    /// OpenSearch and Elasticsearch domains.
    Domains: Region => Vec<data::Domain>, ["es:ListDomainNames", "es:DescribeDomains"];
    /// Backup plans.
    BackupPlans: Region => Vec<data::BackupPlan>, ["backup:ListBackupPlans"];
    /// Names of what a plan selects; the place is the plan's id.
    BackupSelections: Each BackupPlans => Vec<String>, ["backup:ListBackupSelections"];
    /// Keys that are not AWS's own.
    KmsKeys: Region => Vec<String>, ["kms:ListKeys"];
    /// Ids of the keys that AWS manages for its services.
    AwsManagedKeys: Region => Vec<String>, ["kms:ListAliases"];
    /// A key; the place is its id.
    KmsKey: Each KmsKeys => keys::KmsKey, ["kms:DescribeKey"];

    // --- audit and detection ---
    /// Trails, each in its home region and as a shadow in others.
    Trails: Region => Vec<audit::Trail>, ["cloudtrail:DescribeTrails"];
    /// Whether a trail logs; the place is its home region and ARN.
    TrailStatus: Each Trails => audit::TrailStatus, ["cloudtrail:GetTrailStatus"];
    /// What a trail records; the place is its home region and ARN.
    TrailSelectors: Each Trails => audit::TrailSelectors, ["cloudtrail:GetEventSelectors"];
    /// The kinds of insights that a trail looks for; the place is its home region and ARN.
    TrailInsights: Each Trails => Vec<String>, ["cloudtrail:GetInsightSelectors"];
    /// Configuration recorders.
    ConfigRecorders: Region => Vec<audit::ConfigRecorder>, ["config:DescribeConfigurationRecorders"];
    /// Whether they record.
    ConfigStatus: Region => Vec<audit::ConfigStatus>, ["config:DescribeConfigurationRecorderStatus"];
    /// Names of delivery channels.
    ConfigChannels: Region => Vec<String>, ["config:DescribeDeliveryChannels"];
    /// Ids of GuardDuty's detectors; absent where a region has no GuardDuty.
    Detectors: Region => Vec<String>, ["guardduty:ListDetectors"];
    /// A detector; the place is its id.
    Detector: Each Detectors => audit::Detector, ["guardduty:GetDetector"];
    /// Access Analyzer's analyzers.
    Analyzers: Region => Vec<analyzers::Analyzer>, ["access-analyzer:ListAnalyzers"];
    /// Whether Security Hub CSPM is enabled; the newer Security Hub (V2) is another service.
    SecurityHub: Region => bool, ["securityhub:DescribeHub"];
    /// CloudFront distributions.
    Distributions: Account => Vec<cloudfront::Distribution>, ["cloudfront:ListDistributions"];
    /// How a distribution logs; the place is its id.
    DistributionLogging: Each Distributions => cloudfront::Logging, ["cloudfront:GetDistributionConfig"];
    /// ARNs of resources whose logs CloudWatch Logs delivers, in us-east-1.
    LogDeliveries: Home => Vec<String>, ["logs:DescribeDeliverySources"];
}
