//! Budgets and alarms on charges.

use serde::{Deserialize, Serialize};

/// A budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Its name.
    pub name: String,
    /// `COST`, `USAGE`, `SAVINGS_PLANS_UTILIZATION` …
    pub kind: String,
    /// How many each of its notifications tells.
    pub subscribers: Vec<u32>,
}

/// An alarm on estimated charges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingAlarm {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its actions are switched on.
    pub actions_enabled: bool,
    /// How many actions it has for the state ALARM.
    pub actions: u32,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: String,
}
