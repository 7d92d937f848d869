//! Data that somebody outside the account can reach: public buckets, shared snapshots, open policies.
//!
//! What a policy document gives whom is [`crate::policy::sharing`]'s to say, and [`policed`] tells it; what
//! is shared by naming accounts, [`shared`] tells, with a finding for each grantee: whoever is taken off the
//! list settles his own.

pub(crate) mod block_public_access;
pub(crate) mod bucket_acl;
pub(crate) mod bucket_policy;
pub(crate) mod database_public;
pub(crate) mod export;
pub(crate) mod function_public;
pub(crate) mod image_shared;
pub(crate) mod key_policy;
pub(crate) mod migration_public;
pub(crate) mod notebook;
pub(crate) mod policed;
pub(crate) mod published;
pub(crate) mod ram_share;
pub(crate) mod replication;
pub(crate) mod resource_policy;
pub(crate) mod search_domain;
pub(crate) mod shared;
pub(crate) mod sharing_block_off;
pub(crate) mod snapshot_shared;

use serde_json::Value;

use crate::event::Record;
use crate::event::cloudtrail::{items_at, text_at};

/// A member of an object by its name in any case: CloudTrail writes one API's names in several ways.
fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The text of a member by its name in any case.
fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    member(value, name)?.as_str().filter(|text| !text.is_empty())
}

/// The ARN of a bucket.
fn bucket_arn(record: &Record<'_>, bucket: &str) -> String {
    format!("arn:{}:s3:::{bucket}", record.partition())
}

/// The bucket that a call is about. Where CloudTrail left the parameters out, the event still lists its resources.
fn bucket<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    let listed = || {
        let all = items_at(record.whole(), &["resources"]).into_iter();
        all.filter_map(|one| text_at(one, &["ARN"])?.split_once(":s3:::")).map(|(_, name)| name)
    };
    let left_out = record.request_omitted();
    record.param(&["bucketName"]).or_else(|| listed().find(|name| left_out && !name.contains('/')))
}

/// The texts of a list, or of one text in its place.
fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one],
        _ => Vec::new(),
    }
}
