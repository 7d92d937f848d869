//! ARNs that events do not write out, and the part of them that people know.

use keepwatch_core::event::Record;

/// The ARN of a bucket.
pub(crate) fn bucket_arn(record: &Record<'_>, bucket: &str) -> String {
    format!("arn:{}:s3:::{bucket}", record.partition())
}

/// The last part of an ARN or a URL.
pub(crate) fn last_part(arn: &str) -> &str {
    arn.rsplit(['/', ':']).next().unwrap_or(arn)
}
