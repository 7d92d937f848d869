//! The organization, the account's contacts and quotas.

use serde::{Deserialize, Serialize};

/// The organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// Its id, `o-…`.
    pub id: String,
    /// The account that manages it.
    pub management_account: String,
    /// `ALL` or `CONSOLIDATED_BILLING`.
    pub features: String,
}

/// An account of the organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `ACTIVE`, `SUSPENDED`, `PENDING_CLOSURE`.
    pub status: String,
}

/// The security contact. Whom it names is nobody's business here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityContact {}

/// A quota and its use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuotaUse {
    /// The service's code, `ec2`.
    pub service: String,
    /// The quota's code, `L-1216C47A`.
    pub code: String,
    /// Its name.
    pub name: String,
    /// What is allowed.
    pub limit: f64,
    /// The most that was used lately; nothing where AWS has not measured it.
    pub used: Option<f64>,
}
