//! Encryption, backups, secrets, and the destruction of data.

use crate::kit::declare::theme;

theme! {
    kms_key::KmsKey,
    key_lockout::KeyLockout,
    ebs_encryption::EbsEncryption,
    bucket_protection::BucketProtection,
    mass_deletion::MassDeletion,
    backup_deleted::BackupDeleted,
    database::Database,
    secrets_read::SecretsRead,
    store_deleted::StoreDeleted,
    unencrypted::Unencrypted,
}
