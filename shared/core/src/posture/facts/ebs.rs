//! Volumes and snapshots.

use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its id.
    pub id: String,
    /// It is encrypted.
    pub encrypted: bool,
    /// The instance that it is attached to.
    pub attached_to: Option<String>,
    /// Its tags.
    pub tags: Vec<(String, String)>,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its id.
    pub id: String,
    /// The volume that it was made of.
    pub volume: String,
    /// `completed`, `pending`, `error` …
    pub state: String,
    /// When it was begun.
    pub started: Option<Timestamp>,
    /// It is encrypted, and so cannot be public.
    pub encrypted: bool,
}

/// What a region blocks of the public sharing of snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotBlock {
    /// All of it, what was shared before included.
    AllSharing,
    /// New sharing only.
    NewSharing,
    /// Nothing.
    Unblocked,
}
