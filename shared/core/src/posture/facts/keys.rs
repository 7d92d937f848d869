//! KMS.

use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmsKey {
    /// Its ARN.
    pub arn: String,
    /// `Enabled`, `Disabled`, `PendingDeletion`, `PendingReplicaDeletion` …
    pub state: String,
    /// When it will be gone.
    pub deletion: Option<Timestamp>,
    /// AWS manages it for a service.
    pub aws_managed: bool,
}
