//! Buckets.

use crate::kit::declare::theme;

mod common;

theme! {
    account_block::AccountBlock,
    bucket_block::BucketBlock,
    public_policy::PublicPolicy,
    public_acl::PublicAcl,
    encryption::Encryption,
    versioning::Versioning,
    access_logs::AccessLogs,
}
