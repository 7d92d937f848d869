//! Databases of RDS, Aurora, DocumentDB and Neptune.

use crate::kit::declare::theme;

theme! {
    snapshot_public::SnapshotPublic,
    backup::Backup,
}
