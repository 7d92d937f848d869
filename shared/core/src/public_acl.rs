//! What the access control list of a bucket gives the public, whether a call has just written it or a scan reads it: both add to
//! one finding.

use crate::severity::Severity;

/// The groups that anybody belongs to, by the last part of their URIs.
pub const GROUPS: [&str; 2] = ["AllUsers", "AuthenticatedUsers"];

/// Who belongs to one of [`GROUPS`].
pub fn whom(group: &str) -> &'static str {
    match group {
        "AllUsers" => "anybody on the internet",
        _ => "anybody with an AWS account",
    }
}

/// What a permission lets them do with the bucket.
pub fn ability(permission: &str) -> &'static str {
    match permission {
        "READ" => "list it",
        "READ_ACP" => "read its access control list",
        "WRITE" => "write and delete objects",
        "WRITE_ACP" => "rewrite its access control list",
        _ => "do anything with it",
    }
}

/// How bad that is.
pub fn severity(permission: &str) -> Severity {
    match permission {
        "READ" => Severity::High,
        "READ_ACP" => Severity::Medium,
        _ => Severity::Critical,
    }
}
