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
    search_collection::SearchCollection,
    storage_login::StorageLogin,
    ram_share::RamShare,
    key_grant::KeyGrant,
    account_named::AccountNamed,
    data_sent::DataSent,
    lake_grant::LakeGrant,
    identity_pool::IdentityPool,
}

/// Whether AWS's models have a policy on a resource among the parameters of a call. The service is named by the prefix of its
/// actions, which its models are mostly called by.
#[cfg(test)]
pub(crate) fn carries_policy(prefix: &str, call: &str) -> bool {
    const MODELS: [(&str, &str); 14] = [
        ("apigateway", "apigatewayv2"),
        ("aps", "amp"),
        ("bedrock", "bedrock-agent"),
        ("bedrock-agentcore", "bedrock-agentcore-control"),
        ("cleanrooms-ml", "cleanroomsml"),
        ("cloudhsm", "cloudhsmv2"),
        ("codeguru-profiler", "codeguruprofiler"),
        ("elasticfilesystem", "efs"),
        ("lex", "lexv2-models"),
        ("mediapackagev2", "mediapackagev2"),
        ("s3", "s3control"),
        ("s3-outposts", "s3control"),
        ("s3express", "s3control"),
        ("sms-voice", "pinpoint-sms-voice-v2"),
    ];
    let named = |model: &str| model == prefix || MODELS.contains(&(prefix, model));
    policy_fields::CARRIERS.iter().any(|(model, name, _)| named(model) && *name == call)
}
