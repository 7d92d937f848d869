//! Findings in the formats that other tools read: pure functions from a finding and its rule's metadata to JSON.
//!
//! [`ocsf`] is for SIEMs and data lakes, [`asff`] for AWS Security Hub's `BatchImportFindings`. What both must agree on
//! stands here: where a finding comes from, the partition, the kind of resource, the references.

pub mod asff;
pub mod ocsf;
#[cfg(any(test, feature = "testing"))]
pub mod schema;
#[cfg(test)]
mod tests;

use keepwatch_base::arn::Arn;
use keepwatch_base::arn::is_account_id;
use keepwatch_base::partition::Partition;
use keepwatch_core::about::{About, Docs, Origin};
use keepwatch_core::finding::{Finding, Status};
use keepwatch_core::observation::Verdict;

/// The product's name in every format.
const PRODUCT: &str = "Keepwatch";

/// The product's version in every format.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether the problem is there, in the words of a compliance check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compliance {
    Pass,
    Warning,
    Fail,
}

impl Compliance {
    /// Who is told makes no difference: what is suppressed or in progress fails all the same. What could not be found
    /// out is a warning, never a pass.
    fn of(finding: &Finding) -> Compliance {
        match finding.status {
            Status::Resolved => Compliance::Pass,
            _ if finding.strongest().verdict == Verdict::Unknown => Compliance::Warning,
            _ => Compliance::Fail,
        }
    }
}

/// The AWS partition that a resource lies in. Its ARN says so; a resource without one lies where its region does, and
/// an account has resources in one partition only.
fn partition(region: &str, resource: &str) -> &'static str {
    let by_arn = Arn::parse(resource).and_then(|arn| Partition::named(arn.partition));
    by_arn.unwrap_or_else(|| Partition::of_region(region)).name
}

/// Whether this is a region's name, such as `us-gov-west-1`, and not `global` or an event's own invention.
fn is_region(text: &str) -> bool {
    let name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=16).contains(&text.len())
        && text.bytes().all(name)
        && text.split('-').count() >= 3
        && text.ends_with(|c: char| c.is_ascii_digit())
}

/// The kind of resource, in Security Hub's words (its user guide, "Resources ASFF object"); `Other` for what it has no
/// word for.
fn resource_type(resource: &str) -> &'static str {
    let Some(arn) = Arn::parse(resource) else {
        let id = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        let is_key = resource.len() >= 16 && resource.bytes().all(id);
        return match resource {
            _ if is_account_id(resource) => "AwsAccount",
            _ if is_key && (resource.starts_with("AKIA") || resource.starts_with("ASIA")) => {
                "AwsIamAccessKey"
            }
            _ => "Other",
        };
    };
    let (kind, rest) = arn.resource.split_once(['/', ':']).unwrap_or((arn.resource, ""));
    match (arn.service, kind) {
        ("iam", "root") if rest.is_empty() => "AwsAccount",
        ("iam", "user") => "AwsIamUser",
        ("iam", "role") => "AwsIamRole",
        ("iam", "group") => "AwsIamGroup",
        ("iam", "policy") => "AwsIamPolicy",
        ("s3", _) if rest.is_empty() => "AwsS3Bucket",
        ("s3", "accesspoint") => "AwsS3AccessPoint",
        ("s3", _) => "AwsS3Object",
        ("ec2", "instance") => "AwsEc2Instance",
        ("ec2", "network-acl") => "AwsEc2NetworkAcl",
        ("ec2", "security-group") => "AwsEc2SecurityGroup",
        ("ec2", "subnet") => "AwsEc2Subnet",
        ("ec2", "volume") => "AwsEc2Volume",
        ("ec2", "vpc") => "AwsEc2Vpc",
        ("cloudtrail", "trail") => "AwsCloudTrailTrail",
        ("dynamodb", "table") => "AwsDynamoDbTable",
        ("ecr", "repository") => "AwsEcrRepository",
        ("eks", "cluster") => "AwsEksCluster",
        ("guardduty", "detector") => "AwsGuardDutyDetector",
        ("kms", "key") => "AwsKmsKey",
        ("lambda", "function") => "AwsLambdaFunction",
        ("rds", "db") => "AwsRdsDbInstance",
        ("rds", "cluster") => "AwsRdsDbCluster",
        ("rds", "snapshot") => "AwsRdsDbSnapshot",
        ("rds", "cluster-snapshot") => "AwsRdsDbClusterSnapshot",
        ("secretsmanager", "secret") => "AwsSecretsManagerSecret",
        ("sns", _) => "AwsSnsTopic",
        ("sqs", _) => "AwsSqsQueue",
        _ => "Other",
    }
}

/// Types of the finding, `namespace/category/classifier` (Security Hub user guide, "Types taxonomy for ASFF", which
/// allows a partial path). A technique that serves several tactics counts as the one it serves in this catalogue.
fn types(origin: Origin, docs: Option<&Docs>) -> Vec<String> {
    if origin == Origin::State {
        return vec!["Software and Configuration Checks/AWS Security Best Practices".to_owned()];
    }
    let mut types = Vec::new();
    for technique in docs.map(Docs::techniques).unwrap_or_default() {
        let tactic = match technique.split('.').next() {
            Some("T1078" | "T1199") => "Initial Access",
            Some("T1098" | "T1136") => "Persistence",
            Some("T1484" | "T1548") => "Privilege Escalation",
            Some("T1562") => "Defense Evasion",
            Some("T1110" | "T1552" | "T1621") => "Credential Access",
            _ => continue,
        };
        types.push(format!("TTPs/{tactic}/{technique}"));
    }
    if types.is_empty() {
        types.push("TTPs".to_owned());
    }
    types
}

/// What the rule that owns the finding reports; a rule that is no longer known reported events: rules came first.
fn origin(rule: Option<&About>) -> Origin {
    rule.map_or(Origin::Event, |rule| rule.origin)
}

/// What to do, in the rule's own words.
fn what_to_do(docs: Option<&Docs>) -> Option<String> {
    docs?.section("What to do")
}
