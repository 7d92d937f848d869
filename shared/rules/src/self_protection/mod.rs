//! Keepwatch itself, tampered with.
//!
//! Its resources are known by their names, which begin with the stack's; its KMS key has none, so that what is
//! done to the key is told by the rules about keys. That nothing is heard at all is told by the template's alarms
//! (`DetectSilent`, `NotifySilent`, `DeadLetters`): no event can tell that there are no events.

mod common;
mod deployment;
#[cfg(test)]
mod operations;
pub(crate) mod own_policy;

use crate::kit::declare::theme;

theme! {
    event_rule::EventRule,
    function::Function,
    topic::Topic,
    storage::Storage,
    role::Role,
    role_used::RoleUsed,
    operator::Operator,
    stack::Stack,
    alarms_and_logs::AlarmsAndLogs,
    test_alert::TestAlert,
}
