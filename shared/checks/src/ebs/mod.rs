//! Volumes and their snapshots.

use crate::kit::declare::theme;

theme! {
    attached_encrypted::AttachedEncrypted,
    default_encryption::DefaultEncryption,
    snapshots_exist::SnapshotsExist,
    snapshot_public::SnapshotPublic,
}
