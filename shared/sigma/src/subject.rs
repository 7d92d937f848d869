//! What an event is about, as far as it can be told without knowing the call: a rule of the user's may be about any.

use keepwatch_core::event::Record;
use serde_json::Value;

/// Where calls of a service name a resource: service, parameter, and the ARN's end after account, or after `!` all that
/// follows the partition. The first parameter that is there decides.
const NAMED: &[(&str, &str, &str)] = &[
    ("iam", "userName", "!iam::{account}:user/{name}"),
    ("iam", "roleName", "!iam::{account}:role/{name}"),
    ("iam", "groupName", "!iam::{account}:group/{name}"),
    ("iam", "instanceProfileName", "!iam::{account}:instance-profile/{name}"),
    ("s3", "bucketName", "!s3:::{name}"),
    ("cloudtrail", "name", "trail/{name}"),
    ("cloudtrail", "trailName", "trail/{name}"),
    ("dynamodb", "tableName", "table/{name}"),
    ("ec2", "instanceId", "instance/{name}"),
    ("ec2", "groupId", "security-group/{name}"),
    ("ec2", "networkAclId", "network-acl/{name}"),
    ("ec2", "snapshotId", "snapshot/{name}"),
    ("ec2", "volumeId", "volume/{name}"),
    ("ec2", "imageId", "image/{name}"),
    ("ec2", "vpcId", "vpc/{name}"),
    ("ecr", "repositoryName", "repository/{name}"),
    ("eks", "name", "cluster/{name}"),
    ("elasticfilesystem", "fileSystemId", "file-system/{name}"),
    ("events", "name", "rule/{name}"),
    ("guardduty", "detectorId", "detector/{name}"),
    ("kms", "keyId", "key/{name}"),
    ("lambda", "functionName", "function:{name}"),
    ("logs", "logGroupName", "log-group:{name}"),
    ("rds", "dBInstanceIdentifier", "db:{name}"),
    ("rds", "dBClusterIdentifier", "cluster:{name}"),
    ("rds", "dBSnapshotIdentifier", "snapshot:{name}"),
    ("secretsmanager", "secretId", "secret:{name}"),
];

/// The ARN of what was called upon; else of whoever called; else of the account.
pub(crate) fn resource(record: &Record<'_>) -> String {
    let source = record.event_source.or_empty();
    let service = source.strip_suffix(".amazonaws.com").unwrap_or(source);
    let named = NAMED.iter().filter(|(of, ..)| *of == service).find_map(|(_, parameter, pattern)| {
        let name = record.param(&[parameter])?;
        Some(if name.starts_with("arn:") { name.to_owned() } else { filled(record, service, pattern, name) })
    });
    named
        .or_else(|| arn_among(record.request()))
        .or_else(|| arn_among(record.whole().get("resources")?.get(0)?))
        .unwrap_or_else(|| caller(record))
}

fn filled(record: &Record<'_>, service: &str, pattern: &str, name: &str) -> String {
    match pattern.strip_prefix('!') {
        Some(rest) => {
            let rest = rest.replace("{account}", record.account()).replace("{name}", name);
            format!("arn:{}:{rest}", record.partition())
        }
        None => record.arn(service, &pattern.replace("{name}", name)),
    }
}

/// A parameter whose name and value both say that it is an ARN. The first by name, so that it is always the same.
fn arn_among(value: &Value) -> Option<String> {
    let is_arn = |(key, value): &(&String, &Value)| {
        key.to_ascii_lowercase().ends_with("arn")
            && value.as_str().is_some_and(|value| value.starts_with("arn:"))
    };
    value
        .as_object()?
        .iter()
        .filter(is_arn)
        .map(|(key, value)| (key, value.as_str()))
        .min()?
        .1
        .map(str::to_owned)
}

/// The role rather than its session, so that a role is one finding however often it is assumed.
fn caller(record: &Record<'_>) -> String {
    let who = &record.user_identity;
    let arn = who.session_context.session_issuer.arn.get().or_else(|| who.arn.get());
    arn.filter(|arn| arn.starts_with("arn:")).map_or_else(|| record.root_arn(), str::to_owned)
}
