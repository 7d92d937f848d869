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
    ("backup", "recoveryPointArn", "recovery-point:{name}"),
    ("backup", "backupVaultName", "backup-vault:{name}"),
    ("cloudtrail", "name", "trail/{name}"),
    ("cloudtrail", "trailName", "trail/{name}"),
    ("config", "configurationRecorderName", "configuration-recorder/{name}"),
    ("dynamodb", "tableName", "table/{name}"),
    ("ec2", "instanceId", "instance/{name}"),
    ("ec2", "groupId", "security-group/{name}"),
    ("ec2", "networkAclId", "network-acl/{name}"),
    ("ec2", "snapshotId", "snapshot/{name}"),
    ("ec2", "volumeId", "volume/{name}"),
    ("ec2", "imageId", "image/{name}"),
    ("ec2", "routeTableId", "route-table/{name}"),
    ("ec2", "vpcId", "vpc/{name}"),
    ("ec2", "keyName", "key-pair/{name}"),
    ("ecr", "repositoryName", "repository/{name}"),
    ("ecs", "family", "task-definition/{name}"),
    ("eks", "name", "cluster/{name}"),
    ("elasticfilesystem", "fileSystemId", "file-system/{name}"),
    ("events", "name", "rule/{name}"),
    ("glue", "endpointName", "devEndpoint/{name}"),
    ("guardduty", "detectorId", "detector/{name}"),
    ("kms", "keyId", "key/{name}"),
    ("lambda", "functionName", "function:{name}"),
    ("logs", "logGroupName", "log-group:{name}"),
    ("rds", "dBInstanceIdentifier", "db:{name}"),
    ("rds", "dBClusterIdentifier", "cluster:{name}"),
    ("rds", "dBSnapshotIdentifier", "snapshot:{name}"),
    ("rds", "dBSecurityGroupName", "secgrp:{name}"),
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
        .or_else(|| arn_among(record.request(), service))
        .or_else(|| arn_among(record.whole().get("resources")?.get(0)?, service))
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
fn arn_among(value: &Value, service: &str) -> Option<String> {
    let arns = value.as_object()?.iter().filter_map(|(key, value)| {
        let key = key.to_ascii_lowercase();
        let arn = value.as_str().filter(|text| text.starts_with("arn:") && key.ends_with("arn"))?;
        (!passed_along(&key, service)).then_some((key, arn))
    });
    // Identity Center's calls name its one instance beside what they change in it.
    let (_, arn) = arns.min_by_key(|(key, arn)| (key == "instancearn", key.clone(), *arn))?;
    Some(arn.to_owned())
}

/// Roles and keys that a call hands to what it is about, as `executionRoleArn` of a task definition. To STS a role is what
/// the call is about.
fn passed_along(key: &str, service: &str) -> bool {
    service != "sts" && ["rolearn", "kmskeyarn"].iter().any(|end| key.ends_with(end))
}

/// The role rather than its session, so that a role is one finding however often it is assumed.
fn caller(record: &Record<'_>) -> String {
    let who = &record.user_identity;
    let arn = who.session_context.session_issuer.arn.get().or_else(|| who.arn.get());
    arn.filter(|arn| arn.starts_with("arn:")).map_or_else(|| record.root_arn(), str::to_owned)
}
