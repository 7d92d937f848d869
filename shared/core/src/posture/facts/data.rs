//! Databases, search domains, migration, backup.

use serde::{Deserialize, Serialize};

/// A database instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DbInstance {
    /// Its ARN.
    pub arn: String,
    /// Its identifier.
    pub id: String,
    /// Its engine, `postgres`.
    pub engine: String,
    /// For how many days automated backups are kept; 0 is none.
    pub retention_days: u32,
    /// It is a copy of another, which holds the backups.
    pub replica: bool,
    /// The cluster that it is part of, which holds the backups.
    pub cluster: Option<String>,
}

/// A database cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DbCluster {
    /// Its ARN.
    pub arn: String,
    /// Its identifier.
    pub id: String,
    /// For how many days automated backups are kept.
    pub retention_days: u32,
}

/// A manual snapshot of an instance or a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DbSnapshot {
    /// Its ARN.
    pub arn: String,
    /// Its identifier.
    pub id: String,
    /// It is encrypted, and so cannot be public.
    pub encrypted: bool,
}

/// A replication instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationInstance {
    /// Its ARN.
    pub arn: String,
    /// Its identifier.
    pub id: String,
    /// It has a public address.
    pub public: bool,
    /// Ids of its security groups.
    pub groups: Vec<String>,
}

/// A search domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// It is encrypted at rest.
    pub encrypted: bool,
    /// It is being deleted.
    pub deleted: bool,
}

/// A backup plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupPlan {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}
