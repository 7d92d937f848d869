//! Data that somebody outside the account can reach: public buckets, shared snapshots, open policies.
//!
//! What a policy document gives whom is [`keepwatch_policy::sharing`]'s to say, and [`policed`] tells it; what
//! is shared by naming accounts, [`shared`] tells, with a finding for each grantee: whoever is taken off the
//! list settles his own.

mod common;
mod kinds;
mod policed;
mod policy_fields;
mod shared;

use crate::kit::declare::theme;

theme! {
    block_public_access::BlockPublicAccess,
    bucket_policy::BucketPolicy,
    bucket_acl::BucketAcl,
    snapshot_shared::SnapshotShared,
    image_shared::ImageShared,
    database_public::DatabasePublic,
    function_public::FunctionPublic,
    resource_policy::ResourcePolicy,
    policy_outsiders::PolicyOutsiders,
    key_policy::KeyPolicy,
    published::Published,
    sharing_block_off::SharingBlockOff,
    replication::Replication,
    export::Export,
    migration_public::MigrationPublic,
    notebook::Notebook,
    search_domain::SearchDomain,
    ram_share::RamShare,
    key_grant::KeyGrant,
    account_named::AccountNamed,
    data_sent::DataSent,
    lake_grant::LakeGrant,
    identity_pool::IdentityPool,
}
