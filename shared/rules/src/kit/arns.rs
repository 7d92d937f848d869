//! ARNs that events do not write out, and the part of them that people know.

use keepwatch_core::event::Record;

/// The ARN of a bucket.
pub(crate) fn bucket_arn(record: &Record<'_>, bucket: &str) -> String {
    format!("arn:{}:s3:::{bucket}", record.partition())
}

/// The ARN of a KMS key and its id, from either.
pub(crate) fn kms_key<'i>(record: &Record<'_>, given: &'i str) -> (String, &'i str) {
    let id = given.rsplit_once("key/").map_or(given, |(_, id)| id);
    let arn =
        if given.starts_with("arn:") { given.to_owned() } else { record.arn("kms", &format!("key/{id}")) };
    (arn, id)
}

/// The last part of an ARN or a URL.
pub(crate) fn last_part(arn: &str) -> &str {
    arn.rsplit(['/', ':']).next().unwrap_or(arn)
}
