//! CloudFront.

use serde::{Deserialize, Serialize};

/// A distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// Its id.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// It serves.
    pub enabled: bool,
}

/// How a distribution logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// Standard logs to S3 are on.
    pub standard: bool,
    /// A cache behaviour has a configuration of real-time logs.
    pub real_time: bool,
}
