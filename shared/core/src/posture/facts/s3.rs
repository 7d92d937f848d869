//! Buckets.

use serde::{Deserialize, Serialize};

use crate::public_acl::GROUPS;

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
}

/// The four switches that block public access, of the account or of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAccessBlock {
    /// New public ACLs are refused.
    pub block_public_acls: bool,
    /// Public ACLs count for nothing.
    pub ignore_public_acls: bool,
    /// New public policies are refused.
    pub block_public_policy: bool,
    /// Public policies let in nobody from outside.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// What holds where both apply: each switch that either has on.
    pub fn or(self, other: PublicAccessBlock) -> PublicAccessBlock {
        PublicAccessBlock {
            block_public_acls: self.block_public_acls || other.block_public_acls,
            ignore_public_acls: self.ignore_public_acls || other.ignore_public_acls,
            block_public_policy: self.block_public_policy || other.block_public_policy,
            restrict_public_buckets: self.restrict_public_buckets || other.restrict_public_buckets,
        }
    }

    /// The switches that are off, by AWS's names.
    pub fn off(self) -> Vec<&'static str> {
        let switches = [
            ("BlockPublicAcls", self.block_public_acls),
            ("IgnorePublicAcls", self.ignore_public_acls),
            ("BlockPublicPolicy", self.block_public_policy),
            ("RestrictPublicBuckets", self.restrict_public_buckets),
        ];
        switches.into_iter().filter(|(_, on)| !on).map(|(name, _)| name).collect()
    }

    /// All four are on.
    pub fn is_full(self) -> bool {
        self.off().is_empty()
    }
}

/// A bucket's policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketPolicy {
    /// The document; nothing where the bucket has none.
    pub document: Option<String>,
}

/// A bucket's grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketAcl {
    /// The grants.
    pub grants: Vec<BucketGrant>,
}

/// A grant of an ACL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketGrant {
    /// The group's URI; nothing for a single user.
    pub group: Option<String>,
    /// `READ`, `WRITE`, `READ_ACP`, `WRITE_ACP`, `FULL_CONTROL`.
    pub permission: String,
}

/// Who owns a bucket's objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketOwnership {
    /// `BucketOwnerEnforced` (ACLs count for nothing), `BucketOwnerPreferred`, `ObjectWriter`; nothing where none is set, which
    /// is as `ObjectWriter`.
    pub ownership: Option<String>,
}

/// A bucket's default encryption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketEncryption {
    /// `AES256`, `aws:kms`, `aws:kms:dsse`; S3 encrypts with AES256 where none is set.
    pub algorithm: String,
    /// The key, where it is one of KMS.
    pub kms_key: Option<String>,
}

/// A bucket's versioning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketVersioning {
    /// `Enabled` or `Suspended`; nothing where it never was on.
    pub status: Option<String>,
    /// Deleting a version needs MFA.
    pub mfa_delete: bool,
}

/// Where a bucket's access logs go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketLogging {
    /// The bucket that holds them; nothing where there are none.
    pub target: Option<String>,
}

impl BucketGrant {
    /// Whether it opens the bucket to everybody, or to everybody with an AWS account, which is the same.
    pub fn is_public(&self) -> bool {
        self.group
            .as_deref()
            .and_then(|uri| uri.rsplit('/').next())
            .is_some_and(|group| GROUPS.contains(&group))
    }
}
