//! CloudTrail, Config and GuardDuty.

use serde::{Deserialize, Serialize};

/// A trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// Its ARN, which names the account that owns it and its home region.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The region that it was made in; in others its shadow is listed.
    pub home_region: String,
    /// The bucket that it writes to.
    pub bucket: Option<String>,
    /// It records all regions.
    pub multi_region: bool,
    /// It records what is global: IAM, sign-in.
    pub global_events: bool,
    /// It belongs to the organization.
    pub organization: bool,
    /// The key that its logs are encrypted with; S3's own where there is none.
    pub kms_key: Option<String>,
    /// Its log files are signed.
    pub validation: bool,
    /// The log group that it writes to as well.
    pub log_group: Option<String>,
}

impl Trail {
    /// Whether it is there for what is done in this region, as long as it logs.
    pub fn covers(&self, region: &str) -> bool {
        self.multi_region || self.home_region == region
    }
}

/// Whether a trail works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailStatus {
    /// It records.
    pub logging: bool,
    /// Why its last delivery failed, in the words of S3; nothing where it did not.
    pub delivery_error: Option<String>,
}

/// What a trail records: one of the two lists is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailSelectors {
    /// Basic selectors.
    pub basic: Vec<BasicSelector>,
    /// Advanced selectors.
    pub advanced: Vec<AdvancedSelector>,
}

/// A basic selector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasicSelector {
    /// `All`, `ReadOnly` or `WriteOnly`.
    pub read_write: String,
    /// It records management events.
    pub management: bool,
    /// The sources of management events that it leaves out: `kms.amazonaws.com`.
    pub excluded: Vec<String>,
}

/// An advanced selector: all its fields must fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvancedSelector {
    /// The fields.
    pub fields: Vec<FieldSelector>,
}

/// A field of an advanced selector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldSelector {
    /// `eventCategory`, `readOnly`, `eventSource` …
    pub field: String,
    /// The values that it takes.
    pub equals: Vec<String>,
    /// It narrows in another way: `NotEquals`, `StartsWith` …, as `operator value`.
    pub others: Vec<String>,
}

/// A configuration recorder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigRecorder {
    /// Its name.
    pub name: String,
    /// Its ARN, where AWS says it.
    pub arn: Option<String>,
    /// It is a service's own (`recordingScope: INTERNAL` or a service principal) and records for that service alone.
    pub internal: bool,
    /// It records every supported type of resource.
    pub all_supported: bool,
    /// It records what is global: IAM.
    pub global_types: bool,
}

/// Whether a recorder records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigStatus {
    /// The recorder's name.
    pub name: String,
    /// It records.
    pub recording: bool,
    /// `SUCCESS`, `FAILURE`, `PENDING`; nothing before the first delivery.
    pub last_status: Option<String>,
}

/// A detector of GuardDuty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detector {
    /// `ENABLED` or `DISABLED`, which is suspended.
    pub status: String,
}
