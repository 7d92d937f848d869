//! S3: the buckets, each in one of the busy regions.

use std::fmt::Write as _;

use serde_json::json;

use super::call::{Call, xml};
use super::contents::{ACCOUNT, BUSY, REGIONS, Size, arn};
use crate::http::Response;

/// Answers a call.
pub(super) fn answer(size: &Size, call: &Call) -> Response {
    let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
    if path.starts_with("/v20180820/") {
        return s3_error("NoSuchPublicAccessBlockConfiguration");
    }
    let name = path.trim_matches('/');
    let number: usize = name.rsplit('-').next().and_then(|text| text.parse().ok()).unwrap_or_default();
    if name.is_empty() {
        let longest = size.buckets;
        let mut items = String::new();
        for number in 0..longest {
            let region = REGIONS[number % BUSY];
            let _ = write!(
                items,
                "<Bucket><Name>bucket-of-{ACCOUNT}-{number}</Name><CreationDate>2025-01-01T00:00:00.000Z</CreationDate><BucketRegion>{region}</BucketRegion></Bucket>"
            );
        }
        return xml(
            200,
            format!("<ListAllMyBucketsResult><Buckets>{items}</Buckets></ListAllMyBucketsResult>"),
        );
    }
    match query.split(['&', '=']).next().unwrap_or_default() {
        "publicAccessBlock" if number.is_multiple_of(4) => s3_error("NoSuchPublicAccessBlockConfiguration"),
        "publicAccessBlock" => xml(
            200,
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
        ),
        "policy" if number.is_multiple_of(2) => Response::new(200, "application/json", bucket_policy(name)),
        "policy" => s3_error("NoSuchBucketPolicy"),
        "acl" => xml(
            200,
            "<AccessControlPolicy><Owner><ID>0123456789abcdef</ID></Owner><AccessControlList><Grant><Grantee><ID>0123456789abcdef</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>",
        ),
        "ownershipControls" => xml(
            200,
            "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>",
        ),
        "encryption" => xml(
            200,
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
        ),
        "versioning" if number.is_multiple_of(3) => {
            xml(200, "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
        }
        "versioning" => xml(200, "<VersioningConfiguration/>"),
        "logging" => xml(200, "<BucketLoggingStatus/>"),
        _ => s3_error("NotImplemented"),
    }
}

fn bucket_policy(name: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "OnlyTls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [format!("arn:aws:s3:::{name}"), format!("arn:aws:s3:::{name}/*")], "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {"Sid": "Application", "Effect": "Allow", "Principal": {"AWS": arn("role", "role-of-application-00001")}, "Action": ["s3:GetObject", "s3:PutObject"], "Resource": format!("arn:aws:s3:::{name}/*")},
    ]}).to_string()
}

fn s3_error(code: &str) -> Response {
    xml(404, format!("<Error><Code>{code}</Code></Error>"))
}
